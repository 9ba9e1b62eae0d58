//! A request body that fails when the client sends it too slowly, or when there is no room for it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};

use crate::limits::pace::{MinPace, Pace};
use crate::limits::quota::Exhausted;

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The client sends nothing, or too little.
    #[error("the request body arrives too slowly: {received} bytes so far")]
    TooSlow {
        /// Bytes received until then.
        received: u64,
    },
    /// Too many bytes of bodies are held at the moment.
    #[error("no room for the request body")]
    NoRoom(Exhausted),
    /// The connection failed.
    #[error("the request body ended unexpectedly after {received} bytes")]
    Broken {
        /// Bytes received until then.
        received: u64,
    },
}

/// Reserves room for received bytes.
pub(crate) type Meter = Box<dyn FnMut(u64) -> Result<(), Exhausted> + Send>;

/// A body with a minimum pace, whose bytes are counted as they arrive.
pub(crate) struct PacedBody {
    body: Body,
    pace: Pace,
    meter: Meter,
    received: u64,
}

impl PacedBody {
    pub(crate) fn new(body: Body, min: MinPace, meter: Meter) -> Self {
        Self { body, pace: Pace::new(min), meter, received: 0 }
    }
}

impl HttpBody for PacedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let polled = match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(polled) => polled,
            Poll::Pending => {
                ready!(this.pace.poll_wait(cx));
                return Poll::Ready(Some(Err(BodyError::TooSlow { received: this.received })));
            }
        };
        Poll::Ready(polled.map(|frame| {
            let frame = frame.map_err(|_| BodyError::Broken { received: this.received })?;
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            this.pace.advance(bytes);
            this.received += bytes as u64;
            (this.meter)(bytes as u64).map_err(BodyError::NoRoom)?;
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
