//! The life of a training run: spec, states, attempts and every transition between them.

pub(crate) mod attempt;
pub(crate) mod attempt_end;
pub(crate) mod cancel;
pub(crate) mod claim;
pub(crate) mod clone;
pub(crate) mod complete;
pub(crate) mod create;
pub(crate) mod dataset_build;
pub(crate) mod event;
pub(crate) mod explain;
pub(crate) mod fail;
pub(crate) mod lane;
pub(crate) mod lease;
pub(crate) mod metric_order;
pub(crate) mod outbox;
pub(crate) mod position;
pub(crate) mod progress;
pub(crate) mod reap;
pub(crate) mod release;
pub(crate) mod retry;
pub(crate) mod status;
pub(crate) mod sweep;
pub(crate) mod training_run;
