//! How a tool counts the characters of a text.
//!
//! Places are stored in code points of the text as it is. Tools count UTF-16 units (JavaScript), count the two characters of a Windows line
//! end as one (or counted two where the text now has one), or do not count a byte-order mark.

/// What one unit of an offset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    CodePoint,
    Utf16,
}

/// How line ends are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnds {
    /// As they are in the text.
    AsIs,
    /// `\r\n` counts as one.
    CrlfAsOne,
    /// `\n` counts as two: it was `\r\n` when the offsets were counted.
    LfAsTwo,
}

/// A way of counting the characters of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    unit: Unit,
    line_ends: LineEnds,
    /// Whether a byte-order mark at the start is counted.
    counts_mark: bool,
}

/// Number of different readings.
pub(crate) const READINGS: usize = 12;

/// What makes the readings of a text differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ambiguities {
    /// Characters of two UTF-16 units.
    pub(crate) surrogates: bool,
    pub(crate) crlf: bool,
    /// `\n` that does not follow `\r`.
    pub(crate) lf: bool,
    /// A byte-order mark at the start.
    pub(crate) mark: bool,
}

impl Ambiguities {
    pub(crate) fn find(text: &str) -> Self {
        let bytes = text.as_bytes();
        let (mut crlf, mut lf) = (false, false);
        for (index, _) in text.match_indices('\n') {
            let after_cr = index > 0 && bytes[index - 1] == b'\r';
            crlf |= after_cr;
            lf |= !after_cr;
            if crlf && lf {
                break;
            }
        }
        // a character of four bytes in UTF-8 has two UTF-16 units
        let surrogates = !text.is_ascii() && bytes.iter().any(|byte| *byte >= 0xf0);
        Self { surrogates, crlf, lf, mark: text.starts_with('\u{feff}') }
    }
}

impl Reading {
    /// Code points of the text as it is, in which places are stored.
    pub(crate) const STORED: Self = Self { unit: Unit::CodePoint, line_ends: LineEnds::AsIs, counts_mark: true };

    /// The distinct readings of a text that need no evidence to be plausible, most plausible first.
    pub(crate) fn plausible(text: Ambiguities) -> Vec<Self> {
        let line_ends = if text.crlf { &[LineEnds::AsIs, LineEnds::CrlfAsOne][..] } else { &[LineEnds::AsIs] };
        Self::all(text, line_ends)
    }

    /// The readings that are only considered if no plausible one explains the texts of the places.
    pub(crate) fn unusual(text: Ambiguities) -> Vec<Self> {
        if text.lf { Self::all(text, &[LineEnds::LfAsTwo]) } else { Vec::new() }
    }

    fn all(text: Ambiguities, line_ends: &[LineEnds]) -> Vec<Self> {
        let units = if text.surrogates { &[Unit::CodePoint, Unit::Utf16][..] } else { &[Unit::CodePoint] };
        let marks = if text.mark { &[true, false][..] } else { &[true] };
        let mut readings = Vec::new();
        for &counts_mark in marks {
            for &line_ends in line_ends {
                readings.extend(units.iter().map(|&unit| Self { unit, line_ends, counts_mark }));
            }
        }
        readings
    }

    /// A number below [`READINGS`].
    pub(crate) const fn number(self) -> usize {
        self.unit as usize + 2 * self.line_ends as usize + 6 * (!self.counts_mark) as usize
    }

    /// By how much a character at this byte offset of the text advances the count.
    pub(crate) fn weight(self, text: &str, byte: usize, character: char) -> usize {
        let bytes = text.as_bytes();
        match (character, self.line_ends) {
            ('\u{feff}', _) if byte == 0 && !self.counts_mark => 0,
            ('\r', LineEnds::CrlfAsOne) if bytes.get(byte + 1) == Some(&b'\n') => 0,
            ('\n', LineEnds::LfAsTwo) if byte == 0 || bytes[byte - 1] != b'\r' => 2,
            _ if self.unit == Unit::Utf16 => character.len_utf16(),
            _ => 1,
        }
    }

    /// Whether a byte-order mark at the start is not counted.
    pub(crate) const fn skips_mark(self) -> bool {
        !self.counts_mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_readings_that_differ_for_the_text_are_tried() {
        let readings = |text: &str| {
            let found = Ambiguities::find(text);
            (Reading::plausible(found).len(), Reading::unusual(found).len())
        };
        assert_eq!(readings("a text"), (1, 0));
        assert_eq!(readings("two\nlines"), (1, 1));
        assert_eq!(readings("two\r\nlines"), (2, 0));
        assert_eq!(readings("😀 two\r\nlines\nor three"), (4, 2));
        assert_eq!(readings("\u{feff}😀 two\r\nlines\nor three"), (8, 4));
        assert_eq!(readings("a lone\rreturn é"), (1, 0));
        assert_eq!(Reading::plausible(Ambiguities::default()), [Reading::STORED]);
    }

    #[test]
    fn every_reading_has_a_number_of_its_own() {
        let all = Ambiguities { surrogates: true, crlf: true, lf: true, mark: true };
        let mut numbers: Vec<usize> = Reading::plausible(all).into_iter().chain(Reading::unusual(all)).map(Reading::number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..READINGS).collect::<Vec<_>>());
    }
}
