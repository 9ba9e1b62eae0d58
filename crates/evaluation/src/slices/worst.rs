//! The slices in which a model is worse than elsewhere by more than chance explains.
//!
//! A slice is compared with the other examples of its field by Fisher's exact test, one-sided: the probability of at least as many errors in
//! the slice, if the errors of the field were distributed at random. Slice and rest must have [`MIN_SLICE_N`] independent examples. The
//! probability is multiplied by the number of compared slices (Bonferroni), because the worst of many small slices always looks bad.

use serde::{Deserialize, Serialize};
use statrs::function::factorial::ln_binomial;

use crate::interval::Interval;
use crate::slices::attributes::OTHER_SLICES;
use crate::slices::slice::{FieldSlices, Slice};

/// Name of the metric whose value is the number of significantly worse slices, and whose details are [`WorstSlices`].
pub const WORST_SLICES_METRIC: &str = "worst_slices";
/// Minimum number of independent examples of a slice, and of the rest, for a comparison.
const MIN_SLICE_N: u64 = 5;
/// Maximum number of slices that are listed.
const MAX_WORST_SLICES: usize = 5;
/// A slice is listed if its adjusted probability is below this.
const SIGNIFICANCE: f64 = 0.05;

/// A slice with a significantly lower accuracy than the rest of its field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorstSlice {
    /// The field.
    pub field: String,
    /// Name of the attribute.
    pub dimension: String,
    /// Its value.
    pub value: String,
    /// Independent examples of the slice.
    pub n: u64,
    /// Accuracy in the slice.
    pub accuracy: f64,
    /// Its Wilson 95 % interval.
    pub interval: Option<Interval>,
    /// Independent examples of the other slices of the dimension.
    pub rest_n: u64,
    /// Accuracy in the other slices of the dimension.
    pub rest_accuracy: f64,
    /// One-sided probability of so many errors in the slice by chance.
    pub p_value: f64,
    /// The same, multiplied by the number of compared slices, at most 1.
    pub adjusted_p_value: f64,
}

/// The worst slices of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WorstSlices {
    /// Number of slices that were compared with the rest of their field.
    pub compared: u64,
    /// Number of significantly worse slices, listed or not.
    pub significant: u64,
    /// At most five of them, the most significant first.
    pub slices: Vec<WorstSlice>,
}

/// Compares every slice of all fields with the rest of its field.
#[must_use]
pub fn worst_slices(fields: &[FieldSlices]) -> WorstSlices {
    let mut compared: Vec<WorstSlice> = Vec::new();
    for field in fields {
        for dimension in &field.dimensions {
            let slices = &dimension.slices;
            // the combined slice has no attribute in common
            let candidates = slices.iter().enumerate().filter(|(_, slice)| slice.value != OTHER_SLICES);
            compared.extend(candidates.filter_map(|(index, slice)| {
                let rest = slices.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, slice)| slice);
                compare(&field.field, &dimension.dimension, slice, &Totals::of(rest))
            }));
        }
    }
    let count = compared.len() as u64;
    for slice in &mut compared {
        slice.adjusted_p_value = (slice.p_value * count as f64).min(1.0);
    }
    compared.retain(|slice| slice.adjusted_p_value < SIGNIFICANCE);
    let shortfall = |slice: &WorstSlice| slice.rest_accuracy - slice.accuracy;
    // the order of the input decides among equals: the sort is stable
    compared.sort_by(|a, b| a.p_value.total_cmp(&b.p_value).then_with(|| shortfall(b).total_cmp(&shortfall(a))));
    let significant = compared.len() as u64;
    compared.truncate(MAX_WORST_SLICES);
    WorstSlices { compared: count, significant, slices: compared }
}

/// Totals of several slices.
#[derive(Default)]
struct Totals {
    n: u64,
    examples: u64,
    correct: u64,
}

impl Totals {
    fn of<'a>(slices: impl Iterator<Item = &'a Slice>) -> Self {
        slices.fold(Self::default(), |sum, slice| Self {
            n: sum.n + slice.n,
            examples: sum.examples + slice.examples,
            correct: sum.correct + slice.correct,
        })
    }

    /// Number of errors among independent examples: those of all examples in proportion, rounded.
    fn errors(&self) -> u64 {
        let wrong = (self.examples - self.correct) as f64;
        (wrong * self.n as f64 / self.examples as f64).round() as u64
    }
}

fn compare(field: &str, dimension: &str, slice: &Slice, rest: &Totals) -> Option<WorstSlice> {
    if slice.n < MIN_SLICE_N || rest.n < MIN_SLICE_N {
        return None;
    }
    let own = Totals::of(std::iter::once(slice));
    Some(WorstSlice {
        field: field.to_owned(),
        dimension: dimension.to_owned(),
        value: slice.value.clone(),
        n: slice.n,
        accuracy: slice.accuracy?,
        interval: slice.interval,
        rest_n: rest.n,
        rest_accuracy: rest.correct as f64 / rest.examples as f64,
        p_value: fisher_greater(own.errors(), own.n, rest.errors(), rest.n),
        adjusted_p_value: 1.0,
    })
}

/// Fisher's exact test: the probability of at least `errors` errors among `n` examples, given all errors of `n + rest_n` examples.
fn fisher_greater(errors: u64, n: u64, rest_errors: u64, rest_n: u64) -> f64 {
    let all = errors + rest_errors;
    let ln_total = ln_binomial(n + rest_n, all);
    let tail = errors..=all.min(n);
    let probability = |own: u64| (ln_binomial(n, own) + ln_binomial(rest_n, all - own) - ln_total).exp();
    tail.filter(|own| all - own <= rest_n).map(probability).sum::<f64>().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::testing::scored;
    use crate::slices::index::SliceIndex;

    fn index(rows: &[(&str, u64, u64)]) -> FieldSlices {
        let mut index = SliceIndex::new(vec!["source".to_owned()]);
        let mut examples = Vec::new();
        for (value, n, wrong) in rows {
            for number in 0..*n {
                index.push("law", &[(*value).to_owned()]);
                examples.push(scored("a", if number < *wrong { "b" } else { "a" }, 0.9));
            }
        }
        index.slice("law", &examples, None)
    }

    #[test]
    fn fisher_worked_by_hand() {
        // 5 errors among 5 + 5 examples, all in the slice: one of the C(10, 5) = 252 ways
        assert!((fisher_greater(5, 5, 0, 5) - 1.0 / 252.0).abs() < 1e-12);
        // at least 1 of 1 error among 2 + 2 examples: half
        assert!((fisher_greater(1, 2, 0, 2) - 0.5).abs() < 1e-12);
        // at least 3 of 4 errors among 4 + 4: (C(4,3) C(4,1) + C(4,4) C(4,0)) / C(8,4) = 17 / 70
        assert!((fisher_greater(3, 4, 1, 4) - 17.0 / 70.0).abs() < 1e-12);
        assert_eq!(fisher_greater(0, 9, 0, 9), 1.0);
    }

    #[test]
    fn the_most_significant_shortfall_wins_not_the_lowest_accuracy() {
        // tiny: all wrong, but four examples only; small: 3 of 6 wrong by luck; large: 40 of 100 wrong
        let worst = worst_slices(&[index(&[("good", 300, 15), ("large", 100, 40), ("small", 6, 3), ("tiny", 4, 4)])]);
        let values: Vec<&str> = worst.slices.iter().map(|slice| slice.value.as_str()).collect();
        assert_eq!((worst.compared, values), (3, vec!["large"]));
        let large = &worst.slices[0];
        assert_eq!((large.n, large.rest_n, large.accuracy), (100, 310, 0.6));
        assert!((large.rest_accuracy - 288.0 / 310.0).abs() < 1e-12);
        assert!((large.adjusted_p_value - 3.0 * large.p_value).abs() < 1e-15 && large.p_value < 1e-12);
    }

    #[test]
    fn of_many_equal_slices_none_is_worst() {
        let rows: Vec<(String, u64, u64)> = (0..18).map(|number| (number.to_string(), 10, if number == 3 { 4 } else { 1 })).collect();
        let rows: Vec<(&str, u64, u64)> = rows.iter().map(|(value, n, wrong)| (value.as_str(), *n, *wrong)).collect();
        let worst = worst_slices(&[index(&rows)]);
        assert_eq!((worst.compared, worst.significant), (18, 0));
        // alone against the rest, the same slice is
        let worst = worst_slices(&[index(&[("3", 10, 4), ("rest", 170, 17)])]);
        assert_eq!(worst.significant, 1);
    }

    #[test]
    fn at_most_five_are_listed_and_the_combined_slice_never() {
        let mut rows = vec![("good", 1_000, 10), (OTHER_SLICES, 50, 50)];
        rows.extend(["a", "b", "c", "d", "e", "f"].map(|value| (value, 100, 60)));
        let worst = worst_slices(&[index(&rows)]);
        assert_eq!((worst.compared, worst.significant, worst.slices.len()), (7, 6, 5));
        assert!(worst.slices.iter().all(|slice| slice.value != OTHER_SLICES));
        assert_eq!(worst_slices(&[]), WorstSlices::default());
    }
}
