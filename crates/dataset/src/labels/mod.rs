//! Label statistics of a snapshot, and which fields and labels can be trained.

mod counts;
mod evidence;
mod groups;
mod label;
mod split_counts;
mod stratification;
mod trainable;

pub(crate) use counts::{Counts, FieldCounts};
pub(crate) use evidence::evidence_warnings;
pub(crate) use groups::GroupCounts;
pub(crate) use label::Label;
pub(crate) use split_counts::SplitCounts;
pub(crate) use stratification::{Stratification, stratification};
pub(crate) use trainable::Labels;
