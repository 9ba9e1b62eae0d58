//! Label drift: distances between the label distributions of two snapshots.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use utoipa::ToSchema;

use crate::inspect::distribution::recorded_fields;
use crate::inspect::error::InspectError;
use crate::inspect::snapshot_record::SnapshotRecord;

type Distribution = BTreeMap<Option<String>, i64>;

/// Label drift of every field with labels in both snapshots.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Drift {
    /// Drift by field, sorted by name.
    pub fields: Vec<FieldDrift>,
}

/// Distance between the label distributions of a field in two snapshots, over all splits. "No value" (null) is a label.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FieldDrift {
    /// Name of the field.
    pub field: String,
    /// Labelled examples in the first snapshot.
    pub examples_from: i64,
    /// Labelled examples in the second snapshot.
    pub examples_to: i64,
    /// Half the sum of |p - q| over the labels, from 0 to 1: the fraction of examples that would have to change their label.
    pub total_variation: f64,
    /// Population stability index, the sum of (q - p) ln(q / p). By convention, below 0.1 is stable and above 0.25 is a major shift.
    /// Half an example is added to each label on each side, which keeps it finite for labels that occur on one side only.
    pub population_stability_index: f64,
    /// Square root of the Jensen-Shannon divergence to base 2, from 0 to 1; a metric.
    pub jensen_shannon_distance: f64,
    /// Labels that only the second snapshot has; null means "no value".
    pub new_labels: Vec<Option<String>>,
    /// Labels that only the first snapshot has; null means "no value".
    pub vanished_labels: Vec<Option<String>>,
}

/// Compares the labels of two snapshots by their recorded counts, without reading rows.
///
/// # Errors
/// [`InspectError::BrokenRow`].
pub fn drift(from: &SnapshotRecord, to: &SnapshotRecord) -> Result<Drift, InspectError> {
    let (from, to) = (recorded_fields(from)?, recorded_fields(to)?);
    let both = from.iter().filter_map(|(field, old)| Some((field, old.distribution(), to.get(field)?.distribution())));
    let drifts = both.filter(|(_, old, new)| !old.is_empty() && !new.is_empty()).map(|(field, old, new)| field_drift(field, &old, &new));
    Ok(Drift { fields: drifts.collect() })
}

fn field_drift(field: &str, old: &Distribution, new: &Distribution) -> FieldDrift {
    let pairs = count_pairs(old, new);
    let missing = |from: &Distribution, other: &Distribution| from.keys().filter(|label| !other.contains_key(*label)).cloned().collect();
    FieldDrift {
        field: field.to_owned(),
        examples_from: old.values().sum(),
        examples_to: new.values().sum(),
        total_variation: total_variation(&pairs),
        population_stability_index: population_stability_index(&pairs),
        jensen_shannon_distance: jensen_shannon_distance(&pairs),
        new_labels: missing(new, old),
        vanished_labels: missing(old, new),
    }
}

/// Number of examples of each label on both sides.
fn count_pairs(old: &Distribution, new: &Distribution) -> Vec<(f64, f64)> {
    let labels: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    #[expect(clippy::cast_precision_loss, reason = "counts of examples are far below 2^52")]
    let count = |side: &Distribution, label: &Option<String>| side.get(label).copied().unwrap_or(0) as f64;
    labels.into_iter().map(|label| (count(old, label), count(new, label))).collect()
}

fn fractions(pairs: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    let (old, new): (f64, f64) = pairs.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    pairs.iter().map(move |(p, q)| (p / old, q / new))
}

/// Total variation distance of discrete distributions, which is half the L1 distance (Levin, Peres and Wilmer, Markov Chains and Mixing
/// Times, 2009, proposition 4.2).
fn total_variation(pairs: &[(f64, f64)]) -> f64 {
    fractions(pairs).map(|(p, q)| (p - q).abs()).sum::<f64>() / 2.0
}

/// Population stability index (Siddiqi, Credit Risk Scorecards, 2006), which is Jeffreys' divergence and thus symmetric. Half an example is
/// added to each count (Krichevsky and Trofimov, 1981).
fn population_stability_index(pairs: &[(f64, f64)]) -> f64 {
    let smoothed: Vec<(f64, f64)> = pairs.iter().map(|(p, q)| (p + 0.5, q + 0.5)).collect();
    fractions(&smoothed).map(|(p, q)| (q - p) * (q / p).ln()).sum()
}

/// Square root of the Jensen-Shannon divergence (Lin, Divergence measures based on the Shannon entropy, 1991) to base 2, which is a metric
/// (Endres and Schindelin, 2003).
fn jensen_shannon_distance(pairs: &[(f64, f64)]) -> f64 {
    let part = |p: f64, m: f64| if p > 0.0 { p * (p / m).log2() } else { 0.0 };
    let divergence: f64 = fractions(pairs)
        .map(|(p, q)| {
            let m = f64::midpoint(p, q);
            f64::midpoint(part(p, m), part(q, m))
        })
        .sum();
    // rounding may yield a tiny negative number for equal distributions
    divergence.max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(counts: &[(&str, i64)]) -> Distribution {
        counts.iter().map(|(label, count)| (Some((*label).to_owned()), *count)).collect()
    }

    fn close(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-9
    }

    #[test]
    fn equal_fractions_do_not_drift_regardless_of_the_number_of_examples() {
        let drift = field_drift("law", &distribution(&[("a", 10), ("b", 30)]), &distribution(&[("a", 100), ("b", 300)]));
        assert!(close(drift.total_variation, 0.0) && close(drift.jensen_shannon_distance, 0.0), "{drift:?}");
        assert!(drift.population_stability_index < 0.001, "{drift:?}");
        assert!(drift.new_labels.is_empty() && drift.vanished_labels.is_empty());
    }

    #[test]
    fn distributions_without_a_common_label_have_maximum_distance() {
        let drift = field_drift("law", &distribution(&[("a", 10)]), &distribution(&[("b", 10)]));
        assert!(close(drift.total_variation, 1.0) && close(drift.jensen_shannon_distance, 1.0), "{drift:?}");
        assert_eq!((drift.new_labels, drift.vanished_labels), (vec![Some("b".to_owned())], vec![Some("a".to_owned())]));
        // fractions (10.5, 0.5) of 11 against the reverse
        let expected = 2.0 * (10.0 / 11.0) * 21.0_f64.ln();
        assert!(close(drift.population_stability_index, expected), "{}", drift.population_stability_index);
    }

    #[test]
    fn distances_match_values_computed_by_hand() {
        // fractions 0.5/0.5 against 0.75/0.25
        let pairs = count_pairs(&distribution(&[("a", 2), ("b", 2)]), &distribution(&[("a", 3), ("b", 1)]));
        assert!(close(total_variation(&pairs), 0.25));
        // (0.5 log2(0.5/0.625) + 0.75 log2(0.75/0.625) + 0.5 log2(0.5/0.375) + 0.25 log2(0.25/0.375)) / 2
        assert!((jensen_shannon_distance(&pairs).powi(2) - 0.048_794_940_695_399).abs() < 1e-12);
        // smoothed to 2.5/2.5 and 3.5/1.5 of 5: (0.7 - 0.5) ln 1.4 + (0.3 - 0.5) ln 0.6
        assert!(close(population_stability_index(&pairs), 0.2 * 1.4_f64.ln() - 0.2 * 0.6_f64.ln()));
    }
}
