//! Training, and nothing else: a snapshot on disk becomes a model directory. No database, no network, no async.
//!
//! [`run`] is what the training child of a worker calls with the job file it was given; what happens meanwhile is told as
//! [`Progress`], one JSON line each.

mod backend;
mod dataset;
mod error;
mod features;
mod field_task;
mod fit;
mod folds;
mod gram;
mod head;
mod job;
mod linear;
mod output;
mod progress;
mod solver;
mod sparse;
mod temperature;

pub use backend::{Backend, cpu_kernel};
pub use error::TrainingError;
pub use field_task::FieldSkipped;
pub use head::LinearHead;
pub use job::{Kind, TrainingJob};
pub use linear::{FieldSummary, TrainingSummary, run};
pub use output::{OUT_OF_FOLD_FILE, ReportRow, VALIDATION_FILE};
pub use progress::{Event, LogLevel, PROTOCOL_VERSION, Progress, Stage};
