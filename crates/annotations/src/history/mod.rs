//! History of one field of one document.

mod as_of;
mod read;
mod types;

pub use as_of::{AsOf, as_of};
pub use read::history;
pub use types::{FieldHistory, HistoryEvent, HistoryPrediction, HistoryText};
