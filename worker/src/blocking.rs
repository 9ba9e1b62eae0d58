//! Blocking work outside the threads of the async runtime.

/// Runs file operations or computations on a thread for blocking work. A panic continues in the caller, which reports it as a defect of
/// the worker, never as a failure of the work's subject.
pub(crate) async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // the runtime is shutting down and drops this future next
            Err(_cancelled) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_panic_continues_in_the_caller() {
        let work = std::panic::AssertUnwindSafe(run_blocking(|| -> u8 { panic!("a defect") })).catch_unwind().await;
        assert_eq!(work.unwrap_err().downcast_ref::<&str>(), Some(&"a defect"));
        assert_eq!(run_blocking(|| 7).await, 7);
    }
}
