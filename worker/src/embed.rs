//! `aprendiz-worker embed`: computes embeddings of texts.
//!
//! The command belongs to this binary because `aprendiz` does not link Burn; `aprendiz embed` downloads a published encoder and calls it.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use aprendiz_encoder::Encoder;
use aprendiz_run_spec::Backend;
use clap::Args;
use serde_json::{Map, Value};

/// Batches that are sorted by length together, which reduces padding.
const BUFFERED_BATCHES: usize = 16;
/// Limit of buffered text.
const MAX_BUFFERED_BYTES: usize = 8 << 20;

/// Arguments of `aprendiz-worker embed`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each input line is a JSON object with a `text`. The output has the same lines in the same order, with `embedding` instead of `text`.
With --plain, each input line is a text, and each output line has its number as `line`.

Examples:
  aprendiz-worker embed --model ./contracts-encoder texts.jsonl > vectors.jsonl
  printf 'governed by the laws of Texas\\n' | aprendiz-worker embed --model ./contracts-encoder --plain -")]
pub(crate) struct EmbedArgs {
    /// Encoder directory in the layout of sentence-transformers
    #[arg(long, value_name = "DIRECTORY")]
    model: PathBuf,
    /// Batch size
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: u16,
    /// Maximum text length in tokens, at most that of the model; longer texts are truncated (default: limit of the model)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(3..))]
    max_length: Option<u16>,
    /// Treat each line as a text instead of a JSON object
    #[arg(long)]
    plain: bool,
    /// Input file; `-` for standard input
    #[arg(value_name = "FILE|-", default_value = "-")]
    file: PathBuf,
}

pub(crate) fn run(args: &EmbedArgs) -> ExitCode {
    keep_freed_memory();
    match embed(args) {
        Ok(()) => ExitCode::SUCCESS,
        // the reader has closed the pipe, as `head` does
        Err(error) if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("aprendiz-worker embed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Restarts the process with the allocator setting of the training process: freed memory is kept for the next batch. Otherwise the system
/// clears the same pages for each batch, which took 7 % of the time.
fn keep_freed_memory() {
    const VARIABLE: &str = "MIMALLOC_PURGE_DELAY";
    if std::env::var_os(VARIABLE).is_none() {
        // on failure the process continues, slightly slower
        let _ = Command::new("/proc/self/exe").args(std::env::args_os().skip(1)).env(VARIABLE, "-1").exec();
    }
}

fn embed(args: &EmbedArgs) -> Result<()> {
    let device = aprendiz_training::device(Backend::Auto)?;
    let mut encoder = Encoder::load(&args.model, &device)?;
    for note in encoder.notes() {
        eprintln!("aprendiz-worker embed: {}: {note}", args.model.display());
    }
    if let Some(length) = args.max_length {
        encoder.set_max_length(usize::from(length));
    }
    let input: Box<dyn BufRead> = if args.file.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?))
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let batch = usize::from(args.batch);
    // several batches are buffered, so that the encoder can group texts of similar length
    let (mut buffer, mut bytes) = (Vec::new(), 0);
    let mut write = |buffer: &mut Vec<(Map<String, Value>, String)>| -> Result<()> {
        let (objects, texts): (Vec<_>, Vec<_>) = buffer.drain(..).unzip();
        let vectors = encoder.encode(&texts, batch, &device)?;
        for (mut object, vector) in objects.into_iter().zip(vectors) {
            object.insert("embedding".to_owned(), vector.into());
            serde_json::to_writer(&mut out, &object).map_err(std::io::Error::from)?;
            out.write_all(b"\n")?;
        }
        Ok(out.flush()?)
    };
    for (number, line) in input.lines().enumerate() {
        let line = line.with_context(|| format!("{}, line {}", args.file.display(), number + 1))?;
        if line.trim().is_empty() && !args.plain {
            continue;
        }
        let (object, text) = parse(line, number + 1, args.plain)?;
        bytes += text.len();
        buffer.push((object, text));
        if buffer.len() >= batch * BUFFERED_BATCHES || bytes >= MAX_BUFFERED_BYTES {
            write(&mut buffer)?;
            bytes = 0;
        }
    }
    write(&mut buffer)
}

/// Splits an input line into the fields to copy to the output and its text.
fn parse(line: String, number: usize, plain: bool) -> Result<(Map<String, Value>, String)> {
    if plain {
        return Ok((Map::from_iter([("line".to_owned(), Value::from(number))]), line));
    }
    let mut object: Map<String, Value> = serde_json::from_str(&line)
        .with_context(|| format!("line {number} is not a JSON object; use --plain to treat each line as a text"))?;
    match object.remove("text") {
        Some(Value::String(text)) => Ok((object, text)),
        Some(_) => bail!("line {number}: `text` is not a string"),
        None => bail!("line {number} has no `text`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_fields_of_a_line_are_kept() {
        let (kept, text) = parse(r#"{"id":7,"text":"a","more":[1]}"#.to_owned(), 1, false).unwrap();
        assert_eq!((Value::Object(kept), text.as_str()), (serde_json::json!({"id": 7, "more": [1]}), "a"));
        let (kept, text) = parse("{\"text\"".to_owned(), 3, true).unwrap();
        assert_eq!((Value::Object(kept), text.as_str()), (serde_json::json!({"line": 3}), "{\"text\""));
    }

    #[test]
    fn an_invalid_line_is_named() {
        for (line, words) in [("{\"text\":1}", "not a string"), ("{}", "no `text`"), ("text", "--plain")] {
            let error = format!("{:#}", parse(line.to_owned(), 5, false).unwrap_err());
            assert!(error.contains("line 5") && error.contains(words), "{error}");
        }
    }
}
