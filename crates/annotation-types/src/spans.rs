//! Spans of a text, and their offsets in any [`Reading`]. They are stored in code points of the text as it is.

use std::cell::OnceCell;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::reading::{Ambiguities, READINGS, Reading};

/// A span of a text with offsets in code points; `end` is exclusive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Offset of the first code point.
    pub start: usize,
    /// Offset after the last code point.
    pub end: usize,
    /// The text of the span.
    pub text: String,
}

/// Distance of index entries in code points: a lookup walks fewer code points than this.
const STRIDE: usize = 1024;

/// A text with a sparse index from the offsets of each reading to bytes. The index of a reading is built when it is first used.
pub struct IndexedText<'t> {
    text: &'t str,
    /// Byte offset of every code point whose number is a multiple of the stride.
    bytes: Vec<usize>,
    /// The counts of each reading at these code points.
    counts: [OnceCell<Vec<usize>>; READINGS],
    ambiguities: OnceCell<Ambiguities>,
}

/// A range of a text, in code points and in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextRange {
    pub(crate) code_points: Range<usize>,
    bytes: Range<usize>,
}

impl<'t> IndexedText<'t> {
    /// Indexes a text.
    #[must_use]
    pub fn new(text: &'t str) -> Self {
        let bytes = match text.is_ascii() {
            true => (0..=text.len()).step_by(STRIDE).collect(),
            false => text.char_indices().step_by(STRIDE).map(|(byte, _)| byte).collect(),
        };
        Self { text, bytes, counts: Default::default(), ambiguities: OnceCell::new() }
    }

    /// Returns the text between two offsets in code points, or `None` if they are outside of the text.
    #[must_use]
    pub fn between(&self, start: usize, end: usize) -> Option<&'t str> {
        if start > end {
            return None;
        }
        self.text.get(self.byte_offset(start)?..self.byte_offset(end)?)
    }

    pub(crate) fn ambiguities(&self) -> Ambiguities {
        *self.ambiguities.get_or_init(|| Ambiguities::find(self.text))
    }

    /// Returns the range at these offsets in this reading, or `None` if they are outside of the text or within a character.
    pub(crate) fn range(&self, reading: Reading, start: usize, end: usize) -> Option<TextRange> {
        if start > end {
            return None;
        }
        if reading == Reading::STORED {
            return Some(TextRange { code_points: start..end, bytes: self.byte_offset(start)?..self.byte_offset(end)? });
        }
        let (start, end) = (self.locate(reading, start)?, self.locate(reading, end)?);
        Some(TextRange { code_points: start.0..end.0, bytes: start.1..end.1 })
    }

    pub(crate) fn slice(&self, range: &TextRange) -> &'t str {
        &self.text[range.bytes.clone()]
    }

    fn byte_offset(&self, wanted: usize) -> Option<usize> {
        let start = match self.bytes.get(wanted / STRIDE) {
            Some(byte) => *byte,
            // the end of an empty text, or of a text whose length is a multiple of the stride
            None => return (wanted == self.text.chars().count()).then_some(self.text.len()),
        };
        let rest = &self.text[start..];
        let steps = wanted % STRIDE;
        match rest.char_indices().nth(steps) {
            Some((byte, _)) => Some(start + byte),
            None => (rest.chars().count() == steps).then_some(self.text.len()),
        }
    }

    /// Converts an offset of a reading to offsets in code points and bytes.
    fn locate(&self, reading: Reading, wanted: usize) -> Option<(usize, usize)> {
        let counts = self.counts[reading.number()].get_or_init(|| self.count(reading));
        // the entry before the offset: a character that is not counted belongs to what follows it, and may be at the end of the stride
        let number = counts.partition_point(|count| *count < wanted).saturating_sub(1);
        let (mut count, mut code_point, mut byte) = (*counts.get(number)?, number * STRIDE, self.bytes[number]);
        for character in self.text[byte..].chars() {
            let is_skipped_mark = byte == 0 && character == '\u{feff}' && reading.skips_mark();
            if count >= wanted && !is_skipped_mark {
                break;
            }
            count += reading.weight(self.text, byte, character);
            code_point += 1;
            byte += character.len_utf8();
        }
        (count == wanted).then_some((code_point, byte))
    }

    /// Counts the whole text in a reading.
    fn count(&self, reading: Reading) -> Vec<usize> {
        let mut counts = Vec::with_capacity(self.bytes.len());
        let mut count = 0;
        for (number, (byte, character)) in self.text.char_indices().enumerate() {
            if number % STRIDE == 0 {
                counts.push(count);
            }
            count += reading.weight(self.text, byte, character);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Ambiguities;

    #[test]
    fn offsets_outside_of_the_text_have_no_text() {
        let text = IndexedText::new("né à Paris");
        assert_eq!(text.between(5, 10), Some("Paris"));
        assert_eq!((text.between(5, 11), text.between(6, 5)), (None, None));
        assert_eq!((IndexedText::new("").between(0, 0), IndexedText::new("").between(0, 1)), (Some(""), None));
    }

    #[test]
    fn offsets_of_every_reading_are_found_across_index_entries() {
        let everything = Ambiguities { surrogates: true, crlf: true, lf: true, mark: true };
        let readings: Vec<Reading> = Reading::plausible(everything).into_iter().chain(Reading::unusual(everything)).collect();
        for unit in ["ab😀é", "abcd", "a\r\nb\n", "\n\r\n\r", "\r\n"] {
            let text = format!("\u{feff}{}", unit.repeat(STRIDE));
            let indexed = IndexedText::new(&text);
            let characters: Vec<(usize, char)> = text.char_indices().collect();
            for &reading in &readings {
                // the offset of each code point, counted one by one
                let mut offsets = vec![0];
                for (byte, character) in &characters {
                    offsets.push(offsets[offsets.len() - 1] + reading.weight(&text, *byte, *character));
                }
                for start in (1..characters.len()).step_by(STRIDE / 8 + 1).chain([STRIDE - 1, STRIDE, STRIDE + 1, characters.len()]) {
                    let end = (start + 5).min(characters.len());
                    // between `\r` and `\n` an offset means the place before both
                    let first = |offset: usize| (1..=start.max(end)).find(|index| offsets[*index] == offset).unwrap();
                    let expected = first(offsets[start])..first(offsets[end]);
                    let found = indexed.range(reading, offsets[start], offsets[end]).map(|range| range.code_points);
                    assert_eq!(found, Some(expected), "{unit:?} {reading:?} {start}");
                }
                assert_eq!(indexed.range(reading, 0, offsets[characters.len()] + 1), None);
            }
        }
    }

    #[test]
    fn an_offset_within_a_character_is_outside_of_the_text() {
        let indexed = IndexedText::new("😀😀 law\n");
        let utf16 = Reading::plausible(indexed.ambiguities())[1];
        assert_eq!(indexed.range(utf16, 1, 3), None);
        assert_eq!(indexed.slice(&indexed.range(utf16, 5, 8).unwrap()), "law");
    }
}
