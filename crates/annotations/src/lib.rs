//! Documents, labelled fields, and what reviewers said about them: types, the importer, single reviews, and their SQL.
//!
//! Events are the truth (`annotation_events`); `annotations` is their current state, derived in the same transaction.
//! A value is a list of strings everywhere: an empty list is the answer "no value", an absent list is "unreviewed".
//! Not here: which of these become examples of a snapshot (`dataset`), runs and models (`runs`).

mod array_literal;
pub mod documents;
pub mod erasure;
mod error;
pub mod export;
pub mod fields;
mod history;
pub mod import;
pub mod near_duplicates;
mod normalization;
mod normalized_values;
pub mod review;
mod review_status;
mod spans;
mod split;
mod state;

pub use error::AnnotationsError;
pub use history::{AsOf, FieldHistory, HistoryEvent, HistoryPrediction, HistoryText, as_of, history};
pub use normalization::{Case, Normalization};
pub use normalized_values::{NormalizedValues, normalize_values};
pub use review_status::ReviewStatus;
pub use split::{InvalidRatios, Split, SplitRatios, group_key_of};
