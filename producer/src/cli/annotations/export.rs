//! `aprendiz annotations export`: writes a complete file, or none.

use std::io;
use std::path::Path;

use anyhow::Context as _;
use aprendiz_text::count;
use indicatif::ProgressBar;
use serde_json::json;

use crate::cli::annotations::export_args::{ExportArgs, Format};
use crate::cli::annotations::export_download::ExportDownload;
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::http::download::{create_staged, persist};
use crate::cli::terminal::{Output, byte_bar, human_bytes, print_message};

pub(super) async fn run(client: &Client, args: &ExportArgs, output: Output) -> Result<(), CliError> {
    if args.to.as_os_str() == "-" {
        let bar = ProgressBar::hidden();
        let mut download = ExportDownload::new(args, Box::new(io::stdout().lock()), bar);
        return match download.run(client).await {
            // a closed pipe, such as that of `head`, is not an error
            Err(CliError::Failed(error)) if is_broken_pipe(&error) => Ok(()),
            other => other,
        };
    }
    if !args.force && args.to.try_exists().with_context(|| format!("cannot access {}", args.to.display()))? {
        return Err(CliError::Usage(format!("{} already exists: choose another name, or overwrite it with --force", args.to.display())));
    }
    let directory = args.to.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let staged = create_staged(directory)?;
    let mut download = ExportDownload::new(args, Box::new(staged.as_file().try_clone()?), byte_bar(None));
    download.run(client).await?;
    let (bytes, lines, position) = (download.bytes, download.lines, download.position.clone());
    download.bar.finish_and_clear();
    drop(download);
    persist(staged, &args.to, args.force)?;
    let summary = json!({ "path": args.to, "bytes": bytes, "position": position.as_deref().and_then(|text| text.parse::<i64>().ok()) });
    output.print(&summary, || {
        let rows = if args.format == Format::Jsonl { format!("{}, ", count(lines, "row")) } else { String::new() };
        format!("exported {rows}{} to {}, as of position {}", human_bytes(bytes), args.to.display(), position.as_deref().unwrap_or("-"))
    })?;
    if is_empty(args.format, bytes, lines) {
        print_message("nothing was exported, because no document matches; `aprendiz project list` shows sources and projects");
    }
    Ok(())
}

/// Whether an export has no rows or tasks. Parquet files of few rows have no certain size.
const fn is_empty(format: Format, bytes: u64, lines: u64) -> bool {
    match format {
        Format::Jsonl => lines == 0,
        Format::Parquet => false,
        // an array without elements
        _ => bytes <= "[\n]\n".len() as u64,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
