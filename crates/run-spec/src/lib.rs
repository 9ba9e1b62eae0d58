//! The run spec: what a run does, with which parameters, and on which data. No I/O, and no Burn, because the API links it.
//!
//! A client sends a [`RunSpec`]. [`RunSpec::validate`] is the only way to a [`ValidatedSpec`], which has typed parameters and all
//! defaults, and from which runs are created and executed.
//!
//! The feature `sqlx` implements the sqlx traits for the types that are stored in columns; training builds without it.

mod backend;
mod base_model;
mod data;
mod error;
mod kind;
mod kind_info;
mod kind_spec;
mod model_name;
mod queue_name;
mod requirement;
mod run_kind;
mod run_spec;
mod sweep;
mod validated;
mod worker_labels;

pub use backend::Backend;
pub use base_model::BaseModelName;
pub use data::{DataFilter, DataSpec, PairsOf, PairsSpec};
pub use error::SpecError;
pub use kind::{
    AutoParams, FieldClassifierParams, FinalFit, LinearParams, PairLoss, ParamType, PredictParams, SentenceTransformerParams, SweepMetric,
    TrainingParams,
};
pub use kind_info::{KindInfo, ParamInfo};
pub use kind_spec::KindSpec;
pub use model_name::ModelName;
pub use queue_name::QueueName;
pub use requirement::{Requirement, meets_all};
pub use run_kind::RunKind;
pub use run_spec::RunSpec;
pub use sweep::{Axis, Halving, Search, SweepParams, Trial};
pub use validated::ValidatedSpec;
pub use worker_labels::{LabelError, WorkerLabels};
