//! The thread that writes: fed through a short queue, so the reader waits when the disk is slow.

use std::path::Path;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::DatasetError;
use crate::example::Example;
use crate::selection::Selection;
use crate::write::split_files::{SplitFiles, Written};

/// Examples between reader and writer. Each may have a text of 10 MiB.
const QUEUE: usize = 4;

enum Message {
    Write(Box<Example>),
    Finish,
}

/// Writes examples on a blocking thread. Dropped before `finish`, the thread ends by itself and leaves partial files.
pub(crate) struct WriterThread {
    messages: mpsc::Sender<Message>,
    thread: JoinHandle<Result<Written, DatasetError>>,
}

impl WriterThread {
    pub(crate) fn start(dir: &Path, selection: &Selection) -> Self {
        let (messages, mut received) = mpsc::channel(QUEUE);
        let mut files = SplitFiles::create(dir, selection);
        let thread = tokio::task::spawn_blocking(move || {
            loop {
                match received.blocking_recv() {
                    Some(Message::Write(example)) => files.write(&example)?,
                    Some(Message::Finish) => return files.finish(),
                    // the build was dropped: what has been written is not a snapshot
                    None => return Err(DatasetError::Cancelled),
                }
            }
        });
        Self { messages, thread }
    }

    /// Hands an example over; `false` when the thread has ended with an error, which `finish` returns.
    pub(crate) async fn write(&self, example: Example) -> bool {
        self.messages.send(Message::Write(Box::new(example))).await.is_ok()
    }

    /// Waits for the files. Resumes a panic of the thread.
    pub(crate) async fn finish(self) -> Result<Written, DatasetError> {
        // A closed queue means that the thread has ended with an error: it is read below.
        let _closed = self.messages.send(Message::Finish).await;
        match self.thread.await {
            Ok(written) => written,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(DatasetError::Cancelled), // only a runtime that shuts down cancels it
            },
        }
    }
}
