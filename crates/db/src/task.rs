//! Tasks of the async runtime, and blocking work outside its threads: a panic continues where the result is awaited.
//!
//! A panic is a defect of the program, so it must never become an error about the subject of the work.

use std::ops::Deref;

use tokio::runtime::Handle;
use tokio::task::JoinError;

/// Resumes the panic of a joined task. Returns the error if the task was cancelled instead: the runtime shuts down, or the task was aborted.
pub fn resume_panic(error: JoinError) -> JoinError {
    if error.is_panic() {
        std::panic::resume_unwind(error.into_panic());
    }
    error
}

/// Runs file operations or computations on a thread for blocking work.
pub async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => {
            resume_panic(error);
            // the runtime is shutting down and drops this future next
            std::future::pending().await
        }
    }
}

/// A value whose drop blocks, such as a temporary folder: it is dropped on a thread for blocking work.
#[derive(Debug)]
pub struct BlockingDrop<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> BlockingDrop<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// The value, which is now dropped where its owner is.
    ///
    /// # Panics
    /// Never: only this function and the drop take the value.
    #[must_use]
    pub fn into_inner(mut self) -> T {
        self.0.take().expect("the value is taken once")
    }
}

impl<T: Send + 'static> Deref for BlockingDrop<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("the value is there until it is taken")
    }
}

impl<T: Send + 'static> Drop for BlockingDrop<T> {
    fn drop(&mut self) {
        // outside a runtime, nothing waits for this thread
        if let (Some(value), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn_blocking(move || drop(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_panic_continues_in_the_caller() {
        let work = AssertUnwindSafe(run_blocking(|| -> u8 { panic!("a defect") })).catch_unwind().await;
        assert_eq!(work.unwrap_err().downcast_ref::<&str>(), Some(&"a defect"));
        assert_eq!(run_blocking(|| 7).await, 7);
    }

    #[tokio::test]
    async fn a_blocking_drop_happens_on_another_thread() {
        struct Reporter(std::sync::mpsc::Sender<std::thread::ThreadId>);
        impl Drop for Reporter {
            fn drop(&mut self) {
                self.0.send(std::thread::current().id()).unwrap();
            }
        }
        let (sender, receiver) = std::sync::mpsc::channel();
        drop(BlockingDrop::new(Reporter(sender.clone())));
        assert_ne!(run_blocking(move || receiver.recv().unwrap()).await, std::thread::current().id());
        let (sender, receiver) = std::sync::mpsc::channel();
        drop(BlockingDrop::new(Reporter(sender)).into_inner());
        assert_eq!(receiver.recv().unwrap(), std::thread::current().id());
    }

    #[tokio::test]
    async fn a_cancelled_task_is_no_panic() {
        let task = tokio::spawn(std::future::pending::<()>());
        task.abort();
        assert!(resume_panic(task.await.unwrap_err()).is_cancelled());
    }
}
