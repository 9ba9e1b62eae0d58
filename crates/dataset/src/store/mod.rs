//! The table `datasets`: one row per snapshot, identified by its key. Only the place of its files changes, when they are rebuilt.

mod dataset;
mod record;
mod restore;

pub use dataset::{Dataset, find_by_key, get};
pub use record::{NewDataset, record};
pub use restore::{ensure_same, restore};
