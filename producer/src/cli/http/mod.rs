//! HTTP access to the API: client, pagination, downloads, retries.

mod client;
mod decode;
pub(crate) mod download;
mod pagination;
mod proxy_answer;
mod retry;
mod tail;

pub(crate) use self::client::Client;
pub(crate) use self::decode::decode;
pub(crate) use self::pagination::fetch_items;
pub(crate) use self::retry::Retry;
pub(crate) use self::tail::Tail;
