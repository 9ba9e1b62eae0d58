//! The texts of a batch one after the other, without padding, and how they are shared out among the cores.

use std::ops::Range;

/// Word pieces that are worth a part of their own.
const PART: usize = 256;

/// Fewer word pieces than this are not divided: each part would prepare all weights for few rows.
const LEAST: usize = 512;

/// Most parts of a batch.
const MOST_PARTS: usize = 16;

/// Texts that one core takes together.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) texts: Range<usize>,
    pub(super) tokens: Range<usize>,
}

/// Where the texts of a batch lie.
#[derive(Debug)]
pub(crate) struct Packed {
    /// The distinct word pieces, in order.
    pub(crate) words: Vec<u32>,
    /// Which of them each place holds.
    pub(super) places: Vec<u32>,
    /// Where each text ends.
    pub(super) ends: Vec<usize>,
    /// How the texts are shared out. It follows from their lengths alone, never from the machine, so that sums over parts are the same
    /// everywhere.
    pub(super) parts: Vec<Part>,
}

impl Packed {
    /// Texts of `lengths`, whose word pieces are `ids`.
    pub(crate) fn new(ids: &[u32], lengths: impl Iterator<Item = usize>) -> Self {
        let mut words = ids.to_vec();
        words.sort_unstable();
        words.dedup();
        let place = |id: &u32| words.binary_search(id).expect("every word piece is among the distinct ones") as u32;
        let places = ids.iter().map(place).collect();
        let ends: Vec<usize> = lengths
            .scan(0, |end, length| {
                *end += length;
                Some(*end)
            })
            .collect();
        let parts = parts(&ends);
        Self { words, places, ends, parts }
    }

    pub(super) fn tokens(&self) -> usize {
        self.places.len()
    }

    /// Where a text begins and ends.
    pub(super) fn text(&self, text: usize) -> Range<usize> {
        let start = if text == 0 { 0 } else { self.ends[text - 1] };
        start..self.ends[text]
    }

    /// Cuts rows of all word pieces, `size` numbers each, into those of the parts.
    pub(super) fn cut<'a>(&self, mut rows: &'a mut [f32], size: usize) -> Vec<&'a mut [f32]> {
        let mut cut = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let (head, rest) = rows.split_at_mut(part.tokens.len() * size);
            cut.push(head);
            rows = rest;
        }
        cut
    }
}

fn parts(ends: &[usize]) -> Vec<Part> {
    let tokens = ends.last().copied().unwrap_or(0);
    let wanted = match tokens {
        0..LEAST => 1,
        // an even number of parts for an even number of cores
        _ => (1 << (tokens / PART).ilog2()).min(MOST_PARTS),
    };
    let mut parts: Vec<Part> = Vec::with_capacity(wanted);
    let (mut text, mut start) = (0, 0);
    for part in 1..=wanted {
        let goal = tokens * part / wanted;
        let first = text;
        // the text that reaches over the goal goes to the side where more of it lies
        while text < ends.len() && (part == wanted || (start + ends[text]).div_ceil(2) <= goal) {
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

    fn of(lengths: &[usize]) -> Vec<Part> {
        let ids = vec![7; lengths.iter().sum()];
        Packed::new(&ids, lengths.iter().copied()).parts
    }

    #[test]
    fn parts_hold_all_texts_in_order_and_are_of_like_size() {
        for lengths in [vec![128; 32], vec![5; 40], vec![10, 500, 3, 3, 3, 200, 7], vec![2], vec![], (3..200).collect()] {
            let parts = of(&lengths);
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
        let sizes: Vec<usize> = of(&[128; 32]).iter().map(|part| part.tokens.len()).collect();
        assert_eq!(sizes, [256; 16]);
        let sizes: Vec<usize> = of(&[7; 80]).iter().map(|part| part.tokens.len()).collect();
        assert_eq!(sizes, [280, 280]);
        assert_eq!(of(&[7; 20]).len(), 1);
    }

    #[test]
    fn word_pieces_are_listed_once() {
        let packed = Packed::new(&[5, 3, 5, 9, 3], [2, 3].into_iter());
        assert_eq!(packed.words, [3, 5, 9]);
        assert_eq!(packed.places, [1, 0, 1, 2, 0]);
        assert_eq!((packed.text(0), packed.text(1)), (0..2, 2..5));
    }
}
