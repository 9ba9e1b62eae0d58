//! Word overlap of two texts, used to choose hard negatives.

use std::collections::BTreeSet;

use xxhash_rust::xxh3::xxh3_64;

/// Hashes of the distinct lower-cased words of a text.
pub(crate) fn word_hashes(text: &str) -> BTreeSet<u64> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(|word| xxh3_64(word.to_lowercase().as_bytes())).collect()
}

/// Jaccard index of two sets, in [0, 1]; 0 for two empty sets.
pub(crate) fn jaccard_index(one: &BTreeSet<u64>, other: &BTreeSet<u64>) -> f64 {
    let common = one.intersection(other).count();
    let all = one.len() + other.len() - common;
    if all == 0 { 0.0 } else { common as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jaccard_index_ignores_case_and_is_zero_for_empty_texts() {
        assert_eq!(jaccard_index(&word_hashes("The Lease, signed"), &word_hashes("the lease was SIGNED twice")), 0.6);
        assert_eq!(jaccard_index(&word_hashes(""), &word_hashes("")), 0.0);
    }
}
