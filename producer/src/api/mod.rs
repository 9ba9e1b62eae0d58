//! The HTTP API: one folder or file per resource, and `http` for what they share.

mod annotations;
mod datasets;
mod documents;
mod fields;
mod http;
mod ids;
mod imports;
mod json_error;
mod keys;
mod labels;
mod legacy;
mod models;
mod openapi;
mod operations;
mod reviews;
mod router;
mod runs;
mod sessions;
mod sign_in;
mod state;
mod web;
mod workers;

pub(crate) use self::http::compute::Compute;
pub(crate) use self::models::comparison::deps::ComparisonDeps;
pub(crate) use self::models::comparison::gate::ask_gate;
pub(crate) use self::models::inference::client::InferenceClient;
pub(crate) use self::models::model_cache::ModelCache;
pub(crate) use self::models::shadow::challenger::{Challenger, ShadowDeps};
pub(crate) use self::models::shadow::queue::{ShadowInput, ShadowQueue, ShadowTarget};
pub(crate) use self::router::open_api;
pub(crate) use self::router::router;
pub(crate) use self::runs::event_hub::EventHub;
pub(crate) use self::state::AppState;

#[cfg(test)]
mod tests;
