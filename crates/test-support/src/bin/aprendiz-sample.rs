//! `aprendiz-sample`: writes a sample export of any size, for trying out Aprendiz.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use aprendiz_test_support::{Extent, write_contracts};
use clap::{Args, Parser, Subcommand};
use flate2::Compression;
use flate2::write::GzEncoder;

/// Writes sample exports in the JSON format of Label Studio.
#[derive(Debug, Parser)]
#[command(version)]
struct Command {
    #[command(subcommand)]
    sample: Sample,
}

#[derive(Debug, Subcommand)]
enum Sample {
    /// Write contract-like documents with predictions and reviews
    Contracts {
        #[command(flatten)]
        extent: ExtentArgs,

        /// Seed; the same seed gives the same bytes
        #[arg(long, default_value_t = 7)]
        seed: u64,

        /// Output file, compressed if its name ends in .gz; - for standard output
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct ExtentArgs {
    /// Number of documents
    #[arg(long)]
    documents: Option<u64>,

    /// Uncompressed size, for example 1GB or 64MiB
    #[arg(long, value_parser = bytes)]
    bytes: Option<u64>,
}

fn main() -> anyhow::Result<()> {
    let Sample::Contracts { extent, seed, out } = Command::parse().sample;
    let extent = match (extent.documents, extent.bytes) {
        (Some(documents), _) => Extent::Documents(documents),
        (None, bytes) => Extent::Bytes(bytes.unwrap_or_default()),
    };
    let written = if out == Path::new("-") {
        write_contracts(extent, seed, BufWriter::new(std::io::stdout().lock()))?
    } else {
        let file = File::create(&out).with_context(|| format!("cannot create {}", out.display()))?;
        write_file(extent, seed, file, &out).with_context(|| format!("cannot write {}", out.display()))?
    };
    eprintln!("wrote {written} documents");
    Ok(())
}

fn write_file(extent: Extent, seed: u64, file: File, path: &Path) -> std::io::Result<u64> {
    let mut file = BufWriter::new(file);
    if path.extension().is_none_or(|extension| extension != "gz") {
        return write_contracts(extent, seed, file);
    }
    let mut gzip = BufWriter::new(GzEncoder::new(&mut file, Compression::default()));
    let written = write_contracts(extent, seed, &mut gzip)?;
    gzip.into_inner()?.finish()?;
    file.flush()?;
    Ok(written)
}

/// Parses a size such as `1000`, `64MB` or `1GiB`, with decimal or binary units.
fn bytes(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit: u64 = match &text[end..] {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1000_u64.pow(2),
        "GB" => 1000_u64.pow(3),
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err("expected a size such as 500MB or 1GiB".to_owned()),
    };
    let count: u64 = text[..end].parse().map_err(|_| "expected a size such as 500MB or 1GiB".to_owned())?;
    count.checked_mul(unit).ok_or_else(|| "the size is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        assert_eq!(bytes("1GB"), Ok(1_000_000_000));
        assert_eq!(bytes("2MiB"), Ok(2 << 20));
        assert_eq!(bytes("12"), Ok(12));
        assert!(bytes("GB").is_err());
        assert!(bytes("1 GB").is_err());
        assert!(bytes("99999999999GB").is_err());
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Command::command().debug_assert();
    }
}
