//! JSON lines that every reader splits at the same places.

/// Escapes the line breaks of Unicode that JSON allows inside strings: U+0085, U+2028 and U+2029. Readers such as `str.splitlines` of
/// Python end a line there. `line` is JSON, in which these characters occur in strings only; the bytes before `from` stay as they are.
pub fn escape_line_breaks(line: &mut Vec<u8>, from: usize) {
    let is_break = |rest: &[u8]| rest.starts_with(b"\xc2\x85") || rest.starts_with(b"\xe2\x80\xa8") || rest.starts_with(b"\xe2\x80\xa9");
    let Some(first) = (from..line.len()).find(|at| is_break(&line[*at..])) else { return };
    let rest = line.split_off(first);
    let mut at = 0;
    while at < rest.len() {
        let (escape, length): (&[u8], usize) = match &rest[at..] {
            [0xc2, 0x85, ..] => (b"\\u0085", 2),
            [0xe2, 0x80, 0xa8, ..] => (b"\\u2028", 3),
            [0xe2, 0x80, 0xa9, ..] => (b"\\u2029", 3),
            other => (&other[..1], 1),
        };
        line.extend_from_slice(escape);
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_of_unicode_are_escaped_and_read_back() {
        for text in ["a\u{2028}b", "\u{85}", "a\u{2029}\u{2028}", "a\u{a0}b\u{2027}c", "\u{c5}\u{205}é", "a\r\n\u{b}\u{c}\u{1c}\u{1e}b"] {
            let mut line = b"before\xe2\x80\xa8".to_vec();
            let from = line.len();
            line.extend(serde_json::to_vec(text).unwrap());
            escape_line_breaks(&mut line, from);
            assert_eq!(line[..from], *b"before\xe2\x80\xa8");
            let written = std::str::from_utf8(&line[from..]).unwrap();
            assert!(!written.contains(['\u{85}', '\u{2028}', '\u{2029}', '\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1e}']), "{written:?}");
            assert_eq!(serde_json::from_str::<String>(written).unwrap(), text);
        }
    }
}
