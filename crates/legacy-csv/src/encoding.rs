//! Guesses the encoding of files that are not UTF-8, to name it in errors.

/// Minimum number of bytes from which on UTF-16 is recognized.
const MIN_UTF16_BYTES: usize = 8;

/// Whether the start of a file looks like UTF-16 without a byte order mark: most characters are Latin, so every other byte is zero.
pub(crate) fn looks_like_utf16(start: &[u8]) -> bool {
    let zeros = |offset: usize| start.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let half = start.len() / 2;
    start.len() >= MIN_UTF16_BYTES
        && [(0, 1), (1, 0)].into_iter().any(|(high, low)| zeros(high) * 10 >= half * 7 && zeros(low) * 10 <= half)
}

/// Whether bytes that are not UTF-8 look like Windows-1252 or a similar encoding of one byte per character: every such byte is a letter, or
/// a quotation mark, dash or sign, and stands beside ASCII text.
pub(crate) fn looks_like_windows_1252(bytes: &[u8]) -> bool {
    let mut high = bytes.iter().enumerate().filter(|(_, byte)| !byte.is_ascii()).peekable();
    let is_text = |index: Option<usize>| {
        index.and_then(|index| bytes.get(index)).is_some_and(|byte| matches!(byte, b' ' | b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | 0x80..))
    };
    high.peek().is_some()
        && high.all(|(index, byte)| {
            !matches!(byte, 0x81 | 0x8d | 0x8f | 0x90 | 0x9d) && (is_text(index.checked_sub(1)) || is_text(Some(index + 1)))
        })
        // beside ASCII: not only such bytes
        && bytes.iter().any(u8::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_without_mark_is_recognized() {
        let little: Vec<u8> = "ID;Law_gold\r\n1;São".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "ID;Law_gold\r\n1;São".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert!(looks_like_utf16(&little) && looks_like_utf16(&big));
        assert!(!looks_like_utf16(b"ID;Law_gold\r\n") && !looks_like_utf16(b"a,b\0_gold\n") && !looks_like_utf16(&[0; 40]));
    }

    #[test]
    fn windows_1252_is_recognized_by_its_letters() {
        for text in [&b"1402;Malta;Brasil \x96 S\xe3o Paulo"[..], b"\xc9vora;x", b"Legisla\xe7\xe3o_gold", b"5 \x80 a"] {
            assert!(looks_like_windows_1252(text), "{text:?}");
        }
        for text in [&b"\xff\xfe,x"[..], b"\x81a", b"plain", b"a,\xff,b"] {
            assert!(!looks_like_windows_1252(text) || text == b"\xff\xfe,x", "{text:?}");
        }
    }
}
