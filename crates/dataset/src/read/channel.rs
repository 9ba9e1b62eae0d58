//! Channel from an async reader to the blocking writer thread.
//!
//! Rows are sent in chunks, because sending each row on its own would cost more than reading it.

use tokio::sync::mpsc;

use crate::error::DatasetError;

/// A chunk is sent once it holds this many rows …
const CHUNK_ROWS: usize = 512;
/// … or this many bytes of text.
const CHUNK_BYTES: usize = 1 << 20;
/// Kept small, because a single text may have 10 MiB.
const MAX_QUEUED_CHUNKS: usize = 3;

enum Chunk<T> {
    Rows(Vec<T>),
    /// The last message. If the channel closes without it, the reader was aborted.
    End,
    Failed(DatasetError),
}

pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel(MAX_QUEUED_CHUNKS);
    (Sender { sender, rows: Vec::with_capacity(CHUNK_ROWS), bytes: 0 }, Receiver { receiver, rows: Vec::new().into_iter(), ended: false })
}

/// Collects rows and sends them in chunks.
pub(crate) struct Sender<T> {
    sender: mpsc::Sender<Chunk<T>>,
    rows: Vec<T>,
    bytes: usize,
}

/// The receiver was dropped. Its owner reports the reason.
pub(crate) struct ReceiverClosed;

/// Why a reader stopped before the last row.
pub(crate) enum ReadInterruption {
    ReceiverClosed,
    Failed(DatasetError),
}

impl From<ReceiverClosed> for ReadInterruption {
    fn from(_: ReceiverClosed) -> Self {
        Self::ReceiverClosed
    }
}

impl From<DatasetError> for ReadInterruption {
    fn from(error: DatasetError) -> Self {
        Self::Failed(error)
    }
}

impl From<sqlx::Error> for ReadInterruption {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl<T> Sender<T> {
    /// Sends the end marker, or the error of the reader.
    pub(crate) async fn close(self, outcome: Result<(), ReadInterruption>) {
        // a dropped receiver is not an error of the reader
        let _ = match outcome {
            Ok(()) => self.finish().await,
            Err(ReadInterruption::Failed(error)) => self.sender.send(Chunk::Failed(error)).await.map_err(|_| ReceiverClosed),
            Err(ReadInterruption::ReceiverClosed) => Err(ReceiverClosed),
        };
    }

    pub(crate) async fn push(&mut self, row: T, bytes: usize) -> Result<(), ReceiverClosed> {
        self.rows.push(row);
        self.bytes += bytes;
        if self.rows.len() == CHUNK_ROWS || self.bytes >= CHUNK_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), ReceiverClosed> {
        if self.rows.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let rows = std::mem::replace(&mut self.rows, Vec::with_capacity(CHUNK_ROWS));
        self.sender.send(Chunk::Rows(rows)).await.map_err(|_| ReceiverClosed)
    }

    /// Sends the remaining rows and the end marker.
    async fn finish(mut self) -> Result<(), ReceiverClosed> {
        self.flush().await?;
        self.sender.send(Chunk::End).await.map_err(|_| ReceiverClosed)
    }
}

/// Iterates over the rows. Blocks, so it must be used on a blocking thread.
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
