//! HTTP access to the API: client, pagination, downloads.

mod client;
mod decode;
pub(crate) mod download;
mod pagination;

pub(crate) use self::client::Client;
pub(crate) use self::decode::decode;
pub(crate) use self::pagination::fetch_items;
