//! Training, and nothing else: a snapshot on disk becomes a model directory. No database, no network, no async.
//!
//! [`run()`] is what the training child of a worker calls with the job file it was given, and [`evaluate()`] what another one does with an
//! encoder that was trained; what happens meanwhile is told as
//! [`Progress`], one JSON line each. From time to time it writes down what is solved, as a checkpoint that another process can
//! continue from.

mod backend;
mod checkpoint;
mod checkpoint_folder;
mod dataset;
mod error;
mod features;
mod field_task;
mod fit;
mod folds;
mod gram;
mod halt;
mod head;
mod identity;
mod job;
mod journal;
mod linear;
mod output;
mod pool;
mod progress;
mod record;
mod run;
mod sentence_transformer;
mod solver;
mod sparse;
mod summary;
mod temperature;

pub use backend::{Backend, cpu_kernel};
pub use error::TrainingError;
pub use field_task::FieldSkipped;
pub use head::LinearHead;
pub use identity::fingerprint;
pub use job::{Kind, PairFiles, TrainingJob};
pub use output::{OUT_OF_FOLD_FILE, ReportRow, VALIDATION_FILE};
pub use progress::{Event, LogLevel, PROTOCOL_VERSION, Progress, Stage};
pub use run::run;
pub use sentence_transformer::{
    EmbeddingFiles, EmbeddingUse, EncoderFieldReport, EncoderReport, EvaluationJob, MOST_TEST_PAIRS, NEIGHBOURS, NeighbourFigures,
    PairFigures, evaluate,
};
pub use summary::{EncoderSummary, FieldSummary, Outcome, TrainingSummary};
