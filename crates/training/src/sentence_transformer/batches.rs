//! Which pairs go together in a step: in a random order, but texts of similar length side by side, so that little is padding.

use crate::sentence_transformer::{pairs::PairSet, random::Random};

/// Batches whose pairs are sorted by length among each other.
const BUCKET_BATCHES: usize = 32;

/// The batches of an epoch, as places of pairs. The same seed, epoch and pairs give the same batches.
pub(super) fn of_epoch(set: &PairSet, batch: usize, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
    let mut random = Random::new(seed, 2 + epoch as u64);
    let mut order: Vec<usize> = (0..set.pairs.len()).collect();
    random.shuffle(&mut order);
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for bucket in order.chunks_mut(batch * BUCKET_BATCHES) {
        bucket.sort_by_key(|pair| set.length(&set.pairs[*pair]));
        batches.extend(bucket.chunks(batch).map(<[usize]>::to_vec));
    }
    random.shuffle(&mut batches);
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentence_transformer::{pairs::Pair, token_file::TokenWriter};

    fn set(pairs: u32) -> PairSet {
        let dir = tempfile::tempdir().unwrap();
        let mut texts = TokenWriter::create(dir.path(), "texts").unwrap();
        for text in 0..=pairs as usize {
            texts.push(&vec![0; 1 + text % 50]).unwrap();
        }
        let pair = |a| Pair { a, b: a + 1, label: 1.0, class: None, field: 0, number: a + 1 };
        PairSet { texts: texts.finish().unwrap(), pairs: (0..pairs).map(pair).collect(), fields: Vec::new() }
    }

    #[test]
    fn every_pair_is_in_one_batch_and_seed_and_epoch_decide_which() {
        let set = set(1000);
        let first = of_epoch(&set, 16, 1, 0);
        let mut all: Vec<usize> = first.iter().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..1000).collect::<Vec<_>>());
        assert_eq!(first, of_epoch(&set, 16, 1, 0));
        assert_ne!(first, of_epoch(&set, 16, 1, 1));
        assert_ne!(first, of_epoch(&set, 16, 2, 0));
    }

    #[test]
    fn little_of_a_batch_is_padding() {
        let set = set(1000);
        let padded = |batches: &[Vec<usize>]| -> usize {
            batches.iter().map(|batch| batch.len() * batch.iter().map(|pair| set.length(&set.pairs[*pair])).max().unwrap_or(0)).sum()
        };
        let needed: usize = set.pairs.iter().map(|pair| set.length(pair)).sum();
        assert!(padded(&of_epoch(&set, 16, 1, 0)) * 100 < needed * 110);
    }
}
