//! Accepts connections and serves HTTP/1.1 on them.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics::counter;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tracing::{debug, warn};

use crate::connection::client::ClientConnection;
use crate::connection::file_limit;
use crate::connection::registry::{Connections, Registered};
use crate::connection::stream::ClientStream;
use crate::limits::held_body::HeldBody;
use crate::limits::pace::MinPace;
use crate::limits::settings::ClientLimits;
use crate::server::metrics::REJECTED;

/// Files that the process needs besides client connections: database, Redis, bucket, spooled imports, models.
const RESERVED_FILES: u64 = 256;
/// Maximum size of a request head, and of the read and write buffers of a connection.
const BUFFER_BYTES: usize = 64 * 1024;
/// Delay after a failed `accept`, for example because the process has too many open files.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(200);
/// Minimum time between two warnings about refused connections.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Sent without reading the request.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/problem+json\r\ncontent-length: 185\r\nretry-after: 2\r\nconnection: close\r\n\r\n\
    {\"type\":\"urn:aprendiz:problem:overloaded\",\"title\":\"Service Unavailable\",\"status\":503,\
    \"detail\":\"too many open connections, and each of them has a request: try again\",\"code\":\"overloaded\"}";

/// Limits of connections.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionLimits {
    connections: Arc<Connections>,
    header_timeout: Duration,
    min_pace: MinPace,
}

impl ConnectionLimits {
    /// Raises the limit on open files, so that all connections can be opened.
    pub(crate) fn new(limits: &ClientLimits) -> Self {
        let mut max = limits.max_connections;
        if let Some(files) = file_limit::raise() {
            let available = usize::try_from(files.saturating_sub(RESERVED_FILES).max(files / 4).max(1)).unwrap_or(usize::MAX);
            if available < max {
                warn!(
                    files,
                    connections = available,
                    "fewer connections than APRENDIZ_MAX_CLIENT_CONNECTIONS: raise the limit on open files"
                );
                max = available;
            }
        }
        let per_address = limits.max_connections_per_address;
        Self {
            connections: Connections::new(max, per_address, limits.trusted_proxies.clone()),
            header_timeout: limits.header_timeout,
            min_pace: limits.min_pace,
        }
    }
}

/// Serves until shutdown, then until all requests have ended. Dropping the future breaks off the remaining ones.
pub(crate) async fn serve(listener: TcpListener, router: Router, limits: ConnectionLimits, shutdown: CancellationToken) {
    let mut tasks = JoinSet::new();
    let mut refusals = Refusals::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next() => continue,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((socket, peer)) => match limits.connections.register(peer) {
                Some(registered) => {
                    tasks.spawn(serve_connection(socket, registered, router.clone(), limits.clone(), shutdown.clone()));
                }
                None => refusals.refuse(&socket),
            },
            Err(error) if is_connection_error(&error) => {}
            Err(error) => {
                warn!(%error, "cannot accept connections");
                sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

async fn serve_connection(
    socket: TcpStream,
    registered: Registered,
    router: Router,
    limits: ConnectionLimits,
    shutdown: CancellationToken,
) {
    let connection = &registered.connection;
    let io = TokioIo::new(ClientStream::new(socket, limits.min_pace, Arc::clone(connection)));
    let service = service_fn(|request| respond(router.clone(), Arc::clone(connection), request));
    let http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(io, service);
    tokio::pin!(http);
    let mut is_draining = false;
    loop {
        tokio::select! {
            ended = http.as_mut() => {
                if let Err(error) = ended {
                    debug!(peer = %connection.peer(), %error, "connection ended");
                }
                return;
            }
            () = connection.closed() => return,
            () = shutdown.cancelled(), if !is_draining => {
                is_draining = true;
                http.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Ends the response of a connection when it is dropped.
struct ResponseEnd(Arc<ClientConnection>);

impl Drop for ResponseEnd {
    fn drop(&mut self) {
        self.0.end_response();
    }
}

async fn respond(
    router: Router,
    connection: Arc<ClientConnection>,
    request: hyper::Request<Incoming>,
) -> Result<axum::response::Response, Infallible> {
    connection.begin_request();
    let mut request: Request = request.map(Body::new);
    request.extensions_mut().insert(Arc::clone(&connection));
    let response = router.oneshot(request).await?;
    Ok(response.map(|body| HeldBody::wrap(body, ResponseEnd(connection))))
}

/// Refuses connections and warns about them, but not for each one.
#[derive(Default)]
struct Refusals {
    since_warning: u64,
    warned_at: Option<Instant>,
}

impl Refusals {
    fn refuse(&mut self, socket: &TcpStream) {
        // the client may learn nothing more than that the connection is closed
        let _ = socket.try_write(REFUSAL);
        counter!(REJECTED, "limit" => "connections").increment(1);
        self.since_warning += 1;
        if self.warned_at.is_none_or(|at| at.elapsed() >= WARNING_INTERVAL) {
            warn!(refused = self.since_warning, "too many connections: refused those of which every one has a request");
            (self.since_warning, self.warned_at) = (0, Some(Instant::now()));
        }
    }
}

fn is_connection_error(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::REFUSAL;

    #[test]
    fn the_refusal_is_a_complete_response() {
        let text = std::str::from_utf8(REFUSAL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["code"], "overloaded");
    }
}
