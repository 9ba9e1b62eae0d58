//! The table `datasets`: one immutable row per snapshot, identified by its key.

mod dataset;
mod record;

pub use dataset::{Dataset, find_by_key, get};
pub use record::{NewDataset, record};
