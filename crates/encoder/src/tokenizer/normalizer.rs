//! A text becomes words: cleaned, in lower case, without accents; punctuation and ideographs are words of their own.

use unicode_normalization::UnicodeNormalization;

use super::tables::{IDEOGRAPHS, MARKS, PUNCTUATION, REMOVED};

/// What is done to a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Normalizer {
    pub(super) clean: bool,
    pub(super) ideographs: bool,
    pub(super) accents: bool,
    pub(super) lowercase: bool,
}

impl Normalizer {
    /// Calls `take` with each word until it returns false. Reads no further than needed, however long the text is.
    pub(super) fn words(self, text: &str, take: impl FnMut(&str) -> bool) {
        let cleaned = text.chars().filter_map(move |c| match c {
            _ if !self.clean => Some(c),
            '\t' | '\n' | '\r' => Some(' '),
            _ if within(&REMOVED, c) => None,
            _ if c.is_whitespace() => Some(' '),
            _ => Some(c),
        });
        let spaced = cleaned.flat_map(move |c| {
            let space = (self.ideographs && within(&IDEOGRAPHS, c)).then_some(' ');
            space.into_iter().chain([c]).chain(space)
        });
        if self.accents {
            self.split(spaced.nfd().filter(|c| !within(&MARKS, *c)), take);
        } else {
            self.split(spaced, take);
        }
    }

    fn split(self, chars: impl Iterator<Item = char>, mut take: impl FnMut(&str) -> bool) {
        let mut word = String::new();
        for c in chars.flat_map(|c| self.lower(c)) {
            let punctuation = within(&PUNCTUATION, c);
            if !punctuation && !c.is_whitespace() {
                word.push(c);
                continue;
            }
            if !word.is_empty() && !take(&word) {
                return;
            }
            word.clear();
            if punctuation && !take(c.encode_utf8(&mut [0; 4])) {
                return;
            }
        }
        if !word.is_empty() {
            take(&word);
        }
    }

    fn lower(self, c: char) -> impl Iterator<Item = char> {
        let (lower, same) = if self.lowercase { (Some(c.to_lowercase()), None) } else { (None, Some(c)) };
        lower.into_iter().flatten().chain(same)
    }
}

fn within(table: &[(u32, u32)], c: char) -> bool {
    let point = u32::from(c);
    let next = table.partition_point(|(first, _)| *first <= point);
    next > 0 && point <= table[next - 1].1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(normalizer: Normalizer, text: &str) -> Vec<String> {
        let mut words = Vec::new();
        normalizer.words(text, |word| {
            words.push(word.to_owned());
            true
        });
        words
    }

    const ALL: Normalizer = Normalizer { clean: true, ideographs: true, accents: true, lowercase: true };

    #[test]
    fn accents_case_controls_and_odd_spaces_go() {
        assert_eq!(words(ALL, "É\u{0}te\u{301}\u{ad}\u{a0}X\u{2028}İ"), ["ete", "x", "i"]);
    }

    #[test]
    fn punctuation_and_ideographs_are_words_of_their_own() {
        assert_eq!(words(ALL, "a.b—c中文d"), ["a", ".", "b", "—", "c", "中", "文", "d"]);
    }

    #[test]
    fn what_is_not_asked_for_is_not_done() {
        let none = Normalizer { clean: false, ideographs: false, accents: false, lowercase: false };
        assert_eq!(words(none, "É\u{ad}中A"), ["É\u{ad}中A"]);
    }

    #[test]
    fn tables_are_in_order() {
        for table in [&REMOVED[..], &IDEOGRAPHS, &MARKS, &PUNCTUATION] {
            assert!(table.iter().all(|(first, last)| first <= last) && table.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }
}
