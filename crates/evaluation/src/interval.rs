//! Confidence intervals of a proportion.

use serde::{Deserialize, Serialize};
use statrs::function::beta::inv_beta_reg;
use utoipa::ToSchema;

use crate::example::ratio;

/// The 97.5 % quantile of the standard normal distribution.
const Z_95: f64 = 1.959_963_984_540_054;

/// A two-sided confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Interval {
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// Wilson's 95 % interval of `correct` out of `n`; `None` if `n` is 0.
#[must_use]
pub fn wilson(correct: u64, n: u64) -> Option<Interval> {
    Some(wilson_of_proportion(ratio(correct, n)?, n))
}

/// Wilson's 95 % interval of a proportion that rests on `n` independent examples; `n` must not be 0.
#[must_use]
pub fn wilson_of_proportion(proportion: f64, n: u64) -> Interval {
    let n = n as f64;
    let z2 = Z_95 * Z_95;
    let centre = (proportion + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z_95 / (1.0 + z2 / n) * (proportion * (1.0 - proportion) / n + z2 / (4.0 * n * n)).sqrt();
    Interval { low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
}

/// Exact (Clopper–Pearson) one-sided lower bound of a proportion at the given confidence level; `None` if `n` is 0.
///
/// # Panics
/// `correct > n`, or the level is not strictly between 0 and 1.
#[must_use]
pub fn clopper_pearson_lower(correct: u64, n: u64, level: f64) -> Option<f64> {
    assert!(correct <= n, "correct must not exceed n");
    assert!(level > 0.0 && level < 1.0, "confidence level must be between 0 and 1");
    if n == 0 {
        return None;
    }
    let alpha = 1.0 - level;
    if correct == 0 {
        return Some(0.0);
    }
    if correct == n {
        // closed form of the quantile below
        return Some(alpha.powf(1.0 / n as f64));
    }
    Some(inv_beta_reg(correct as f64, (n - correct + 1) as f64, alpha))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn wilson_of_five_of_ten_matches_the_textbook() {
        // centre 0.5, half width 1.96/(1+0.38415)*sqrt(0.025+0.0096037)
        let interval = wilson(5, 10).unwrap();
        assert!((interval.low - 0.236_593_1).abs() < 1e-6 && (interval.high - 0.763_406_9).abs() < 1e-6);
    }

    #[test]
    fn wilson_is_within_zero_and_one_and_undefined_for_zero_trials() {
        let all = wilson(10, 10).unwrap();
        assert!(close(all.high, 1.0) && (all.low - 0.722_467_2).abs() < 1e-6);
        assert_eq!(wilson(0, 10).unwrap().low, 0.0);
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn clopper_pearson_of_all_correct_is_the_root_of_alpha() {
        // 59 of 59 is the smallest sample that shows 95 %
        assert!(clopper_pearson_lower(59, 59, 0.95).unwrap() >= 0.95);
        assert!(clopper_pearson_lower(58, 58, 0.95).unwrap() < 0.95);
        assert_eq!(clopper_pearson_lower(0, 5, 0.95), Some(0.0));
        assert_eq!(clopper_pearson_lower(0, 0, 0.95), None);
    }

    #[test]
    fn clopper_pearson_solves_the_binomial_tail() {
        // at the bound p, P(X >= 2 | n = 3) = 3p²(1-p) + p³ must be 5 %
        let p = clopper_pearson_lower(2, 3, 0.95).unwrap();
        assert!(close(3.0 * p * p * (1.0 - p) + p * p * p, 0.05));
    }
}
