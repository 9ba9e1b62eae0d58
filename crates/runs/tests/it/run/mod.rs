//! Tests of the life of a run.

mod attempt_end;
mod bulk_retry;
mod cancel;
mod claim;
mod clone;
mod create;
mod dataset_build;
mod events;
mod explain;
mod lease;
mod outbox;
mod position;
mod reap;
mod routing;
mod scopes;
mod state_machine;
mod sweep;
mod unique;
