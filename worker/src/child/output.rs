//! Reads the output of the training process, which is untrusted: line length, line rate and silence are limited.

use std::time::Duration;

use aprendiz_training::{Event, PROTOCOL_VERSION, Progress};
use futures::StreamExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::codec::{FramedRead, LinesCodec};

use crate::interruption::Interruption;

/// A longer line is a protocol violation.
const MAX_LINE_BYTES: usize = 1024 * 1024;
/// A faster process blocks on its full pipe.
const MAX_LINES_PER_SECOND: u32 = 500;
/// Only this much of the end of standard error is kept, for the error text.
const STDERR_TAIL_BYTES: usize = 4 * 1024;

/// The events on standard output.
pub(super) struct EventReader<R> {
    lines: FramedRead<R, LinesCodec>,
    timeout: Duration,
    rate: RateLimiter,
}

impl<R: AsyncRead + Unpin> EventReader<R> {
    /// Silence for longer than `timeout` is an error.
    pub(super) fn new(stdout: R, timeout: Duration) -> Self {
        Self { lines: FramedRead::new(stdout, LinesCodec::new_with_max_length(MAX_LINE_BYTES)), timeout, rate: RateLimiter::new() }
    }

    /// The next line; `None` at the end of the output. Cancel safe.
    pub(super) async fn next_line(&mut self) -> Result<Option<String>, Interruption> {
        match timeout(self.timeout, self.lines.next()).await {
            Ok(line) => line.transpose().map_err(|error| protocol_error(&error.to_string())),
            Err(_) => {
                let text = format!("the training process produced no output for {} s and was killed", self.timeout.as_secs_f64());
                Err(Interruption::retryable("child_silent", text))
            }
        }
    }

    /// Waits until another line may be read.
    pub(super) async fn limit_rate(&mut self) {
        self.rate.acquire().await;
    }
}

/// Parses a progress line.
pub(super) fn parse_event(line: &str) -> Result<Event, Interruption> {
    #[derive(serde::Deserialize)]
    struct Version {
        v: u32,
    }
    let invalid = |error: serde_json::Error| protocol_error(&error.to_string());
    // check the version first: another version may have unknown events
    let Version { v } = serde_json::from_str(line).map_err(invalid)?;
    if v != PROTOCOL_VERSION {
        return Err(protocol_error(&format!("protocol version {v}, expected {PROTOCOL_VERSION}")));
    }
    Ok(serde_json::from_str::<Progress>(line).map_err(invalid)?.event)
}

fn protocol_error(reason: &str) -> Interruption {
    Interruption::permanent("child_protocol", format!("invalid output of the training process: {reason}"))
}

/// Reads standard error to its end and returns the last part.
pub(super) async fn read_tail(mut stderr: impl AsyncRead + Unpin) -> String {
    let mut tail = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        tail.extend_from_slice(&buffer[..read]);
        let excess = tail.len().saturating_sub(STDERR_TAIL_BYTES);
        tail.drain(..excess);
    }
    // the database cannot store NUL
    String::from_utf8_lossy(&tail).replace('\0', "").trim().to_owned()
}

/// Limits the lines per second.
struct RateLimiter {
    since: Instant,
    lines: u32,
}

impl RateLimiter {
    fn new() -> Self {
        Self { since: Instant::now(), lines: 0 }
    }

    async fn acquire(&mut self) {
        self.lines += 1;
        if self.lines < MAX_LINES_PER_SECOND {
            return;
        }
        sleep_until(self.since + Duration::from_secs(1)).await;
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_over_the_limit_is_a_protocol_error() {
        let timeout = Duration::from_secs(10);
        let long = [vec![b'x'; MAX_LINE_BYTES + 1], b"\n".to_vec()].concat();
        let outcome = EventReader::new(&long[..], timeout).next_line().await;
        assert!(matches!(outcome, Err(Interruption::Failed(failure)) if failure.code == "child_protocol" && !failure.retryable));
        let fits = [vec![b'x'; MAX_LINE_BYTES], b"\n".to_vec()].concat();
        let line = EventReader::new(&fits[..], timeout).next_line().await.unwrap();
        assert_eq!(line.map(|line| line.len()), Some(MAX_LINE_BYTES));
    }

    #[tokio::test]
    async fn silence_differs_from_the_end_of_the_output() {
        let (_open, silent) = tokio::io::duplex(1);
        let outcome = EventReader::new(silent, Duration::from_millis(10)).next_line().await;
        assert!(matches!(outcome, Err(Interruption::Failed(failure)) if failure.code == "child_silent" && failure.retryable));
        assert_eq!(EventReader::new(&b""[..], Duration::from_secs(10)).next_line().await.unwrap(), None);
    }

    #[tokio::test]
    async fn the_line_rate_is_limited() {
        let mut rate = RateLimiter::new();
        let started = rate.since;
        for _ in 1..MAX_LINES_PER_SECOND {
            rate.acquire().await;
        }
        assert_eq!(rate.since, started, "none of these lines waited");
        rate.acquire().await;
        assert!(rate.since >= started + Duration::from_secs(1));
    }

    #[test]
    fn another_protocol_version_is_rejected_by_its_number() {
        let line = r#"{"v":9,"event":"an event of the future"}"#;
        assert!(matches!(parse_event(line), Err(Interruption::Failed(failure)) if failure.text.contains("version 9")));
        assert!(parse_event("garbage").is_err());
    }
}
