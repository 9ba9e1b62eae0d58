//! Dataset snapshots: shared builds, rebuilt files, verification, lineage, erasure.

mod inspection;
mod rebuilt_snapshots;
mod shared_snapshots;
