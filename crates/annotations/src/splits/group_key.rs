//! Group key of a text: texts that differ only in case, white space and normal form share a group, and so a split.

use aprendiz_text::canonical;
use sha2::{Digest, Sha256};

/// Returns the SHA-256 (lower-case hex) of the composed text (NFC) in lower case, with every run of white space as one space.
#[must_use]
pub fn compute_group_key(text: &str) -> String {
    const CHUNK: usize = 16 * 1024;
    let mut hash = Sha256::new();
    let mut normal = Vec::with_capacity(CHUNK + 16);
    let (mut gap, mut started) = (false, false);
    let text = canonical(text);
    let mut rest = &*text;
    // ASCII is handled byte by byte: this runs for every imported text, and most of them are ASCII
    while let Some(&byte) = rest.as_bytes().first() {
        let character = if byte.is_ascii() { char::from(byte) } else { rest.chars().next().unwrap_or_default() };
        rest = &rest[character.len_utf8()..];
        if character.is_whitespace() {
            gap = started;
            continue;
        }
        if gap {
            normal.push(b' ');
        }
        (gap, started) = (false, true);
        if byte.is_ascii() {
            normal.push(byte.to_ascii_lowercase());
        } else {
            // char by char: the final-sigma rule of str::to_lowercase depends on neighbouring characters
            for lower in character.to_lowercase() {
                normal.extend_from_slice(lower.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        if normal.len() >= CHUNK {
            hash.update(&normal);
            normal.clear();
        }
    }
    hash.update(&normal);
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_in_case_and_white_space_share_a_group() {
        assert_eq!(compute_group_key("Master  AGREEMENT\n\nbetween É"), compute_group_key(" master agreement between é "));
        assert_eq!(compute_group_key("Goia\u{301}s"), compute_group_key("goiás"));
        assert_ne!(compute_group_key("master agreement"), compute_group_key("masteragreement"));
    }

    #[test]
    fn a_long_text_is_hashed_as_one() {
        let long = "Word ".repeat(20_000);
        assert_eq!(compute_group_key(&long), hex::encode(Sha256::digest(long.trim().to_lowercase().as_bytes())));
    }
}
