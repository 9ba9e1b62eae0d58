//! Plain-text tables.

use std::borrow::Cow;
use std::fmt::Write as _;

use aprendiz_annotation_types::escape_unprintable;

/// Formats rows under a header; every column is as wide as its widest cell. Columns named in `right` are right-aligned. Control and invisible
/// characters are escaped, so that a cell neither breaks the table nor reaches the terminal as a command.
pub(crate) fn table(header: &[&str], right: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<Cow<'_, str>>> = rows.iter().map(|row| row.iter().map(|cell| escape_unprintable(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut text = String::new();
    let mut push_line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for ((cell, width), name) in cells.zip(&widths).zip(header) {
            let _ = if right.contains(name) { write!(line, "{cell:>width$}  ") } else { write!(line, "{cell:<width$}  ") };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    };
    push_line(&mut header.iter().copied());
    for row in &rows {
        push_line(&mut row.iter().map(|cell| &**cell));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = vec![vec!["contract_type".to_owned(), "12".to_owned()], vec!["l".to_owned(), "3".to_owned()]];
        assert_eq!(table(&["field", "n"], &["n"], &rows), "field           n\ncontract_type  12\nl               3\n");
    }

    #[test]
    fn control_characters_do_not_break_the_table() {
        let rows = vec![vec!["a\nb\tc\u{1b}[2J\u{200b}".to_owned(), "1".to_owned()]];
        let text = table(&["field", "n"], &[], &rows);
        assert_eq!(text.lines().count(), 2, "{text:?}");
        assert!(text.contains(r"a\nb\tc\u{1b}[2J\u{200b}  1"), "{text:?}");
    }
}
