//! How a worker comes to its end: it drains (claims nothing more), and may hand back what runs. Signals and operators ask for it.

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit status after a second signal, as shells report an interrupted program.
const INTERRUPTED: i32 = 130;

/// The two steps of ending. Cheap to clone; every clone is the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shutdown {
    draining: CancellationToken,
    handing_back: CancellationToken,
}

impl Shutdown {
    /// Both steps at the first SIGTERM or Ctrl-C, an end at once at the second.
    pub(crate) fn on_signals() -> Result<Self> {
        let shutdown = Self::default();
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let first = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("shutting down: no new runs, running ones are handed back; a second signal ends at once");
            first.hand_back();
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            // children die with this process; what they worked on is taken back when its lease expires
            std::process::exit(INTERRUPTED);
        });
        Ok(shutdown)
    }

    /// Claim nothing more; what runs is finished.
    pub(crate) fn drain(&self) {
        self.draining.cancel();
    }

    /// Claim nothing more; what runs is handed back.
    pub(crate) fn hand_back(&self) {
        self.draining.cancel();
        self.handing_back.cancel();
    }

    pub(crate) const fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    pub(crate) const fn handing_back(&self) -> &CancellationToken {
        &self.handing_back
    }
}
