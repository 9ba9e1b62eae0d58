//! HTTP access to the API: client, pagination, downloads.

mod client;
pub(crate) mod download;
mod pagination;

use anyhow::Context as _;
use serde::Deserialize;

pub(crate) use self::client::Client;
pub(crate) use self::pagination::fetch_items;

/// Decodes a part of a response. `what` names it in the error.
pub(crate) fn decode<'de, T: Deserialize<'de>>(value: &'de serde_json::Value, what: &str) -> anyhow::Result<T> {
    T::deserialize(value).with_context(|| format!("unexpected {what} in the API response: {VERSION_HINT}"))
}

const VERSION_HINT: &str = "the server may run another version of Aprendiz";
