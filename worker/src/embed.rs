//! `aprendiz-worker embed`: texts in, vectors out. It lives in this binary because the other one links no Burn; `aprendiz embed` fetches a
//! published encoder and calls it.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use encoder::Encoder;
use serde_json::{Map, Value};
use training::Backend;

/// Bytes of text that are held at once.
const MOST_BYTES: usize = 8 << 20;

/// What to embed with what.
#[derive(Debug, Args)]
#[command(after_help = "\
Each line of the input is a JSON object with `text`; the same line comes out with `embedding` in the place of `text`, in the same order.
With --plain each line is a text, and `line` says its number.

  aprendiz-worker embed --model ./contracts-encoder texts.jsonl > vectors.jsonl
  printf 'governed by the laws of Texas\\n' | aprendiz-worker embed --model ./contracts-encoder --plain -")]
pub(crate) struct EmbedArgs {
    /// Directory in the layout of sentence-transformers
    #[arg(long, value_name = "DIRECTORY")]
    model: PathBuf,
    /// Texts that are computed together
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: u16,
    /// Longest text in word pieces; the rest of a longer one is not read; default: as the model says
    #[arg(long, value_name = "N")]
    max_length: Option<usize>,
    /// Each line is a text, not a JSON object
    #[arg(long)]
    plain: bool,
    /// JSON lines, or texts; `-` for standard input
    #[arg(value_name = "FILE|-", default_value = "-")]
    file: PathBuf,
}

pub(crate) fn run(args: &EmbedArgs) -> ExitCode {
    keep_freed_memory();
    match embed(args) {
        Ok(()) => ExitCode::SUCCESS,
        // who reads has seen enough, as `head` does
        Err(error) if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("aprendiz-worker embed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Begins anew with what the allocator is told when a process starts, as the training process is told it: freed memory is kept for the next
/// batch, and the system does not clear the same pages again and again, which took 7 % of the time.
fn keep_freed_memory() {
    const VARIABLE: &str = "MIMALLOC_PURGE_DELAY";
    if std::env::var_os(VARIABLE).is_none() {
        // if it cannot begin anew it goes on, a little slower
        let _ = Command::new("/proc/self/exe").args(std::env::args_os().skip(1)).env(VARIABLE, "-1").exec();
    }
}

fn embed(args: &EmbedArgs) -> Result<()> {
    let device = Backend::Auto.device()?;
    let mut encoder = Encoder::load(&args.model, &device)?;
    if let Some(length) = args.max_length {
        encoder.set_max_length(length);
    }
    let input: Box<dyn BufRead> = if args.file.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?))
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let batch = usize::from(args.batch);
    // some batches at a time, so that texts of similar length come together
    let (mut waiting, mut bytes) = (Vec::new(), 0);
    let mut write = |waiting: &mut Vec<(Map<String, Value>, String)>| -> Result<()> {
        let (objects, texts): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
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
        waiting.push((object, text));
        if waiting.len() >= batch * 16 || bytes >= MOST_BYTES {
            write(&mut waiting)?;
            bytes = 0;
        }
    }
    write(&mut waiting)
}

/// What is kept of a line, and its text.
fn parse(line: String, number: usize, plain: bool) -> Result<(Map<String, Value>, String)> {
    if plain {
        return Ok((Map::from_iter([("line".to_owned(), Value::from(number))]), line));
    }
    let mut object: Map<String, Value> =
        serde_json::from_str(&line).with_context(|| format!("line {number} is no JSON object; --plain takes every line as a text"))?;
    match object.remove("text") {
        Some(Value::String(text)) => Ok((object, text)),
        Some(_) => bail!("line {number}: `text` is no string"),
        None => bail!("line {number} has no `text`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_line_says_beside_its_text_is_kept() {
        let (kept, text) = parse(r#"{"id":7,"text":"a","more":[1]}"#.to_owned(), 1, false).unwrap();
        assert_eq!((Value::Object(kept), text.as_str()), (serde_json::json!({"id": 7, "more": [1]}), "a"));
        let (kept, text) = parse("{\"text\"".to_owned(), 3, true).unwrap();
        assert_eq!((Value::Object(kept), text.as_str()), (serde_json::json!({"line": 3}), "{\"text\""));
    }

    #[test]
    fn a_line_that_is_no_text_is_named() {
        for (line, words) in [("{\"text\":1}", "no string"), ("{}", "no `text`"), ("text", "--plain")] {
            let error = format!("{:#}", parse(line.to_owned(), 5, false).unwrap_err());
            assert!(error.contains("line 5") && error.contains(words), "{error}");
        }
    }
}
