//! Workers: registration and heartbeat, listing, draining.

pub(crate) mod drain;
pub(crate) mod list;
pub(crate) mod session;
