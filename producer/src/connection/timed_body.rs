//! A response body with a total time, so that a slow client holds its slot only for a limited time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use crate::connection::client::ClientConnection;

/// A body whose connection is closed at a deadline. The body itself cannot end then, because it is not polled while the client reads nothing.
pub(crate) struct TimedBody {
    body: Body,
    closing: JoinHandle<()>,
}

impl TimedBody {
    /// The body; its connection is closed at `deadline`.
    pub(crate) fn wrap(body: Body, deadline: Instant, connection: Arc<ClientConnection>) -> Body {
        let closing = tokio::spawn(async move {
            sleep_until(deadline).await;
            warn!(peer = %connection.peer(), "a response took longer than APRENDIZ_LONG_READ_TIMEOUT_SECONDS: closing its connection");
            connection.close();
        });
        Body::new(Self { body, closing })
    }
}

impl Drop for TimedBody {
    fn drop(&mut self) {
        self.closing.abort();
    }
}

impl HttpBody for TimedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;

    fn connection() -> Arc<ClientConnection> {
        Arc::new(ClientConnection::new(SocketAddr::from(([192, 0, 2, 1], 1))))
    }

    #[tokio::test]
    async fn the_connection_of_a_body_is_closed_at_the_deadline_unless_the_body_has_ended() {
        let (late, early) = (connection(), connection());
        let _unread = TimedBody::wrap(Body::from("rows"), Instant::now(), Arc::clone(&late));
        let whole = TimedBody::wrap(Body::from("rows"), Instant::now() + Duration::from_secs(3600), Arc::clone(&early));
        assert_eq!(axum::body::to_bytes(whole, 100).await.unwrap(), "rows");
        late.closed().await;
        // dropped with the body, which leaves one owner of the connection
        while Arc::strong_count(&early) > 1 {
            tokio::task::yield_now().await;
        }
        assert!(!early.is_closed());
    }
}
