//! Packs the texts of a batch without padding, and splits them into parts that are computed in parallel.

use std::ops::Range;

/// Target number of tokens of a part.
const TOKENS_PER_PART: usize = 256;

/// Smaller batches are not split: each part has the overhead of preparing all weights.
const MIN_SPLIT_TOKENS: usize = 512;

/// Maximum number of parts of a batch.
const MAX_PARTS: usize = 16;

/// Texts that are computed by one thread.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) texts: Range<usize>,
    pub(super) tokens: Range<usize>,
}

/// The layout of a packed batch.
#[derive(Debug)]
pub(crate) struct PackedBatch {
    /// The distinct token ids, ascending.
    pub(crate) unique_ids: Vec<u32>,
    /// Index into `unique_ids` of each token.
    pub(super) id_indices: Vec<u32>,
    /// End of each text, in tokens.
    pub(super) ends: Vec<usize>,
    /// Number of tokens at the start of each text that do not count in its mean.
    left_out: usize,
    /// The parts. They depend only on the lengths of the texts, never on the machine, so that sums over parts are reproducible.
    pub(super) parts: Vec<Part>,
}

impl PackedBatch {
    /// Packs texts of `lengths` with the token ids `ids`. The first `left_out` tokens of each text do not count in its mean.
    pub(crate) fn new(ids: &[u32], lengths: impl Iterator<Item = usize>, left_out: usize) -> Self {
        let mut unique_ids = ids.to_vec();
        unique_ids.sort_unstable();
        unique_ids.dedup();
        let index = |id: &u32| unique_ids.binary_search(id).expect("every token id is in the list of distinct ids") as u32;
        let id_indices = ids.iter().map(index).collect();
        let ends: Vec<usize> = lengths
            .scan(0, |end, length| {
                *end += length;
                Some(*end)
            })
            .collect();
        let parts = split_into_parts(&ends);
        Self { unique_ids, id_indices, ends, left_out, parts }
    }

    pub(super) fn tokens(&self) -> usize {
        self.id_indices.len()
    }

    /// Token range of a text.
    pub(super) fn text(&self, text: usize) -> Range<usize> {
        let start = if text == 0 { 0 } else { self.ends[text - 1] };
        start..self.ends[text]
    }

    /// Range of the tokens of a text that count in its mean.
    pub(super) fn pooled(&self, text: usize) -> Range<usize> {
        let Range { start, end } = self.text(text);
        (start + self.left_out).min(end)..end
    }

    /// Splits the rows of all tokens, of `size` values each, into those of the parts.
    pub(super) fn split_rows<'a>(&self, mut rows: &'a mut [f32], size: usize) -> Vec<&'a mut [f32]> {
        let mut split = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let (head, rest) = rows.split_at_mut(part.tokens.len() * size);
            split.push(head);
            rows = rest;
        }
        split
    }
}

fn split_into_parts(ends: &[usize]) -> Vec<Part> {
    let tokens = ends.last().copied().unwrap_or(0);
    let count = match tokens {
        0..MIN_SPLIT_TOKENS => 1,
        // a power of two, to balance the parts over an even number of cores
        _ => (1 << (tokens / TOKENS_PER_PART).ilog2()).min(MAX_PARTS),
    };
    let mut parts: Vec<Part> = Vec::with_capacity(count);
    let (mut text, mut start) = (0, 0);
    for part in 1..=count {
        let boundary = tokens * part / count;
        let first = text;
        // a text that crosses the boundary goes to the side with most of its tokens
        while text < ends.len() && (part == count || (start + ends[text]).div_ceil(2) <= boundary) {
            start = ends[text];
            text += 1;
        }
        if text > first {
            let begin = if first == 0 { 0 } else { ends[first - 1] };
            parts.push(Part { texts: first..text, tokens: begin..start });
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(lengths: &[usize]) -> Vec<Part> {
        let ids = vec![7; lengths.iter().sum()];
        PackedBatch::new(&ids, lengths.iter().copied(), 0).parts
    }

    #[test]
    fn parts_have_all_texts_in_order_and_similar_sizes() {
        for lengths in [vec![128; 32], vec![5; 40], vec![10, 500, 3, 3, 3, 200, 7], vec![2], vec![], (3..200).collect()] {
            let parts = parts(&lengths);
            let mut text = 0;
            let mut token = 0;
            for part in &parts {
                assert_eq!((part.texts.start, part.tokens.start), (text, token));
                token += lengths[part.texts.clone()].iter().sum::<usize>();
                text = part.texts.end;
                assert_eq!(part.tokens.end, token);
            }
            assert_eq!((text, token), (lengths.len(), lengths.iter().sum()));
        }
        let sizes: Vec<usize> = parts(&[128; 32]).iter().map(|part| part.tokens.len()).collect();
        assert_eq!(sizes, [256; 16]);
        let sizes: Vec<usize> = parts(&[7; 80]).iter().map(|part| part.tokens.len()).collect();
        assert_eq!(sizes, [280, 280]);
        assert_eq!(parts(&[7; 20]).len(), 1);
    }

    #[test]
    fn token_ids_are_listed_once() {
        let packed = PackedBatch::new(&[5, 3, 5, 9, 3], [2, 3].into_iter(), 2);
        assert_eq!(packed.unique_ids, [3, 5, 9]);
        assert_eq!(packed.id_indices, [1, 0, 1, 2, 0]);
        assert_eq!((packed.text(0), packed.text(1)), (0..2, 2..5));
        assert_eq!((packed.pooled(0), packed.pooled(1)), (2..2, 4..5));
    }
}
