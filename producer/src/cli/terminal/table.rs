//! Plain-text tables.

use std::borrow::Cow;
use std::fmt::Write as _;

use aprendiz_annotation_types::escape_unprintable;
use console::measure_text_width;

use crate::cli::terminal::columns::{is_same_name, record};
use crate::cli::terminal::settings::{Settings, settings};
use crate::cli::terminal::style::Tone;

/// Blanks between two columns.
const GAP: usize = 2;
/// A text column is not shortened below this width.
const MIN_TEXT_WIDTH: usize = 12;
/// Columns whose cells are states.
const STATE_COLUMNS: [&str; 4] = ["status", "state", "decision", "health"];

/// Formats rows under a header; every column is as wide as its widest cell. Columns named in `right` are right-aligned. Control and invisible
/// characters are escaped, so that a cell neither breaks the table nor reaches the terminal as a command.
///
/// On a terminal, the table fits its width: the last columns are the first to be shortened, and then left out. `--columns` selects columns.
pub(crate) fn table(header: &[&str], right: &[&str], rows: &[Vec<String>]) -> String {
    layout(header, right, rows, settings())
}

fn layout(header: &[&str], right: &[&str], rows: &[Vec<String>], settings: &Settings) -> String {
    let shown = select(header, &settings.columns);
    let cell = |row: &Vec<String>, column: usize| row.get(column).map(|cell| escape_unprintable(cell).into_owned()).unwrap_or_default();
    let cells: Vec<Vec<String>> = rows.iter().map(|row| shown.iter().map(|column| cell(row, *column)).collect()).collect();
    let header: Vec<&str> = shown.iter().map(|column| header[*column]).collect();
    let width = |column: usize| cells.iter().map(|row| measure_text_width(&row[column])).chain([measure_text_width(header[column])]).max();
    let natural: Vec<usize> = (0..header.len()).map(|column| width(column).unwrap_or(0)).collect();
    let is_text: Vec<bool> = header.iter().map(|name| !right.contains(name)).collect();
    let widths = settings.width.map_or_else(|| natural.clone(), |limit| fit(&natural, &is_text, limit));
    let mut text = String::new();
    let mut push_line = |row: &[Cow<'_, str>], is_header: bool| {
        let mut line = String::new();
        for (column, width) in widths.iter().enumerate().filter(|(_, width)| **width > 0) {
            let shown = shorten(&row[column], *width);
            let padding = " ".repeat(width - measure_text_width(&shown));
            let tone = if is_header || !STATE_COLUMNS.contains(&header[column]) { None } else { Tone::of_state(&shown) };
            let shown = tone.filter(|_| settings.color).map_or_else(|| shown.clone(), |tone| tone.mark_text(&shown).into());
            let _ = if right.contains(&header[column]) { write!(line, "{padding}{shown}") } else { write!(line, "{shown}{padding}") };
            line.push_str(&" ".repeat(GAP));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    };
    push_line(&header.iter().map(|name| Cow::Borrowed(*name)).collect::<Vec<_>>(), true);
    for row in &cells {
        push_line(&row.iter().map(|cell| Cow::Borrowed(cell.as_str())).collect::<Vec<_>>(), false);
    }
    let hidden: Vec<&str> = widths.iter().zip(&header).filter(|(width, _)| **width == 0).map(|(_, name)| *name).collect();
    if !hidden.is_empty() {
        let _ = writeln!(text, "{}", Tone::Dim.mark_text(&format!("(not shown: {}; -o wide shows all columns)", hidden.join(", "))));
    }
    text
}

/// The columns to show, in the requested order. A table that has none of the requested columns is shown whole.
fn select(header: &[&str], requested: &[String]) -> Vec<usize> {
    let found: Vec<usize> = requested.iter().filter_map(|name| header.iter().position(|column| is_same_name(column, name))).collect();
    record(header, requested);
    if found.is_empty() { (0..header.len()).collect() } else { found }
}

/// Widths that fit into `limit` characters; 0 = the column is left out. The first column and numbers keep their width.
fn fit(natural: &[usize], is_text: &[bool], limit: usize) -> Vec<usize> {
    let mut widths = natural.to_vec();
    let total = |widths: &[usize]| -> usize {
        let shown = widths.iter().filter(|width| **width > 0);
        (shown.clone().sum::<usize>() + shown.count() * GAP).saturating_sub(GAP)
    };
    for column in (1..widths.len()).rev().filter(|column| is_text[*column]) {
        let excess = total(&widths).saturating_sub(limit);
        if excess > 0 {
            widths[column] = widths[column].saturating_sub(excess).max(MIN_TEXT_WIDTH.min(natural[column]));
        }
    }
    for column in (1..widths.len()).rev() {
        if total(&widths) <= limit {
            break;
        }
        widths[column] = 0;
    }
    // what a column that was left out made free
    for column in 1..widths.len() {
        let free = limit.saturating_sub(total(&widths));
        if widths[column] > 0 {
            widths[column] = natural[column].min(widths[column] + free);
        }
    }
    widths
}

/// A text of at most `width` characters, with `…` in place of what is missing.
fn shorten(text: &str, width: usize) -> Cow<'_, str> {
    if measure_text_width(text) <= width { Cow::Borrowed(text) } else { console::truncate_str(text, width, "…") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn columns_are_aligned() {
        let rows = rows(&[&["contract_type", "12"], &["l", "3"]]);
        assert_eq!(table(&["field", "n"], &["n"], &rows), "field           n\ncontract_type  12\nl               3\n");
    }

    #[test]
    fn control_characters_do_not_break_the_table() {
        let rows = rows(&[&["a\nb\tc\u{1b}[2J\u{200b}", "1"]]);
        let text = table(&["field", "n"], &[], &rows);
        assert_eq!(text.lines().count(), 2, "{text:?}");
        assert!(text.contains(r"a\nb\tc\u{1b}[2J\u{200b}  1"), "{text:?}");
    }

    #[test]
    fn wide_characters_are_measured_as_the_terminal_does() {
        let text = table(&["field", "n"], &[], &rows(&[&["法律", "1"], &["abcd", "2"]]));
        assert_eq!(text, "field  n\n法律   1\nabcd   2\n");
    }

    #[test]
    fn tables_fit_the_terminal_and_the_first_columns_last_longest() {
        let row = rows(&[&["68ecd237a2dc", "a-model-with-a-long-name", "succeeded", "text that is much too long for a line"]]);
        let header = ["run", "model", "status", "error"];
        let fitted = |width| layout(&header, &[], &row, &Settings { width: Some(width), ..Settings::default() });
        let whole = fitted(200);
        assert!(whole.contains("much too long for a line") && !whole.contains('…'), "{whole}");
        let shortened = fitted(70);
        assert!(shortened.contains("a-model-with-a-long-name  succeeded  text that is much …"), "{shortened}");
        let narrow = fitted(40);
        assert!(narrow.contains("68ecd237a2dc  a-model-with-a…  succeeded\n"), "{narrow}");
        assert!(narrow.contains("(not shown: error; -o wide shows all columns)"), "{narrow}");
        for width in [20, 40, 60, 80] {
            assert!(fitted(width).lines().take(2).all(|line| measure_text_width(line) <= width), "{width}");
        }
    }

    #[test]
    fn columns_are_selected_by_name_in_the_requested_order() {
        let columns = ["last-seen", "worker"].map(str::to_owned).to_vec();
        let settings = Settings { columns, ..Settings::default() };
        let row = rows(&[&["w", "h", "t"]]);
        assert_eq!(layout(&["worker", "host", "last seen"], &[], &row, &settings), "last seen  worker\nt          w\n");
        assert_eq!(layout(&["field", "n"], &[], &rows(&[&["f", "1"]]), &settings), "field  n\nf      1\n", "has none of them");
    }

    #[test]
    fn states_are_marked_if_colours_are_on() {
        let settings = Settings { color: true, ..Settings::default() };
        let text = layout(&["run", "status"], &[], &rows(&[&["failed", "failed"]]), &settings);
        assert_eq!(text.matches(Tone::Bad.mark_text("failed").as_str()).count(), 1, "{text:?}");
    }
}
