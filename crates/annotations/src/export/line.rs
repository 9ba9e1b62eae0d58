//! Rows as JSON lines.

use crate::export::annotation::ExportedAnnotation;

/// Appends a row and the end of its line.
///
/// # Panics
/// Never: a row is plain data.
pub fn write_line(annotation: &ExportedAnnotation<'_>, to: &mut Vec<u8>) {
    serde_json::to_writer(&mut *to, annotation).expect("a row is plain data");
    to.push(b'\n');
}
