//! Random batches of pairs. Texts of a batch have similar lengths, to minimise padding.

use crate::{kinds::sentence_transformer::pairs::PairSet, random::Random};

/// Number of batches whose pairs are sorted by length together.
const BUCKET_BATCHES: usize = 32;

/// The batches of an epoch, as indices of pairs. They depend only on the seed, the epoch and the pairs.
pub(super) fn epoch_batches(set: &PairSet, batch: usize, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
    let mut random = Random::with_stream(seed, 2 + epoch as u64);
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
    use crate::kinds::sentence_transformer::{pair::Pair, text_classes::TextClasses, token_file::TokenWriter};

    fn set(pairs: u32) -> PairSet {
        let dir = tempfile::tempdir().unwrap();
        let mut texts = TokenWriter::create(dir.path(), "texts").unwrap();
        for text in 0..=pairs as usize {
            texts.push(&vec![0; 1 + text % 50]).unwrap();
        }
        let pair = |a| Pair { a, b: a + 1, label: 1.0, class: None, field: 0, number: a + 1 };
        PairSet {
            texts: texts.finish().unwrap(),
            pairs: (0..pairs).map(pair).collect(),
            fields: Vec::new(),
            classes: TextClasses::default(),
            keys: Vec::new(),
        }
    }

    #[test]
    fn every_pair_is_in_one_batch_that_depends_on_seed_and_epoch() {
        let set = set(1000);
        let first = epoch_batches(&set, 16, 1, 0);
        let mut all: Vec<usize> = first.iter().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..1000).collect::<Vec<_>>());
        assert_eq!(first, epoch_batches(&set, 16, 1, 0));
        assert_ne!(first, epoch_batches(&set, 16, 1, 1));
        assert_ne!(first, epoch_batches(&set, 16, 2, 0));
    }

    #[test]
    fn batches_need_little_padding() {
        let set = set(1000);
        let padded = |batches: &[Vec<usize>]| -> usize {
            batches.iter().map(|batch| batch.len() * batch.iter().map(|pair| set.length(&set.pairs[*pair])).max().unwrap_or(0)).sum()
        };
        let needed: usize = set.pairs.iter().map(|pair| set.length(pair)).sum();
        assert!(padded(&epoch_batches(&set, 16, 1, 0)) * 100 < needed * 110);
    }
}
