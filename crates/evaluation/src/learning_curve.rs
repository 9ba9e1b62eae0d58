//! Learning curve: accuracy by the number of training examples, a power law fitted to it, and what more examples would bring.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    example::ratio,
    interval::{Interval, wilson_of_proportion},
};

/// Multiples of the present number of examples for which the accuracy is extrapolated. Further ahead, few points show nothing.
pub const FORECAST_FACTORS: [f64; 3] = [1.25, 1.5, 2.0];

/// Distinct numbers of examples that a power law needs, as it has three parameters.
const MIN_SIZES: usize = 3;

/// Exponents that are tried: 0.05, 0.10, … 2.00.
const EXPONENT_STEPS: u32 = 40;

/// Exponents per unit.
const STEPS_PER_UNIT: f64 = 20.0;

/// Accuracy of a model that was trained on a part of the examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LearningPoint {
    /// Training examples that have a class.
    pub train_examples: u64,
    /// Scored examples, copies included.
    pub examples: u64,
    /// Independent ones among them: near-duplicates count once.
    pub n: u64,
    /// Correct predictions among `examples`.
    pub correct: u64,
    /// Fraction of correct predictions.
    pub accuracy: f64,
    /// Wilson 95 % interval of the accuracy, as of `n` examples.
    pub interval: Interval,
}

/// `a − b · n^(−c)`, fitted by least squares.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PowerLaw {
    /// Accuracy that is approached, at most 1.
    pub a: f64,
    /// What is missing at one example, at least 0.
    pub b: f64,
    /// How fast the rest decreases, from 0.05 to 2.
    pub c: f64,
    /// Root of the mean squared difference between the points and the law.
    pub residual: f64,
}

/// Extrapolated accuracy with more training examples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Forecast {
    /// Multiple of the present number of examples.
    pub factor: f64,
    /// Number of training examples, rounded.
    pub train_examples: u64,
    /// Accuracy by the fitted law, from 0 to 1.
    pub accuracy: f64,
    /// Change against the fitted law at the present number. At least 0, as the law never falls.
    pub gain: f64,
}

/// Measured points, and what they suggest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LearningCurve {
    /// Measured points in ascending order of the examples; the last one is the model itself.
    pub points: Vec<LearningPoint>,
    /// The fitted law; null = fewer than three distinct numbers of examples.
    pub fit: Option<PowerLaw>,
    /// Extrapolations of the law, ascending; empty without it.
    pub forecasts: Vec<Forecast>,
}

impl LearningPoint {
    /// The point of a model with `correct` of `examples` correct predictions, of which `n` are independent. `None` without an example.
    #[must_use]
    pub fn new(train_examples: u64, correct: u64, examples: u64, n: u64) -> Option<Self> {
        let accuracy = ratio(correct, examples)?;
        Some(Self { train_examples, examples, n, correct, accuracy, interval: wilson_of_proportion(accuracy, n.max(1)) })
    }
}

impl LearningCurve {
    /// Fits a law to the points and extrapolates it from the largest number of examples.
    #[must_use]
    pub fn new(mut points: Vec<LearningPoint>) -> Self {
        points.sort_by_key(|point| point.train_examples);
        let measured: Vec<(u64, f64)> = points.iter().map(|point| (point.train_examples, point.accuracy)).collect();
        let fit = PowerLaw::fit(&measured);
        let present = points.last().map_or(0, |point| point.train_examples) as f64;
        let forecast = |law: PowerLaw, factor: f64| {
            let accuracy = law.predict(present * factor);
            Forecast { factor, train_examples: (present * factor).round() as u64, accuracy, gain: accuracy - law.predict(present) }
        };
        let forecasts = fit.map_or_else(Vec::new, |law| FORECAST_FACTORS.map(|factor| forecast(law, factor)).to_vec());
        Self { points, fit, forecasts }
    }

    /// The extrapolated change of the accuracy with this multiple of the present number of examples.
    #[must_use]
    pub fn gain(&self, factor: f64) -> Option<f64> {
        self.forecasts.iter().find(|forecast| forecast.factor == factor).map(|forecast| forecast.gain)
    }
}

impl PowerLaw {
    /// Fits the law to numbers of examples with their accuracies. `None` with fewer than three distinct numbers; 0 examples are left out.
    ///
    /// For every exponent of the grid, `a` and `b` follow from least squares under `a ≤ 1` and `b ≥ 0`; the exponent with the smallest
    /// sum of squares is kept, the smallest of equal ones. All points weigh the same.
    ///
    /// The law describes learning curves well on average (Viering and Loog, "The Shape of Learning Curves", 2022), but it is an
    /// extrapolation: it holds for more examples of the same kind. It knows nothing of new classes, of a change of the documents, or of
    /// errors in the accepted values, and the points share their scored examples, so the residual is smaller than their uncertainty.
    #[must_use]
    pub fn fit(points: &[(u64, f64)]) -> Option<Self> {
        let points: Vec<(f64, f64)> = points.iter().filter(|(n, _)| *n > 0).map(|(n, accuracy)| (*n as f64, *accuracy)).collect();
        let mut sizes: Vec<f64> = points.iter().map(|(n, _)| *n).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        if sizes.len() < MIN_SIZES {
            return None;
        }
        let laws = (1..=EXPONENT_STEPS).map(|step| Self::fit_with_exponent(&points, f64::from(step) / STEPS_PER_UNIT));
        laws.reduce(|best, law| if law.residual < best.residual { law } else { best })
    }

    /// Least squares of `a` and `b` for one exponent. The sum of squares is convex, so its minimum under the bounds is the unbounded one, or
    /// lies on a bound.
    fn fit_with_exponent(points: &[(f64, f64)], c: f64) -> Self {
        let count = points.len() as f64;
        let rows: Vec<(f64, f64)> = points.iter().map(|(n, y)| (n.powf(-c), *y)).collect();
        let mean_x = rows.iter().map(|(x, _)| x).sum::<f64>() / count;
        let mean_y = rows.iter().map(|(_, y)| y).sum::<f64>() / count;
        let covariance: f64 = rows.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        let variance: f64 = rows.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        let law = |a: f64, b: f64| {
            let squares: f64 = rows.iter().map(|(x, y)| (a - b * x - y).powi(2)).sum();
            Self { a, b, c, residual: (squares / count).sqrt() }
        };
        let slope = -covariance / variance;
        let free = law(mean_y + slope * mean_x, slope);
        if free.b >= 0.0 && free.a <= 1.0 {
            return free;
        }
        let flat = law(mean_y, 0.0);
        let squared: f64 = rows.iter().map(|(x, _)| x * x).sum();
        let to_one = law(1.0, rows.iter().map(|(x, y)| (1.0 - y) * x).sum::<f64>() / squared);
        if to_one.residual < flat.residual { to_one } else { flat }
    }

    /// The accuracy with `n` training examples, from 0 to 1.
    #[must_use]
    pub fn predict(&self, n: f64) -> f64 {
        (self.a - self.b * n.powf(-self.c)).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn an_exact_law_is_found_by_hand() {
        // 0.9 − 0.4 / √n at n = 1, 4, 16: 0.5, 0.7, 0.8; at 64: 0.9 − 0.4 / 8
        let law = PowerLaw::fit(&[(1, 0.5), (4, 0.7), (16, 0.8)]).unwrap();
        assert_eq!(law.c, 0.5);
        assert!(close(law.a, 0.9) && close(law.b, 0.4) && law.residual < 1e-9, "{law:?}");
        assert!(close(law.predict(64.0), 0.85));
    }

    #[test]
    fn least_squares_of_one_exponent_match_the_rows_worked_by_hand() {
        // c = 1: x = 1, 1/2, 1/4 and y = 0.4, 0.8, 0.75. Means 7/12 and 0.65; covariance −3/20, variance 7/24; b = 18/35, a = 0.95.
        // The errors are 1/28, −3/28 and 2/28, so the mean square is 1/168
        let law = PowerLaw::fit_with_exponent(&[(1.0, 0.4), (2.0, 0.8), (4.0, 0.75)], 1.0);
        assert!(close(law.b, 18.0 / 35.0) && close(law.a, 0.95), "{law:?}");
        assert!(close(law.residual, (1.0_f64 / 168.0).sqrt()), "{law:?}");
    }

    #[test]
    fn bounds_hold_and_predictions_are_clipped() {
        // falling accuracy: the law is flat at the mean
        let falling = PowerLaw::fit(&[(10, 0.9), (20, 0.8), (40, 0.7)]).unwrap();
        assert!(close(falling.a, 0.8) && falling.b == 0.0 && close(falling.predict(1e6), 0.8), "{falling:?}");
        // a straight line would pass 1: a stays at 1
        let steep = PowerLaw::fit(&[(10, 0.2), (20, 0.5), (30, 0.8), (40, 0.99)]).unwrap();
        assert!(steep.a <= 1.0 && steep.b >= 0.0 && (0.0..=1.0).contains(&steep.predict(80.0)), "{steep:?}");
        // far below the measured sizes the law would be negative
        assert_eq!(PowerLaw { a: 0.9, b: 10.0, c: 0.5, residual: 0.0 }.predict(1.0), 0.0);
    }

    #[test]
    fn fewer_than_three_distinct_sizes_have_no_fit() {
        assert_eq!(PowerLaw::fit(&[]), None);
        assert_eq!(PowerLaw::fit(&[(10, 0.5), (20, 0.6)]), None);
        assert_eq!(PowerLaw::fit(&[(10, 0.5), (20, 0.6), (20, 0.7), (0, 0.1)]), None);
        let curve = LearningCurve::new(vec![LearningPoint::new(10, 5, 10, 10).unwrap()]);
        assert!(curve.fit.is_none() && curve.forecasts.is_empty() && curve.gain(2.0).is_none());
    }

    #[test]
    fn a_curve_extrapolates_from_its_largest_size() {
        let point = |train, correct| LearningPoint::new(train, correct, 100, 100).unwrap();
        let curve = LearningCurve::new(vec![point(16, 80), point(1, 50), point(4, 70)]);
        assert_eq!(curve.points.iter().map(|point| point.train_examples).collect::<Vec<_>>(), [1, 4, 16]);
        assert_eq!(curve.forecasts.iter().map(|forecast| forecast.train_examples).collect::<Vec<_>>(), [20, 24, 32]);
        // 0.9 − 0.4 / √32 against 0.8
        let doubled = 0.9 - 0.4 / 32.0_f64.sqrt();
        assert!(close(curve.forecasts[2].accuracy, doubled) && close(curve.gain(2.0).unwrap(), doubled - 0.8));
    }

    #[test]
    fn the_interval_rests_on_independent_examples() {
        let point = LearningPoint::new(7, 5, 10, 5).unwrap();
        assert_eq!(Some(point.interval), Some(wilson_of_proportion(0.5, 5)));
        assert!(LearningPoint::new(7, 0, 0, 0).is_none());
    }
}
