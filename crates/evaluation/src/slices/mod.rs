//! Metrics by slice: examples that share an attribute, such as the source of their documents or the reviewer.

mod attributes;
mod index;
mod slice;
mod worst;

pub use attributes::{MAX_SLICE_VALUE_CHARS, NO_SLICE_VALUE, OTHER_SLICES, SliceAttributes, slice_dimensions};
pub use index::SliceIndex;
pub use slice::{FieldSlices, MAX_SLICES_PER_DIMENSION, SLICES_METRIC, Slice, SliceDimension};
pub use worst::{WORST_SLICES_METRIC, WorstSlice, WorstSlices, worst_slices};
