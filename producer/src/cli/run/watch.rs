//! `aprendiz run watch`: follows the event stream of a run, with reconnects, until the run completes.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use eventsource_stream::{Event, EventStreamError, Eventsource as _};
use futures::StreamExt as _;
use indicatif::{HumanDuration, ProgressBar};
use reqwest::{Method, header};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use crate::cli::arguments::interruptible;
use crate::cli::error::CliError;
use crate::cli::http::{Client, Retry, decode};
use crate::cli::run::explain::Explanation;
use crate::cli::run::get;
use crate::cli::run::progress::{RunProgress, describe_event};
use crate::cli::run::view::RunView;
use crate::cli::terminal::{Output, TICK_INTERVAL, escape_lines, print_message, print_note, style_bar};

/// Pause after a stream that ended before the run.
const RECONNECT_DELAY: Duration = Duration::from_millis(500);
/// Time in which a run is normally claimed. A run that still waits then is explained.
const HINT_DELAY: Duration = Duration::from_secs(2);
/// Interval at which the reason is checked while the run waits.
const HINT_INTERVAL: Duration = Duration::from_secs(10);
/// Resolution of the progress bar.
const BAR_STEPS: u64 = 1_000;

/// Watches a run until it completes and shows its metrics. A run that did not succeed is an error.
pub(crate) async fn watch(client: &Client, id: Uuid, output: Output) -> Result<(), CliError> {
    let run = RunView::parse(&wait_until_ended(client, id, output).await?)?;
    print_outcome(client, &run, output).await
}

/// Watches a run until it completes, and returns it. Ctrl-C ends the wait, and not the run.
pub(crate) async fn wait_until_ended(client: &Client, id: Uuid, output: Output) -> Result<Value, CliError> {
    interruptible(show_until_ended(client, id, output), || print_watch_hint(id)).await
}

/// Prints how to continue after Ctrl-C.
pub(crate) fn print_watch_hint(id: Uuid) {
    print_message(&format!("run {id} continues; watch it with `aprendiz run watch {id}`, stop it with `aprendiz run cancel {id}`"));
}

async fn show_until_ended(client: &Client, id: Uuid, output: Output) -> Result<Value, CliError> {
    let mut screen = Screen::new(output);
    let mut last_id = String::new();
    let mut retry = Retry::default();
    loop {
        let previous_id = last_id.clone();
        let outcome = follow(client, id, &mut last_id, &mut screen).await;
        if last_id != previous_id {
            retry.reset();
        }
        if let Err(error) = outcome {
            retry.pause(error).await?;
            continue;
        }
        // the stream also ends if the server shuts down, and many proxies limit its duration: that is no failure
        let run = client.get_with_retry(&["v1", "training-runs", &id.to_string()]).await?;
        retry.reset();
        if RunView::parse(&run)?.has_ended() {
            return Ok(run);
        }
        sleep(RECONNECT_DELAY).await;
    }
}

/// Shows events until the stream ends or breaks.
async fn follow(client: &Client, id: Uuid, last_id: &mut String, screen: &mut Screen) -> Result<(), CliError> {
    let mut request =
        client.request(Method::GET, &["v1", "training-runs", &id.to_string(), "events"]).header(header::ACCEPT, "text/event-stream");
    if !last_id.is_empty() {
        request = request.header("last-event-id", last_id.as_str());
    }
    let mut stream = client.send(request).await?.bytes_stream().eventsource();
    loop {
        let event = tokio::select! {
            event = stream.next() => event,
            () = sleep_until(screen.next_hint), if screen.progress.is_waiting() => {
                screen.explain(client, id).await;
                continue;
            }
        };
        let Some(event) = event else { break };
        let event = event.map_err(|error| match error {
            EventStreamError::Transport(error) => client.connection_error(&error),
            other => CliError::Failed(anyhow!("invalid event stream from the API: {other}")),
        })?;
        screen.show(&event)?;
        last_id.clone_from(&event.id);
    }
    Ok(())
}

async fn print_outcome(client: &Client, run: &RunView, output: Output) -> Result<(), CliError> {
    get::run(client, run.id, output).await?;
    if run.status == "succeeded" {
        return Ok(());
    }
    print_message(&format!("run {} {}", run.id, run.outcome()));
    Err(CliError::RunEnded)
}

/// Progress on standard error: a bar on a terminal, otherwise one line per change. Standard output contains only the result.
struct Screen {
    bar: Option<ProgressBar>,
    progress: RunProgress,
    /// When the phase started, as seen here.
    phase_started: Instant,
    /// When a run that still waits is explained.
    next_hint: Instant,
    /// The last reason shown, without its numbers.
    last_reason: String,
    last_line: String,
    is_text: bool,
}

#[derive(Deserialize)]
struct Data {
    payload: Value,
}

impl Screen {
    fn new(output: Output) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "{spinner} [{elapsed_precise}] {bar:30} {percent:>3}%  {msg}";
            let bar = style_bar(ProgressBar::new(BAR_STEPS), template);
            bar.enable_steady_tick(TICK_INTERVAL);
            bar
        });
        Self {
            bar,
            progress: RunProgress::default(),
            phase_started: Instant::now(),
            next_hint: Instant::now() + HINT_DELAY,
            last_reason: String::new(),
            last_line: String::new(),
            is_text: output.is_text(),
        }
    }

    /// Shows why the run waits, unless the reason is the one shown last. The answer of the API is only a hint: a failure is no reason to
    /// stop watching.
    async fn explain(&mut self, client: &Client, id: Uuid) {
        self.next_hint = Instant::now() + HINT_INTERVAL;
        let Ok(explanation) = client.get(&["v1", "training-runs", &id.to_string(), "explain"]).await else { return };
        let Ok(explanation) = decode::<Explanation>(&explanation, "explanation") else { return };
        let reason = without_digits(&explanation.summary);
        if !matches!(explanation.status.as_str(), "queued" | "retrying") || reason == self.last_reason {
            return;
        }
        self.last_reason = reason;
        let mut lines = vec![explanation.first_line()];
        lines.extend(explanation.next_steps.first().map(|step| format!("  {step}")));
        match &self.bar {
            Some(bar) => bar.println(escape_lines(&lines.join("\n"))),
            None => print_message(&lines.join("\n")),
        }
    }

    fn show(&mut self, event: &Event) -> Result<(), CliError> {
        let data: Data = serde_json::from_str(&event.data)
            .context("unexpected event in the API response: the server may run another version of Aprendiz")?;
        let (previous_phase, was_waiting) = (self.progress.phase.clone(), self.progress.is_waiting());
        self.progress.apply(&event.event, &data.payload);
        if self.progress.phase != previous_phase {
            self.phase_started = Instant::now();
        }
        if self.progress.is_waiting() && !was_waiting {
            self.next_hint = Instant::now() + HINT_DELAY;
            self.last_reason.clear();
        }
        if let Some(bar) = &self.bar {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of a thousand steps")]
            bar.set_position((self.progress.total.clamp(0.0, 1.0) * BAR_STEPS as f64) as u64);
            let remaining = self.progress.remaining(self.phase_started.elapsed());
            let remaining = remaining.map(|time| format!("  (about {} left in this phase)", HumanDuration(time))).unwrap_or_default();
            bar.set_message(escape_lines(&format!("{}{remaining}", self.progress.line())));
            if event.event == "log" {
                bar.println(escape_lines(&describe_event(&event.event, &data.payload)));
            }
            return Ok(());
        }
        let line = format!("{:<10} {}", event.event, describe_event(&event.event, &data.payload));
        if line != self.last_line && event.event != "end" {
            if self.is_text {
                print_note(&line);
            } else {
                print_message(&line);
            }
            self.last_line = line;
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// The text without its digits, to compare reasons that contain durations.
fn without_digits(text: &str) -> String {
    text.chars().filter(|character| !character.is_ascii_digit()).collect()
}
