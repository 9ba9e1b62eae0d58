//! Encodes texts: `encode MODEL_DIRECTORY < texts > vectors.jsonl`. Reads one text per line and writes one line
//! `{"text": "...", "embedding": [...]}` for each.

use std::{
    error::Error,
    io::{BufRead, BufWriter, Write, stdin, stdout},
    path::PathBuf,
};

use aprendiz_encoder::Encoder;
use burn::tensor::Device;
use serde_json::json;

/// Texts that are read at a time and sorted by length into batches.
const TEXTS_PER_READ: usize = 1024;

/// Texts per batch.
const BATCH: usize = 32;

// same allocator as in the worker
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let dir: PathBuf = std::env::args_os().nth(1).ok_or("usage: encode MODEL_DIRECTORY")?.into();
    let device = Device::flex();
    let encoder = Encoder::load(&dir, &device)?;
    let mut out = BufWriter::new(stdout().lock());
    let mut lines = stdin().lock().lines();
    loop {
        let texts: Vec<String> = lines.by_ref().take(TEXTS_PER_READ).collect::<Result<_, _>>()?;
        if texts.is_empty() {
            out.flush()?;
            return Ok(());
        }
        for (text, vector) in texts.iter().zip(encoder.encode(&texts, BATCH, &device)?) {
            writeln!(out, "{}", json!({"text": text, "embedding": vector}))?;
        }
    }
}
