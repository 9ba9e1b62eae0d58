//! Work that takes processor time: never on the async threads, and at most one piece per core at a time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::http::error::ApiError;

/// Runs such work; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Compute {
    cores: Arc<Semaphore>,
    /// Free cores that work without a waiting request leaves to the requests.
    reserved: usize,
}

/// A core that no request needed when it was taken.
#[derive(Debug)]
pub(crate) struct SpareCore {
    _permit: OwnedSemaphorePermit,
}

impl Compute {
    pub(crate) fn new() -> Self {
        Self::with_cores(std::thread::available_parallelism().map_or(1, usize::from))
    }

    fn with_cores(cores: usize) -> Self {
        Self { cores: Arc::new(Semaphore::new(cores)), reserved: usize::from(cores > 1) }
    }

    /// Runs a piece of work once a core is free. It keeps its core to the end, even if its caller does not wait any more.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let core = Arc::clone(&self.cores).acquire_owned().await.map_err(ApiError::internal)?;
        let work = move || {
            let _core = core;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)
    }

    /// Takes a core for work that can wait: only if one more is free for the next request, or, with a single core, if it is idle.
    pub(crate) fn try_spare_core(&self) -> Option<SpareCore> {
        if self.cores.available_permits() <= self.reserved {
            return None;
        }
        Arc::clone(&self.cores).try_acquire_owned().ok().map(|permit| SpareCore { _permit: permit })
    }
}

impl SpareCore {
    /// Runs a piece of work on the core, and keeps it for the next one.
    pub(crate) async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<(T, Self), ApiError> {
        let work = move || (work(), self);
        tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_can_wait_leaves_a_core_to_the_requests() {
        let compute = Compute::with_cores(2);
        let spare = compute.try_spare_core().unwrap();
        assert!(compute.try_spare_core().is_none(), "the second core is for a request");
        assert_eq!(compute.run(|| 7).await.unwrap(), 7);
        let (result, spare) = spare.run(|| 8).await.unwrap();
        assert_eq!(result, 8);
        assert!(compute.try_spare_core().is_none(), "it is kept between two pieces");
        drop(spare);
        assert!(compute.try_spare_core().is_some());
        let single = Compute::with_cores(1);
        let spare = single.try_spare_core().unwrap();
        assert!(single.try_spare_core().is_none());
        drop(spare);
        assert!(single.try_spare_core().is_some());
    }
}
