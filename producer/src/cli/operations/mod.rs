//! Commands for operators: migrations, keys, diagnosis, workers, queue, sessions of browsers, audit log.

pub(super) mod api_key;
pub(super) mod audit;
pub(super) mod doctor;
pub(super) mod migrate;
pub(super) mod queue;
mod queue_settings;
pub(super) mod web_session;
pub(super) mod worker;
