//! How alike two texts are: the share of common words, for choosing negatives that are hard to tell apart.

use std::collections::BTreeSet;

use xxhash_rust::xxh3::xxh3_64;

/// The distinct words of a text, in lower case, as hashes.
pub(crate) fn words(text: &str) -> BTreeSet<u64> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(|word| xxh3_64(word.to_lowercase().as_bytes())).collect()
}

/// Jaccard index of two sets of words, in [0, 1]; 0 for two empty ones.
pub(crate) fn likeness(one: &BTreeSet<u64>, other: &BTreeSet<u64>) -> f64 {
    let common = one.intersection(other).count();
    let all = one.len() + other.len() - common;
    if all == 0 { 0.0 } else { common as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeness_is_the_share_of_common_words_whatever_their_case() {
        assert_eq!(likeness(&words("The Lease, signed"), &words("the lease was SIGNED twice")), 0.6);
        assert_eq!(likeness(&words(""), &words("")), 0.0);
    }
}
