//! Target accuracies of two versions: those in use, and what each version would answer at others, by its published out-of-fold scores.

use std::collections::BTreeMap;

use aprendiz_evaluation::{ScoreCurve, TABLE_TARGETS, TargetRow};
use aprendiz_inference::PublishedFields;
use aprendiz_runs::{LatestThreshold, ModelVersion, list_latest_thresholds};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::http::error::ApiError;
use crate::api::models::comparison::deps::ComparisonDeps;
use crate::api::models::comparison::examples::{CONFIG_FILE, broken, read_file};
use crate::api::models::field_target::FieldTarget;
use crate::api::models::version_scores::load_curves;

/// Target accuracies of one field of both versions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComparedTargets {
    /// Name of the field.
    field: String,
    /// What the baseline uses. The metrics `coverage` and `selective_accuracy` of the comparison are at this threshold.
    baseline: OwnTarget,
    /// What the candidate uses.
    candidate: OwnTarget,
    /// What both would answer without review at several targets, descending: near-duplicates count once, and the out-of-fold scores are
    /// those of the train split of each version.
    rows: Vec<TargetPair>,
}

/// The target of a field that predictions use.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct OwnTarget {
    /// Target accuracy.
    target: f64,
    /// Lowest confidence that is answered; null = nothing is answered.
    threshold: Option<f64>,
    /// Whether it was changed since the version was published.
    changed: bool,
}

/// One target of both versions.
#[derive(Debug, Serialize, ToSchema)]
struct TargetPair {
    /// Target accuracy.
    target: f64,
    /// What the baseline would answer; null if it was published without out-of-fold scores.
    baseline: Option<FieldTarget>,
    /// What the candidate would answer; null if it was published without out-of-fold scores.
    candidate: Option<FieldTarget>,
}

/// Targets and scores of one version.
struct Side {
    own: BTreeMap<String, OwnTarget>,
    curves: BTreeMap<String, ScoreCurve>,
}

/// Compares the targets of the fields that both versions have.
pub(super) async fn compare_targets(
    deps: &ComparisonDeps,
    baseline: &ModelVersion,
    candidate: &ModelVersion,
) -> Result<Vec<ComparedTargets>, ApiError> {
    let mut conn = deps.database.read().await?;
    let changed_baseline = list_latest_thresholds(&mut conn, baseline.id).await?;
    let changed_candidate = list_latest_thresholds(&mut conn, candidate.id).await?;
    drop(conn);
    let sides = futures::try_join!(load_side(deps, baseline, changed_baseline), load_side(deps, candidate, changed_candidate));
    let (baseline, candidate) = sides?;
    deps.compute.run(move || pair_targets(&baseline, &candidate)).await
}

/// Reads the published targets and scores of a version.
async fn load_side(deps: &ComparisonDeps, version: &ModelVersion, changed: Vec<LatestThreshold>) -> Result<Side, ApiError> {
    let config: PublishedFields = serde_json::from_slice(&read_file(&deps.store, version, CONFIG_FILE).await?).map_err(broken)?;
    Ok(Side { own: own_targets(&config, changed), curves: load_curves(&deps.store, version).await? })
}

/// The targets in use: those of the files, unless they were changed.
fn own_targets(config: &PublishedFields, changed: Vec<LatestThreshold>) -> BTreeMap<String, OwnTarget> {
    let published = |threshold| OwnTarget { target: config.target_accuracy, threshold, changed: false };
    let mut own: BTreeMap<String, OwnTarget> = config.fields.iter().map(|field| (field.name.clone(), published(field.threshold))).collect();
    own.extend(
        changed.into_iter().map(|LatestThreshold { field, target, threshold }| (field, OwnTarget { target, threshold, changed: true })),
    );
    own
}

fn pair_targets(baseline: &Side, candidate: &Side) -> Vec<ComparedTargets> {
    let common = baseline.own.iter().filter_map(|(field, own)| Some((field, own, candidate.own.get(field)?)));
    common
        .map(|(field, own, other)| {
            let mut targets = TABLE_TARGETS.to_vec();
            targets.extend([own.target, other.target].into_iter().filter(|target| !TABLE_TARGETS.contains(target)));
            targets.sort_by(|a, b| b.total_cmp(a));
            targets.dedup();
            let at = |side: &Side, target: f64| side.curves.get(field).map(|curve| FieldTarget::from(&TargetRow::new(curve, target)));
            let pair = |target: f64| TargetPair { target, baseline: at(baseline, target), candidate: at(candidate, target) };
            ComparedTargets {
                field: field.clone(),
                baseline: own.clone(),
                candidate: other.clone(),
                rows: targets.into_iter().map(pair).collect(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(fields: &[&str], target: f64, curve: Option<&str>) -> Side {
        let own = |field: &&str| ((*field).to_owned(), OwnTarget { target, threshold: Some(0.7), changed: false });
        let curve = |field: &&str| Some(((*field).to_owned(), serde_json::from_str(curve?).unwrap()));
        Side { own: fields.iter().map(own).collect(), curves: fields.iter().filter_map(curve).collect() }
    }

    #[test]
    fn the_fields_of_both_have_a_row_for_every_target_and_the_own_ones() {
        let baseline = side(&["kind", "law"], 0.95, None);
        let candidate = side(&["law", "party"], 0.85, Some(r#"{"n":40,"steps":[[0.9,40,40]]}"#));
        let compared = pair_targets(&baseline, &candidate);
        assert_eq!(compared.iter().map(|targets| targets.field.as_str()).collect::<Vec<_>>(), ["law"]);
        let targets: Vec<f64> = compared[0].rows.iter().map(|row| row.target).collect();
        assert_eq!(targets, [0.99, 0.95, 0.9, 0.85, 0.8]);
        // 40 correct answers show 0.9 but not 0.95
        let shown = serde_json::to_value(&compared[0].rows).unwrap();
        assert!(shown.as_array().unwrap().iter().all(|row| row["baseline"].is_null()), "{shown}");
        assert_eq!((&shown[1]["candidate"]["status"], &shown[2]["candidate"]["coverage"]), (&"target_unreachable".into(), &1.0.into()));
    }
}
