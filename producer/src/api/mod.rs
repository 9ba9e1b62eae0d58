//! The HTTP API: one folder or file per resource, and `http` for what they share.

mod annotations;
mod datasets;
mod documents;
mod fields;
mod http;
mod imports;
mod json_error;
mod legacy;
mod models;
mod openapi;
mod operations;
mod reviews;
mod router;
mod runs;
mod state;
mod workers;

#[cfg(test)]
pub(crate) use self::router::open_api;
pub(crate) use self::router::router;
pub(crate) use self::runs::event_hub::EventHub;
pub(crate) use self::state::AppState;

#[cfg(test)]
mod tests;
