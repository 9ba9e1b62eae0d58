//! What the training child tells its parent: one JSON object a line.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{
    sentence_transformer::{EmbeddingUse, EncoderReport},
    solver::{Pass, Stop},
    summary::TrainingSummary,
};

/// Version of the lines.
pub const PROTOCOL_VERSION: u32 = 2;

/// Progress lines are at least this far apart, so that no parent drowns in them.
const INTERVAL: Duration = Duration::from_millis(50);

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// [`PROTOCOL_VERSION`].
    pub v: u32,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The work goes on.
    Progress {
        /// What is being done.
        stage: Stage,
        /// Steps of the whole training so far, those before a checkpoint that was taken up included.
        step: u64,
        /// The field that is trained.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<String>,
        /// The fold, from 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fold: Option<u64>,
        /// Passes done in this fit; of an encoder, the one under way, from 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<u64>,
        /// Most passes of this fit; it may end earlier.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epochs: Option<u64>,
        /// What training makes smaller: for heads the mean squared hinge loss of an example, summed over the classes; for encoders the
        /// loss of a step, as a mean over the last ones.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        loss: Option<f64>,
        /// Share of the whole run that is done, 0 to 1, never falling.
        fraction: f64,
        /// Examples, or pairs, per second in this stage.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        examples_per_second: Option<f64>,
        /// Estimate of the time until the training of this stage is over, where its length is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds_left: Option<f64>,
    },
    /// A checkpoint is complete and on the disk.
    Checkpoint {
        /// Steps that led to it.
        step: u64,
        /// The file. It is deleted when two newer ones are there.
        file: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The checkpoint of the job fits, and the work goes on from there. At most once.
    Resumed {
        /// Steps that led to it.
        step: u64,
    },
    /// Something worth keeping.
    Log {
        /// How serious.
        level: LogLevel,
        /// A sentence, never text of a document.
        message: String,
    },
    /// The model is written. Always the last line of a run that succeeds.
    Done {
        /// What came of it.
        summary: TrainingSummary,
    },
    /// The encoder is evaluated. Always the last line of an evaluation that succeeds.
    Evaluated {
        /// What it is worth.
        report: EncoderReport,
        /// What known vectors of its base model were good for.
        embeddings: EmbeddingUse,
    },
    /// There is no model yet, as was asked for. Always the last line of a run that was stopped.
    Stopped {
        /// Steps so far; the newest checkpoint holds them all.
        step: u64,
    },
    /// There is no model. Always the last line of a run that fails by itself.
    Error {
        /// Stable cause.
        code: String,
        /// What went wrong, in words.
        message: String,
        /// Whether another attempt may succeed.
        retryable: bool,
    },
}

/// How serious a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Good to know.
    Info,
    /// Something was left out.
    Warn,
}

/// A stage of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Reading texts and counting n-grams.
    Features,
    /// Fitting without one fold, to score it.
    Fold,
    /// Fitting the head on all of train.
    Fit,
    /// Scoring validation with the written model, or the one that learns.
    Validation,
    /// Scoring the test split with an encoder and its base model.
    Test,
}

impl Progress {
    /// A line of the current version.
    #[must_use]
    pub fn new(event: Event) -> Self {
        Self { v: PROTOCOL_VERSION, event }
    }

    /// The last line of a run that failed.
    #[must_use]
    pub fn error(error: &crate::TrainingError) -> Self {
        Self::new(Event::Error { code: error.code().to_owned(), message: error.to_string(), retryable: error.is_retryable() })
    }
}

/// Sends lines, not too many, with a fraction that never falls.
pub(crate) struct Reporter<'a> {
    send: &'a mut dyn FnMut(Progress),
    last: Option<Instant>,
    fraction: f64,
    step: u64,
}

/// Where a fit stands.
pub(crate) struct FitProgress<'a> {
    pub(crate) stage: Stage,
    pub(crate) field: &'a str,
    pub(crate) fold: Option<usize>,
    /// Share of the run done before this fit and after it.
    pub(crate) span: (f64, f64),
    pub(crate) examples: usize,
    /// Epochs that another process did, before `started`.
    pub(crate) epochs_before: usize,
    pub(crate) started: Instant,
}

/// Where the training of an encoder stands.
pub(crate) struct PairProgress {
    /// Epochs done.
    pub(crate) epoch: usize,
    pub(crate) epochs: usize,
    pub(crate) loss: f64,
    /// Share of the whole run that is done.
    pub(crate) fraction: f64,
    pub(crate) pairs_per_second: f64,
    pub(crate) seconds_left: f64,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(send: &'a mut dyn FnMut(Progress)) -> Self {
        Self { send, last: None, fraction: 0.0, step: 0 }
    }

    /// From now on, this many steps are done.
    pub(crate) fn at_step(&mut self, step: u64) {
        self.step = step;
    }

    pub(crate) fn send(&mut self, event: Event) {
        (self.send)(Progress::new(event));
    }

    pub(crate) fn checkpoint(&mut self, step: u64, file: PathBuf, bytes: u64) {
        (self.send)(Progress::new(Event::Checkpoint { step, file, bytes }));
    }

    pub(crate) fn resumed(&mut self, step: u64) {
        (self.send)(Progress::new(Event::Resumed { step }));
    }

    pub(crate) fn stopped(&mut self, step: u64) {
        (self.send)(Progress::new(Event::Stopped { step }));
    }

    pub(crate) fn log(&mut self, level: LogLevel, message: String) {
        (self.send)(Progress::new(Event::Log { level, message }));
    }

    pub(crate) fn done(&mut self, summary: &TrainingSummary) {
        (self.send)(Progress::new(Event::Done { summary: summary.clone() }));
    }

    /// Tells how many examples a stage without epochs has seen; `started` is when the stage began.
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

    /// Tells how far a fit has come.
    pub(crate) fn epoch(&mut self, fit: &FitProgress<'_>, pass: Pass, stop: Stop) {
        // the gain of a step falls roughly exponentially, so its logarithm tells better than the epoch how much is left
        let by_gain = pass.gain.clamp(stop.tolerance, 1.0).ln() / stop.tolerance.ln();
        let done = by_gain.max(pass.epoch as f64 / stop.epochs as f64).min(1.0);
        let (from, to) = fit.span;
        let examples_per_second = rate(fit.examples * (pass.epoch - fit.epochs_before), fit.started);
        let step = self.step;
        let event = |fraction| Event::Progress {
            stage: fit.stage,
            step,
            field: Some(fit.field.to_owned()),
            fold: fit.fold.map(|fold| fold as u64 + 1),
            epoch: Some(pass.epoch as u64),
            epochs: Some(stop.epochs as u64),
            loss: Some(pass.loss),
            fraction,
            examples_per_second,
            seconds_left: None,
        };
        self.progress(event, from + (to - from) * done);
    }

    /// Tells how far the training of an encoder has come.
    pub(crate) fn pairs(&mut self, at: PairProgress) {
        let step = self.step;
        let event = |fraction| Event::Progress {
            stage: Stage::Fit,
            step,
            field: None,
            fold: None,
            epoch: Some((at.epoch as u64 + 1).min(at.epochs as u64)),
            epochs: Some(at.epochs as u64),
            loss: Some(at.loss),
            fraction,
            examples_per_second: at.pairs_per_second.is_finite().then(|| thousandths(at.pairs_per_second)),
            seconds_left: at.seconds_left.is_finite().then(|| thousandths(at.seconds_left)),
        };
        self.progress(event, at.fraction);
    }

    fn progress(&mut self, event: impl FnOnce(f64) -> Event, fraction: f64) {
        self.fraction = self.fraction.max(fraction.min(1.0));
        if self.last.is_some_and(|last| last.elapsed() < INTERVAL) {
            return;
        }
        self.last = Some(Instant::now());
        (self.send)(Progress::new(event(self.fraction)));
    }
}

fn rate(examples: usize, started: Instant) -> Option<f64> {
    let seconds = started.elapsed().as_secs_f64();
    (seconds > 0.0).then(|| thousandths(examples as f64 / seconds))
}

/// Rates and times are told no more exactly than anybody reads them: with few digits they are read back as the same numbers.
fn thousandths(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_carries_its_version_and_its_event() {
        let line = Progress::error(&crate::TrainingError::NoTrainableField { reasons: vec!["a: one label".into()] });
        assert_eq!(
            serde_json::to_string(&line).unwrap(),
            r#"{"v":2,"event":"error","code":"no_trainable_field","message":"no field can be trained: a: one label","retryable":false}"#
        );
        let back: Progress = serde_json::from_str(&serde_json::to_string(&line).unwrap()).unwrap();
        assert_eq!(back, line);
    }

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
