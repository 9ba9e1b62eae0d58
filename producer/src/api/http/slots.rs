//! What the requests of all clients share: slots by class, memory, spool space and dedicated connections.

use std::sync::Arc;

use crate::limits::quota::Quota;
use crate::limits::settings::ClientLimits;

/// Kind of work that a request is; each class has slots of its own, so that none keeps another from being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestClass {
    /// Has a timeout. The slot is held while the handler runs.
    Ordinary,
    /// Computes predictions.
    Prediction,
    /// Receives a file, and imports or scores it.
    Upload,
    /// A download, an export, an inspection or an erasure. The slot is held until the last byte of the response.
    LongRead,
    /// Follows a run.
    EventStream,
}

impl RequestClass {
    /// Whether its requests have a timeout.
    pub(crate) const fn has_timeout(self) -> bool {
        match self {
            Self::Ordinary | Self::Prediction => true,
            Self::Upload | Self::LongRead | Self::EventStream => false,
        }
    }

    /// In the plural, for people.
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Ordinary => "requests",
            Self::Prediction => "predictions",
            Self::Upload => "imports",
            Self::LongRead => "downloads, exports and inspections",
            Self::EventStream => "event streams",
        }
    }

    /// For metrics.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Ordinary => "requests",
            Self::Prediction => "predictions",
            Self::Upload => "uploads",
            Self::LongRead => "long_reads",
            Self::EventStream => "event_streams",
        }
    }
}

/// The quotas.
#[derive(Debug)]
pub(crate) struct Slots {
    ordinary: Arc<Quota>,
    predictions: Arc<Quota>,
    uploads: Arc<Quota>,
    long_reads: Arc<Quota>,
    event_streams: Arc<Quota>,
    /// Ordinary requests and predictions whose body is being received. They hold no slot of their class yet.
    pub(crate) receiving: Arc<Quota>,
    /// Bytes of the bodies of ordinary requests and predictions, and of their responses.
    pub(crate) memory: Arc<Quota>,
    /// Bytes of imports on disk.
    pub(crate) spool: Arc<Quota>,
    /// Database connections outside the pool. Verifications have their own.
    pub(crate) dedicated: Arc<Quota>,
}

impl Slots {
    /// All classes, with their quotas in [`Slots::by_class`].
    pub(crate) const CLASSES: [RequestClass; 5] =
        [RequestClass::Ordinary, RequestClass::Prediction, RequestClass::Upload, RequestClass::LongRead, RequestClass::EventStream];

    pub(crate) fn new(limits: &ClientLimits, max_requests: usize, max_import_bytes: u64) -> Self {
        let shared = |limit: u64| Quota::new(limit, limits.per_key(limit, 1));
        let max_requests = max_requests as u64;
        Self {
            ordinary: shared(max_requests),
            predictions: shared(limits.max_predictions),
            uploads: shared(limits.max_uploads),
            long_reads: shared(limits.max_long_reads),
            event_streams: shared(limits.max_event_streams),
            receiving: shared(max_requests),
            memory: Quota::new(limits.max_body_memory, limits.body_memory_per_key()),
            spool: Quota::new(limits.max_spool, limits.per_key(limits.max_spool, max_import_bytes)),
            // half of the usual part: a long read keeps its connection for minutes, and two keys together must not take all of them
            dedicated: Quota::new(limits.dedicated_connections, limits.per_key(limits.dedicated_connections, 2).div_ceil(2)),
        }
    }

    pub(crate) const fn by_class(&self, class: RequestClass) -> &Arc<Quota> {
        match class {
            RequestClass::Ordinary => &self.ordinary,
            RequestClass::Prediction => &self.predictions,
            RequestClass::Upload => &self.uploads,
            RequestClass::LongRead => &self.long_reads,
            RequestClass::EventStream => &self.event_streams,
        }
    }
}
