//! Predictions that runs write with published versions of models: which documents, and how they are stored.
//!
//! They stand in `extractions` beside the predictions of the extractor, under the name of the version, with the run and the version of the
//! text that was read. That is also the checkpoint of a run: what is stored for the current text is not computed again.

mod count;
mod select;
mod store;
mod version_name;

pub use count::{PredictedField, count_predictions};
pub use select::{DocumentToPredict, PredictionSelection, count_documents, list_documents, load_texts};
pub use store::{NewPrediction, PredictedText, store_predictions};
pub use version_name::version_name;
