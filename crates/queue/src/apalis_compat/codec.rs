//! Codec that keeps the payload a raw string; the listener decodes it and can skip a malformed entry.

use std::convert::Infallible;

use apalis::prelude::Codec;

/// Bytes in, text out, never an error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawText;

impl Codec<String> for RawText {
    type Error = Infallible;
    type Compact = Vec<u8>;

    fn encode(&self, text: &String) -> Result<Vec<u8>, Infallible> {
        Ok(text.as_bytes().to_vec())
    }

    fn decode(&self, bytes: &Vec<u8>) -> Result<String, Infallible> {
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}
