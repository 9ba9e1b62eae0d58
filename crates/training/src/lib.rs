//! Trains a model from a snapshot on disk. No database, no network, no async.
//!
//! The training child of a worker calls [`run()`] with a job file, or [`evaluate()`] to score a trained model on the test split. Both
//! report [`Progress`] as JSON lines. Training writes checkpoints from which another process can continue.

mod backend;
mod checkpoint;
mod dataset;
mod embeddings;
mod error;
mod fingerprint;
mod fitted_files;
mod interrupt;
mod kinds;
mod protocol;
mod random;
mod run;
mod tensor;
mod text_groups;
mod thread_pool;
mod train_subset;

pub use backend::{backends, cpu_kernel, device};
pub use error::TrainingError;
pub use fingerprint::fingerprint;
pub use kinds::{
    field_classifier::evaluate::{PredictedDocument, evaluate_classifier},
    linear::head::LinearHead,
    sentence_transformer::{
        evaluate::{MAX_TEST_PAIRS, evaluate_encoder},
        knn::NEIGHBOURS,
    },
};
pub use protocol::{
    embedding_files::{EmbeddingFiles, EmbeddingUse},
    encoder_report::{EncoderFieldReport, EncoderReport, KnnMetrics, PairMetrics},
    evaluation_job::{ClassifierEvaluation, EncoderEvaluation, EvaluationJob},
    job::{PairFiles, TrainingJob, WholeFit},
    learning_curve::{CurveCounts, CurvePart, FieldCounts, TrainingCurve},
    progress::{Event, LogLevel, PROTOCOL_VERSION, Progress, Stage},
    report::{OUT_OF_FOLD_FILE, ReportRow, VALIDATION_FILE},
    summary::{EncoderSummary, FieldSkipped, FieldSummary, Outcome, TrainingSummary},
};
pub use run::{evaluate, run};
