//! How fast is learned at which step.

/// Rises in a straight line, then falls to 0 in another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    peak: f64,
    warmup: u64,
    steps: u64,
}

impl Schedule {
    /// `warmup` is the share of the steps in which the rate rises.
    pub(super) fn new(peak: f64, warmup: f64, steps: u64) -> Self {
        Self { peak, warmup: (steps as f64 * warmup).ceil() as u64, steps }
    }

    /// The rate of a step, from 0. As in PyTorch's libraries the first step of a warm-up has the rate 0.
    pub(super) fn rate(&self, step: u64) -> f64 {
        let share = if step < self.warmup {
            step as f64 / self.warmup as f64
        } else {
            self.steps.saturating_sub(step) as f64 / (self.steps - self.warmup).max(1) as f64
        };
        self.peak * share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_to_its_peak_and_falls_to_nothing() {
        let schedule = Schedule::new(2.0, 0.1, 20);
        let rates: Vec<f64> = (0..=20).map(|step| schedule.rate(step)).collect();
        assert_eq!(&rates[..4], [0.0, 1.0, 2.0, 2.0 * 17.0 / 18.0]);
        assert_eq!(rates[20], 0.0);
        assert_eq!(Schedule::new(2.0, 0.0, 4).rate(0), 2.0);
        assert_eq!(Schedule::new(2.0, 1.0, 4).rate(4), 0.0);
    }
}
