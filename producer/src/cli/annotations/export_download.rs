//! An export in progress: JSON lines resume after the last complete line if the response breaks off, and every format is checked for its
//! end.

use aprendiz_text::count;
use std::io::Write;

use anyhow::anyhow;
use aprendiz_annotations::export::{ExportEnd, read_end_line};
use futures::StreamExt as _;
use indicatif::ProgressBar;
use reqwest::Method;
use serde::Deserialize;

use crate::cli::annotations::export_args::{ExportArgs, Format};
use crate::cli::error::CliError;
use crate::cli::http::{Client, Retry, Tail};
use crate::cli::terminal::print_message;

const POSITION_HEADER: &str = "aprendiz-position";
/// Consecutive responses without a row and without an end after which the command gives up.
const MAX_CUTS: u32 = 3;

/// An export in progress.
pub(super) struct ExportDownload<'a> {
    args: &'a ExportArgs,
    to: Box<dyn Write + 'a>,
    pub(super) bar: ProgressBar,
    pub(super) bytes: u64,
    pub(super) lines: u64,
    /// Position of the first response; resumed requests use the same one.
    pub(super) position: Option<String>,
    /// The last complete line, without its newline.
    last_line: Vec<u8>,
    /// The beginning of an incomplete line.
    partial_line: Vec<u8>,
    /// The line that ended the current response.
    end: Option<ExportEnd>,
    /// The last bytes of a format other than JSON lines.
    tail: Tail,
}

impl<'a> ExportDownload<'a> {
    pub(super) fn new(args: &'a ExportArgs, to: Box<dyn Write + 'a>, bar: ProgressBar) -> Self {
        let (last_line, partial_line) = (Vec::new(), Vec::new());
        Self { args, to, bar, bytes: 0, lines: 0, position: None, last_line, partial_line, end: None, tail: Tail::default() }
    }

    pub(super) async fn run(&mut self, client: &Client) -> Result<(), CliError> {
        let mut retry = Retry::default();
        let mut cuts = 0;
        let mut is_waiting = false;
        loop {
            let before = self.lines;
            let error = match self.attempt(client).await {
                Ok(true) => {
                    self.to.flush()?;
                    return Ok(());
                }
                Ok(false) => {
                    cuts += 1;
                    CliError::cut_off("the export")
                }
                Err(error) => error,
            };
            if self.lines > before {
                retry.reset();
                (cuts, is_waiting) = (0, false);
            }
            if self.args.format != Format::Jsonl || self.position.is_none() || cuts > MAX_CUTS {
                return Err(error);
            }
            if error.is_temporary() && !std::mem::replace(&mut is_waiting, true) {
                let lines = self.lines;
                self.bar.suspend(|| {
                    print_message(&format!(
                        "the export was interrupted after {} and goes on by itself: {}",
                        count(lines, "row"),
                        error.text()
                    ))
                });
            }
            retry.pause(error).await?;
        }
    }

    /// Receives one response. Returns whether it was complete.
    async fn attempt(&mut self, client: &Client) -> Result<bool, CliError> {
        // an incomplete line is sent again
        self.partial_line.clear();
        let before = self.lines;
        let request = client.request(Method::GET, &["v1", "annotations", "export"]).query(&self.query()?);
        let response = client.send(request).await?;
        if self.position.is_none() {
            self.position = response.headers().get(POSITION_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        }
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            self.write_chunk(&chunk.map_err(|error| client.connection_error(&error))?)?;
        }
        self.check_end(before)
    }

    /// Whether the response was complete. Its framing does not show that behind every proxy.
    fn check_end(&self, lines_before: u64) -> Result<bool, CliError> {
        Ok(match self.args.format {
            Format::Jsonl => match self.end {
                Some(end) if self.lines - lines_before != end.rows => {
                    let (rows, expected) = (self.lines - lines_before, end.rows);
                    return Err(CliError::Failed(anyhow!(
                        "the export is damaged: {} arrived, and {expected} were sent; try again",
                        count(rows, "row")
                    )));
                }
                end => end.is_some() && self.partial_line.is_empty(),
            },
            Format::Parquet => self.tail.ends_parquet_file(),
            Format::LabelStudio | Format::LabelStudioPredictions => self.tail.ends_task_file(),
        })
    }

    fn query(&self) -> Result<Vec<(&'static str, String)>, CliError> {
        let args = self.args;
        let mut query = vec![("format", args.format.name().to_owned())];
        for (key, value) in
            [("source", &args.source), ("project", &args.project), ("fields", &args.fields), ("extractor_version", &args.extractor)]
        {
            query.extend(value.iter().map(|value| (key, value.clone())));
        }
        query.extend(args.archived.then(|| ("archived", "true".to_owned())));
        query.extend(self.position.as_ref().or(args.as_of.as_ref()).map(|as_of| ("as_of", as_of.clone())));
        if self.last_line.is_empty() {
            query.extend(args.after.iter().map(|after| ("after", after.clone())));
        } else {
            query.push(("after", row_cursor(&self.last_line)?));
        }
        query.extend(args.limit.map(|limit| ("limit", limit.saturating_sub(self.lines).to_string())));
        Ok(query)
    }

    /// Writes complete lines only, so that the export can resume after the last one. The line that ends the export is not written: it is
    /// no row.
    fn write_chunk(&mut self, chunk: &[u8]) -> Result<(), CliError> {
        self.bar.inc(chunk.len() as u64);
        if self.args.format != Format::Jsonl {
            self.bytes += chunk.len() as u64;
            self.tail.push(chunk);
            return Ok(self.to.write_all(chunk)?);
        }
        let Some(end) = chunk.iter().rposition(|byte| *byte == b'\n') else {
            self.partial_line.extend_from_slice(chunk);
            return Ok(());
        };
        let (complete, rest) = chunk.split_at(end + 1);
        self.partial_line.extend_from_slice(complete);
        self.write_lines()?;
        self.partial_line.clear();
        self.partial_line.extend_from_slice(rest);
        Ok(())
    }

    /// Writes the complete lines in `partial_line`.
    fn write_lines(&mut self) -> Result<(), CliError> {
        let start_of_last = |lines: &[u8]| lines[..lines.len() - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let last = start_of_last(&self.partial_line);
        let mut rows = self.partial_line.as_slice();
        if self.end.is_some() {
            return Err(CliError::Failed(anyhow!("the export is damaged: lines follow its end")));
        }
        self.end = read_end_line(self.partial_line[last..].trim_ascii_end());
        if self.end.is_some() {
            rows = &rows[..last];
        }
        if rows.is_empty() {
            return Ok(());
        }
        self.to.write_all(rows)?;
        self.bytes += rows.len() as u64;
        self.lines += rows.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.last_line = rows[start_of_last(rows)..rows.len() - 1].to_vec();
        Ok(())
    }
}

/// The cursor of the row on a line.
fn row_cursor(line: &[u8]) -> Result<String, CliError> {
    #[derive(Deserialize)]
    struct Row {
        document_id: String,
        field: String,
    }
    let row: Row = serde_json::from_slice(line).map_err(|error| CliError::Failed(anyhow!("the API sent an invalid line: {error}")))?;
    Ok(format!("{}/{}", row.document_id, row.field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> ExportArgs {
        ExportArgs {
            format: Format::Jsonl,
            to: "-".into(),
            force: false,
            source: None,
            archived: false,
            project: None,
            fields: None,
            extractor: None,
            as_of: None,
            after: None,
            limit: Some(10),
        }
    }

    #[test]
    fn exports_resume_after_the_last_complete_line() {
        let args = args();
        let mut written = Vec::new();
        let mut download = ExportDownload::new(&args, Box::new(&mut written), ProgressBar::hidden());
        download.position = Some("17".to_owned());
        for chunk in [&b"{\"document_id\":\"a\",\"field\":\"x\"}\n{\"document_id\":\"b\",\"fi"[..], b"eld\":\"y\"}\n{\"docu"] {
            write(&mut download, chunk);
        }
        let query = download.query().unwrap_or_else(|_| panic!("the last line is valid"));
        assert!(query.contains(&("after", "b/y".to_owned())) && query.contains(&("as_of", "17".to_owned())), "{query:?}");
        assert!(query.contains(&("limit", "8".to_owned())), "{query:?}");
        drop(download);
        assert!(written.ends_with(b"\"y\"}\n"), "an incomplete line is not written");
    }

    #[test]
    fn only_the_line_of_the_end_completes_an_export() {
        let args = args();
        let rows = b"{\"document_id\":\"a\",\"field\":\"x\"}\n{\"document_id\":\"b\",\"field\":\"y\"}\n";
        let end = b"{\"end\":{\"rows\":2,\"position\":17}}\n";
        let whole = [&rows[..], end].concat();
        // however the response is divided and wherever it is cut
        for cut in 0..=whole.len() {
            for size in [1, 7, whole.len()] {
                let mut written = Vec::new();
                let mut download = ExportDownload::new(&args, Box::new(&mut written), ProgressBar::hidden());
                whole[..cut].chunks(size).for_each(|chunk| write(&mut download, chunk));
                let is_whole = matches!(download.check_end(0), Ok(true));
                drop(download);
                assert_eq!(is_whole, cut == whole.len(), "{cut}");
                assert!(rows.starts_with(&written) && (!is_whole || written == rows), "{cut}");
            }
        }
        let mut download = ExportDownload::new(&args, Box::new(std::io::sink()), ProgressBar::hidden());
        write(&mut download, &[&rows[..32], end].concat());
        assert!(matches!(download.check_end(0), Err(CliError::Failed(_))), "a row is missing");
    }

    fn write(download: &mut ExportDownload<'_>, chunk: &[u8]) {
        download.write_chunk(chunk).unwrap_or_else(|_| panic!("memory can be written"));
    }
}
