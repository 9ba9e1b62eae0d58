//! Progress reports of the solver.

use std::time::Instant;

use crate::{
    kinds::linear::solver::{EpochStats, StoppingCriterion},
    protocol::{
        progress::{Event, Stage},
        reporter::{Reporter, rate},
    },
};

/// Fractions of the run that are done before a piece of work and after it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span(pub(crate) f64, pub(crate) f64);

impl Span {
    /// The fraction of the run that is done when this share of the work is.
    pub(crate) fn at(self, share: f64) -> f64 {
        self.0 + (self.1 - self.0) * share
    }

    /// The work between two shares.
    pub(crate) fn between(self, from: f64, to: f64) -> Self {
        Self(self.at(from), self.at(to))
    }

    /// The work up to a share.
    pub(crate) fn until(self, share: f64) -> Self {
        self.between(0.0, share)
    }

    /// One of several equal parts, from 0.
    pub(crate) fn part(self, index: usize, count: usize) -> Self {
        self.between(index as f64 / count as f64, (index + 1) as f64 / count as f64)
    }
}

/// The solve that is being reported.
pub(crate) struct SolveProgress<'a> {
    pub(crate) stage: Stage,
    pub(crate) field: &'a str,
    pub(crate) fold: Option<usize>,
    /// This solve within the run.
    pub(crate) span: Span,
    pub(crate) examples: usize,
    /// Epochs that another process had completed before `started`.
    pub(crate) epochs_before: usize,
    pub(crate) started: Instant,
}

impl Reporter<'_> {
    /// Reports an epoch of a solve.
    pub(crate) fn epoch(&mut self, solve: &SolveProgress<'_>, stats: EpochStats, stop: StoppingCriterion) {
        // the improvement per epoch decays roughly exponentially, so its logarithm predicts the end better than the epoch does
        let by_improvement = stats.improvement.clamp(stop.tolerance, 1.0).ln() / stop.tolerance.ln();
        let done = by_improvement.max(stats.epoch as f64 / stop.max_epochs as f64).min(1.0);
        let examples_per_second = rate(solve.examples * (stats.epoch - solve.epochs_before), solve.started);
        let step = self.step();
        let event = |fraction| Event::Progress {
            stage: solve.stage,
            step,
            field: Some(solve.field.to_owned()),
            fold: solve.fold.map(|fold| fold as u64 + 1),
            epoch: Some(stats.epoch as u64),
            epochs: Some(stop.max_epochs as u64),
            loss: Some(stats.loss),
            fraction,
            examples_per_second,
            seconds_left: None,
        };
        self.progress(solve.stage, event, solve.span.at(done));
    }
}
