//! From bytes to the elements of a JSON array.

pub(crate) mod almost_json;
pub(crate) mod json_array_reader;
mod json_scanner;
