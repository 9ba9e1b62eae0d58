//! End of a JSON string in its bytes.

/// Index of the closing quote of a string whose content starts at `index`; `None` if it is not closed.
pub(crate) fn end_of_string(bytes: &[u8], mut index: usize) -> Option<usize> {
    loop {
        match bytes.get(index)? {
            b'"' => return Some(index),
            b'\\' => index += 2,
            _ => index += 1,
        }
    }
}
