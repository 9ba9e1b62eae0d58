//! The threads that compute, and the one that tells.

use crate::{error::TrainingError, progress::Progress};

/// Runs `work` on a pool of `threads` threads (0 = as many as the machine has). What it tells is handed to `progress` on this thread, and
/// the work does not go further than one line ahead of it.
pub(crate) fn in_pool<T: Send>(
    threads: usize,
    progress: &mut dyn FnMut(Progress),
    work: impl FnOnce(&mut dyn FnMut(Progress)) -> Result<T, TrainingError> + Send,
) -> Result<T, TrainingError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| TrainingError::Backend { backend: "rayon", reason: error.to_string() })?;
    // one thread of the pool runs the work; the others help it wherever it computes in parallel. The channel holds nothing:
    // whoever is told of a checkpoint can rely on it until told of the next
    let (sender, receiver) = std::sync::mpsc::sync_channel(0);
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            let sender = sender;
            pool.install(|| {
                // the receiver lives as long as this scope: sending can only fail once nobody listens any more
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
