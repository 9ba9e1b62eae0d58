//! Successive halving: trials start on a part of train, and only the best of them go on.

use serde::{Deserialize, Serialize};

/// Settings of successive halving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Halving {
    /// One trial in `eta` goes on to the next rung, and trains on `eta` times as much of train.
    pub eta: u32,
    /// Number of rungs; the last one trains on the whole of train.
    pub rungs: u32,
}

impl Halving {
    pub(super) fn check(self, trials: usize) -> Result<(), String> {
        if !(2..=10).contains(&self.eta) {
            return Err(format!("halving.eta must be from 2 to 10, not {}", self.eta));
        }
        if !(2..=6).contains(&self.rungs) {
            return Err(format!("halving.rungs must be from 2 to 6, not {}", self.rungs));
        }
        if trials < self.eta as usize {
            return Err(format!("halving.eta is {}, but there are only {trials} trials: use a smaller eta, or no halving", self.eta));
        }
        Ok(())
    }

    /// The part of train on which a rung trains, numbered from 1; `None` = the whole.
    pub(super) fn fraction(self, rung: u32) -> Option<f64> {
        let missing = self.rungs.saturating_sub(rung);
        (missing > 0).then(|| f64::from(self.eta).powf(-f64::from(missing)))
    }

    /// How many of the trials of a rung go on to the next one.
    pub(super) fn survivors(self, trials: usize) -> usize {
        trials.div_ceil(self.eta as usize).max(1)
    }
}
