//! Progress reports of the solver.

use std::time::Instant;

use crate::{
    kinds::linear::solver::{EpochStats, StoppingCriterion},
    protocol::{
        progress::{Event, Stage},
        reporter::{Reporter, rate},
    },
};

/// The solve that is being reported.
pub(crate) struct SolveProgress<'a> {
    pub(crate) stage: Stage,
    pub(crate) field: &'a str,
    pub(crate) fold: Option<usize>,
    /// Fraction of the run that is done before this solve and after it.
    pub(crate) span: (f64, f64),
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
        let (from, to) = solve.span;
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
        self.progress(solve.stage, event, from + (to - from) * done);
    }
}
