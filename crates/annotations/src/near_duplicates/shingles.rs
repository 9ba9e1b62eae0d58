//! Eight-word shingles of a text, as 64-bit hashes. HTML is rendered first, so that shared tags and styles do not make texts similar.
//!
//! A word is a run of letters and digits in lower case and canonical form (NFC); combining marks and joiners belong to it, and everything
//! else is a separator. So case, punctuation, white space and normal form do not matter. In scripts that are written without blanks
//! between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese), every character is a word, together with the five before it: a shingle
//! then covers thirteen characters, which are about as specific as eight words.
//!
//! The hashes are stored: any change here needs a migration that empties the tables of sketches (the last one is migration 21).

use aprendiz_annotation_types::rendered_text;
use aprendiz_text::{WordPart, canonical};

/// Minimum fraction of the shingles of the smaller text that near-duplicates share.
pub const MIN_CONTAINMENT: f64 = 0.5;

/// Number of words of a shingle.
pub(super) const WORDS: usize = 8;
/// Number of characters that a word of a script without blanks consists of.
const SINGLES: usize = 6;

const FNV_OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01B3;
/// Odd, so that no power of it vanishes modulo 2^64.
const BASE: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64: every bit of the input reaches every bit of the output.
const fn mix(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    hash ^ (hash >> 31)
}

/// Calls `found` with the hash of every shingle, in order and with repetitions. Returns their number.
pub(super) fn for_each_shingle(text: &str, mut found: impl FnMut(u64)) -> usize {
    const OLDEST: u64 = power(BASE, WORDS as u32);
    let mut last = [0_u64; WORDS];
    let (mut words, mut rolling) = (0_usize, 0_u64);
    for_each_word(text, |word| {
        let slot = &mut last[words % WORDS];
        rolling = rolling.wrapping_mul(BASE).wrapping_add(word).wrapping_sub(slot.wrapping_mul(OLDEST));
        *slot = word;
        words += 1;
        if words >= WORDS {
            found(mix(rolling));
        }
    });
    (words + 1).saturating_sub(WORDS)
}

const fn power(base: u64, exponent: u32) -> u64 {
    let (mut result, mut left) = (1_u64, exponent);
    while left > 0 {
        result = result.wrapping_mul(base);
        left -= 1;
    }
    result
}

/// Calls `found` with the hash of every word.
pub(super) fn for_each_word(text: &str, mut found: impl FnMut(u64)) {
    let text = rendered_text(text);
    let text = canonical(&text);
    let mut word = Word::default();
    let mut rest = &*text;
    while let Some(&byte) = rest.as_bytes().first() {
        // ASCII is handled byte by byte: this runs for every imported text, and most of them are ASCII
        if byte.is_ascii() {
            rest = &rest[1..];
            if byte.is_ascii_alphanumeric() {
                word.letter(&mut found);
                word.add(byte.to_ascii_lowercase());
            } else {
                word.end(&mut found);
            }
            continue;
        }
        let character = rest.chars().next().unwrap_or_default();
        rest = &rest[character.len_utf8()..];
        match WordPart::of(character) {
            WordPart::Letter => word.letter(&mut found),
            WordPart::Single => word.single(&mut found),
            WordPart::Mark if word.is_open => {}
            WordPart::Mark | WordPart::Invisible => continue,
            WordPart::Separator => {
                word.end(&mut found);
                continue;
            }
        }
        for lower in character.to_lowercase() {
            lower.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| word.add(byte));
        }
    }
    word.end(&mut found);
}

/// The word that is being read.
struct Word {
    hash: u64,
    is_open: bool,
    /// Whether it is a character of a script without blanks.
    is_single: bool,
    /// The last such characters. Separators do not interrupt them, other words do.
    singles: [u64; SINGLES],
}

impl Default for Word {
    fn default() -> Self {
        Self { hash: FNV_OFFSET, is_open: false, is_single: false, singles: [0; SINGLES] }
    }
}

impl Word {
    fn add(&mut self, byte: u8) {
        self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
    }

    /// Prepares for a letter: continues the word.
    fn letter(&mut self, found: &mut impl FnMut(u64)) {
        if self.is_single {
            self.end(found);
            self.is_single = false;
            self.singles = [0; SINGLES];
        }
        self.is_open = true;
    }

    /// Prepares for a letter that is a word of its own.
    fn single(&mut self, found: &mut impl FnMut(u64)) {
        self.end(found);
        (self.is_open, self.is_single) = (true, true);
    }

    fn end(&mut self, found: &mut impl FnMut(u64)) {
        if !self.is_open {
            return;
        }
        let own = mix(self.hash);
        if self.is_single {
            self.singles.rotate_left(1);
            self.singles[SINGLES - 1] = own;
            found(self.singles.iter().fold(0, |hash, single| mix(hash.wrapping_mul(BASE).wrapping_add(*single))));
        } else {
            found(own);
        }
        (self.hash, self.is_open) = (FNV_OFFSET, false);
    }
}

/// The distinct shingles of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shingles(Vec<u64>);

impl Shingles {
    /// Computes the shingles of a text. Memory: 8 bytes per word temporarily, then 8 bytes per distinct shingle.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut hashes = Vec::new();
        for_each_shingle(text, |hash| hashes.push(hash));
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes)
    }

    /// Number of distinct shingles.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the text has fewer than eight words.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of shared shingles divided by the number of the smaller text, 0 to 1; 0 if one of the texts has none.
    #[must_use]
    pub fn containment(&self, other: &Self) -> f64 {
        let smaller = self.len().min(other.len());
        if smaller == 0 {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a text has far fewer than 2^53 shingles")]
        let containment = count_shared(&self.0, &other.0) as f64 / smaller as f64;
        containment
    }
}

/// Counts the values that two sorted lists without repetitions share.
pub(super) fn count_shared(one: &[u64], other: &[u64]) -> usize {
    let (mut left, mut right, mut shared) = (0, 0, 0);
    while left < one.len() && right < other.len() {
        let (a, b) = (one[left], other[right]);
        shared += usize::from(a == b);
        left += usize::from(a <= b);
        right += usize::from(b <= a);
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: &str = "one two three four five six seven eight nine ten";

    #[test]
    fn case_punctuation_and_white_space_do_not_matter() {
        let plain = Shingles::of(TEN);
        assert_eq!(plain.len(), 3);
        assert_eq!(Shingles::of("  One, two; THREE\n\nfour \"five\" six -- seven (eight) nine, ten."), plain);
        assert_eq!(Shingles::of("É um, dois, três: quatro cinco seis sete"), Shingles::of("é UM dois TRÊS quatro cinco seis sete"));
    }

    #[test]
    fn normal_form_marks_and_joiners_do_not_matter() {
        let composed = "Contrato de locação: o depósito, São Paulo, até dez dias após o término da vigência";
        let decomposed = composed.replace('ç', "c\u{327}").replace('ã', "a\u{303}").replace('ó', "o\u{301}").replace('ê', "e\u{302}");
        assert_ne!(composed, decomposed);
        assert_eq!(Shingles::of(composed), Shingles::of(&decomposed));
        // a mark without composed form is part of its word
        assert_eq!(Shingles::of("a q\u{303}b c d e f g h").len(), 1);
        assert_eq!(Shingles::of("con\u{AD}tract a b c d e f g"), Shingles::of("contract a b c d e f g"));
        // the vowel signs and the virama of Devanagari cut no word
        assert_eq!(Shingles::of("अनुबन्ध एक दो तीन चार पाँच छह सात").len(), 1);
    }

    #[test]
    fn every_character_of_a_script_without_blanks_is_a_word() {
        for text in ["任何一方违约须支付", "違約した者は違約金を", "ผู้เช่าชำระทุกสิ้นเดือน", "ສັນຍາເຊົ່າສາງສິນຄ້າ", "កិច្ចសន្យាជួលឃ្លាំង", "ငှားရမ်းခြင်းစာချုပ်"]
        {
            assert!(!Shingles::of(text).is_empty(), "{text}");
            // punctuation and blanks do not matter here either
            let end = text.char_indices().nth(4).map_or(0, |(index, _)| index);
            assert_eq!(Shingles::of(&format!("{}，{}", &text[..end], &text[end..])), Shingles::of(text), "{text}");
        }
        // a number within the text is one word, and costs only the shingles around it
        let text =
            |months: u32| format!("双方就仓库租赁达成如下协议，租赁期限为{months}个月，任何一方违约须支付违约金，争议由北岸市法院管辖");
        let containment = Shingles::of(&text(13)).containment(&Shingles::of(&text(2047)));
        assert!((0.6..0.9).contains(&containment), "{containment}");
        assert!(
            Shingles::of(&text(13)).containment(&Shingles::of("本合同一式五十份，自签字盖章之日起生效，乙方负责室内设施的维护与清洁"))
                < 0.1
        );
    }

    #[test]
    fn fewer_than_eight_words_have_no_shingle() {
        assert!(Shingles::of("one two three four five six seven").is_empty());
        assert_eq!(Shingles::of("one two three four five six seven eight").len(), 1);
        assert!(Shingles::of("... --").is_empty());
        assert_eq!(Shingles::of("too short").containment(&Shingles::of("too short")), 0.0);
    }

    #[test]
    fn a_shingle_depends_on_the_order_of_its_words_and_not_on_its_position() {
        let there = Shingles::of(&format!("{} {TEN} {}", "before ".repeat(30), "after ".repeat(30)));
        assert_eq!(Shingles::of(TEN).containment(&there), 1.0);
        let swapped = Shingles::of("two one three four five six seven eight nine ten");
        assert!((Shingles::of(TEN).containment(&swapped) - 1.0 / 3.0).abs() < 1e-9, "the last shingle has none of the two");
    }

    #[test]
    fn containment_refers_to_the_smaller_text_and_repetitions_count_once() {
        let small = Shingles::of(TEN);
        let large = Shingles::of(&format!("{TEN} and then a great deal more that the other text does not say {TEN}"));
        assert_eq!((small.containment(&large), large.containment(&small)), (1.0, 1.0));
        assert_eq!(small.containment(&Shingles::of("entirely other words that share nothing at all with it")), 0.0);
    }
}
