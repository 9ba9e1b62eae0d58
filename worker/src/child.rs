//! The training child: a process of its own, so that it can be killed at once, gives its memory back, and an abort or an
//! out-of-memory kill is told apart from a lost host. It knows no database and no bucket.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::atomic::AtomicBool;

use futures::StreamExt as _;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStderr, Command};
use tokio_util::codec::{FramedRead, LinesCodec};
use training::{Event, PROTOCOL_VERSION, Progress, TrainingJob, TrainingSummary};

use crate::failure::Stop;

/// A longer line is no progress line.
const MAX_LINE_BYTES: usize = 1024 * 1024;
/// How much of the end of standard error is kept for the failure's text.
const KEPT_STDERR_BYTES: usize = 4 * 1024;

/// The child's side: trains the job and tells about it on standard output.
pub(crate) fn train(job: &Path, parent: i32) -> ExitCode {
    // when the worker dies, even by kill -9, nobody would ever read the result
    let dies_with_parent = set_parent_process_death_signal(Some(Signal::KILL));
    if let Err(error) = dies_with_parent {
        eprintln!("cannot tie this process to its parent: {error}");
        return ExitCode::FAILURE;
    }
    // the parent may have died before the line above
    if getppid().map(Pid::as_raw_nonzero).is_none_or(|pid| pid.get() != parent) {
        eprintln!("the worker is gone");
        return ExitCode::FAILURE;
    }
    let mut broken_pipe = false;
    let mut send = |line: Progress| broken_pipe |= write_line(&line).is_err();
    let outcome = TrainingJob::read(job).and_then(|job| training::run(&job, &AtomicBool::new(false), &mut send));
    if let Err(error) = &outcome {
        send(Progress::error(error));
    }
    if outcome.is_ok() && !broken_pipe { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn write_line(line: &Progress) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, line)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// The parent's side: starts the child and listens until it ends. Dropping the future kills the child.
pub(crate) async fn run(job: &Path, mut on_event: impl FnMut(Event)) -> Result<TrainingSummary, Stop> {
    let program = std::env::current_exe().map_err(|error| Stop::retryable("child_not_started", format!("own program file: {error}")))?;
    let mut child = Command::new(program)
        .arg("train")
        .arg("--job")
        .arg(job)
        .arg("--parent")
        .arg(std::process::id().to_string())
        // no secret of the worker reaches the process that parses documents
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C on the worker's terminal is the worker's business
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Stop::retryable("child_not_started", format!("the training process could not be started: {error}")))?;
    let stdout = child.stdout.take().expect("standard output is piped");
    let stderr = child.stderr.take().expect("standard error is piped");
    let mut lines = FramedRead::new(stdout, LinesCodec::new_with_max_length(MAX_LINE_BYTES));
    let listen = async {
        let mut last = None;
        while let Some(line) = lines.next().await {
            match parse(line.map_err(|error| error.to_string()))? {
                end @ (Event::Done { .. } | Event::Error { .. }) => last = Some(end),
                event => on_event(event),
            }
        }
        Ok::<_, Stop>(last)
    };
    let (last, words) = tokio::join!(listen, end_of(stderr));
    let last = last?;
    let status =
        child.wait().await.map_err(|error| Stop::retryable("child_failed", format!("waiting for the training process: {error}")))?;
    conclude(last, status, &words)
}

fn parse(line: Result<String, String>) -> Result<Event, Stop> {
    let unreadable =
        |reason: String| Stop::permanent("child_protocol", format!("the training process said something unreadable: {reason}"));
    let progress: Progress = serde_json::from_str(&line.map_err(unreadable)?).map_err(|error| unreadable(error.to_string()))?;
    if progress.v == PROTOCOL_VERSION {
        Ok(progress.event)
    } else {
        Err(unreadable(format!("version {} of the protocol, not {PROTOCOL_VERSION}", progress.v)))
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

fn conclude(last: Option<Event>, status: ExitStatus, words: &str) -> Result<TrainingSummary, Stop> {
    match (last, status.signal()) {
        (Some(Event::Done { summary }), None) if status.success() => Ok(summary),
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

    fn code(outcome: Result<TrainingSummary, Stop>) -> (String, bool) {
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

    #[test]
    fn another_protocol_version_is_refused() {
        let line = r#"{"v":1,"event":"log","level":"info","message":"x"}"#.to_owned();
        assert!(matches!(parse(Ok(line)), Err(Stop::Failed(failure)) if failure.text.contains("version 1")));
        assert!(parse(Ok("garbage".to_owned())).is_err());
    }
}
