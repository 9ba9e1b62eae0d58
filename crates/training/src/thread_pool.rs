//! Runs work on a thread pool and delivers its progress on the calling thread.

use crate::{error::TrainingError, protocol::progress::Progress};

/// Runs `work` on a pool of `threads` threads (0 = one per core). Its progress lines are passed to `progress` on the calling thread, and
/// the work never gets ahead of `progress` by more than one line.
///
/// # Errors
/// Those of `work`, and `backend` if the pool cannot be created.
pub(crate) fn run_in_pool<T: Send>(
    threads: usize,
    progress: &mut dyn FnMut(Progress),
    work: impl FnOnce(&mut dyn FnMut(Progress)) -> Result<T, TrainingError> + Send,
) -> Result<T, TrainingError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| TrainingError::Backend { backend: "rayon", reason: error.to_string() })?;
    // A rendezvous channel: a checkpoint that was reported stays on the disk until the next one is reported.
    let (sender, receiver) = std::sync::mpsc::sync_channel(0);
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            let sender = sender;
            pool.install(|| {
                // The receiver lives as long as this scope, so sending cannot fail while anyone is listening.
                let mut send = |line: Progress| drop(sender.send(line));
                work(&mut send)
            })
        });
        for line in receiver {
            progress(line);
        }
        work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
