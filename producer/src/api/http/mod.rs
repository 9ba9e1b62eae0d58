//! HTTP plumbing that the endpoints share: errors, extractors, pages, downloads, limits.

pub(crate) mod admission;
pub(crate) mod archive;
pub(crate) mod as_of;
pub(crate) mod auth;
pub(crate) mod compute;
pub(crate) mod dedicated_connection;
pub(crate) mod error;
pub(crate) mod extract;
pub(crate) mod limits;
pub(crate) mod media;
pub(crate) mod nul;
pub(crate) mod operation;
pub(crate) mod page;
pub(crate) mod pairs;
pub(crate) mod precondition;
pub(crate) mod request_body;
pub(crate) mod request_headers;
pub(crate) mod request_id;
pub(crate) mod slots;
pub(crate) mod stored_file;
