//! Place of an error of the JSON parser in the parsed bytes.

/// Converts line and column of a parse error to an offset in the parsed bytes.
pub(crate) fn error_offset(error: &serde_json::Error, bytes: &[u8]) -> usize {
    let line_start = match error.line() {
        0 | 1 => 0,
        line => bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(line - 2).map_or(0, |(index, _)| index + 1),
    };
    (line_start + error.column().saturating_sub(1)).min(bytes.len())
}
