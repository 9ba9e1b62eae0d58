//! Fault-injecting TCP proxy between a process of a test and a shared service.

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};

const BUFFER_BYTES: usize = 64 * 1024;
/// A request without new bytes for this long is complete.
const REQUEST_IDLE_TIMEOUT: Duration = Duration::from_millis(50);

/// How the proxy treats connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Forwards everything.
    Pass,
    /// Accepts connections and bytes but forwards nothing: the other side seems to hang.
    Stall,
    /// Closes all connections, existing and new.
    Refuse,
    /// Answers every request with these bytes and closes the connection.
    Answer(&'static str),
    /// Corrupts the last byte of each chunk of a response body.
    Corrupt,
    /// Forwards half of a response body, then closes the connection.
    Truncate,
    /// The test is over.
    End,
}

/// A proxy for one service, which forwards everything at first. It runs on its own thread, so that a blocking test does not stop it.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Starts a proxy to `upstream`, such as `127.0.0.1:5432`.
    pub fn start(upstream: &str) -> Self {
        Self::start_at("127.0.0.1", upstream)
    }

    /// Like [`FaultProxy::start`], on another address of this host.
    pub fn start_at(host: &str, upstream: &str) -> Self {
        let upstream: SocketAddr = upstream.parse().expect("the address of a local service");
        let listener = std::net::TcpListener::bind((host, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("the listener can be non-blocking");
        let address = listener.local_addr().expect("the listener has an address");
        let (mode, seen) = watch::channel(Mode::Pass);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("the runtime can be built");
            runtime.block_on(serve(listener, upstream, seen));
        });
        Self { address, mode, thread: Some(thread) }
    }

    /// The address to connect to, `HOST:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Forwards everything, including bytes received while stalled.
    pub fn pass(&self) {
        self.mode.send_replace(Mode::Pass);
    }

    /// Stops forwarding.
    pub fn stall(&self) {
        self.mode.send_replace(Mode::Stall);
    }

    /// Answers every HTTP request with the given bytes.
    pub fn answer(&self, answer: &'static str) {
        self.mode.send_replace(Mode::Answer(answer));
    }

    /// Corrupts the bodies of HTTP responses.
    pub fn corrupt(&self) {
        self.mode.send_replace(Mode::Corrupt);
    }

    /// Truncates the bodies of HTTP responses.
    pub fn truncate(&self) {
        self.mode.send_replace(Mode::Truncate);
    }

    /// Closes all existing and new connections.
    pub fn refuse(&self) {
        self.mode.send_replace(Mode::Refuse);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.mode.send_replace(Mode::End);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

async fn serve(listener: std::net::TcpListener, upstream: SocketAddr, mut mode: watch::Receiver<Mode>) {
    let listener = TcpListener::from_std(listener).expect("tokio accepts the listener");
    loop {
        let client = tokio::select! {
            Ok(_) = mode.wait_for(|mode| *mode == Mode::End) => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((client, _)) = client else { continue };
        tokio::spawn(connection(client, upstream, mode.clone()));
    }
}

async fn connection(client: TcpStream, upstream: SocketAddr, mode: watch::Receiver<Mode>) {
    let mut cut = mode.clone();
    let passing = async {
        let Ok(server) = TcpStream::connect(upstream).await else { return };
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        let to_client = Mutex::new(to_client);
        tokio::select! {
            () = forward_requests(from_client, to_server, &to_client, mode.clone()) => {}
            () = forward_responses(from_server, &to_client, mode) => {}
        }
    };
    tokio::select! {
        () = passing => {}
        _ = cut.wait_for(|mode| matches!(mode, Mode::Refuse | Mode::End)) => {}
    }
}

/// Forwards from the client to the service until the client disconnects.
async fn forward_requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, back: &Mutex<OwnedWriteHalf>, mut mode: watch::Receiver<Mode>) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let Ok(now) = mode.wait_for(|mode| *mode != Mode::Stall).await.map(|mode| *mode) else { return };
        if let Mode::Answer(answer) = now {
            // read the rest of the request, so that the client starts reading the response
            while let Ok(Ok(1..)) = tokio::time::timeout(REQUEST_IDLE_TIMEOUT, from.read(&mut buffer)).await {}
            back.lock().await.write_all(answer.as_bytes()).await.ok();
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// Forwards from the service to the client until the service disconnects.
async fn forward_responses(mut from: OwnedReadHalf, to: &Mutex<OwnedWriteHalf>, mut mode: watch::Receiver<Mode>) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let Ok(now) = mode.wait_for(|mode| *mode != Mode::Stall).await.map(|mode| *mode) else { return };
        let chunk = &mut buffer[..read];
        let body = body_start(chunk);
        let mut to = to.lock().await;
        match now {
            Mode::Corrupt if body < read => chunk[read - 1] ^= 1,
            Mode::Truncate if body < read => {
                to.write_all(&chunk[..body + (read - body) / 2]).await.ok();
                return;
            }
            _ => {}
        }
        if to.write_all(chunk).await.is_err() {
            return;
        }
    }
}

/// Offset of the body in a chunk of an HTTP response: after the headers, or 0 if they were in an earlier chunk.
fn body_start(chunk: &[u8]) -> usize {
    if !chunk.starts_with(b"HTTP/") {
        return 0;
    }
    chunk.windows(4).position(|window| window == b"\r\n\r\n").map_or(chunk.len(), |head| head + 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    /// Sends a byte through the proxy and returns the echoed byte.
    fn echo(stream: &mut std::net::TcpStream) -> std::io::Result<u8> {
        stream.write_all(b"x")?;
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    #[test]
    fn the_body_starts_after_the_headers() {
        assert_eq!(body_start(b"HTTP/1.1 200 OK\r\n\r\nbody"), 19);
        assert_eq!(body_start(b"HTTP/1.1 204 No Content\r\n\r\n"), 27);
        assert_eq!(body_start(b"more body"), 0);
    }

    #[test]
    fn the_proxy_forwards_stalls_and_refuses() {
        let service = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = service.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for stream in service.incoming() {
                let (mut from, mut to) = (stream.as_ref().unwrap().try_clone().unwrap(), stream.unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
        });
        let proxy = FaultProxy::start(&address);
        let mut stream = std::net::TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(echo(&mut stream).unwrap(), b'x');

        proxy.stall();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(echo(&mut stream).is_err());
        proxy.pass();
        stream.set_read_timeout(None).unwrap();
        // bytes received while stalled arrive now
        assert_eq!(echo(&mut stream).unwrap(), b'x');

        proxy.refuse();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).ok();
        let refused = std::net::TcpStream::connect(proxy.address()).and_then(|mut stream| echo(&mut stream));
        assert!(refused.is_err());
    }
}
