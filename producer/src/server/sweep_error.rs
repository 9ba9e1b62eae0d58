//! Errors of the sweeper and the orphan scanner.

use aprendiz_artifacts::StoreError;
use aprendiz_runs::RunsError;

/// Why a sweep stopped.
#[derive(Debug, thiserror::Error)]
pub(super) enum SweepError {
    #[error(transparent)]
    Runs(#[from] RunsError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}
