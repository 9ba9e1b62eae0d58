//! A TCP proxy that misbehaves on request: between a process of a test and a service that other tests use too.

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};

/// Bytes that are passed on at a time.
const PIECE: usize = 64 * 1024;
/// A request that pauses so long is over.
const PAUSE: Duration = Duration::from_millis(50);

/// What the proxy does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Passes everything on.
    Pass,
    /// Takes connections and bytes, and passes nothing on: the other side seems to hang.
    Stall,
    /// Cuts every connection, old and new.
    Refuse,
    /// Answers every request with this, and closes the connection.
    Answer(&'static str),
    /// Changes the last byte of each piece of a body that comes back.
    Corrupt,
    /// Passes half of a body that comes back, then cuts the connection.
    Truncate,
    /// The test is over.
    End,
}

/// A proxy before one service; it passes everything on until told otherwise. It runs on a thread of its own, so that a test that
/// blocks does not hold it up.
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

    /// As [`FaultProxy::start`], on another address of this machine.
    pub fn start_at(host: &str, upstream: &str) -> Self {
        let upstream: SocketAddr = upstream.parse().expect("the address of a local service");
        let listener = std::net::TcpListener::bind((host, 0)).expect("a port is free");
        listener.set_nonblocking(true).expect("a listener can be made non-blocking");
        let address = listener.local_addr().expect("a listener has an address");
        let (mode, seen) = watch::channel(Mode::Pass);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
            runtime.block_on(serve(listener, upstream, seen));
        });
        Self { address, mode, thread: Some(thread) }
    }

    /// Where to connect, `HOST:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Passes everything on again, also what was held back.
    pub fn pass(&self) {
        self.mode.send_replace(Mode::Pass);
    }

    /// Holds everything back from now on.
    pub fn stall(&self) {
        self.mode.send_replace(Mode::Stall);
    }

    /// Answers every HTTP request with these bytes.
    pub fn answer(&self, answer: &'static str) {
        self.mode.send_replace(Mode::Answer(answer));
    }

    /// Lets bodies of HTTP answers arrive with wrong bytes.
    pub fn corrupt(&self) {
        self.mode.send_replace(Mode::Corrupt);
    }

    /// Lets bodies of HTTP answers end too early.
    pub fn truncate(&self) {
        self.mode.send_replace(Mode::Truncate);
    }

    /// Cuts all connections, and new ones at once.
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
    let listener = TcpListener::from_std(listener).expect("a listener can be used by tokio");
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
            () = requests(from_client, to_server, &to_client, mode.clone()) => {}
            () = answers(from_server, &to_client, mode) => {}
        }
    };
    tokio::select! {
        () = passing => {}
        _ = cut.wait_for(|mode| matches!(mode, Mode::Refuse | Mode::End)) => {}
    }
}

/// From the client to the service. Ends with the client.
async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, back: &Mutex<OwnedWriteHalf>, mut mode: watch::Receiver<Mode>) {
    let mut buffer = vec![0; PIECE];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let Ok(now) = mode.wait_for(|mode| *mode != Mode::Stall).await.map(|mode| *mode) else { return };
        if let Mode::Answer(answer) = now {
            // the rest of the request, so that the client comes to reading
            while let Ok(Ok(1..)) = tokio::time::timeout(PAUSE, from.read(&mut buffer)).await {}
            back.lock().await.write_all(answer.as_bytes()).await.ok();
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// From the service to the client. Ends with the service.
async fn answers(mut from: OwnedReadHalf, to: &Mutex<OwnedWriteHalf>, mut mode: watch::Receiver<Mode>) {
    let mut buffer = vec![0; PIECE];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let Ok(now) = mode.wait_for(|mode| *mode != Mode::Stall).await.map(|mode| *mode) else { return };
        let piece = &mut buffer[..read];
        let body = body_of(piece);
        let mut to = to.lock().await;
        match now {
            Mode::Corrupt if body < read => piece[read - 1] ^= 1,
            Mode::Truncate if body < read => {
                to.write_all(&piece[..body + (read - body) / 2]).await.ok();
                return;
            }
            _ => {}
        }
        if to.write_all(piece).await.is_err() {
            return;
        }
    }
}

/// Where the body begins in a piece of an HTTP answer: after its head, or at once when the head came before.
fn body_of(piece: &[u8]) -> usize {
    if !piece.starts_with(b"HTTP/") {
        return 0;
    }
    piece.windows(4).position(|window| window == b"\r\n\r\n").map_or(piece.len(), |head| head + 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    /// Sends a byte through the proxy and gives what comes back within a moment.
    fn echo(stream: &mut std::net::TcpStream) -> std::io::Result<u8> {
        stream.write_all(b"x")?;
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    #[test]
    fn the_body_begins_after_the_head() {
        assert_eq!(body_of(b"HTTP/1.1 200 OK\r\n\r\nbody"), 19);
        assert_eq!(body_of(b"HTTP/1.1 204 No Content\r\n\r\n"), 27);
        assert_eq!(body_of(b"more body"), 0);
    }

    #[test]
    fn it_passes_holds_back_and_cuts() {
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
        // what was held back arrives
        assert_eq!(echo(&mut stream).unwrap(), b'x');

        proxy.refuse();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).ok();
        let refused = std::net::TcpStream::connect(proxy.address()).and_then(|mut stream| echo(&mut stream));
        assert!(refused.is_err());
    }
}
