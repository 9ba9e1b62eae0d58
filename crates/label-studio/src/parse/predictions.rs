//! Predictions of a task.

use aprendiz_annotation_types::{IndexedText, MAX_ID_CHARS};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::value::RawValue;

use crate::format::annotation::Prediction;
use crate::parse::digits::quote_long_numbers;
use crate::parse::field_values::collect;
use crate::parse::parser::{Parser, check_bytes};
use crate::parse::places::SpanCheck;
use crate::parse::problems::describe_in;
use crate::parse::result_notes::ResultNotes;
use crate::parse::scalars::parse_id;
use crate::parse::times::first_time;
use crate::parsed_task::ParsedPrediction;

/// Order of the predictions of a task: time, then id as a number, then id. If all are equal, version and values decide.
type PredictionOrder = (DateTime<Utc>, Option<u64>, String);

impl Parser<'_> {
    /// Parses the predictions, ordered by time and id, each with a distinct time. One that cannot be read is left out.
    pub(super) fn parse_predictions(
        &mut self,
        raw: Vec<&RawValue>,
        task_time: Option<DateTime<Utc>>,
        text: &IndexedText<'_>,
    ) -> Vec<ParsedPrediction> {
        let mut ordered = Vec::with_capacity(raw.len());
        for (index, raw) in raw.into_iter().enumerate() {
            if raw.get() == "null" {
                self.problems.note("an entry of `predictions` is null", format!("index {index}"));
                continue;
            }
            if !raw.get().starts_with(['{', '[']) {
                self.findings.ignored.prediction_ids += 1;
                continue;
            }
            let mut name = format!("the prediction at index {index}");
            match self.parse_prediction(raw, &mut name, task_time, text) {
                Ok(prediction) => ordered.push(prediction),
                Err(reason) => self.problems.note(format!("a prediction was left out: {reason}"), name),
            }
        }
        // predictions without ids and times: their place in the file must not decide
        ordered.sort_by(|(left, one), (right, other)| {
            left.cmp(right).then_with(|| {
                let key = |prediction: &ParsedPrediction| (prediction.extractor_version.clone(), format!("{:?}", prediction.values));
                key(one).cmp(&key(other))
            })
        });
        let mut predictions: Vec<ParsedPrediction> = ordered.into_iter().map(|(_, prediction)| prediction).collect();
        // the table does not store ids: of predictions with equal times, the one with the greater id must remain the later one
        for index in 1..predictions.len() {
            if predictions[index].predicted_at <= predictions[index - 1].predicted_at {
                predictions[index].predicted_at = predictions[index - 1].predicted_at + TimeDelta::microseconds(1);
            }
        }
        predictions
    }

    /// Parses one prediction, and names it as soon as its id is known. Returns it with its order.
    fn parse_prediction(
        &mut self,
        raw: &RawValue,
        name: &mut String,
        task_time: Option<DateTime<Utc>>,
        text: &IndexedText<'_>,
    ) -> Result<(PredictionOrder, ParsedPrediction), String> {
        check_bytes("the prediction", raw)?;
        let quoted = quote_long_numbers(raw.get(), "");
        let mut prediction: Prediction = serde_json::from_str(&quoted).map_err(|error| describe_in(&quoted, &error))?;
        let id = parse_id("id", prediction.id.as_ref())?.unwrap_or_default();
        if !id.is_empty() {
            *name = format!("prediction {id}");
        }
        if prediction.malformed.contains(&"result") {
            return Err("`result` is not a list, or occurs twice".to_owned());
        }
        for key in &prediction.malformed {
            self.problems.note(format!("`{key}` of a prediction has another type than expected and was left out"), name.as_str());
        }
        let mut result = prediction.result.take().unwrap_or_default();
        self.findings.unknown_keys.count_all("predictions[].", &prediction.unknown, &result.items);
        self.canonicalize_items(&mut result.items);
        let time = first_time([prediction.updated_at.as_ref(), prediction.created_at.as_ref()], self.options.clock)?;
        // hand-made files have no times: a fixed one keeps a repeated import a no-op
        let predicted_at = time.or(task_time).unwrap_or(DateTime::UNIX_EPOCH);
        let extractor_version = prediction.model_version.unwrap_or_else(|| "unknown".to_owned());
        if extractor_version.chars().count() > MAX_ID_CHARS {
            return Err(format!("its model_version has more than {MAX_ID_CHARS} characters"));
        }
        let mut notes = ResultNotes::default();
        let mut values = collect(&result, text, SpanCheck::Lenient, &mut notes);
        values.retain(|field, _| !notes.unreadable.contains(field));
        self.add_bad_places(notes.bad_places, &notes.unreadable, "it predicts nothing for its field", name);
        self.add_notes(notes.left_out, &notes.unknown_controls, "it predicts nothing for its field", name);
        self.normalize(&mut values);
        for value in values.values_mut() {
            value.score = value.score.or(prediction.score);
            if value.score.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
                value.score = None;
                self.findings.ignored.scores += 1;
            }
        }
        Ok(((predicted_at, id.parse::<u64>().ok(), id), ParsedPrediction { extractor_version, predicted_at, values }))
    }
}
