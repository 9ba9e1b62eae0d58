//! Dataset snapshots: reviewed annotations in Postgres become a directory of files, streamed.
//!
//! What it is for: choosing examples (`Selection`), naming a snapshot by its content (`key`), writing its files
//! (`build`) and keeping the row about it (`record`, `find_by_key`, `get`).
//! What it is not: it uploads nothing, trains nothing and decides no split; it knows neither object storage nor models.

mod annotation_rows;
mod builder;
mod canonical;
mod card;
mod error;
mod example;
mod extraction;
pub mod inspect;
mod key;
mod label;
mod leak;
mod manifest;
mod pairs;
mod read;
mod rehash;
mod selection;
mod snapshot;
mod split;
mod store;
mod stratification;
mod tally;
mod write;

pub use annotation_rows::AnnotationRows;
pub use builder::{BuildProgress, build};
pub use error::DatasetError;
pub use extraction::{ReviewedPrediction, reviewed_predictions};
pub use key::{BUILDER_VERSION, Extent, extent, key};
pub use label::{LeftOut, LeftOutReason};
pub use pairs::{PairSide, PairsRequest};
pub use rehash::{Rehashed, rehash};
pub use selection::{Selection, SelectionRequest};
pub use snapshot::{FileEntry, Format, Snapshot};
pub use split::Split;
pub use store::{Dataset, NewDataset, find_by_key, get, record};
