//! Dataset snapshots: shared builds, verification, lineage, erasure.

mod inspection;
mod shared_snapshots;
