//! Signals: the first asks for an orderly end, the second ends at once.

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit status after a second signal, as shells report an interrupted program.
const INTERRUPTED: i32 = 130;

pub(crate) struct Shutdown(CancellationToken);

impl Shutdown {
    pub(crate) fn on_signals() -> Result<Self> {
        let token = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let first = token.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("shutting down: no new runs, running ones are handed back; a second signal ends at once");
            first.cancel();
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            // children die with this process; what they worked on is taken back when its lease expires
            std::process::exit(INTERRUPTED);
        });
        Ok(Self(token))
    }

    pub(crate) fn token(&self) -> CancellationToken {
        self.0.clone()
    }
}
