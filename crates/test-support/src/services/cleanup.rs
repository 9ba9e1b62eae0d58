//! Asynchronous cleanup in `Drop`.

/// Runs a future in `Drop`, where the runtime of the test cannot be entered again.
pub(super) fn block_on_new_thread<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("the runtime can be built").block_on(future)
        });
        thread.join().expect("cleanup does not panic")
    })
}
