//! What a character is to the words around it.

use unicode_normalization::char::is_combining_mark;

/// The part a character plays in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordPart {
    /// A letter or digit: continues a word or begins one.
    Letter,
    /// A letter of a script that is written without blanks between words: a word of its own, with the marks that follow it.
    Single,
    /// A combining mark: belongs to the character before it. Without one, it separates nothing and is no word.
    Mark,
    /// A character within a word that makes no difference: a soft hyphen, a joiner, an Arabic vowel sign.
    Invisible,
    /// Everything else: ends a word.
    Separator,
}

impl WordPart {
    /// Classifies a character.
    #[must_use]
    pub fn of(character: char) -> Self {
        if character.is_ascii() {
            return if character.is_ascii_alphanumeric() { Self::Letter } else { Self::Separator };
        }
        if character < '\u{300}' {
            // Latin: no marks, no scripts without blanks
            return match character {
                '\u{AD}' => Self::Invisible,
                _ if character.is_alphanumeric() => Self::Letter,
                _ => Self::Separator,
            };
        }
        if is_optional_sign(character) {
            Self::Invisible
        } else if is_combining_mark(character) {
            Self::Mark
        } else if character.is_alphanumeric() {
            // the digits of South-East Asia form numbers; the Han zero stands between Han numerals
            let is_digit = character.is_numeric() && character < '\u{3000}';
            if is_unspaced(character) && !is_digit { Self::Single } else { Self::Letter }
        } else if matches!(character, '\u{200C}' | '\u{200D}' | '\u{2060}' | '\u{FEFF}') {
            Self::Invisible
        } else {
            Self::Separator
        }
    }
}

/// Whether a character is a sign that most texts leave out: vowel signs of Arabic and points of Hebrew, and the Arabic stroke that only
/// stretches a word. Texts with and without them are the same words.
fn is_optional_sign(character: char) -> bool {
    matches!(character,
        '\u{610}'..='\u{61A}' | '\u{640}' | '\u{64B}'..='\u{65F}' | '\u{670}' | '\u{6D6}'..='\u{6DC}' | '\u{6DF}'..='\u{6E4}'
        | '\u{591}'..='\u{5BD}' | '\u{5BF}' | '\u{5C1}' | '\u{5C2}' | '\u{5C4}' | '\u{5C5}' | '\u{5C7}'
    )
}

/// Whether a character belongs to a script that is written without blanks between words: Han, kana and bopomofo, and the scripts of
/// South-East Asia in line-breaking class SA (Unicode Standard Annex 14).
fn is_unspaced(character: char) -> bool {
    matches!(character,
        '\u{E00}'..='\u{EFF}'        // Thai, Lao
        | '\u{1000}'..='\u{109F}'    // Burmese
        | '\u{1780}'..='\u{17FF}'    // Khmer
        | '\u{1950}'..='\u{19DF}'    // Tai Le, New Tai Lue
        | '\u{1A20}'..='\u{1AAF}'    // Tai Tham
        | '\u{3005}'..='\u{3007}'    // iteration mark, zero
        | '\u{3041}'..='\u{312F}'    // hiragana, katakana, bopomofo
        | '\u{31A0}'..='\u{31BF}'    // bopomofo
        | '\u{31F0}'..='\u{31FF}'    // katakana
        | '\u{3400}'..='\u{4DBF}'    // Han
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{A9E0}'..='\u{A9FF}'    // Burmese
        | '\u{AA60}'..='\u{AADF}'    // Burmese, Tai Viet
        | '\u{F900}'..='\u{FAFF}'    // Han
        | '\u{FF66}'..='\u{FF9F}'    // half-width katakana
        | '\u{11700}'..='\u{1174F}'  // Ahom
        | '\u{1AFF0}'..='\u{1B16F}'  // kana
        | '\u{20000}'..='\u{3FFFF}'  // Han
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<WordPart> {
        text.chars().map(WordPart::of).collect()
    }

    #[test]
    fn letters_of_scripts_without_blanks_are_single() {
        for text in ["合同", "契約", "けいやく", "ケーヤク", "สญ", "ສນ", "កខ", "ကခ", "々〇", "𠀀"] {
            assert!(parts(text).iter().all(|part| *part == WordPart::Single), "{text}: {:?}", parts(text));
        }
    }

    #[test]
    fn other_scripts_have_letters() {
        for text in ["word", "É1", "договор", "계약", "अनबध", "سند", "๑๒", "1２"] {
            assert!(parts(text).iter().all(|part| *part == WordPart::Letter), "{text}: {:?}", parts(text));
        }
    }

    #[test]
    fn marks_and_joiners_do_not_end_a_word() {
        assert_eq!(parts("\u{301}\u{E48}\u{94D}\u{17D2}\u{1039}"), [WordPart::Mark; 5]);
        assert_eq!(parts("\u{AD}\u{200D}\u{200C}\u{2060}\u{FEFF}"), [WordPart::Invisible; 5]);
        assert_eq!(parts("\u{64E}\u{651}\u{640}\u{5B8}"), [WordPart::Invisible; 4]);
        assert_eq!(parts(" .–、。・\u{200B}"), [WordPart::Separator; 7]);
    }
}
