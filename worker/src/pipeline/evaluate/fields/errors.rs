//! Wrong predictions of a model of fields, as they are recorded.

use aprendiz_inference::{FieldConfig, FieldPrediction, RankedLabel};
use aprendiz_runs::{ClassScore, MAX_TOP_CLASSES, NewRunError};
use aprendiz_training::ReportRow;
use uuid::Uuid;

use crate::interruption::Interruption;

/// A wrong prediction on the test split.
pub(in crate::pipeline::evaluate) fn test_error(document_id: Uuid, gold: Option<&str>, prediction: &FieldPrediction) -> NewRunError {
    let class = |ranked: &RankedLabel| ClassScore { value: ranked.label.iter().cloned().collect(), probability: ranked.probability };
    NewRunError {
        split: "test",
        field: prediction.field.clone(),
        document_id,
        gold: gold.into_iter().map(ToOwned::to_owned).collect(),
        predicted: prediction.value.iter().cloned().collect(),
        confidence: Some(prediction.confidence.clamp(0.0, 1.0)),
        loss: loss(prediction.probability(gold)),
        answered: Some(prediction.answered),
        top: Some(prediction.top.iter().take(MAX_TOP_CLASSES).map(class).collect()),
        slices: None,
    }
}

/// The row as a wrong prediction on the validation split; `None` if it is right. The training process reports only the most probable class.
pub(in crate::pipeline::evaluate) fn validation_error(
    fields: &[FieldConfig],
    row: &ReportRow,
) -> Result<Option<NewRunError>, Interruption> {
    if row.predicted == row.gold {
        return Ok(None);
    }
    let threshold = fields.iter().find(|field| field.name == row.field).and_then(|field| field.threshold);
    Ok(Some(NewRunError {
        split: "validation",
        field: row.field.clone(),
        document_id: parse_id(&row.document_id)?,
        gold: row.gold.iter().cloned().collect(),
        predicted: row.predicted.iter().cloned().collect(),
        confidence: Some(row.confidence.clamp(0.0, 1.0)),
        loss: loss(row.gold_probability),
        answered: Some(!row.no_known_feature && threshold.is_some_and(|threshold| row.confidence >= threshold)),
        top: None,
        slices: None,
    }))
}

fn loss(probability: f64) -> Option<f64> {
    (probability > 0.0).then(|| -probability.min(1.0).ln())
}

fn parse_id(id: &str) -> Result<Uuid, Interruption> {
    id.parse().map_err(Interruption::broken_state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_top_classes_and_the_loss_of_the_accepted_value() {
        let top =
            (0..8).map(|index| RankedLabel { label: (index > 0).then(|| index.to_string()), probability: 0.5 / f64::from(index + 1) });
        let prediction = FieldPrediction {
            field: "law".to_owned(),
            value: None,
            confidence: 0.5,
            answered: true,
            no_known_feature: false,
            top: top.collect(),
        };
        let id = Uuid::from_u128(7);
        let error = test_error(id, Some("1"), &prediction);
        assert_eq!((error.gold.as_slice(), error.predicted.as_slice()), (&["1".to_owned()][..], &[][..]));
        assert_eq!((error.loss, error.answered, error.top.unwrap().len()), (Some(-0.25_f64.ln()), Some(true), MAX_TOP_CLASSES));
        assert_eq!(test_error(id, Some("unknown"), &prediction).loss, None);
    }
}
