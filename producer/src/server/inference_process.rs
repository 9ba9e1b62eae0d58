//! Starts the inference process beside the server, and starts it again when it ends.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use aprendiz_db::Backoff;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::worker_program::find_worker;

/// Shortest and longest delay before the process is started again.
const MIN_RESTART_DELAY: Duration = Duration::from_millis(500);
const MAX_RESTART_DELAY: Duration = Duration::from_secs(30);
/// Time after which a process counts as working, so that the delay starts again from the shortest.
const WORKING_AFTER: Duration = Duration::from_secs(60);
/// Time that the process gets to answer its requests at shutdown.
const STOP_TIMEOUT: Duration = Duration::from_secs(12);
/// Secrets of this process that the inference process does not need.
const NOT_INHERITED: [&str; 6] =
    ["DATABASE_URL", "DATABASE_URL_FILE", "APRENDIZ_DATABASE_DIRECT_URL", "PGPASSWORD", "REDIS_URL", "APRENDIZ_API_KEY"];

/// A supervised inference process.
pub(super) struct InferenceProcess {
    program: PathBuf,
    socket: PathBuf,
    /// The folder of the socket, if it was made for it.
    _folder: Option<tempfile::TempDir>,
    child: Child,
    /// Open for as long as the process should run. Taken out of the child, because waiting for the child closes it.
    input: Option<ChildStdin>,
}

impl InferenceProcess {
    /// Starts the process on a socket, or on one in a new private folder. Fails at once if the program is missing.
    pub(super) fn start(socket: Option<&Path>) -> Result<Self> {
        let (socket, folder) = match socket {
            Some(socket) => (socket.to_owned(), None),
            None => {
                let folder = tempfile::Builder::new().prefix("aprendiz-inference-").tempdir();
                let folder =
                    folder.context("cannot create a folder for the socket of the inference process: set APRENDIZ_INFERENCE_SOCKET")?;
                (folder.path().join("socket"), Some(folder))
            }
        };
        let program = find_worker();
        let (child, input) = spawn(&program, &socket).with_context(|| {
            format!("--with-inference: cannot start {}: install it next to this program, or on PATH", program.display())
        })?;
        Ok(Self { program, socket, _folder: folder, child, input })
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Starts the process again whenever it ends, until `stop`; then stops it. The server goes on without it.
    pub(super) async fn supervise(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new(MIN_RESTART_DELAY, MAX_RESTART_DELAY);
        loop {
            let started = Instant::now();
            let Some(ended) = stop.run_until_cancelled(self.child.wait()).await else { return self.terminate().await };
            if started.elapsed() >= WORKING_AFTER {
                backoff.reset();
            }
            let mut delay = backoff.next_delay();
            warn!(status = describe(&ended), delay_seconds = delay.as_secs_f64(), "the inference process has ended; it is started again");
            loop {
                if stop.run_until_cancelled(sleep(delay)).await.is_none() {
                    return;
                }
                match spawn(&self.program, &self.socket) {
                    Ok((child, input)) => {
                        (self.child, self.input) = (child, input);
                        break;
                    }
                    Err(error) => {
                        delay = backoff.next_delay();
                        warn!(%error, delay_seconds = delay.as_secs_f64(), "cannot start the inference process; trying again");
                    }
                }
            }
        }
    }

    async fn terminate(&mut self) {
        drop(self.input.take());
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(pid) = pid {
            // an error means that it has ended
            let _ = kill_process(pid, Signal::TERM);
        }
        if timeout(STOP_TIMEOUT, self.child.wait()).await.is_err() {
            warn!(seconds = STOP_TIMEOUT.as_secs(), "killing the inference process: it has not stopped in time");
            let _ = self.child.kill().await;
        }
        info!("the inference process has stopped");
    }
}

/// Its standard input is a pipe that this process never writes to: its end stops the process when this one ends, even after kill -9.
fn spawn(program: &Path, socket: &Path) -> std::io::Result<(Child, Option<ChildStdin>)> {
    let mut command = Command::new(program);
    command.arg("serve-models").arg("--until-end-of-input").arg("--socket").arg(socket);
    command.stdin(Stdio::piped()).kill_on_drop(true);
    // Ctrl-C in a terminal reaches the whole group: the server stops the process itself, after its last request
    command.process_group(0);
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    let mut child = command.spawn()?;
    let input = child.stdin.take();
    Ok((child, input))
}

fn describe(ended: &std::io::Result<ExitStatus>) -> String {
    match ended {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}
