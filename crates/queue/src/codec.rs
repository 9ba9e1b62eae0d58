//! Keeps the payload a raw string: an entry that cannot be decoded would stop one worker after the other inside apalis.

use std::convert::Infallible;

use apalis::prelude::Codec;

/// Bytes in, text out, never an error: what the text means is decided in the handler.
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
