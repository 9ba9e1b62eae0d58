//! Places in a text. Label Studio counts offsets in code points or, in other versions, in UTF-16 units; we keep code points.

use serde::Serialize;

/// A place in the text, in code points; `end` is the first one after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) text: String,
}

/// Every so many code points a known byte offset: lookups walk less than this, and a large text costs little.
const STRIDE: usize = 1024;

struct Mark {
    utf16: usize,
    byte: usize,
}

/// A text with a sparse index from code points and UTF-16 units to bytes.
pub(crate) struct IndexedText<'t> {
    text: &'t str,
    marks: Vec<Mark>,
    has_surrogates: bool,
}

impl<'t> IndexedText<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let mut marks = Vec::with_capacity(text.len() / STRIDE + 1);
        if text.is_ascii() {
            marks.extend((0..=text.len()).step_by(STRIDE).map(|byte| Mark { utf16: byte, byte }));
            return Self { text, marks, has_surrogates: false };
        }
        let (mut utf16, mut count) = (0, 0);
        for (byte, character) in text.char_indices() {
            if count % STRIDE == 0 {
                marks.push(Mark { utf16, byte });
            }
            count += 1;
            utf16 += character.len_utf16();
        }
        Self { text, marks, has_surrogates: utf16 != count }
    }

    /// The span at these offsets, whose text must be `expected` where that is given. Code points are tried before UTF-16 units.
    pub(crate) fn span(&self, start: usize, end: usize, expected: Option<&str>) -> Option<Span> {
        let fits = |found: &str| expected.is_none_or(|expected| expected == found);
        if let Some(found) = self.between(start, end).filter(|found| fits(found)) {
            return Some(Span { start, end, text: found.to_owned() });
        }
        if !self.has_surrogates {
            return None;
        }
        let (start, end) = (self.of_utf16(start)?, self.of_utf16(end)?);
        let found = self.slice(Some(start.1), Some(end.1)).filter(|found| fits(found))?;
        Some(Span { start: start.0, end: end.0, text: found.to_owned() })
    }

    /// The text of the span at these offsets in code points; `None` when they are not in the text.
    pub(crate) fn between(&self, start: usize, end: usize) -> Option<&'t str> {
        if start > end {
            return None;
        }
        self.slice(self.byte_of_code_point(start), self.byte_of_code_point(end))
    }

    fn slice(&self, start: Option<usize>, end: Option<usize>) -> Option<&'t str> {
        self.text.get(start?..end?)
    }

    fn byte_of_code_point(&self, wanted: usize) -> Option<usize> {
        let mark = match self.marks.get(wanted / STRIDE) {
            Some(mark) => mark.byte,
            // the end of an empty text, or of one whose length is a multiple of the stride
            None => return (wanted == self.text.chars().count()).then_some(self.text.len()),
        };
        let rest = &self.text[mark..];
        let steps = wanted % STRIDE;
        match rest.char_indices().nth(steps) {
            Some((byte, _)) => Some(mark + byte),
            None => (rest.chars().count() == steps).then_some(self.text.len()),
        }
    }

    /// Code point and byte of a UTF-16 offset, unless it lies inside a surrogate pair or beyond the end.
    fn of_utf16(&self, wanted: usize) -> Option<(usize, usize)> {
        let number = self.marks.partition_point(|mark| mark.utf16 <= wanted).checked_sub(1)?;
        let mark = &self.marks[number];
        let (mut utf16, mut code_point, mut byte) = (mark.utf16, number * STRIDE, mark.byte);
        for character in self.text[mark.byte..].chars() {
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
    fn code_points_are_taken_as_they_are() {
        let text = IndexedText::new("né à Paris");
        let span = text.span(5, 10, Some("Paris")).unwrap();
        assert_eq!((span.start, span.end), (5, 10));
        assert!(text.span(4, 9, Some("Paris")).is_none());
        assert!(text.span(5, 11, None).is_none(), "beyond the end");
        assert!(text.span(6, 5, None).is_none());
    }

    #[test]
    fn utf16_units_become_code_points() {
        let text = IndexedText::new("😀😀 law of Texas 😀");
        let span = text.span(12, 17, Some("Texas")).unwrap();
        assert_eq!((span.start, span.end, span.text.as_str()), (10, 15, "Texas"));
        assert_eq!(text.span(10, 15, Some("Texas")).unwrap().start, 10, "code points still work");
        assert!(text.span(1, 3, Some("😀x")).is_none(), "inside a pair");
    }

    #[test]
    fn long_texts_are_found_at_every_mark() {
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
    fn an_empty_text_has_one_empty_place() {
        assert!(IndexedText::new("").span(0, 0, None).is_some());
        assert!(IndexedText::new("").span(0, 1, None).is_none());
    }
}
