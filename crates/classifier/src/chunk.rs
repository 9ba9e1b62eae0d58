//! Splits a text into overlapping chunks that an encoder can read.

use aprendiz_encoder::Encoder;
use serde::{Deserialize, Serialize};

/// How texts are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChunkSettings {
    /// Maximum length of a chunk in tokens, special tokens and those of the default prompt included.
    pub tokens: usize,
    /// Tokens that two neighbouring chunks have in common.
    pub overlap: usize,
    /// Maximum number of chunks. Of a longer text, evenly spaced chunks are used, the first and the last one among them.
    pub max_chunks: usize,
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Byte offsets into the text, at boundaries of characters.
    pub start: usize,
    /// End of the chunk in bytes, exclusive.
    pub end: usize,
    /// Token ids, as the encoder reads them.
    pub tokens: Vec<u32>,
}

/// Splits a text. Chunks begin and end at words where a word boundary is near. A text without tokens has one empty chunk.
#[must_use]
pub fn split_into_chunks(encoder: &Encoder, text: &str, settings: &ChunkSettings) -> Vec<Chunk> {
    let special = encoder.tokens("").len();
    let length = settings.tokens.min(encoder.max_length()).saturating_sub(special).max(1);
    let offsets = encoder.token_offsets(text);
    let windows = windows(&offsets, text, length, settings.overlap.min(length / 2));
    let chunks = select(windows.len(), settings.max_chunks.max(1));
    chunks.map(|window| chunk(encoder, text, windows[window], special + length)).collect()
}

fn chunk(encoder: &Encoder, text: &str, (start, end): (usize, usize), limit: usize) -> Chunk {
    let mut tokens = encoder.tokens(&text[start..end]);
    if tokens.len() > limit {
        // a word that was cut may have more tokens than before; the last token ends the text
        let last = tokens.pop();
        tokens.truncate(limit - 1);
        tokens.extend(last);
    }
    Chunk { start, end, tokens }
}

/// Byte ranges of at most `length` tokens, each with about `overlap` tokens of the one before it.
fn windows(offsets: &[(usize, usize)], text: &str, length: usize, overlap: usize) -> Vec<(usize, usize)> {
    let mut windows = Vec::new();
    let mut first = 0;
    while first < offsets.len() {
        let last = (first + length).min(offsets.len());
        let end = if last == offsets.len() { last } else { word_boundary(offsets, text, first + length * 3 / 4, last) };
        windows.push((offsets[first].0, offsets[end - 1].1));
        if end == offsets.len() {
            break;
        }
        first = word_boundary(offsets, text, (end - overlap).saturating_sub(overlap / 2).max(first + 1), end - overlap).max(first + 1);
    }
    if windows.is_empty() { vec![(0, 0)] } else { windows }
}

/// The last index from `from` to `to` at which a word begins; `to` if there is none.
fn word_boundary(offsets: &[(usize, usize)], text: &str, from: usize, to: usize) -> usize {
    let begins_word = |index: &usize| {
        let before = offsets[*index].0;
        text[..before].chars().next_back().is_none_or(char::is_whitespace)
    };
    (from..=to).rev().filter(|index| *index < offsets.len()).find(begins_word).unwrap_or(to)
}

/// The indices of at most `limit` of `count` windows, evenly spaced, with the first and the last one.
fn select(count: usize, limit: usize) -> impl Iterator<Item = usize> {
    let kept = count.min(limit);
    (0..kept).map(move |index| if kept == count || kept == 1 { index } else { index * (count - 1) / (kept - 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offsets of words of a text, each of them a token.
    fn words(text: &str) -> Vec<(usize, usize)> {
        let start = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
        text.split_whitespace().map(|word| (start(word), start(word) + word.len())).collect()
    }

    #[test]
    fn windows_overlap_cover_the_text_and_end_at_words() {
        let text = (0..100).map(|word| format!("word{word}")).collect::<Vec<_>>().join(" ");
        let offsets = words(&text);
        let windows = windows(&offsets, &text, 16, 4);
        assert_eq!((windows[0].0, windows.last().unwrap().1), (0, text.len()));
        for pair in windows.windows(2) {
            assert!(pair[1].0 < pair[0].1 && pair[1].0 > pair[0].0, "{pair:?}");
        }
        for (start, end) in &windows {
            let part = &text[*start..*end];
            assert!(part.starts_with("word") && part.split(' ').count() <= 16, "{part}");
        }
    }

    #[test]
    fn a_long_word_is_cut_and_an_empty_text_has_one_chunk() {
        let text = "x".repeat(50);
        let offsets: Vec<(usize, usize)> = (0..50).map(|byte| (byte, byte + 1)).collect();
        let windows = windows(&offsets, &text, 10, 2);
        assert!(windows.iter().all(|(start, end)| (1..=10).contains(&(end - start))));
        assert_eq!(windows.last().unwrap().1, 50);
        assert_eq!(super::windows(&[], "", 10, 2), [(0, 0)]);
    }

    #[test]
    fn of_many_windows_evenly_spaced_ones_are_selected() {
        assert_eq!(select(3, 5).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(select(10, 4).collect::<Vec<_>>(), [0, 3, 6, 9]);
        assert_eq!(select(10, 1).collect::<Vec<_>>(), [0]);
    }
}
