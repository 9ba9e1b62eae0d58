//! Spans of a text. Label Studio counts offsets in code points or, depending on its version, in UTF-16 units; they are stored as code
//! points.

use serde::{Deserialize, Serialize};

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

struct Offsets {
    utf16: usize,
    byte: usize,
}

/// A text with a sparse index from code points and UTF-16 units to bytes.
pub struct IndexedText<'t> {
    text: &'t str,
    index: Vec<Offsets>,
    has_surrogates: bool,
}

impl<'t> IndexedText<'t> {
    /// Indexes a text.
    #[must_use]
    pub fn new(text: &'t str) -> Self {
        let mut index = Vec::with_capacity(text.len() / STRIDE + 1);
        if text.is_ascii() {
            index.extend((0..=text.len()).step_by(STRIDE).map(|byte| Offsets { utf16: byte, byte }));
            return Self { text, index, has_surrogates: false };
        }
        let (mut utf16, mut count) = (0, 0);
        for (byte, character) in text.char_indices() {
            if count % STRIDE == 0 {
                index.push(Offsets { utf16, byte });
            }
            count += 1;
            utf16 += character.len_utf16();
        }
        Self { text, index, has_surrogates: utf16 != count }
    }

    /// Returns the span at these offsets, or `None` if they are outside of the text or the span's text is not `expected`.
    ///
    /// Offsets are interpreted as code points first, then as UTF-16 units.
    #[must_use]
    pub fn span(&self, start: usize, end: usize, expected: Option<&str>) -> Option<Span> {
        let fits = |found: &str| expected.is_none_or(|expected| expected == found);
        if let Some(found) = self.between(start, end).filter(|found| fits(found)) {
            return Some(Span { start, end, text: found.to_owned() });
        }
        if !self.has_surrogates {
            return None;
        }
        let (start, end) = (self.from_utf16(start)?, self.from_utf16(end)?);
        let found = self.slice(Some(start.1), Some(end.1)).filter(|found| fits(found))?;
        Some(Span { start: start.0, end: end.0, text: found.to_owned() })
    }

    /// Returns the text between two offsets in code points, or `None` if they are outside of the text.
    #[must_use]
    pub fn between(&self, start: usize, end: usize) -> Option<&'t str> {
        if start > end {
            return None;
        }
        self.slice(self.byte_offset(start), self.byte_offset(end))
    }

    fn slice(&self, start: Option<usize>, end: Option<usize>) -> Option<&'t str> {
        self.text.get(start?..end?)
    }

    fn byte_offset(&self, wanted: usize) -> Option<usize> {
        let start = match self.index.get(wanted / STRIDE) {
            Some(entry) => entry.byte,
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

    /// Converts a UTF-16 offset to offsets in code points and bytes. `None` inside a surrogate pair and beyond the end.
    fn from_utf16(&self, wanted: usize) -> Option<(usize, usize)> {
        let number = self.index.partition_point(|entry| entry.utf16 <= wanted).checked_sub(1)?;
        let entry = &self.index[number];
        let (mut utf16, mut code_point, mut byte) = (entry.utf16, number * STRIDE, entry.byte);
        for character in self.text[entry.byte..].chars() {
            if utf16 >= wanted {
                break;
            }
            utf16 += character.len_utf16();
            code_point += 1;
            byte += character.len_utf8();
        }
        (utf16 == wanted).then_some((code_point, byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_in_code_points_are_kept() {
        let text = IndexedText::new("né à Paris");
        let span = text.span(5, 10, Some("Paris")).unwrap();
        assert_eq!((span.start, span.end), (5, 10));
        assert!(text.span(4, 9, Some("Paris")).is_none());
        assert!(text.span(5, 11, None).is_none(), "beyond the end");
        assert!(text.span(6, 5, None).is_none());
    }

    #[test]
    fn offsets_in_utf16_units_become_code_points() {
        let text = IndexedText::new("😀😀 law of Texas 😀");
        let span = text.span(12, 17, Some("Texas")).unwrap();
        assert_eq!((span.start, span.end, span.text.as_str()), (10, 15, "Texas"));
        assert_eq!(text.span(10, 15, Some("Texas")).unwrap().start, 10, "code points still work");
        assert!(text.span(1, 3, Some("😀x")).is_none(), "inside a pair");
    }

    #[test]
    fn spans_of_long_texts_are_found_across_index_entries() {
        for unit in ["ab😀é", "abcd"] {
            let text = unit.repeat(STRIDE);
            let indexed = IndexedText::new(&text);
            let characters: Vec<char> = text.chars().collect();
            for start in (0..=characters.len()).step_by(STRIDE / 8 + 1).chain([STRIDE, STRIDE * 4]) {
                let end = (start + 5).min(characters.len());
                let expected: String = characters[start..end].iter().collect();
                assert_eq!(indexed.span(start, end, Some(&expected)).unwrap().start, start);
                let utf16: usize = characters[..start].iter().map(|character| character.len_utf16()).sum();
                let length: usize = characters[start..end].iter().map(|character| character.len_utf16()).sum();
                assert!(indexed.span(utf16, utf16 + length, Some(&expected)).is_some());
            }
        }
    }

    #[test]
    fn an_empty_text_has_one_empty_span() {
        assert!(IndexedText::new("").span(0, 0, None).is_some());
        assert!(IndexedText::new("").span(0, 1, None).is_none());
    }
}
