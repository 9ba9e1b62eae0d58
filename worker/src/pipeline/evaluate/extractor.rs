//! Evaluates the stored predictions of the extractor against reviewed values (run kind `evaluate`).

use aprendiz_dataset::{DifferentPrediction, different_predictions, reviewed_predictions};
use aprendiz_evaluation::ConfusionCounts;
use aprendiz_run_spec::ValidatedSpec;
use aprendiz_runs::{ErrorCollector, NewMetric, NewRunError, TrainingRun};
use futures::TryStreamExt as _;

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::evaluate::slices::stored_prediction_slices;
use crate::pipeline::evaluate::{add_errors, metrics_from_rows};
use crate::pipeline::selection::resolve_selection;
use crate::retry::retry_on_outage;

const SPLIT: &str = "reviewed";

/// Metrics of the stored predictions, per field and over all fields, and the wrong ones with their documents.
pub(crate) async fn evaluate(
    deps: &Deps,
    run: &TrainingRun,
    spec: &ValidatedSpec,
) -> Result<(Vec<NewMetric>, Vec<NewRunError>), Interruption> {
    let mut metrics = retry_on_outage!(count_once(deps, run, spec))?;
    let found = retry_on_outage!(collect_once(deps, run, spec))?;
    let mut errors = Vec::new();
    metrics.push(add_errors(&mut errors, SPLIT, found));
    metrics.extend(stored_prediction_slices(deps, run, spec, SPLIT, &mut errors).await?);
    Ok((metrics, errors))
}

/// Predictions have no position: one that was stored between the two statements may be in one result only.
async fn collect_once(deps: &Deps, run: &TrainingRun, spec: &ValidatedSpec) -> Result<ErrorCollector, Interruption> {
    let mut conn = deps.dedicated_session("aprendiz-worker evaluate").connect().await?;
    let selection = resolve_selection(&mut conn, run, spec).await?;
    let mut found = ErrorCollector::default();
    let mut different = std::pin::pin!(different_predictions(&mut conn, &selection));
    while let Some(row) = different.try_next().await? {
        if row.is_wrong() {
            let DifferentPrediction { document_id, field, accepted: gold, predicted, confidence } = row;
            found.push(NewRunError {
                split: SPLIT,
                field,
                document_id,
                gold,
                predicted,
                confidence,
                loss: None,
                answered: None,
                top: None,
                slices: None,
            });
        }
    }
    Ok(found)
}

async fn count_once(deps: &Deps, run: &TrainingRun, spec: &ValidatedSpec) -> Result<Vec<NewMetric>, Interruption> {
    // a dedicated connection: if dropped while it receives a result, it must not return to the pool
    let mut conn = deps.dedicated_session("aprendiz-worker evaluate").connect().await?;
    let selection = resolve_selection(&mut conn, run, spec).await?;
    let mut all = ConfusionCounts::default();
    let mut metrics = Vec::new();
    let mut current: Option<(String, ConfusionCounts)> = None;
    // the rows arrive ordered by field: only the counts of one field are in memory
    let mut reviewed = std::pin::pin!(reviewed_predictions(&mut conn, &selection));
    while let Some(row) = reviewed.try_next().await? {
        if current.as_ref().is_none_or(|(field, _)| *field != row.field) {
            if let Some((field, counts)) = current.take() {
                all.add_totals(&counts);
                metrics.extend(field_metrics(Some(&field), &counts));
            }
            current = Some((row.field.clone(), ConfusionCounts::default()));
        }
        if let Some((_, counts)) = &mut current {
            counts.add(row.accepted_label(), row.predicted_label(), row.documents.unsigned_abs(), row.groups.unsigned_abs());
        }
    }
    let Some((field, counts)) = current else {
        let text = format!(
            "no reviewed values of {} up to position {}: import reviewed annotations or name other fields",
            selection.fields.join(", "),
            selection.position
        );
        return Err(Interruption::permanent("no_examples", text));
    };
    all.add_totals(&counts);
    metrics.extend(field_metrics(Some(&field), &counts));
    metrics.splice(0..0, field_metrics(None, &all));
    Ok(metrics)
}

/// Metrics of one field, or of all fields together.
fn field_metrics(field: Option<&str>, counts: &ConfusionCounts) -> Vec<NewMetric> {
    let mut metrics = metrics_from_rows(SPLIT, field, counts.rows());
    metrics.push(NewMetric {
        split: SPLIT,
        field: field.map(ToOwned::to_owned),
        name: "prediction_coverage".to_owned(),
        value: counts.prediction_coverage(),
        details: None,
    });
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_is_the_fraction_of_documents_with_a_prediction() {
        let mut counts = ConfusionCounts::default();
        for (gold, predicted) in [(Some("a"), Some("a")), (Some("a"), None), (None, None), (None, Some("b"))] {
            counts.add(gold.map(ToOwned::to_owned), predicted.map(ToOwned::to_owned), 1, 1);
        }
        let metrics = field_metrics(Some("f"), &counts);
        let value = |name: &str| metrics.iter().find(|metric| metric.name == name).and_then(|metric| metric.value);
        assert_eq!(value("prediction_coverage"), Some(0.5));
        // predicting no value is correct if the document has none
        assert_eq!(value("accuracy"), Some(0.5));
        assert_eq!(value("n"), Some(4.0));
    }
}
