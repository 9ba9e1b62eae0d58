//! Learning-rate schedule: linear warm-up, then linear decay to zero.

/// The learning rate of each step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    peak: f64,
    warmup_steps: u64,
    steps: u64,
}

impl Schedule {
    /// A schedule over `steps` steps. `warmup` is the fraction of the steps in which the learning rate rises.
    pub(super) fn new(peak: f64, warmup: f64, steps: u64) -> Self {
        Self { peak, warmup_steps: (steps as f64 * warmup).ceil() as u64, steps }
    }

    /// The learning rate of a step, from 0. As in the libraries of PyTorch, the first step of a warm-up has learning rate 0.
    pub(super) fn learning_rate(&self, step: u64) -> f64 {
        let fraction = if step < self.warmup_steps {
            step as f64 / self.warmup_steps as f64
        } else {
            self.steps.saturating_sub(step) as f64 / (self.steps - self.warmup_steps).max(1) as f64
        };
        self.peak * fraction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_rises_to_its_peak_and_decays_to_zero() {
        let schedule = Schedule::new(2.0, 0.1, 20);
        let rates: Vec<f64> = (0..=20).map(|step| schedule.learning_rate(step)).collect();
        assert_eq!(&rates[..4], [0.0, 1.0, 2.0, 2.0 * 17.0 / 18.0]);
        assert_eq!(rates[20], 0.0);
        assert_eq!(Schedule::new(2.0, 0.0, 4).learning_rate(0), 2.0);
        assert_eq!(Schedule::new(2.0, 1.0, 4).learning_rate(4), 0.0);
    }
}
