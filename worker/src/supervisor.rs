//! The parent's side of the training child: starts it, listens until it ends, and trusts it with nothing. What it says is
//! bounded in length and pace, silence is taken for a hang, and dropping the future kills it.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures::StreamExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use training::{EmbeddingUse, EncoderReport, Event, PROTOCOL_VERSION, Progress, TrainingSummary};

use crate::failure::Stop;

/// A longer line is no progress line.
const MAX_LINE_BYTES: usize = 1024 * 1024;
/// A chattier child is held up: its pipe fills.
const LINES_PER_SECOND: u32 = 500;
/// Log lines of a child that are passed on; more are dropped with a note.
const MAX_LOGS: u32 = 200;
/// How much of the end of standard error is kept for the failure's text.
const KEPT_STDERR_BYTES: usize = 4 * 1024;
/// How long a child that has said its last word may take to end.
const END: Duration = Duration::from_secs(10);

/// How a training that did not fail ended.
#[derive(Debug)]
pub(crate) enum ChildEnd {
    /// The model is written.
    Trained(TrainingSummary),
    /// The encoder is evaluated.
    Evaluated(Box<EncoderReport>, EmbeddingUse),
    /// It was asked to stop, and has saved what it had.
    Stopped,
}

/// Starts the child with a command of this program (`train`, `evaluate`) and listens until it ends. `stop` asks it to save a checkpoint and end; without a line for `silence` it is killed.
pub(crate) async fn run(
    command: &str,
    job: &Path,
    silence: Duration,
    stop: &CancellationToken,
    mut on_event: impl FnMut(Event),
) -> Result<ChildEnd, Stop> {
    let mut child = start(command, job)?;
    let mut input = child.stdin.take();
    let mut lines =
        FramedRead::new(child.stdout.take().expect("standard output is piped"), LinesCodec::new_with_max_length(MAX_LINE_BYTES));
    let stderr = child.stderr.take().expect("standard error is piped");
    let words = AbortOnDropHandle::new(tokio::spawn(end_of(stderr)));
    let mut last = None;
    let mut pace = Pace::new();
    let mut logs = 0;
    loop {
        let line = tokio::select! {
            // the end of its input asks the child to stop
            () = stop.cancelled(), if input.is_some() => {
                input = None;
                continue;
            }
            line = next_line(&mut lines, silence) => line?,
        };
        let Some(line) = line else { break };
        match parse(&line)? {
            end @ (Event::Done { .. } | Event::Evaluated { .. } | Event::Stopped { .. } | Event::Error { .. }) => last = Some(end),
            Event::Log { level, message } => {
                logs += 1;
                if logs <= MAX_LOGS {
                    tracing::info!(?level, "{message}");
                } else if logs == MAX_LOGS + 1 {
                    tracing::warn!("the training process says too much: its further log lines are dropped");
                }
            }
            event => on_event(event),
        }
        pace.keep().await;
    }
    let status = timeout(END, child.wait())
        .await
        .map_err(|_| Stop::retryable("child_silent", "the training process closed its output but did not end, and was killed"))?
        .map_err(|error| Stop::retryable("child_failed", format!("waiting for the training process: {error}")))?;
    let words = words.await.unwrap_or_default();
    conclude(last, status, &words)
}

fn start(command: &str, job: &Path) -> Result<Child, Stop> {
    // the image that runs, and so the same version, whatever has taken the place of its file meanwhile. The child dies with the
    // thread that starts it: never start it from a thread that ends before the worker does
    Command::new("/proc/self/exe")
        .arg(command)
        .arg("--job")
        .arg(job)
        .arg("--parent")
        .arg(std::process::id().to_string())
        // no secret of the worker reaches the process that parses documents
        .env_clear()
        // freed memory is kept for the next step: all of it goes back when the process ends
        .env("MIMALLOC_PURGE_DELAY", "-1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C on the worker's terminal is the worker's business
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Stop::retryable("child_not_started", format!("the training process could not be started: {error}")))
}

async fn next_line<R: AsyncRead + Unpin>(lines: &mut FramedRead<R, LinesCodec>, silence: Duration) -> Result<Option<String>, Stop> {
    match timeout(silence, lines.next()).await {
        Ok(line) => line.transpose().map_err(|error| unreadable(&error.to_string())),
        Err(_) => {
            let text = format!("the training process said nothing for {} s and was killed", silence.as_secs_f64());
            Err(Stop::retryable("child_silent", text))
        }
    }
}

fn parse(line: &str) -> Result<Event, Stop> {
    #[derive(serde::Deserialize)]
    struct Version {
        v: u32,
    }
    let broken = |error: serde_json::Error| unreadable(&error.to_string());
    // another version may have other events: it must be told by its number
    let Version { v } = serde_json::from_str(line).map_err(broken)?;
    if v != PROTOCOL_VERSION {
        return Err(unreadable(&format!("version {v} of the protocol, not {PROTOCOL_VERSION}")));
    }
    Ok(serde_json::from_str::<Progress>(line).map_err(broken)?.event)
}

fn unreadable(reason: &str) -> Stop {
    Stop::permanent("child_protocol", format!("the training process said something unreadable: {reason}"))
}

/// Lets so many lines through in a second, and makes the next one wait.
struct Pace {
    since: Instant,
    lines: u32,
}

impl Pace {
    fn new() -> Self {
        Self { since: Instant::now(), lines: 0 }
    }

    async fn keep(&mut self) {
        self.lines += 1;
        if self.lines < LINES_PER_SECOND {
            return;
        }
        sleep_until(self.since + Duration::from_secs(1)).await;
        *self = Self::new();
    }
}

async fn end_of(mut stderr: ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..read]);
        let surplus = kept.len().saturating_sub(KEPT_STDERR_BYTES);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

fn conclude(last: Option<Event>, status: ExitStatus, words: &str) -> Result<ChildEnd, Stop> {
    match (last, status.signal()) {
        (Some(Event::Done { summary }), None) if status.success() => Ok(ChildEnd::Trained(summary)),
        (Some(Event::Evaluated { report, embeddings }), None) if status.success() => Ok(ChildEnd::Evaluated(Box::new(report), embeddings)),
        (Some(Event::Stopped { .. }), None) if status.success() => Ok(ChildEnd::Stopped),
        (Some(Event::Error { code, message, retryable }), None) => {
            Err(if retryable { Stop::retryable(&code, message) } else { Stop::permanent(&code, message) })
        }
        (_, Some(signal)) => Err(Stop::retryable(
            "child_killed",
            format!("the training process was killed by signal {signal}; signal 9 often means that the machine ran out of memory"),
        )),
        (_, None) => Err(Stop::retryable("child_failed", format!("the training process ended with {status} before it was done: {words}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(outcome: Result<ChildEnd, Stop>) -> (String, bool) {
        match outcome {
            Err(Stop::Failed(failure)) => (failure.code, failure.retryable),
            other => panic!("expected a failure, got {other:?}"),
        }
    }

    #[test]
    fn a_killed_child_is_told_from_a_failed_one() {
        assert_eq!(code(conclude(None, ExitStatus::from_raw(9), "")), ("child_killed".to_owned(), true));
        assert_eq!(code(conclude(None, ExitStatus::from_raw(101 << 8), "panicked")), ("child_failed".to_owned(), true));
        let error = Event::Error { code: "no_trainable_field".to_owned(), message: String::new(), retryable: false };
        assert_eq!(code(conclude(Some(error), ExitStatus::from_raw(1 << 8), "")), ("no_trainable_field".to_owned(), false));
    }

    fn lines<R: AsyncRead>(reader: R) -> FramedRead<R, LinesCodec> {
        FramedRead::new(reader, LinesCodec::new_with_max_length(MAX_LINE_BYTES))
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_no_progress_line() {
        let long = [vec![b'x'; MAX_LINE_BYTES + 1], b"\n".to_vec()].concat();
        let stop = next_line(&mut lines(&long[..]), Duration::from_secs(10)).await;
        assert!(matches!(stop, Err(Stop::Failed(failure)) if failure.code == "child_protocol" && !failure.retryable));
        let fits = [vec![b'x'; MAX_LINE_BYTES], b"\n".to_vec()].concat();
        assert_eq!(next_line(&mut lines(&fits[..]), Duration::from_secs(10)).await.unwrap().map(|line| line.len()), Some(MAX_LINE_BYTES));
    }

    #[tokio::test]
    async fn silence_is_told_from_the_end() {
        let (_open, silent) = tokio::io::duplex(1);
        let stop = next_line(&mut lines(silent), Duration::from_millis(10)).await;
        assert!(matches!(stop, Err(Stop::Failed(failure)) if failure.code == "child_silent" && failure.retryable));
        assert_eq!(next_line(&mut lines(&b""[..]), Duration::from_secs(10)).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_chatty_child_is_held_up_to_so_many_lines_a_second() {
        let mut pace = Pace::new();
        let began = pace.since;
        for _ in 1..LINES_PER_SECOND {
            pace.keep().await;
        }
        assert_eq!(pace.since, began, "none of them waited");
        pace.keep().await;
        assert!(pace.since >= began + Duration::from_secs(1));
    }

    #[test]
    fn another_protocol_version_is_refused_by_its_number() {
        let line = r#"{"v":9,"event":"an event of the future"}"#;
        assert!(matches!(parse(line), Err(Stop::Failed(failure)) if failure.text.contains("version 9")));
        assert!(parse("garbage").is_err());
    }
}
