//! Decoding of API responses.

use anyhow::Context as _;
use serde::Deserialize;

pub(super) const VERSION_HINT: &str = "the server may run another version of Aprendiz";

/// Decodes a part of a response. `what` names it in the error.
pub(crate) fn decode<'de, T: Deserialize<'de>>(value: &'de serde_json::Value, what: &str) -> anyhow::Result<T> {
    T::deserialize(value).with_context(|| format!("unexpected {what} in the API response: {VERSION_HINT}"))
}
