//! HTTP access to the API: client, pagination, downloads, retries.

mod client;
mod decode;
pub(crate) mod download;
mod pagination;
mod proxy_answer;
mod retry;
mod tail;
mod trace;

pub(crate) use self::client::Client;
pub(crate) use self::decode::decode;
pub(crate) use self::pagination::{Listed, fetch_items, fetch_list, fetch_newest};
pub(crate) use self::retry::Retry;
pub(crate) use self::tail::Tail;
pub(crate) use self::trace::be_verbose;
