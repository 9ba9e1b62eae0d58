//! Review files of the pipeline before this one, `review.csv`: a row is a document, and each field has up to three columns, `<Field>_pred`,
//! `<Field>_gold` and `<Field>_status`.
//!
//! They go into the same tables as everything else ([`take_in`]), or are only scored ([`score()`]) as that pipeline scored them.
//! Not here: exports of Label Studio, which say more and say it exactly.

mod cells;
mod columns;
mod error;
mod ingest;
mod input;
mod report;
mod score;
mod settle;
mod staging;
mod status;

pub use error::LegacyCsvError;
pub use ingest::{LegacyCsvOptions, take_in};
pub use report::LegacyCsvReport;
pub use score::{FieldScore, LegacyCsvScore, score};
