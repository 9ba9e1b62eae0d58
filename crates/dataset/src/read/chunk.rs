//! Rows on their way from a reader, which waits for the network, to the thread that writes.
//!
//! They go in chunks: a hand-over for each row would cost more than the row.

use tokio::sync::mpsc;

use crate::error::DatasetError;

/// A chunk is sent when it has this many rows …
const ROWS: usize = 512;
/// … or this many bytes of texts.
const BYTES: usize = 1 << 20;
/// Chunks that wait. A single text may have 10 MiB.
const QUEUE: usize = 3;

enum Chunk<T> {
    Rows(Vec<T>),
    /// There are no more rows. A channel that closes without it has lost its reader.
    End,
    Failed(DatasetError),
}

pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Sender { sender, rows: Vec::with_capacity(ROWS), bytes: 0 }, Receiver { receiver, rows: Vec::new().into_iter(), ended: false })
}

/// Collects rows and sends them in chunks.
pub(crate) struct Sender<T> {
    sender: mpsc::Sender<Chunk<T>>,
    rows: Vec<T>,
    bytes: usize,
}

/// Nobody reads any more: whatever the reason, it is told elsewhere.
pub(crate) struct Closed;

/// Why a reader ends before the last row.
pub(crate) enum Stop {
    Closed,
    Failed(DatasetError),
}

impl From<Closed> for Stop {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

impl From<DatasetError> for Stop {
    fn from(error: DatasetError) -> Self {
        Self::Failed(error)
    }
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl<T> Sender<T> {
    /// Sends the end, or why it was not reached.
    pub(crate) async fn end(self, outcome: Result<(), Stop>) {
        // who does not listen any more has its own reason
        let _gone = match outcome {
            Ok(()) => self.finish().await,
            Err(Stop::Failed(error)) => self.sender.send(Chunk::Failed(error)).await.map_err(|_| Closed),
            Err(Stop::Closed) => Err(Closed),
        };
    }

    pub(crate) async fn push(&mut self, row: T, bytes: usize) -> Result<(), Closed> {
        self.rows.push(row);
        self.bytes += bytes;
        if self.rows.len() == ROWS || self.bytes >= BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Closed> {
        if self.rows.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let rows = std::mem::replace(&mut self.rows, Vec::with_capacity(ROWS));
        self.sender.send(Chunk::Rows(rows)).await.map_err(|_| Closed)
    }

    /// Sends what is left, and that this was all.
    async fn finish(mut self) -> Result<(), Closed> {
        self.flush().await?;
        self.sender.send(Chunk::End).await.map_err(|_| Closed)
    }
}

/// Hands out the rows one by one, on a thread that may wait.
pub(crate) struct Receiver<T> {
    receiver: mpsc::Receiver<Chunk<T>>,
    rows: std::vec::IntoIter<T>,
    ended: bool,
}

impl<T> Iterator for Receiver<T> {
    type Item = Result<T, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(Ok(row));
            }
            if self.ended {
                return None;
            }
            match self.receiver.blocking_recv() {
                Some(Chunk::Rows(rows)) => self.rows = rows.into_iter(),
                last => {
                    self.ended = true;
                    return match last {
                        Some(Chunk::Failed(error)) => Some(Err(error)),
                        None => Some(Err(DatasetError::Cancelled)),
                        Some(Chunk::Rows(_) | Chunk::End) => None,
                    };
                }
            }
        }
    }
}
