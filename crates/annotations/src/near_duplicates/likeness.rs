//! Decides whether a new text of a known document is another document.
//!
//! Measured on 440 contracts and 10,003 short questions (decision 29): of unrelated contracts 95 % share less than 12 % of their three-word
//! shingles, and a contract in which 40 % of the words were replaced still shares at least 16 %.

use crate::near_duplicates::shingles::{count_shared, for_each_word};

/// Texts with fewer words are compared word by word.
const MIN_SHINGLED_WORDS: usize = 16;
/// Of two long texts that share less than this fraction of the three-word shingles of the smaller one, each is another document.
const MIN_SHARED_SHINGLES: f64 = 0.125;
/// Of two texts of which one is short, and that share at most this fraction of the distinct words of the smaller one, each is another
/// document: half of the words of any sentence are in any text.
const MAX_SHARED_WORDS: f64 = 0.5;
/// If most changed texts of a project are other documents, the rest must share this fraction.
const MIN_SHARED_AMONG_OTHERS: f64 = 0.5;
const WORDS: usize = 3;

/// How much of a new text the stored one has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Likeness {
    /// Shared fraction of the smaller text, 0 to 1.
    shared: f64,
    is_short: bool,
}

impl Likeness {
    /// Compares two texts. Case, punctuation, white space and HTML tags do not matter.
    pub(crate) fn of(stored: &str, new: &str) -> Self {
        let (stored, new) = (words(stored), words(new));
        let is_short = stored.len().min(new.len()) < MIN_SHINGLED_WORDS;
        let parts = |words: Vec<u64>| {
            let mut parts = if is_short { words } else { words.windows(WORDS).map(hash).collect() };
            parts.sort_unstable();
            parts.dedup();
            parts
        };
        let (stored, new) = (parts(stored), parts(new));
        let smaller = stored.len().min(new.len());
        #[expect(clippy::cast_precision_loss, reason = "a text has far fewer than 2^53 words")]
        let shared = if smaller == 0 { 0.0 } else { count_shared(&stored, &new) as f64 / smaller as f64 };
        Self { shared, is_short }
    }

    /// Whether the texts are different documents, judged by themselves.
    pub(crate) fn is_other_document(self) -> bool {
        if self.is_short { self.shared <= MAX_SHARED_WORDS } else { self.shared < MIN_SHARED_SHINGLES }
    }

    /// Whether they are, if most changed texts of the project are other documents.
    pub(crate) fn is_doubtful(self) -> bool {
        self.shared < MIN_SHARED_AMONG_OTHERS
    }
}

fn words(text: &str) -> Vec<u64> {
    let mut words = Vec::new();
    for_each_word(text, |word| words.push(word));
    words
}

fn hash(words: &[u64]) -> u64 {
    words.iter().fold(0, |hash, word| (hash ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: &str = "This lease of the warehouse at the north shore is made between the landlord and the tenant and ends after ten years \
                         unless one of the parties gives notice in writing six months before that day";

    #[test]
    fn an_edited_text_is_the_same_document() {
        let edited = LEASE.replace("ten years", "two years").replace("six months", "90 days").to_uppercase();
        assert!(!Likeness::of(LEASE, &edited).is_other_document());
        // a part of it, and it with an annex
        assert!(!Likeness::of(LEASE, &LEASE[..120]).is_other_document());
        assert!(!Likeness::of(LEASE, &format!("{} {LEASE}", "annex ".repeat(500))).is_other_document());
        assert!(!Likeness::of("The law of Texas.", "The law of texas applies").is_other_document());
    }

    #[test]
    fn a_text_with_nothing_in_common_is_another_document() {
        let other = "Sponsorship: the club grants the brewer exclusive rights to its stadium name, its shirts and all boards around the pitch \
                     for three seasons against quarterly payments";
        assert!(Likeness::of(LEASE, other).is_other_document());
        assert!(Likeness::of(LEASE, "The law of Delaware.").is_other_document());
        assert!(Likeness::of("My card has not arrived", "Which currencies do you support?").is_other_document());
        assert!(Likeness::of("...", "one").is_other_document(), "nothing can be compared");
    }
}
