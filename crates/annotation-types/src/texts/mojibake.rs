//! Recognizes texts that were read in the wrong encoding: `SÃ£o` is `São`, written as UTF-8 and read as Windows-1252.

/// What follows for such a text.
pub const MOJIBAKE_TEXT: &str = "the text has characters such as `Ã£`, as if UTF-8 had been read as Windows-1252: it is kept as it is; if the \
                                 original is right, export it again as UTF-8";

/// First characters of a letter of two bytes, and of a quotation mark or dash of three.
const FIRST: [char; 4] = ['Ã', 'Â', 'â', 'ï'];

/// Whether a text has the trace of UTF-8 that was read as Windows-1252 or Latin-1. It is a guess, for a warning.
#[must_use]
pub fn has_mojibake(text: &str) -> bool {
    may_have_first(text)
        && text.match_indices(FIRST).any(|(index, first)| {
            let mut rest = text[index + first.len()..].chars();
            let (second, third) = (rest.next(), rest.next());
            match first {
                // À to ÿ; punctuation may follow an upper-case word such as MANHÃ
                "Ã" => second.is_some_and(|second| is_continuation(second) && !"\u{a0}»…‘’“”•–—".contains(second)),
                // ° § º and a no-break space, between a letter and more text
                "Â" => {
                    second.is_some_and(|second| matches!(second, '\u{a0}'..='\u{bf}'))
                        && third.is_some_and(|third| third != second.unwrap_or(' '))
                }
                "â" => second == Some('€') && third.is_some_and(is_continuation),
                // a byte-order mark
                _ => second == Some('»') && third == Some('¿'),
            }
        })
}

/// Whether a text has one of the first characters. Much faster than to look at each of them, and few texts have one.
fn may_have_first(text: &str) -> bool {
    let bytes = text.as_bytes();
    let pairs = bytes.iter().zip(bytes.get(1..).unwrap_or_default());
    // without an early end, so that many bytes are compared at once
    pairs.fold(false, |found, (first, second)| {
        found | ((*first == 0xC3) & ((*second == 0x83) | (*second == 0x82) | (*second == 0xA2) | (*second == 0xAF)))
    })
}

/// Whether a character is what Windows-1252 or Latin-1 shows for a byte of 0x80 to 0xbf.
fn is_continuation(character: char) -> bool {
    matches!(character, '\u{80}'..='\u{bf}') || "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_of_a_wrong_encoding_are_found() {
        for text in ["SÃ£o Paulo", "legislaÃ§Ã£o", "it â€™s", "20Â°C", "Â§ 7", "ï»¿Lease", "Ã‰vora", "coordenaÃ§Ã£o â€“ anexo"]
        {
            assert!(has_mojibake(text), "{text}");
        }
        for text in [
            "São Paulo",
            "SÃO PAULO",
            "IRMÃ",
            "Ã",
            "âme",
            "Âge",
            "Île ï » ¿",
            "ENTÃO € 5",
            "IRMÃ – anexo",
            "A Â B",
            "naïve",
            "MANHÃ, 5",
            "“MANHÃ”",
            "«MANHû",
            "MANHÃ…",
        ] {
            assert!(!has_mojibake(text), "{text}");
        }
    }
}
