//! The gate: compares a candidate with the champion, by the rules of the model.

use aprendiz_evaluation::{GateInput, GateResult, GateRules, decide};
use aprendiz_runs::{ModelSettings, ModelVersion};

use crate::api::http::error::ApiError;
use crate::api::models::comparison::deps::ComparisonDeps;
use crate::api::models::comparison::versions::{VersionComparison, compare_predictions};
use crate::api::models::version::is_encoder;

/// Asks the gate whether the candidate may replace the baseline. `None` for encoders, which predict no fields.
pub(crate) async fn ask_gate(
    deps: &ComparisonDeps,
    settings: &ModelSettings,
    baseline: &ModelVersion,
    candidate: &ModelVersion,
) -> Result<Option<GateResult>, ApiError> {
    if is_encoder(&candidate.card) || is_encoder(&baseline.card) {
        return Ok(None);
    }
    let comparison = compare_predictions(deps, baseline, candidate).await?;
    Ok(Some(decide_comparison(settings, &comparison)?))
}

/// Decides about the candidate of a comparison by the rules of the model.
pub(crate) fn decide_comparison(settings: &ModelSettings, comparison: &VersionComparison) -> Result<GateResult, ApiError> {
    Ok(decide(&gate_inputs(comparison), &gate_rules(settings)?))
}

/// The rules of the gate of a model.
fn gate_rules(settings: &ModelSettings) -> Result<GateRules, ApiError> {
    serde_json::from_value(settings.gate.clone())
        .map_err(|error| ApiError::internal(anyhow::Error::new(error).context(format!("gate rules of model {}", settings.name))))
}

/// What the gate knows about each field of either version, by name.
fn gate_inputs(comparison: &VersionComparison) -> Vec<GateInput<'_>> {
    let both = comparison.fields.iter().map(|field| GateInput {
        field: &field.field,
        baseline_labels: Some(&field.baseline_labels),
        candidate_labels: Some(&field.candidate_labels),
        comparison: Some(&field.comparison),
    });
    let only = |field, baseline: bool| GateInput {
        field,
        baseline_labels: baseline.then_some(&[][..]),
        candidate_labels: (!baseline).then_some(&[][..]),
        comparison: None,
    };
    let only_baseline = comparison.only_baseline.iter().map(|field| only(field, true));
    let only_candidate = comparison.only_candidate.iter().map(|field| only(field, false));
    let mut inputs: Vec<GateInput<'_>> = both.chain(only_baseline).chain(only_candidate).collect();
    inputs.sort_by_key(|input| input.field);
    inputs
}
