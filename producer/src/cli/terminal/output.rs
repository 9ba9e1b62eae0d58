//! Output formats: tables for people; JSON, YAML and names for programs.

use std::io::{ErrorKind, Write as _};

use anyhow::Context as _;
use aprendiz_annotation_types::escape_unprintable;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use crate::cli::terminal::names::names;
use crate::cli::terminal::pager::page;
use crate::cli::terminal::settings::settings;
use crate::cli::terminal::style::apply_marks;
use crate::cli::terminal::yaml::to_yaml;

/// Output format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Tables and text for people
    #[default]
    #[value(name = "table", alias = "text")]
    Text,
    /// Tables with all columns, full IDs and absolute times, whatever the width of the terminal
    Wide,
    /// JSON
    Json,
    /// JSON lines: one object per line
    Jsonl,
    /// YAML
    Yaml,
    /// IDs or names only, one per line
    Name,
}

impl Output {
    /// Whether the format is for people.
    pub(crate) const fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Wide)
    }

    /// Prints the value in the format of programs, or the result of `text`. A long text on a terminal is shown in a pager.
    pub(crate) fn print<T: Serialize + ?Sized>(self, value: &T, text: impl FnOnce() -> String) -> anyhow::Result<()> {
        if self.is_text() {
            return print_paged(&text());
        }
        self.print_value(value)
    }

    /// Prints what a command created or started: its ID to standard output, and the message for people to standard error. So
    /// `ID=$(aprendiz run create …)` is the ID.
    pub(crate) fn print_created<T: Serialize + ?Sized>(self, value: &T, id: &str, message: impl FnOnce() -> String) -> anyhow::Result<()> {
        if !self.is_text() {
            return self.print_value(value);
        }
        print_text(id)?;
        print_note(&message());
        Ok(())
    }

    fn print_value<T: Serialize + ?Sized>(self, value: &T) -> anyhow::Result<()> {
        match self {
            Self::Json | Self::Text | Self::Wide => print_json_line(&serde_json::to_string_pretty(value)?),
            Self::Jsonl => match serde_json::to_value(value)? {
                Value::Array(items) => items.iter().try_for_each(|item| print_json_line(&item.to_string())),
                value => print_json_line(&value.to_string()),
            },
            Self::Yaml => print_json_line(&to_yaml(&serde_json::to_value(value)?)),
            Self::Name => {
                let names = names(&serde_json::to_value(value)?);
                let names = names.context("the result has no ID or name: use another format than `-q` and `-o name`")?;
                names.iter().try_for_each(|name| print_text(name))
            }
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
    write_line(&apply_marks(&escape_lines(text.trim_end()), settings().color))
}

/// Like [`print_text`], in a pager if the text is longer than the terminal.
fn print_paged(text: &str) -> anyhow::Result<()> {
    let text = apply_marks(&escape_lines(text.trim_end()), settings().color);
    if page(&text, settings()) { Ok(()) } else { write_line(&text) }
}

/// Prints a message for people that is not an error to standard error, escaped. `-q` suppresses it.
pub(crate) fn print_note(text: &str) {
    if !settings().quiet {
        print_message(text);
    }
}

/// Prints a message to standard error, escaped.
pub(crate) fn print_message(text: &str) {
    eprintln!("{}", apply_marks(&escape_lines(text), false));
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
