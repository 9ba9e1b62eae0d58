//! Predictions of a task.

use aprendiz_annotation_types::{IndexedText, MAX_ID_CHARS, parse_time};
use chrono::{DateTime, TimeDelta, Utc};

use crate::format::annotation::Prediction;
use crate::format::task::BoundedList;
use crate::parse::field_values::{SpanCheck, collect};
use crate::parse::parser::{Parser, checked_items};
use crate::parse::scalars::parse_id;
use crate::parsed_task::ParsedPrediction;

impl Parser<'_> {
    /// Parses the predictions, ordered by time and id, each with a distinct time.
    pub(super) fn parse_predictions(
        &mut self,
        raw: Option<BoundedList<'_>>,
        task_time: Option<DateTime<Utc>>,
        text: &IndexedText<'_>,
    ) -> Result<Vec<ParsedPrediction>, String> {
        let raw = checked_items("predictions", raw)?;
        let mut ordered = Vec::with_capacity(raw.len());
        for prediction in raw {
            if !prediction.get().starts_with('{') {
                self.findings.ignored.prediction_ids += 1;
                continue;
            }
            let prediction: Prediction = serde_json::from_str(prediction.get()).map_err(|error| format!("a prediction: {error}"))?;
            let items = prediction.result.as_deref().unwrap_or_default();
            self.findings.unknown_keys.count_all("predictions[].", &prediction.unknown, items);
            let id = parse_id("id of a prediction", prediction.id.as_ref())?.unwrap_or_default();
            let time = prediction.updated_at.as_deref().or(prediction.created_at.as_deref()).map(parse_time).transpose()?;
            // hand-made files have no times: a fixed one keeps a repeated import a no-op
            let predicted_at = time.or(task_time).unwrap_or(DateTime::UNIX_EPOCH);
            let extractor_version = prediction.model_version.unwrap_or_else(|| "unknown".to_owned());
            if extractor_version.chars().count() > MAX_ID_CHARS {
                return Err(format!("the model_version of prediction {id} has more than {MAX_ID_CHARS} characters"));
            }
            let unknown_controls = &mut self.findings.unknown_controls;
            let mut values = collect(items, text, SpanCheck::Lenient, &mut |control| unknown_controls.count("", control))
                .map_err(|reason| format!("prediction {id}: {reason}"))?;
            self.normalize(&mut values);
            for value in values.values_mut() {
                value.score = value.score.or(prediction.score);
                if value.score.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
                    value.score = None;
                    self.findings.ignored.scores += 1;
                }
            }
            let key = (predicted_at, id.parse::<u64>().ok(), id);
            ordered.push((key, ParsedPrediction { extractor_version, predicted_at, values }));
        }
        ordered.sort_by(|(left, _), (right, _)| left.cmp(right));
        let mut predictions: Vec<ParsedPrediction> = ordered.into_iter().map(|(_, prediction)| prediction).collect();
        // the table does not store ids: of predictions with equal times, the one with the greater id must remain the later one
        for index in 1..predictions.len() {
            if predictions[index].predicted_at <= predictions[index - 1].predicted_at {
                predictions[index].predicted_at = predictions[index - 1].predicted_at + TimeDelta::microseconds(1);
            }
        }
        Ok(predictions)
    }
}
