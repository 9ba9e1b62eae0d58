//! The socket of a connection. A client that does not read its response is cut off.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use crate::connection::client::ClientConnection;
use crate::limits::pace::{MinPace, Pace};

/// How long a closed connection is still read after the last bytes of the client. The system answers unread bytes with a reset, and a client
/// that is still sending its body would lose the response that explains why it was refused.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a closed connection is read at most: enough for a client that reads the response only after it has sent a body of usual size.
const MAX_LINGER: Duration = Duration::from_secs(30);
/// Size of a read while lingering.
const LINGER_BUFFER_BYTES: usize = 16 * 1024;

/// A socket with a minimum pace of writes.
pub(super) struct ClientStream {
    socket: TcpStream,
    pace: Pace,
    connection: Arc<ClientConnection>,
    /// Set once the connection is closed for writing.
    linger: Option<Linger>,
}

/// Until when a closed connection is read.
struct Linger {
    timer: Pin<Box<Sleep>>,
    end: Instant,
}

impl Linger {
    fn new() -> Self {
        Self { timer: Box::pin(sleep(LINGER_TIMEOUT)), end: Instant::now() + MAX_LINGER }
    }

    /// The client has sent something.
    fn extend(&mut self) {
        self.timer.as_mut().reset((Instant::now() + LINGER_TIMEOUT).min(self.end));
    }
}

impl ClientStream {
    pub(super) const fn new(socket: TcpStream, min: MinPace, connection: Arc<ClientConnection>) -> Self {
        Self { socket, pace: Pace::new(min), connection, linger: None }
    }

    /// Counts a write, or the time that the client makes the server wait for it.
    fn paced(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => {
                ready!(self.pace.poll_wait(cx));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads too slowly")))
            }
            Poll::Ready(written) => {
                if let Ok(bytes) = written {
                    self.pace.advance(bytes);
                }
                Poll::Ready(written)
            }
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, buffer);
        self.paced(cx, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffers: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, buffers);
        self.paced(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    /// Called by hyper once its buffer is empty.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
        self.connection.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
        }
        let this = &mut *self;
        let linger = this.linger.get_or_insert_with(Linger::new);
        let mut bytes = [0; LINGER_BUFFER_BYTES];
        loop {
            if linger.timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut this.socket).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => linger.extend(),
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        // whatever was not sent is not sent any more
        self.connection.flushed();
    }
}
