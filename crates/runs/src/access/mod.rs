//! Access: API keys, identities, roles, sessions of the web interface and the audit log.

pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod identities;
pub(crate) mod role;
pub(crate) mod web_sessions;
