//! Canonical form: texts that look the same are compared as the same.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Composes a text (NFC), so that `é` equals `e` with a combining accent. Borrows a text that is in this form already, as most are.
#[must_use]
pub fn canonical(text: &str) -> Cow<'_, str> {
    if may_change(text) && !is_nfc(text) { Cow::Owned(text.nfc().collect()) } else { Cow::Borrowed(text) }
}

/// Whether a text has a character that composition can change. Much faster than the full check, which few texts need.
fn may_change(text: &str) -> bool {
    // the first byte of every character from U+0300 on is at least 0xCC; bytes within a character are less
    let mut rest = text.as_bytes();
    while let Some(found) = find_high_byte(rest) {
        // U+2010 to U+20BF: dashes, quotation marks, bullets, currencies
        let is_punctuation = matches!(rest[found..], [0xE2, 0x80, 0x90..=0xBF, ..] | [0xE2, 0x81 | 0x82, ..]);
        if !is_punctuation {
            return true;
        }
        rest = &rest[found + 3..];
    }
    false
}

/// Finds the first byte from 0xCC on. Whole chunks are compared at once, because most texts have none.
fn find_high_byte(bytes: &[u8]) -> Option<usize> {
    const CHUNK: usize = 64;
    let is_high = |byte: &u8| *byte >= 0xCC;
    let chunk = bytes.chunks(CHUNK).position(|chunk| chunk.iter().fold(false, |found, byte| found | is_high(byte)))?;
    let start = chunk * CHUNK;
    bytes[start..].iter().position(is_high).map(|index| start + index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_and_decomposed_texts_are_equal() {
        assert_eq!(canonical("Goia\u{301}s, Sa\u{303}o Paulo"), "Goiás, São Paulo");
        assert_eq!(canonical("\u{1100}\u{1161}"), "가");
        // the ångström sign is the letter
        assert_eq!(canonical("\u{212B}"), "Å");
    }

    #[test]
    fn a_character_is_composed_wherever_it_is() {
        for start in 0..200 {
            let text = format!("{}e\u{301}{}", "x".repeat(start), "y".repeat(start % 70));
            assert_eq!(canonical(&text), text.replace("e\u{301}", "é"));
        }
    }

    #[test]
    fn texts_in_canonical_form_are_borrowed() {
        for text in ["plain", "São Paulo – “Goiás” • 5 €", "合同一式50份", "ระยะเวลาเช่า", ""] {
            assert!(matches!(canonical(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }
}
