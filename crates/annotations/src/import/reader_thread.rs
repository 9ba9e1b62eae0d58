//! The thread that reads and parses a file while its rows are stored.

use std::io;

use tokio::task::JoinHandle;

/// Waits for the thread. A panic of the reader or the parser continues here: it is a defect of the server, not of the file.
///
/// # Errors
/// When the runtime shut down before the thread ended.
pub(crate) async fn join<T>(reading: JoinHandle<T>) -> io::Result<T> {
    reading.await.map_err(|error| io::Error::other(aprendiz_db::resume_panic(error)))
}
