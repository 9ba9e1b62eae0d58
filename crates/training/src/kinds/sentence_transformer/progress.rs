//! Progress reports of encoder training.

use crate::protocol::{
    progress::{Event, Stage},
    reporter::{Reporter, round_to_millis},
};

/// The training step that is being reported.
pub(crate) struct TrainerProgress {
    /// Completed epochs.
    pub(crate) epoch: usize,
    pub(crate) epochs: usize,
    pub(crate) loss: f64,
    /// Fraction of the whole run that is done.
    pub(crate) fraction: f64,
    pub(crate) pairs_per_second: f64,
    pub(crate) seconds_left: f64,
}

impl Reporter<'_> {
    /// Reports a training step of an encoder.
    pub(crate) fn trainer_step(&mut self, progress: TrainerProgress) {
        let step = self.step();
        let event = |fraction| Event::Progress {
            stage: Stage::Fit,
            step,
            field: None,
            fold: None,
            epoch: Some((progress.epoch as u64 + 1).min(progress.epochs as u64)),
            epochs: Some(progress.epochs as u64),
            loss: Some(progress.loss),
            fraction,
            examples_per_second: progress.pairs_per_second.is_finite().then(|| round_to_millis(progress.pairs_per_second)),
            seconds_left: progress.seconds_left.is_finite().then(|| round_to_millis(progress.seconds_left)),
        };
        self.progress(Stage::Fit, event, progress.fraction);
    }
}
