//! State of one connection.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::limits::quota::Share;

/// A connection of a client. Requests find it in their extensions.
#[derive(Debug)]
pub(crate) struct ClientConnection {
    peer: SocketAddr,
    closed: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Since when no request is handled; `None` = one is.
    idle_since: Option<Instant>,
    /// Whether the whole response is in the buffer of the connection.
    response_ended: bool,
    /// Given back once that buffer is sent.
    held: Vec<Share>,
}

impl ClientConnection {
    pub(crate) fn new(peer: SocketAddr) -> Self {
        let state = State { idle_since: Some(Instant::now()), response_ended: false, held: Vec::new() };
        Self { peer, closed: CancellationToken::new(), state: Mutex::new(state) }
    }

    /// Address of the client, or of a proxy.
    pub(crate) const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Keeps a share until the current response is sent to its last byte.
    pub(crate) fn hold(&self, share: Share) {
        self.lock().held.push(share);
    }

    pub(super) fn begin_request(&self) {
        let mut state = self.lock();
        (state.idle_since, state.response_ended) = (None, false);
    }

    /// The response is complete, but not sent yet.
    pub(super) fn end_response(&self) {
        self.lock().response_ended = true;
    }

    /// Everything that was in the buffer is sent.
    pub(super) fn flushed(&self) {
        let mut state = self.lock();
        if state.response_ended {
            state.response_ended = false;
            state.idle_since = Some(Instant::now());
        }
        let sent = std::mem::take(&mut state.held);
        drop(state);
        drop(sent);
    }

    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.lock().idle_since
    }

    /// Closes the connection: another one needs its place, or its response takes too long.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    /// Returns once the connection is to be closed.
    pub(crate) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    #[cfg(test)]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
