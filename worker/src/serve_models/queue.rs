//! The bounded queue: how many requests, and how many bytes, wait or are computed at the same time.

use std::sync::Arc;

use aprendiz_inference::protocol::{Refusal, RefusalReason};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::serve_models::config::Limits;

/// The limits of all models together; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    requests: Arc<Semaphore>,
    kib: Arc<Semaphore>,
}

/// The place of a request, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _request: OwnedSemaphorePermit,
    _kib: OwnedSemaphorePermit,
}

impl Queue {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { requests: Arc::new(Semaphore::new(limits.queue_requests)), kib: Arc::new(Semaphore::new(limits.queue_kib)) }
    }

    /// Takes a place for a request of this size. Never waits.
    pub(super) fn try_enter(&self, bytes: usize) -> Result<Place, Refusal> {
        let kib = u32::try_from(bytes.div_ceil(1024).max(1)).unwrap_or(u32::MAX);
        let request = Arc::clone(&self.requests).try_acquire_owned();
        let bytes = Arc::clone(&self.kib).try_acquire_many_owned(kib);
        match (request, bytes) {
            (Ok(request), Ok(kib)) => Ok(Place { _request: request, _kib: kib }),
            (Err(_), _) => Err(Refusal::new(RefusalReason::Overloaded, "too many requests wait for predictions: try again later")),
            (_, Err(_)) => Err(Refusal::new(RefusalReason::Overloaded, "too many texts wait for predictions: try again later")),
        }
    }

    /// Requests that have a place.
    pub(super) fn len(&self, limits: &Limits) -> usize {
        limits.queue_requests.saturating_sub(self.requests.available_permits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve_models::fixture::limits;

    #[test]
    fn the_queue_is_bounded_by_number_and_by_size_and_never_waits() {
        let limits = Limits { queue_requests: 2, queue_kib: 4, ..limits() };
        let queue = Queue::new(&limits);
        let first = queue.try_enter(3 << 10).unwrap();
        assert_eq!(queue.try_enter(2 << 10).unwrap_err().reason, RefusalReason::Overloaded);
        assert_eq!(queue.len(&limits), 1, "a refused request leaves no trace");
        let second = queue.try_enter(10).unwrap();
        let refused = queue.try_enter(1).unwrap_err();
        assert!(refused.detail.contains("try again"), "{refused}");
        drop((first, second));
        assert!(queue.try_enter(4 << 10).is_ok());
    }
}
