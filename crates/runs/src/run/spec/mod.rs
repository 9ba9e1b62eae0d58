//! The run spec: what to train, and on which data.

mod base_model;
mod data;
mod error;
mod model_name;
mod run_spec;
mod validate;

pub use base_model::{BaseModelName, DEFAULT_BASE_MODEL};
pub use data::{DataFilter, DataSpec, PairsOf, PairsSpec};
pub use error::SpecError;
pub use model_name::ModelName;
pub use run_spec::RunSpec;
