//! Plain-text tables.

use std::fmt::Write as _;

/// Formats rows under a header; every column is as wide as its widest cell. Columns named in `right` are right-aligned.
pub(crate) fn table(header: &[&str], right: &[&str], rows: &[Vec<String>]) -> String {
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
    for row in rows {
        push_line(&mut row.iter().map(String::as_str));
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
}
