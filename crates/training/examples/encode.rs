//! Texts become vectors: `encode MODEL_DIRECTORY < texts > vectors.jsonl`, one text a line; each line of the answer is
//! `{"text": "...", "embedding": [...]}`.

use std::{
    error::Error,
    io::{BufRead, BufWriter, Write, stdin, stdout},
    path::PathBuf,
};

use burn::tensor::Device;
use encoder::Encoder;
use serde_json::json;

/// Texts that are read, and encoded in batches of similar length, at a time.
const TEXTS_AT_ONCE: usize = 1024;

/// Texts of a batch.
const BATCH: usize = 32;

// as in the worker
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let dir: PathBuf = std::env::args_os().nth(1).ok_or("say which directory holds the model")?.into();
    let device = Device::flex();
    let encoder = Encoder::load(&dir, &device)?;
    let mut out = BufWriter::new(stdout().lock());
    let mut lines = stdin().lock().lines();
    loop {
        let texts: Vec<String> = lines.by_ref().take(TEXTS_AT_ONCE).collect::<Result<_, _>>()?;
        if texts.is_empty() {
            out.flush()?;
            return Ok(());
        }
        for (text, vector) in texts.iter().zip(encoder.encode(&texts, BATCH, &device)?) {
            writeln!(out, "{}", json!({"text": text, "embedding": vector}))?;
        }
    }
}
