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
    /// The newest progress line that was held back because the one before was sent only a moment ago.
    pending: Option<(Stage, Event)>,
    fraction: f64,
    /// The part of the run that reported fractions belong to.
    part: (f64, f64),
    step: u64,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(send: &'a mut dyn FnMut(Progress)) -> Self {
        Self { send, last: None, pending: None, fraction: 0.0, part: (0.0, 1.0), step: 0 }
    }

    /// Steps completed so far.
    pub(crate) fn step(&self) -> u64 {
        self.step
    }

    /// Sets the number of completed steps.
    pub(crate) fn set_step(&mut self, step: u64) {
        self.step = step;
    }

    /// Sets the part of the run that fractions belong to from now on.
    pub(crate) fn set_part(&mut self, from: f64, to: f64) {
        self.part = (from, to);
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
        self.flush();
        self.send(Event::Stopped { step });
    }

    pub(crate) fn log(&mut self, level: LogLevel, message: String) {
        self.send(Event::Log { level, message });
    }

    pub(crate) fn done(&mut self, summary: &TrainingSummary) {
        self.flush();
        self.send(Event::Done { summary: summary.clone() });
    }

    /// Reports the number of examples that a stage without epochs has processed since `started`.
    pub(crate) fn examples(&mut self, stage: Stage, fraction: f64, seen: usize, started: Instant) {
        let examples_per_second = rate(seen, started);
        let step = self.step;
        self.progress(
            stage,
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

    /// Sends a progress event of a stage, unless the previous one was sent only a moment ago. The last one of each stage is always sent.
    pub(crate) fn progress(&mut self, stage: Stage, event: impl FnOnce(f64) -> Event, fraction: f64) {
        if self.pending.as_ref().is_some_and(|(pending, _)| *pending != stage) {
            self.flush();
        }
        let (from, to) = self.part;
        self.fraction = self.fraction.max((from + (to - from) * fraction).min(1.0));
        let event = event(self.fraction);
        if self.last.is_some_and(|last| last.elapsed() < MIN_PROGRESS_INTERVAL) {
            self.pending = Some((stage, event));
            return;
        }
        self.pending = None;
        self.last = Some(Instant::now());
        self.send(event);
    }

    /// Sends the progress event that was held back, if there is one.
    pub(crate) fn flush(&mut self) {
        if let Some((_, event)) = self.pending.take() {
            self.last = Some(Instant::now());
            self.send(event);
        }
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

    fn fractions(lines: &[Progress]) -> Vec<(Stage, f64)> {
        let progress = |line: &Progress| match line.event {
            Event::Progress { stage, fraction, .. } => Some((stage, fraction)),
            _ => None,
        };
        lines.iter().filter_map(progress).collect()
    }

    #[test]
    fn lines_that_come_too_fast_are_held_back_and_the_fraction_never_falls() {
        let mut lines = Vec::new();
        let mut send = |line| lines.push(line);
        let mut reporter = Reporter::new(&mut send);
        let started = Instant::now();
        reporter.examples(Stage::Features, 0.5, 1, started);
        reporter.last = Some(Instant::now());
        reporter.examples(Stage::Features, 0.6, 2, started);
        reporter.last = None;
        reporter.examples(Stage::Features, 0.1, 3, started);
        assert_eq!(fractions(&lines), [(Stage::Features, 0.5), (Stage::Features, 0.6)]);
    }

    #[test]
    fn fractions_of_a_part_are_fractions_of_the_run() {
        let mut lines = Vec::new();
        let mut send = |line| lines.push(line);
        let mut reporter = Reporter::new(&mut send);
        reporter.set_part(0.5, 1.0);
        reporter.examples(Stage::Fit, 0.5, 1, Instant::now());
        assert_eq!(fractions(&lines), [(Stage::Fit, 0.75)]);
    }

    /// The interval starts in the future, so that no machine is slow enough to leave it.
    fn hold_back(reporter: &mut Reporter<'_>) {
        reporter.last = Some(Instant::now() + Duration::from_secs(3600));
    }

    #[test]
    fn the_last_line_of_each_stage_and_of_the_training_is_sent() {
        let mut lines = Vec::new();
        let mut send = |line| lines.push(line);
        let mut reporter = Reporter::new(&mut send);
        let started = Instant::now();
        for (stage, fraction) in [
            (Stage::Features, 0.1),
            (Stage::Features, 0.2),
            (Stage::Fit, 0.3),
            (Stage::Fit, 0.4),
            (Stage::Fit, 0.5),
            (Stage::Validation, 0.6),
        ] {
            hold_back(&mut reporter);
            reporter.examples(stage, fraction, 1, started);
        }
        reporter.stopped(7);
        reporter.flush();
        assert_eq!(fractions(&lines), [(Stage::Features, 0.2), (Stage::Fit, 0.5), (Stage::Validation, 0.6)]);
        assert!(matches!(lines.last().map(|line| &line.event), Some(Event::Stopped { step: 7 })));
    }
}
