//! Connections of HTTP clients: how many are open, which are idle, and how slowly they may read.

pub(crate) mod client;
mod file_limit;
mod listener;
mod registry;
mod stream;
pub(crate) mod timed_body;

pub(crate) use self::listener::{ConnectionLimits, serve};
