//! Tests of chunks with a real tokenizer.

#![expect(clippy::unwrap_used, reason = "a test fails if its setup fails")]

use aprendiz_classifier::{ChunkSettings, split_into_chunks};
use aprendiz_encoder::{Encoder, write_random};
use burn::tensor::Device;

fn encoder() -> (tempfile::TempDir, Encoder) {
    let dir = tempfile::tempdir().unwrap();
    write_random(dir.path(), 5).unwrap();
    let encoder = Encoder::load(dir.path(), &Device::flex()).unwrap();
    (dir, encoder)
}

#[test]
fn chunks_fit_the_encoder_and_name_their_part_of_the_text() {
    let (_dir, encoder) = encoder();
    let settings = ChunkSettings { tokens: 24, overlap: 6, max_chunks: 100 };
    let text = "the laws of the state of texas govern this agreement, São Paulo ".repeat(20);
    let chunks = split_into_chunks(&encoder, &text, &settings);
    assert!(chunks.len() > 10);
    for chunk in &chunks {
        assert!(chunk.tokens.len() <= 24, "{}", chunk.tokens.len());
        assert_eq!(chunk.tokens, encoder.tokens(&text[chunk.start..chunk.end]));
    }
    assert_eq!(chunks[0].start, 0);
    assert!(text[chunks.last().unwrap().end..].trim().is_empty());
    let few = split_into_chunks(&encoder, &text, &ChunkSettings { max_chunks: 3, ..settings });
    assert_eq!((few.len(), &few[0], &few[2]), (3, &chunks[0], chunks.last().unwrap()));
}

#[test]
fn a_short_text_is_one_chunk_and_an_empty_one_too() {
    let (_dir, encoder) = encoder();
    let settings = ChunkSettings { tokens: 24, overlap: 6, max_chunks: 100 };
    let chunks = split_into_chunks(&encoder, "texas", &settings);
    assert_eq!((chunks.len(), chunks[0].start, chunks[0].end), (1, 0, 5));
    assert_eq!(chunks[0].tokens, encoder.tokens("texas"));
    for text in ["", " \n"] {
        let chunks = split_into_chunks(&encoder, text, &settings);
        assert_eq!((chunks.len(), chunks[0].start, chunks[0].end), (1, 0, 0), "{text:?}");
    }
}
