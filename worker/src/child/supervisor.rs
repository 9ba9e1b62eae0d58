//! Starts the training process and supervises it until it ends; dropping the future kills it.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use aprendiz_training::{EmbeddingUse, EncoderReport, Event, TrainingSummary};
use rustix::process::Signal;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::child::output::{EventReader, parse_event, read_tail};
use crate::interruption::Interruption;

/// Log lines passed on from one process; more are dropped with a warning.
const MAX_LOG_LINES: u32 = 200;
/// How long a process may take to exit after it has closed its output.
const EXIT_TIMEOUT: Duration = Duration::from_secs(10);

/// How a training process ended that did not fail.
#[derive(Debug)]
pub(crate) enum ChildOutcome {
    /// The model is written.
    Trained(Box<TrainingSummary>),
    /// The encoder is evaluated.
    Evaluated(Box<EncoderReport>, EmbeddingUse),
    /// The test split is predicted by a field classifier.
    Predicted(EmbeddingUse),
    /// The process has saved a checkpoint and stopped, as requested.
    Stopped,
}

/// Starts a subcommand of this program (`train` or `evaluate`) and supervises it until it ends.
///
/// `stop` requests a checkpoint and a stop. A process without output for `silence_timeout` is killed.
pub(crate) async fn run(
    command: &str,
    job: &Path,
    silence_timeout: Duration,
    stop: &CancellationToken,
    mut on_event: impl FnMut(Event),
) -> Result<ChildOutcome, Interruption> {
    let mut child = spawn(command, job)?;
    let mut stdin = child.stdin.take();
    let mut output = EventReader::new(child.stdout.take().expect("standard output is piped"), silence_timeout);
    let stderr = child.stderr.take().expect("standard error is piped");
    let stderr_tail = AbortOnDropHandle::new(tokio::spawn(read_tail(stderr)));
    let mut final_event = None;
    let mut log_lines = 0;
    loop {
        let line = tokio::select! {
            // closing standard input requests the stop
            () = stop.cancelled(), if stdin.is_some() => {
                stdin = None;
                continue;
            }
            line = output.next_line() => line?,
        };
        let Some(line) = line else { break };
        match parse_event(&line)? {
            event @ (Event::Done { .. }
            | Event::Evaluated { .. }
            | Event::Predicted { .. }
            | Event::Stopped { .. }
            | Event::Error { .. }) => final_event = Some(event),
            Event::Log { level, message } => {
                log_lines += 1;
                if log_lines <= MAX_LOG_LINES {
                    tracing::info!(?level, "{message}");
                } else if log_lines == MAX_LOG_LINES + 1 {
                    tracing::warn!(limit = MAX_LOG_LINES, "too many log lines from the training process, dropping the rest");
                }
            }
            event => on_event(event),
        }
        output.limit_rate().await;
    }
    let status = timeout(EXIT_TIMEOUT, child.wait())
        .await
        .map_err(|_| Interruption::retryable("child_silent", "the training process closed its output but did not exit, and was killed"))?
        .map_err(|error| Interruption::retryable("child_failed", format!("cannot wait for the training process: {error}")))?;
    let stderr_tail = stderr_tail.await.unwrap_or_default();
    conclude(final_event, status, &stderr_tail)
}

fn spawn(command: &str, job: &Path) -> Result<Child, Interruption> {
    // the running image, and so the same version, even if its file has been replaced. The parent death signal is bound to the starting
    // thread: never start the process from a thread that ends before the worker does
    Command::new("/proc/self/exe")
        .arg(command)
        .arg("--job")
        .arg(job)
        .arg("--parent")
        .arg(std::process::id().to_string())
        // the process that parses documents must not see the worker's secrets
        .env_clear()
        // freed memory is kept for the next step; all of it is returned when the process exits
        .env("MIMALLOC_PURGE_DELAY", "-1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C in the worker's terminal is handled by the worker
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Interruption::retryable("child_not_started", format!("cannot start the training process: {error}")))
}

/// Derives the outcome from the last event and the exit status.
fn conclude(final_event: Option<Event>, status: ExitStatus, stderr_tail: &str) -> Result<ChildOutcome, Interruption> {
    match (final_event, status.signal()) {
        (Some(Event::Done { summary }), None) if status.success() => Ok(ChildOutcome::Trained(Box::new(summary))),
        (Some(Event::Evaluated { report, embeddings }), None) if status.success() => {
            Ok(ChildOutcome::Evaluated(Box::new(report), embeddings))
        }
        (Some(Event::Predicted { documents: _, embeddings }), None) if status.success() => Ok(ChildOutcome::Predicted(embeddings)),
        (Some(Event::Stopped { .. }), None) if status.success() => Ok(ChildOutcome::Stopped),
        (Some(Event::Error { code, message, retryable }), None) => {
            Err(if retryable { Interruption::retryable(&code, message) } else { Interruption::permanent(&code, message) })
        }
        (_, Some(signal)) => Err(Interruption::retryable(
            "child_killed",
            format!("the training process was ended by signal {signal}{}{}", signal_meaning(signal), last_output(stderr_tail)),
        )),
        (_, None) => Err(Interruption::retryable(
            "child_failed",
            format!("the training process exited before it was done ({status}){}", last_output(stderr_tail)),
        )),
    }
}

/// Name and usual cause of a signal that ends a process.
fn signal_meaning(signal: i32) -> &'static str {
    match Signal::from_named_raw(signal) {
        Some(Signal::ABORT) => " (SIGABRT): it aborted itself, which happens when an allocation fails or an assertion does not hold",
        Some(Signal::KILL) => " (SIGKILL), which often means that the host ran out of memory",
        Some(Signal::SEGV) => " (SIGSEGV): it accessed invalid memory, which is a bug or defective memory",
        Some(Signal::BUS) => " (SIGBUS): a mapped file could not be read, for example because it was truncated or the disk is full",
        Some(Signal::ILL) => " (SIGILL): this CPU lacks an instruction that the program uses",
        Some(Signal::FPE) => " (SIGFPE): an invalid arithmetic operation, which is a bug",
        Some(Signal::TERM) => " (SIGTERM): a user or a service of the host terminated it",
        Some(Signal::INT) => " (SIGINT): a user of the host interrupted it",
        Some(Signal::XCPU) => " (SIGXCPU): it exceeded the limit of CPU time (ulimit -t)",
        Some(Signal::XFSZ) => " (SIGXFSZ): it exceeded the limit of file sizes (ulimit -f)",
        Some(Signal::SYS) => " (SIGSYS): a security policy forbids a system call that it needs",
        _ => "",
    }
}

fn last_output(stderr_tail: &str) -> String {
    if stderr_tail.is_empty() { String::new() } else { format!("; its last output: {stderr_tail}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(outcome: Result<ChildOutcome, Interruption>) -> (String, bool) {
        match outcome {
            Err(Interruption::Failed(failure)) => (failure.code, failure.retryable),
            other => panic!("expected a failure, got {other:?}"),
        }
    }

    #[test]
    fn the_text_has_the_meaning_of_the_signal_and_the_last_output() {
        let text = |status, stderr_tail| match conclude(None, ExitStatus::from_raw(status), stderr_tail) {
            Err(Interruption::Failed(failure)) => failure.text,
            other => panic!("expected a failure, got {other:?}"),
        };
        let aborted = text(6, "memory allocation of 30452417 bytes failed");
        assert!(aborted.contains("signal 6 (SIGABRT)") && !aborted.contains("signal 9"), "{aborted}");
        assert!(aborted.ends_with("; its last output: memory allocation of 30452417 bytes failed"), "{aborted}");
        assert!(text(9, "").ends_with("signal 9 (SIGKILL), which often means that the host ran out of memory"));
        assert!(text(7, "").contains("SIGBUS") && text(11, "").contains("SIGSEGV"));
        assert_eq!(text(40, ""), "the training process was ended by signal 40");
        assert!(text(101 << 8, "thread 'main' panicked").ends_with("; its last output: thread 'main' panicked"));
    }

    #[test]
    fn a_killed_process_differs_from_a_failed_one() {
        assert_eq!(code(conclude(None, ExitStatus::from_raw(9), "")), ("child_killed".to_owned(), true));
        assert_eq!(code(conclude(None, ExitStatus::from_raw(101 << 8), "panicked")), ("child_failed".to_owned(), true));
        let error = Event::Error { code: "no_trainable_field".to_owned(), message: String::new(), retryable: false };
        assert_eq!(code(conclude(Some(error), ExitStatus::from_raw(1 << 8), "")), ("no_trainable_field".to_owned(), false));
    }
}
