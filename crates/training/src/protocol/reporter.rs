//! Sends progress lines at a bounded rate, with a fraction that never decreases.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::protocol::{
    progress::{Event, LogLevel, Progress, Stage},
    summary::TrainingSummary,
};

/// Minimum time between two progress lines, to protect the parent from a flood.
const MIN_PROGRESS_INTERVAL: Duration = Duration::from_millis(50);

/// Sends the lines of one job.
pub(crate) struct Reporter<'a> {
    send: &'a mut dyn FnMut(Progress),
    last: Option<Instant>,
    fraction: f64,
    step: u64,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(send: &'a mut dyn FnMut(Progress)) -> Self {
        Self { send, last: None, fraction: 0.0, step: 0 }
    }

    /// Steps completed so far.
    pub(crate) fn step(&self) -> u64 {
        self.step
    }

    /// Sets the number of completed steps.
    pub(crate) fn set_step(&mut self, step: u64) {
        self.step = step;
    }

    pub(crate) fn send(&mut self, event: Event) {
        (self.send)(Progress::new(event));
    }

    pub(crate) fn checkpoint(&mut self, step: u64, file: PathBuf, bytes: u64) {
        self.send(Event::Checkpoint { step, file, bytes });
    }

    pub(crate) fn resumed(&mut self, step: u64) {
        self.send(Event::Resumed { step });
    }

    pub(crate) fn stopped(&mut self, step: u64) {
        self.send(Event::Stopped { step });
    }

    pub(crate) fn log(&mut self, level: LogLevel, message: String) {
        self.send(Event::Log { level, message });
    }

    pub(crate) fn done(&mut self, summary: &TrainingSummary) {
        self.send(Event::Done { summary: summary.clone() });
    }

    /// Reports the number of examples that a stage without epochs has processed since `started`.
    pub(crate) fn examples(&mut self, stage: Stage, fraction: f64, seen: usize, started: Instant) {
        let examples_per_second = rate(seen, started);
        let step = self.step;
        self.progress(
            |fraction| Event::Progress {
                stage,
                step,
                field: None,
                fold: None,
                epoch: None,
                epochs: None,
                loss: None,
                fraction,
                examples_per_second,
                seconds_left: None,
            },
            fraction,
        );
    }

    /// Sends a progress event, unless the previous one was sent only a moment ago.
    pub(crate) fn progress(&mut self, event: impl FnOnce(f64) -> Event, fraction: f64) {
        self.fraction = self.fraction.max(fraction.min(1.0));
        if self.last.is_some_and(|last| last.elapsed() < MIN_PROGRESS_INTERVAL) {
            return;
        }
        self.last = Some(Instant::now());
        self.send(event(self.fraction));
    }
}

/// Examples per second since `started`.
pub(crate) fn rate(examples: usize, started: Instant) -> Option<f64> {
    let seconds = started.elapsed().as_secs_f64();
    (seconds > 0.0).then(|| round_to_millis(examples as f64 / seconds))
}

/// Rounds to three decimals: more are noise in rates and times, and short numbers survive a JSON round trip unchanged.
pub(crate) fn round_to_millis(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_come_too_fast_are_dropped_and_the_fraction_never_falls() {
        let mut lines = Vec::new();
        let mut send = |line| lines.push(line);
        let mut reporter = Reporter::new(&mut send);
        let started = Instant::now();
        reporter.examples(Stage::Features, 0.5, 1, started);
        reporter.examples(Stage::Features, 0.6, 2, started);
        reporter.last = None;
        reporter.examples(Stage::Features, 0.1, 3, started);
        let fractions: Vec<f64> = lines
            .iter()
            .map(|line| match line.event {
                Event::Progress { fraction, .. } => fraction,
                _ => panic!("only progress was sent"),
            })
            .collect();
        assert_eq!(fractions, [0.5, 0.6]);
    }
}
