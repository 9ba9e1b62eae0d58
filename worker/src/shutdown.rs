//! Shutdown in two steps: draining claims no more runs, shutting down also releases the running ones.

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit status after a second signal, as shells report an interrupted program.
const INTERRUPTED: i32 = 130;

/// The shared shutdown state. Clones refer to the same state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shutdown {
    draining: CancellationToken,
    shutting_down: CancellationToken,
}

impl Shutdown {
    /// Shuts down on the first SIGTERM or Ctrl-C and exits immediately on the second. `action` is what the process does first, for the log.
    pub(crate) fn on_signals(action: &'static str) -> Result<Self> {
        let shutdown = Self::default();
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let on_first = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("shutting down: {action}; a second signal exits immediately");
            on_first.shut_down();
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            // training processes die with this process; the reaper requeues their runs when the leases expire
            std::process::exit(INTERRUPTED);
        });
        Ok(shutdown)
    }

    /// Stops claiming runs and lets running ones finish.
    pub(crate) fn drain(&self) {
        self.draining.cancel();
    }

    /// Stops claiming runs and releases running ones.
    pub(crate) fn shut_down(&self) {
        self.draining.cancel();
        self.shutting_down.cancel();
    }

    /// Cancelled once no more runs are to be claimed.
    pub(crate) const fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Cancelled once running runs are to be released.
    pub(crate) const fn shutting_down(&self) -> &CancellationToken {
        &self.shutting_down
    }
}
