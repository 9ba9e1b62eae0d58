//! Keeps the digits of numbers that neither a 64-bit integer nor a floating-point number can hold.

use std::borrow::Cow;

use aprendiz_annotation_types::canonical_number;

use crate::json_string::end_of_string;

/// Keys of values. Other numbers are offsets, scores and ids.
const VALUE_KEYS: [&str; 7] = ["number", "rating", "text", "datetime", "choices", "taxonomy", "labels"];
/// Numbers with fewer characters lose no digits.
const MIN_CHARS: usize = 16;

/// Whether the JSON may have a number that loses digits. Strings with many digits count as well.
pub(crate) fn has_long_number(raw: &str) -> bool {
    let bytes = raw.as_bytes();
    let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    // a run of this length covers one of the bytes at these distances
    (MIN_CHARS - 1..bytes.len()).step_by(MIN_CHARS).filter(|index| is_part(&bytes[*index])).any(|index| {
        let before = bytes[..index].iter().rev().take_while(|byte| is_part(byte)).count();
        let after = bytes[index..].iter().take_while(|byte| is_part(byte)).count();
        before + after >= MIN_CHARS
    })
}

/// Quotes the numbers of values that would lose digits, so that they are read as strings. `key` is the key of the JSON itself.
pub(crate) fn quote_long_numbers<'r>(raw: &'r str, key: &'r str) -> Cow<'r, str> {
    if !has_long_number(raw) {
        return Cow::Borrowed(raw);
    }
    let bytes = raw.as_bytes();
    let (mut quoted, mut copied) = (String::new(), 0);
    let (mut key, mut string, mut index) = (key, "", 0);
    while let Some(byte) = bytes.get(index) {
        let start = index;
        match byte {
            b'"' => {
                index = end_of_string(bytes, index + 1).unwrap_or(bytes.len());
                string = &raw[start + 1..index];
            }
            b':' => key = string,
            b'-' | b'0'..=b'9' => {
                let length =
                    bytes[start..].iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')).count();
                let number = &raw[start..start + length];
                if VALUE_KEYS.contains(&key) && loses_digits(number) {
                    quoted.push_str(&raw[copied..start]);
                    quoted.extend(["\"", number, "\""]);
                    copied = start + length;
                }
                index += length - 1;
            }
            _ => {}
        }
        index += 1;
    }
    quoted.push_str(&raw[copied..]);
    Cow::Owned(quoted)
}

/// Whether a number changes when it is read as a 64-bit integer or a floating-point number.
pub(crate) fn loses_digits(number: &str) -> bool {
    if number.len() < MIN_CHARS || number.parse::<u64>().is_ok() || number.parse::<i64>().is_ok() {
        return false;
    }
    let read = number.parse::<f64>().ok().and_then(|read| canonical_number(&read.to_string()));
    read.is_none() || read != canonical_number(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_would_lose_digits_are_quoted() {
        let raw = r#"{"id":123456789012345678901,"note":"number: 123456789012345678901","score":0.1234567890123456789,
            "value":{"number":123456789012345678901,"rating":0.30000000000000004,"text":["12345678901234567890.5",-99999999999999999999],
            "start":12345678901234567890}}"#;
        let expected = raw
            .replace(r#""number":123456789012345678901"#, r#""number":"123456789012345678901""#)
            .replace("-99999999999999999999", "\"-99999999999999999999\"");
        assert_eq!(quote_long_numbers(raw, ""), expected);
        assert_eq!(quote_long_numbers("35230212345678901234550010", "number"), "\"35230212345678901234550010\"");
        assert_eq!(quote_long_numbers("18446744073709551615", "number"), "18446744073709551615");
        assert!(matches!(quote_long_numbers(r#"{"number":12.5}"#, ""), Cow::Borrowed(_)));
    }

    #[test]
    fn a_long_number_is_found_wherever_it_starts() {
        for start in 0..40 {
            for length in [MIN_CHARS - 1, MIN_CHARS, MIN_CHARS + 1] {
                let raw = format!("{}{}{}", "x".repeat(start), &"12345678.0123456789"[..length], "x".repeat(start % 3));
                assert_eq!(has_long_number(&raw), length >= MIN_CHARS, "{raw}");
            }
        }
    }

    #[test]
    fn malformed_json_is_returned_without_a_panic() {
        for raw in [
            "\"1234567890123456789",
            "1234567890123456789\\",
            "\"1234567890123456789\\",
            "é\"1234567890123456789é\\\"",
            "::1e1234567890123456789",
        ] {
            let _ = quote_long_numbers(raw, "number");
        }
    }
}
