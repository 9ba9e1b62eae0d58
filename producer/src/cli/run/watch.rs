//! `aprendiz run watch`: follows a run by its event stream, over broken connections, to its end.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{Method, header};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::sleep;
use uuid::Uuid;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::output::{Output, emit};
use crate::cli::run::show;
use crate::cli::run::view::RunView;
use crate::cli::run::watch_line::{Progress, in_words};
use crate::cli::sse::{EventParser, ServerEvent};

const SHORTEST_BACKOFF: Duration = Duration::from_millis(250);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// The API may be restarted meanwhile; after so many failures in a row it is not coming back.
const MAX_FAILURES: u32 = 20;
/// Steps of the bar: a thousandth each.
const STEPS: u64 = 1_000;

/// Follows a run to its end and shows its numbers; an error when it did not succeed.
pub(crate) async fn watch(client: &Client, id: Uuid, output: Output) -> Result<(), CliError> {
    let mut screen = Screen::new(output);
    let mut last_id = String::new();
    let mut failures = 0;
    let mut backoff = SHORTEST_BACKOFF;
    loop {
        let before = last_id.clone();
        let outcome = follow(client, id, &mut last_id, &mut screen).await;
        if last_id != before {
            (failures, backoff) = (0, SHORTEST_BACKOFF);
        }
        match outcome {
            Ok(()) => {
                // the stream ends with the run, but also when the server shuts down
                let run = client.get(&["v1", "training-runs", &id.to_string()]).await;
                match run {
                    Ok(run) if RunView::of(&run)?.has_ended() => {
                        screen.finish();
                        return conclude(client, &RunView::of(&run)?, output).await;
                    }
                    Ok(_) | Err(CliError::Unreachable(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            Err(CliError::Unreachable(_)) if failures < MAX_FAILURES => {}
            Err(error) => return Err(error),
        }
        failures += 1;
        sleep(backoff).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

/// Shows what happens until the stream ends or breaks.
async fn follow(client: &Client, id: Uuid, last_id: &mut String, screen: &mut Screen) -> Result<(), CliError> {
    let mut request =
        client.request(Method::GET, &["v1", "training-runs", &id.to_string(), "events"]).header(header::ACCEPT, "text/event-stream");
    if !last_id.is_empty() {
        request = request.header("last-event-id", last_id.as_str());
    }
    let mut stream = client.send(request).await?.bytes_stream();
    let mut parser = EventParser::default();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| client.explain(&error))?;
        for event in parser.push(&chunk) {
            screen.show(&event)?;
            last_id.clone_from(&event.id);
        }
    }
    Ok(())
}

async fn conclude(client: &Client, run: &RunView, output: Output) -> Result<(), CliError> {
    show::run(client, run.id, output).await?;
    if run.status == "succeeded" {
        return Ok(());
    }
    eprintln!("run {} {}", run.id, run.outcome());
    Err(CliError::RunEnded)
}

/// A bar on a terminal, a line per change elsewhere. With `-o json` standard output holds the result only.
struct Screen {
    bar: Option<ProgressBar>,
    progress: Progress,
    shown: String,
    quiet: bool,
}

#[derive(Deserialize)]
struct Data {
    payload: Value,
}

impl Screen {
    fn new(output: Output) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(STEPS);
            if let Ok(style) = ProgressStyle::with_template("{spinner} [{elapsed_precise}] {bar:30} {percent:>3}%  {msg}  (eta {eta})") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar, progress: Progress::default(), shown: String::new(), quiet: output == Output::Json }
    }

    fn show(&mut self, event: &ServerEvent) -> Result<(), CliError> {
        let data: Data = serde_json::from_str(&event.data).context("the API sent an event that is not from this version of Aprendiz")?;
        let phase_before = self.progress.phase.clone();
        self.progress.take(&event.name, &data.payload);
        if let Some(bar) = &self.bar {
            if self.progress.phase != phase_before {
                bar.reset_eta();
                bar.set_position(0);
            }
            if let Some(fraction) = self.progress.fraction {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a thousand steps")]
                bar.set_position((fraction.clamp(0.0, 1.0) * STEPS as f64) as u64);
            }
            bar.set_message(self.progress.line());
            if event.name == "log" {
                bar.println(in_words(&event.name, &data.payload));
            }
            return Ok(());
        }
        let line = format!("{:<10} {}", event.name, in_words(&event.name, &data.payload));
        if line != self.shown && event.name != "end" {
            if self.quiet {
                eprintln!("{line}")
            } else {
                emit(&line)?
            }
            self.shown = line;
        }
        Ok(())
    }

    fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
