//! From the JSON of one task to the rows it stands for, or to the reason why it is quarantined.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::import::answers::{Answers, SpanCheck, collect};
use crate::import::options::ImportOptions;
use crate::import::scalars::{LONGEST_ID, has_nul, id_of, id_only, printable, reviewer_of, time_of};
use crate::import::task::{Annotation, Prediction, Task};
use crate::near_duplicates::Sketch;
use crate::review_status::ReviewStatus;
use crate::spans::IndexedText;
use crate::split::{Split, group_key_of};

const LONGEST_REASON: usize = 500;
/// Distinct unknown types that are counted apart; a file with more is no honest export.
const UNKNOWN_TYPES: usize = 100;

/// A good task.
#[derive(Debug)]
pub(super) struct ParsedTask {
    pub(super) project: String,
    pub(super) task_id: String,
    pub(super) file_name: Option<String>,
    /// JSON object.
    pub(super) metadata: String,
    pub(super) text: String,
    pub(super) checksum: String,
    pub(super) group_key: String,
    pub(super) split: Split,
    pub(super) sketch: Sketch,
    pub(super) reviews: Vec<Review>,
    pub(super) predictions: Vec<Predicted>,
}

/// One annotation that counts.
#[derive(Debug)]
pub(super) struct Review {
    pub(super) source_ref: String,
    pub(super) occurred_at: DateTime<Utc>,
    pub(super) reviewer: Option<String>,
    pub(super) answers: Answers,
    /// Fields about which this review leaves open what it accepts.
    pub(super) open: BTreeSet<String>,
}

/// One prediction; scores of its answers are shares or absent.
#[derive(Debug)]
pub(super) struct Predicted {
    pub(super) extractor_version: String,
    pub(super) predicted_at: DateTime<Utc>,
    pub(super) answers: Answers,
}

/// A task to be quarantined.
#[derive(Debug)]
pub(super) struct BadTask {
    pub(super) task_id: Option<String>,
    pub(super) reason: String,
}

/// What was left out of good tasks, counted.
#[derive(Debug, Default)]
pub(super) struct Ignored {
    /// Predictions that were only ids.
    pub(super) prediction_ids: u64,
    /// Scores that are no confidence.
    pub(super) scores: u64,
    /// Verdicts that accept a value that is nowhere.
    pub(super) verdicts: u64,
}

/// Parses tasks and keeps count of what it leaves out.
pub(super) struct Parser<'o> {
    options: &'o ImportOptions,
    ignored: Ignored,
    unknown_controls: BTreeMap<String, u64>,
}

impl<'o> Parser<'o> {
    pub(super) fn new(options: &'o ImportOptions) -> Self {
        Self { options, ignored: Ignored::default(), unknown_controls: BTreeMap::new() }
    }

    pub(super) fn into_findings(self) -> (Ignored, BTreeMap<String, u64>) {
        (self.ignored, self.unknown_controls)
    }

    pub(super) fn parse(&mut self, raw: &str) -> Result<ParsedTask, BadTask> {
        self.read(raw).map_err(|reason| BadTask { task_id: id_only(raw), reason: printable(&reason, LONGEST_REASON) })
    }

    fn read(&mut self, raw: &str) -> Result<ParsedTask, String> {
        if has_nul(raw) {
            return Err("it holds a NUL character (\\u0000), which the database cannot keep: remove it at the source".to_owned());
        }
        let task: Task<'_> = serde_json::from_str(raw).map_err(|error| error.to_string())?;
        let task_id = id_of("id", task.id.as_ref())?.ok_or("the task has no id")?;
        let project = match &self.options.project {
            Some(project) => project.clone(),
            None => id_of("project", task.project.as_ref())?.unwrap_or_else(|| "0".to_owned()),
        };
        let mut data = task.data.ok_or("the task has no `data` object: export as JSON (JSON_MIN has none)")?;
        let text = self.text_of(&mut data)?;
        let file_name = file_name_of(&mut data, task.file_upload.as_ref());
        let task_time = task.created_at.as_deref().map(time_of).transpose()?;
        let indexed = IndexedText::new(&text);
        let predictions = self.predictions_of(task.predictions.unwrap_or_default(), task_time, &indexed)?;
        let reviews = self.reviews_of(task.annotations.unwrap_or_default(), &predictions, &indexed)?;
        let group_key = group_key_of(&text);
        Ok(ParsedTask {
            project,
            task_id,
            file_name,
            metadata: metadata_of(data, task.meta)?,
            checksum: hex::encode(Sha256::digest(text.as_bytes())),
            split: self.options.ratios.split_of(&group_key),
            group_key,
            sketch: Sketch::of(&text),
            text,
            reviews,
            predictions,
        })
    }

    fn text_of(&self, data: &mut Map<String, Value>) -> Result<String, String> {
        let key = &self.options.text_key;
        let text = match data.remove(key) {
            Some(Value::String(text)) => text,
            Some(_) => return Err(format!("`data.{key}` is not a string")),
            None => {
                return Err(format!("the task has no text at `data.{key}`: name the key that holds it"));
            }
        };
        if text.trim().is_empty() {
            return Err("the text is empty".to_owned());
        }
        let limit = self.options.limits.text_bytes;
        if text.len() > limit {
            return Err(format!("the text has {} bytes, more than the {limit} allowed", text.len()));
        }
        Ok(text)
    }

    /// The predictions in the order of their times and ids, each with a time of its own.
    fn predictions_of(
        &mut self,
        raw: Vec<&RawValue>,
        task_time: Option<DateTime<Utc>>,
        text: &IndexedText<'_>,
    ) -> Result<Vec<Predicted>, String> {
        let mut ordered = Vec::with_capacity(raw.len());
        for prediction in raw {
            if !prediction.get().starts_with('{') {
                self.ignored.prediction_ids += 1;
                continue;
            }
            let prediction: Prediction = serde_json::from_str(prediction.get()).map_err(|error| format!("a prediction: {error}"))?;
            let id = id_of("id of a prediction", prediction.id.as_ref())?.unwrap_or_default();
            let given = prediction.updated_at.as_deref().or(prediction.created_at.as_deref()).map(time_of).transpose()?;
            // hand-made files have no times: a fixed one keeps a repeated import a no-op
            let predicted_at = given.or(task_time).unwrap_or(DateTime::UNIX_EPOCH);
            let extractor_version = prediction.model_version.unwrap_or_else(|| "unknown".to_owned());
            if extractor_version.chars().count() > LONGEST_ID {
                return Err(format!("the model_version of prediction {id} has more than {LONGEST_ID} characters"));
            }
            let mut answers = collect(prediction.result.as_deref().unwrap_or_default(), text, SpanCheck::Lenient, &mut |control| {
                count(&mut self.unknown_controls, control)
            })
            .map_err(|reason| format!("prediction {id}: {reason}"))?;
            for answer in answers.values_mut() {
                answer.score = answer.score.or(prediction.score);
                if answer.score.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
                    answer.score = None;
                    self.ignored.scores += 1;
                }
            }
            let order = (predicted_at, id.parse::<u64>().ok(), id);
            ordered.push((order, Predicted { extractor_version, predicted_at, answers }));
        }
        ordered.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut predictions: Vec<Predicted> = ordered.into_iter().map(|(_, prediction)| prediction).collect();
        // the table knows no ids: of predictions with equal times the one with the greater id must stay the later one
        for place in 1..predictions.len() {
            if predictions[place].predicted_at <= predictions[place - 1].predicted_at {
                predictions[place].predicted_at = predictions[place - 1].predicted_at + TimeDelta::microseconds(1);
            }
        }
        Ok(predictions)
    }

    fn reviews_of(
        &mut self,
        annotations: Vec<Annotation>,
        predictions: &[Predicted],
        text: &IndexedText<'_>,
    ) -> Result<Vec<Review>, String> {
        let mut reviews: Vec<Review> = Vec::with_capacity(annotations.len());
        for annotation in annotations {
            if annotation.was_cancelled == Some(true) {
                continue;
            }
            let id = id_of("id of an annotation", annotation.id.as_ref())?.ok_or("an annotation has no id")?;
            let time = annotation.updated_at.as_deref().or(annotation.created_at.as_deref());
            let occurred_at = time_of(time.ok_or_else(|| format!("annotation {id} has neither updated_at nor created_at"))?)?;
            let source_ref = format!("annotation:{id}");
            if reviews.iter().any(|review| review.source_ref == source_ref) {
                return Err(format!("annotation {id} is there twice"));
            }
            let items = annotation.result.unwrap_or_default();
            let mut answers = collect(&items, text, SpanCheck::Strict, &mut |control| count(&mut self.unknown_controls, control))
                .map_err(|reason| format!("annotation {id}: {reason}"))?;
            let open = apply_verdicts(&mut answers, predictions);
            self.ignored.verdicts += open.len() as u64;
            let reviewer = reviewer_of(annotation.completed_by.as_ref())?;
            reviews.push(Review { source_ref, occurred_at, reviewer, answers, open });
        }
        Ok(reviews)
    }
}

/// Lets the verdicts decide over the values; returns the fields whose accepted value is nowhere to be found.
fn apply_verdicts(answers: &mut Answers, predictions: &[Predicted]) -> BTreeSet<String> {
    let mut open = BTreeSet::new();
    for (field, answer) in answers.iter_mut() {
        match answer.verdict {
            Some(ReviewStatus::Rejected | ReviewStatus::Missing) => answer.values.clear(),
            Some(ReviewStatus::Ok) if answer.values.is_empty() => {
                let predicted = predictions.iter().rev().find_map(|prediction| prediction.answers.get(field));
                answer.values = predicted.map(super::answers::Answer::value).unwrap_or_default();
                if answer.values.is_empty() {
                    open.insert(field.clone());
                }
            }
            Some(_) if answer.values.is_empty() => {
                open.insert(field.clone());
            }
            _ => {}
        }
    }
    open
}

fn count(counts: &mut BTreeMap<String, u64>, control: &str) {
    let name = printable(control, 60);
    let name = if counts.contains_key(&name) || counts.len() < UNKNOWN_TYPES { name } else { "(others)".to_owned() };
    *counts.entry(name).or_default() += 1;
}

fn file_name_of(data: &mut Map<String, Value>, file_upload: Option<&Value>) -> Option<String> {
    for key in ["source_file", "file_name"] {
        if data.get(key).and_then(Value::as_str).is_some_and(|name| !name.is_empty())
            && let Some(Value::String(name)) = data.remove(key)
        {
            return Some(name);
        }
    }
    file_upload.and_then(Value::as_str).map(str::to_owned)
}

fn metadata_of(mut data: Map<String, Value>, meta: Option<Value>) -> Result<String, String> {
    if let Some(Value::Object(meta)) = meta
        && !meta.is_empty()
    {
        data.entry("meta").or_insert(Value::Object(meta));
    }
    serde_json::to_string(&data).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(task: &Value) -> Result<ParsedTask, BadTask> {
        Parser::new(&ImportOptions::new("test")).parse(&task.to_string())
    }

    fn task() -> Value {
        json!({
            "id": 7, "project": 3, "file_upload": "all.json", "meta": {"batch": 2},
            "data": {"text": "The law of Texas.", "title": "t", "source_file": "a.txt"},
            "annotations": [{"id": 1, "completed_by": {"id": 9, "email": "a@example.org"}, "updated_at": "2024-01-02T03:04:05.1234567Z",
                "result": [{"type": "choices", "from_name": "law", "value": {"choices": ["Texas"]}}]}],
            "predictions": [4, {"id": 5, "score": 0.5, "model_version": "v1", "created_at": "2024-01-01T00:00:00Z", "result": []}],
        })
    }

    #[test]
    fn a_good_task_is_read_whole() {
        let parsed = parse(&task()).unwrap();
        assert_eq!((parsed.project.as_str(), parsed.task_id.as_str(), parsed.file_name.as_deref()), ("3", "7", Some("a.txt")));
        assert_eq!(parsed.metadata, r#"{"meta":{"batch":2},"title":"t"}"#);
        assert_eq!(parsed.reviews[0].source_ref, "annotation:1");
        assert_eq!(parsed.reviews[0].reviewer.as_deref(), Some("9"));
        assert_eq!(parsed.reviews[0].occurred_at.timestamp_subsec_nanos(), 123_456_000, "cut to microseconds");
        assert_eq!(parsed.predictions.len(), 1);
    }

    #[test]
    fn a_bad_task_says_why_and_keeps_its_id() {
        let with = |pointer: &str, value: Value| {
            let mut task = task();
            *task.pointer_mut(pointer).unwrap() = value;
            task
        };
        for (task, why) in [
            (json!(5), "invalid type"),
            (json!({"id": 7, "text": "flat"}), "JSON_MIN"),
            (with("/id", json!(null)), "no id"),
            (with("/id", json!(1.5)), "whole number"),
            (with("/data/text", json!("  \n")), "empty"),
            (with("/data/text", json!(5)), "not a string"),
            (with("/data/text", json!("a\u{0}b")), "NUL"),
            (with("/data/text", json!("x".repeat((10 << 20) + 1))), "bytes"),
            (with("/annotations/0/id", json!(null)), "no id"),
            (with("/annotations/0/updated_at", json!("yesterday")), "not a time"),
            (with("/annotations/0/result", json!({})), "invalid type"),
            (with("/predictions/1/model_version", json!("v".repeat(201))), "model_version"),
        ] {
            let bad = parse(&task).unwrap_err();
            assert!(bad.reason.contains(why), "{why}: {}", bad.reason);
        }
        assert_eq!(parse(&with("/data/text", json!(5))).unwrap_err().task_id.as_deref(), Some("7"));
    }

    #[test]
    fn cancelled_annotations_do_not_count() {
        let mut skipped = task();
        skipped["annotations"][0]["was_cancelled"] = json!(true);
        assert!(parse(&skipped).unwrap().reviews.is_empty());
    }

    #[test]
    fn of_predictions_with_equal_times_the_greater_id_is_the_later() {
        let mut many = task();
        let prediction = |id: u64, version: &str| json!({"id": id, "model_version": version, "created_at": "2024-01-01T00:00:00Z"});
        many["predictions"] = json!([prediction(10, "ten"), prediction(9, "nine")]);
        let predictions = parse(&many).unwrap().predictions;
        assert_eq!(predictions[1].extractor_version, "ten");
        assert!(predictions[0].predicted_at < predictions[1].predicted_at);
    }

    #[test]
    fn verdicts_decide_over_values() {
        let review = |status: &str, gold: &[&str]| {
            let mut task = task();
            task["annotations"][0]["result"] = json!([
                {"type": "textarea", "from_name": "law_gold", "value": {"text": gold}},
                {"type": "choices", "from_name": "law_status", "value": {"choices": [status]}},
            ]);
            task["predictions"][1]["result"] = json!([{"type": "textarea", "from_name": "law", "value": {"text": ["Ohio"]}}]);
            let mut reviews = parse(&task).unwrap().reviews;
            let review = reviews.remove(0);
            (review.answers["law"].value(), !review.open.is_empty())
        };
        assert_eq!(review("OK", &[]), (vec!["Ohio".to_owned()], false));
        assert_eq!(review("REJECTED", &["Ohio"]), (vec![], false));
        assert_eq!(review("CORRECTED", &["Texas"]), (vec!["Texas".to_owned()], false));
        assert_eq!(review("CORRECTED", &[]), (vec![], true));
    }

    #[test]
    fn scores_that_are_no_confidence_are_left_out() {
        let mut scored = task();
        scored["predictions"] =
            json!([{"id": 1, "score": 7.5, "result": [{"type": "choices", "from_name": "law", "value": {"choices": ["x"]}}]}]);
        let options = ImportOptions::new("test");
        let mut parser = Parser::new(&options);
        assert_eq!(parser.parse(&scored.to_string()).unwrap().predictions[0].answers["law"].score, None);
        assert_eq!(parser.into_findings().0.scores, 1);
    }
}
