//! Dataset snapshots: reviewed annotations in Postgres, written to a directory of Parquet and JSONL files.
//!
//! The crate selects examples (`Selection`), names a snapshot by its content (`snapshot_key`), writes its files (`build`) and keeps its
//! row in `datasets` (`record`, `restore`, `find_by_key`, `get`). It uploads nothing, trains nothing and assigns no split; it knows neither object
//! storage nor models.

mod annotation_parquet;
mod build;
mod error;
pub mod inspect;
mod labels;
mod read;
mod selection;
mod split;
mod store;

pub use annotation_parquet::AnnotationParquetWriter;
pub use build::{BuildProgress, FileEntry, Format, RehashResult, Snapshot, build, rehash};
pub use error::DatasetError;
pub use read::{
    DifferentPrediction, ReviewSlices, ReviewedPredictions, SlicedPredictions, StoredPrediction, different_predictions, review_slices,
    reviewed_predictions, sliced_predictions, stored_predictions,
};
pub use selection::{
    BUILDER_VERSION, ExcludedField, ExclusionReason, PairSide, PairsRequest, Selection, SelectionRequest, Watermark, snapshot_key,
    watermark,
};
pub use split::Split;
pub use store::{Dataset, NewDataset, ensure_same, find_by_key, get, record, restore};
