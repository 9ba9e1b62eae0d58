//! Work that takes processor time: never on the async threads, and at most one piece per core at a time.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::api::http::error::ApiError;

/// Runs such work; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Compute(Arc<Semaphore>);

impl Compute {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from))))
    }

    /// Runs a piece of work once a core is free. It keeps its core to the end, even if its caller does not wait any more.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let core = Arc::clone(&self.0).acquire_owned().await.map_err(ApiError::internal)?;
        let work = move || {
            let _core = core;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)
    }
}
