//! Documents, fields, reviews and predictions: types, imports, exports, and their SQL.
//!
//! `annotation_events` is the append-only source of truth. `annotations` holds the current state, derived in the same transaction.
//! A value is a list of strings everywhere: an empty list is the answer "no value", a missing list means "unreviewed".
//! The crate `dataset` turns reviews into examples of a snapshot; the crate `runs` owns runs and models.

mod array_literal;
mod clock;
mod document_texts;
pub mod documents;
pub mod erasure;
mod error;
pub mod export;
pub mod fields;
mod history;
pub mod import;
pub mod near_duplicates;
pub mod predictions;
pub mod reverts;
pub mod reviews;
mod splits;
mod state_sql;

pub use aprendiz_annotation_types::{Case, Normalization, ReviewStatus};
pub use clock::read_clock;
pub use error::AnnotationsError;
pub use fields::{NormalizedValues, ValueChange, normalize_values};
pub use history::{AsOf, FieldHistory, HistoryEvent, HistoryPrediction, HistoryText, as_of, history};
pub use splits::{InvalidRatios, Split, SplitRatios, compute_group_key};
