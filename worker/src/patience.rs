//! Asking Postgres again while it does not answer.
//!
//! A connection that was cut, a server that restarts or fails over: none of these is worth an attempt as long as its lease
//! holds. How long that is needs no number here: when the lease is lost, `lease::keep` ends the work, and this with it.

use std::time::Duration;

use runs::RunsError;

use crate::failure::Stop;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Awaits what the expression makes, anew from its beginning for as long as it ends because Postgres is out of reach.
///
/// A connection may be cut after the commit and before its answer: what is asked must not mind being asked twice. (A macro, because
/// the futures of async closures that borrow a connection cannot be shown to be `Send`.)
macro_rules! patiently {
    ($work:expr) => {{
        let mut patience = $crate::patience::Patience::new();
        loop {
            let done = $work.await;
            match done.as_ref().err().and_then($crate::patience::Outage::outage) {
                Some(text) => patience.wait(&text).await,
                None => break done,
            }
        }
    }};
}
pub(crate) use patiently;

/// An error that may only mean that Postgres is out of reach.
pub(crate) trait Outage {
    /// Then: in words.
    fn outage(&self) -> Option<String>;
}

impl Outage for RunsError {
    fn outage(&self) -> Option<String> {
        self.is_outage().then(|| self.to_string())
    }
}

impl Outage for Stop {
    fn outage(&self) -> Option<String> {
        if let Self::Outage(text) = self { Some(text.clone()) } else { None }
    }
}

/// Pauses that grow from one to the next.
pub(crate) struct Patience {
    pause: Duration,
}

impl Patience {
    pub(crate) const fn new() -> Self {
        Self { pause: FIRST_PAUSE }
    }

    /// Waits before the next try, and says why.
    pub(crate) async fn wait(&mut self, why: &str) {
        tracing::warn!(error = why, "the database does not answer: asking again in {} ms", self.pause.as_millis());
        tokio::time::sleep(self.pause).await;
        self.pause = (2 * self.pause).min(LONGEST_PAUSE);
    }
}
