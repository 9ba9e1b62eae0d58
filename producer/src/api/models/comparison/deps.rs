//! What the comparison of versions needs.

use aprendiz_artifacts::Store;
use aprendiz_db::Database;

use crate::api::http::compute::Compute;

/// What a comparison needs; cheap to clone.
#[derive(Clone)]
pub(crate) struct ComparisonDeps {
    pub(crate) database: Database,
    pub(crate) store: Store,
    pub(crate) compute: Compute,
}
