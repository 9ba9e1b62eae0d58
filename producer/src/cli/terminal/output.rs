//! Output formats: text for people, JSON for programs.

use std::io::{ErrorKind, Write as _};

use aprendiz_annotation_types::escape_unprintable;
use chrono::{DateTime, Utc};
use clap::ValueEnum;
use serde::Serialize;

/// Output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Human-readable text
    Text,
    /// JSON
    Json,
}

impl Output {
    /// Prints the value as JSON, or the result of `text`.
    pub(crate) fn print<T: Serialize>(self, value: &T, text: impl FnOnce() -> String) -> anyhow::Result<()> {
        match self {
            Self::Json => print_json_line(&serde_json::to_string_pretty(value)?),
            Self::Text => print_text(&text()),
        }
    }
}

/// A text in which only line breaks control the terminal. Stored texts may contain escape sequences that clear the screen, change the
/// clipboard or reverse the order of characters: control, invisible and bidirectional characters are escaped.
pub(crate) fn escape_lines(text: &str) -> String {
    text.split('\n').map(escape_unprintable).collect::<Vec<_>>().join("\n")
}

/// Prints a text to standard output, escaped.
pub(crate) fn print_text(text: &str) -> anyhow::Result<()> {
    write_line(&escape_lines(text.trim_end()))
}

/// Prints a message to standard error, escaped.
pub(crate) fn print_message(text: &str) {
    eprintln!("{}", escape_lines(text));
}

/// Prints JSON to standard output, unchanged.
pub(crate) fn print_json_line(json: &str) -> anyhow::Result<()> {
    write_line(json)
}

/// Writes a line to standard output. A closed pipe, such as that of `head`, is not an error.
fn write_line(line: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A size in binary units, such as `1.50 MiB`.
pub(crate) fn human_bytes(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

/// A time to the second.
pub(crate) fn format_time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A time to the minute.
pub(crate) fn format_minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_shown_and_line_breaks_stay() {
        let note = "note \u{1b}]0;title\u{7}\nnext \u{1b}[2J\r \u{9b}31m \u{202e}abc é 法";
        assert_eq!(escape_lines(note), "note \\u{1b}]0;title\\u{7}\nnext \\u{1b}[2J\\r \\u{9b}31m \\u{202e}abc é 法");
    }

    #[test]
    fn only_this_module_writes_to_the_terminal() {
        let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.extend((!path.ends_with("terminal")).then_some(path));
                    continue;
                }
                let code = std::fs::read_to_string(&path).unwrap();
                assert!(!code.contains("print!(") && !code.contains("println!("), "{} prints without escapes", path.display());
            }
        }
    }
}
