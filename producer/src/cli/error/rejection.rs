//! The last request that the API rejected, for errors as JSON.

use std::sync::Mutex;

static LAST: Mutex<Option<Rejection>> = Mutex::new(None);

/// A rejected request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// Status of the response.
    pub(crate) status: u16,
    /// Code of the problem, if Aprendiz answered.
    pub(crate) code: Option<String>,
    /// The message that the command prints.
    pub(crate) message: String,
    /// Identifies the request in the log of the server.
    pub(crate) request_id: Option<String>,
}

/// The last request that was rejected.
pub(crate) fn last_rejection() -> Option<Rejection> {
    LAST.lock().ok()?.clone()
}

pub(crate) fn record_rejection(rejection: Rejection) {
    if let Ok(mut last) = LAST.lock() {
        *last = Some(rejection);
    }
}
