//! From the JSON of one task to the rows it stands for, or to the reason why it is quarantined.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Map;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::import::answers::{Answers, SpanCheck, collect};
use crate::import::flat;
use crate::import::marks::TaskMarks;
use crate::import::metadata::{file_name_of, metadata_of, raw_bytes, values};
use crate::import::objects::{Annotation, Prediction};
use crate::import::options::{GroundTruth, ImportOptions};
use crate::import::parsed::{BadTask, Ignored, MOST_PER_TASK, ParsedTask, Predicted, Review};
use crate::import::said::{check_names, take_said};
use crate::import::scalars::{LONGEST_ID, has_nul, id_of, id_only, printable, reviewer_of, small, time_of};
use crate::import::task::{List, Ordered, Task};
use crate::import::unknown_keys::Names;
use crate::near_duplicates::Sketch;
use crate::review_status::ReviewStatus;
use crate::spans::IndexedText;
use crate::split::group_key_of;

const LONGEST_REASON: usize = 500;
/// Bytes of the JSON of what is kept as metadata of a document, as for one that comes by itself.
const MOST_METADATA_BYTES: usize = 1 << 20;
/// Bytes of the JSON of an annotation or a prediction: as values it takes many times as much.
const MOST_ANSWER_BYTES: usize = 8 << 20;
/// Fields that a file may name. Every review answers every field of its project, so names made of data would multiply without end.
const MOST_FIELDS: usize = 1_000;

/// Parses tasks and keeps count of what it leaves out.
pub(super) struct Parser<'o> {
    options: &'o ImportOptions,
    ignored: Ignored,
    unknown_controls: Names,
    unknown_keys: Names,
    fields: HashSet<String>,
}

impl<'o> Parser<'o> {
    pub(super) fn new(options: &'o ImportOptions) -> Self {
        Self {
            options,
            ignored: Ignored::default(),
            unknown_controls: Names::default(),
            unknown_keys: Names::default(),
            fields: HashSet::new(),
        }
    }

    /// What was left out, unknown types of items, and unknown keys of answers.
    pub(super) fn into_findings(self) -> (Ignored, BTreeMap<String, u64>, BTreeMap<String, u64>) {
        (self.ignored, self.unknown_controls.into_counts(), self.unknown_keys.into_counts())
    }

    pub(super) fn parse(&mut self, raw: &str) -> Result<ParsedTask, BadTask> {
        self.read(raw).map_err(|reason| BadTask { task_id: id_only(raw), reason: printable(&reason, LONGEST_REASON) })
    }

    fn read(&mut self, raw: &str) -> Result<ParsedTask, String> {
        if has_nul(raw) {
            return Err("it holds a NUL character (\\u0000), which the database cannot keep: remove it at the source".to_owned());
        }
        let task: Task<'_> = serde_json::from_str(raw).map_err(|error| error.to_string())?;
        let parsed = if task.is_flat { self.read_flat(raw)? } else { self.read_whole(task)? };
        self.check_fields(&parsed)?;
        Ok(parsed)
    }

    fn read_whole(&mut self, task: Task<'_>) -> Result<ParsedTask, String> {
        let task_id = id_of("id", small(task.id)?.as_ref())?.ok_or("the task has no id")?;
        let project = match &self.options.project {
            Some(project) => project.clone(),
            None => id_of("project", small(task.project)?.as_ref())?.unwrap_or_else(|| "0".to_owned()),
        };
        let Ordered(mut data) = task.data.ok_or("the task has no `data` object: export as JSON or JSON_MIN")?;
        let text = self.text_of(&mut data)?;
        let metadata_bytes = raw_bytes(&data) + raw_bytes(&task.others) + task.meta.map_or(0, |meta| meta.get().len());
        if metadata_bytes > MOST_METADATA_BYTES {
            return Err(format!("the data beside the text has {metadata_bytes} bytes, more than the {MOST_METADATA_BYTES} allowed"));
        }
        let mut data = values(&data)?;
        let mut file_name = file_name_of(&mut data, small(task.file_upload)?.as_ref());
        let task_time = task.created_at.as_deref().map(time_of).transpose()?;
        let indexed = IndexedText::new(&text);
        let predictions = self.predictions_of(task.predictions, task_time, &indexed)?;
        let mut annotations = annotations_of(task.annotations)?;
        for annotation in &annotations {
            let items = annotation.result.as_deref().unwrap_or_default();
            self.unknown_keys.count_of_answer("annotations[].", &annotation.unknown, items);
        }
        let said = take_said(&mut annotations, &indexed)?;
        let reviews = self.reviews_of(annotations, &predictions, &indexed)?;
        self.ignored.drafts += task.drafts as u64;
        if !task.others.is_empty() && data.contains_key("task") {
            self.ignored.displaced_keys += 1;
        }
        let meta = task.meta.map(|meta| serde_json::from_str(meta.get())).transpose().map_err(|error| error.to_string())?;
        let marks = marks_of(task.aprendiz)?;
        let mut metadata = metadata_of(data, meta, values(&task.others)?)?;
        if let Some(details) = marks.details {
            file_name = details.file_name;
            metadata = metadata_of(details.metadata, None, Map::new())?;
        }
        let document = self.document(project, task_id, file_name, metadata, text, reviews, predictions);
        Ok(ParsedTask { said, fields: marks.fields, ..document })
    }

    fn read_flat(&mut self, raw: &str) -> Result<ParsedTask, String> {
        let Ordered(mut entries) = serde_json::from_str(raw).map_err(|error| error.to_string())?;
        flat::check_order(&entries, &self.options.text_key)?;
        let text = self.text_of(&mut entries)?;
        let bytes = raw_bytes(&entries);
        if bytes > MOST_ANSWER_BYTES {
            return Err(format!("the element has {bytes} bytes beside the text, more than the {MOST_ANSWER_BYTES} allowed"));
        }
        let mut flat = flat::read(&entries)?;
        let task_id = id_of("id", flat.id.as_ref())?.ok_or("the task has no id")?;
        let file_name = file_name_of(&mut flat.data, None);
        let mut reviews = Vec::new();
        if flat.annotation_id.is_some() {
            self.unknown_keys.count_of_answer("", &flat.unknown, &flat.items);
            let annotation = Annotation {
                id: flat.annotation_id,
                completed_by: flat.annotator,
                result: Some(flat.items),
                created_at: flat.created_at,
                updated_at: flat.updated_at,
                ..Annotation::default()
            };
            reviews = self.reviews_of(vec![annotation], &[], &IndexedText::new(&text))?;
        }
        let project = self.options.project.clone().unwrap_or_else(|| {
            self.ignored.flat_without_project += 1;
            "0".to_owned()
        });
        let metadata = metadata_of(flat.data, None, Map::new())?;
        let task = self.document(project, task_id, file_name, metadata, text, reviews, Vec::new());
        Ok(ParsedTask { is_flat: true, ..task })
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a document, put together in one place")]
    fn document(
        &self,
        project: String,
        task_id: String,
        file_name: Option<String>,
        metadata: String,
        text: String,
        reviews: Vec<Review>,
        predictions: Vec<Predicted>,
    ) -> ParsedTask {
        let group_key = group_key_of(&text);
        ParsedTask {
            project,
            task_id,
            file_name,
            metadata,
            checksum: hex::encode(Sha256::digest(text.as_bytes())),
            split: self.options.ratios.split_of(&group_key),
            group_key,
            sketch: Sketch::of(&text),
            text,
            reviews,
            predictions,
            said: Vec::new(),
            fields: BTreeMap::new(),
            is_flat: false,
        }
    }

    fn normalize(&self, answers: &mut Answers) {
        for (field, normalizer) in self.options.normalizers.iter() {
            if let Some(answer) = answers.get_mut(field) {
                answer.values = normalizer.apply(&answer.values);
            }
        }
    }

    fn check_fields(&mut self, task: &ParsedTask) -> Result<(), String> {
        let named = task.reviews.iter().map(|review| &review.answers).chain(task.predictions.iter().map(|prediction| &prediction.answers));
        let marked = task.said.iter().map(|event| &event.field).chain(task.fields.keys());
        for field in named.flat_map(Answers::keys).chain(marked) {
            if !self.fields.contains(field) {
                if self.fields.len() == MOST_FIELDS {
                    return Err(format!("`{field}` would be one field more than the {MOST_FIELDS} that a file may name"));
                }
                self.fields.insert(field.clone());
            }
        }
        Ok(())
    }

    /// Takes the text out of the data. Of a repeated key the last one counts, as everywhere in JSON.
    fn text_of(&self, data: &mut Vec<(Cow<'_, str>, &RawValue)>) -> Result<String, String> {
        let key = &self.options.text_key;
        let found = data.iter().rev().find(|(name, _)| name == key.as_str()).map(|(_, value)| *value);
        data.retain(|(name, _)| name != key.as_str());
        let text = match found {
            Some(value) if value.get().starts_with('"') => {
                serde_json::from_str::<String>(value.get()).map_err(|error| error.to_string())?
            }
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
        raw: Option<List<'_>>,
        task_time: Option<DateTime<Utc>>,
        text: &IndexedText<'_>,
    ) -> Result<Vec<Predicted>, String> {
        let raw = checked("predictions", raw)?;
        let mut ordered = Vec::with_capacity(raw.len());
        for prediction in raw {
            if !prediction.get().starts_with('{') {
                self.ignored.prediction_ids += 1;
                continue;
            }
            let prediction: Prediction = serde_json::from_str(prediction.get()).map_err(|error| format!("a prediction: {error}"))?;
            self.unknown_keys.count_of_answer("predictions[].", &prediction.unknown, prediction.result.as_deref().unwrap_or_default());
            let id = id_of("id of a prediction", prediction.id.as_ref())?.unwrap_or_default();
            let given = prediction.updated_at.as_deref().or(prediction.created_at.as_deref()).map(time_of).transpose()?;
            // hand-made files have no times: a fixed one keeps a repeated import a no-op
            let predicted_at = given.or(task_time).unwrap_or(DateTime::UNIX_EPOCH);
            let extractor_version = prediction.model_version.unwrap_or_else(|| "unknown".to_owned());
            if extractor_version.chars().count() > LONGEST_ID {
                return Err(format!("the model_version of prediction {id} has more than {LONGEST_ID} characters"));
            }
            let mut answers = collect(prediction.result.as_deref().unwrap_or_default(), text, SpanCheck::Lenient, &mut |control| {
                self.unknown_controls.count("", control)
            })
            .map_err(|reason| format!("prediction {id}: {reason}"))?;
            self.normalize(&mut answers);
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
        let counts = |annotation: &Annotation| annotation.was_cancelled != Some(true);
        let truth = |annotation: &Annotation| annotation.ground_truth == Some(true);
        let only_truth = self.options.ground_truth == GroundTruth::Prefer && annotations.iter().any(|one| counts(one) && truth(one));
        let mut reviews: Vec<Review> = Vec::with_capacity(annotations.len());
        for annotation in annotations {
            if !counts(&annotation) {
                self.ignored.cancelled += 1;
                continue;
            }
            if only_truth && !truth(&annotation) {
                self.ignored.not_ground_truth += 1;
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
            let mut answers = collect(&items, text, SpanCheck::Strict, &mut |control| self.unknown_controls.count("", control))
                .map_err(|reason| format!("annotation {id}: {reason}"))?;
            self.normalize(&mut answers);
            let open = apply_verdicts(&mut answers, predictions);
            self.ignored.verdicts += open.len() as u64;
            let reviewer = reviewer_of(annotation.completed_by.as_ref())?;
            reviews.push(Review { source_ref, occurred_at, reviewer, answers, open });
        }
        Ok(reviews)
    }
}

/// The items of a list, which must not be too many or too large.
fn checked<'a>(what: &str, list: Option<List<'a>>) -> Result<Vec<&'a RawValue>, String> {
    let Some(list) = list else {
        return Ok(Vec::new());
    };
    if list.total > MOST_PER_TASK {
        return Err(format!("the task has {} {what}, more than the {MOST_PER_TASK} allowed", list.total));
    }
    if let Some(large) = list.items.iter().find(|item| item.get().len() > MOST_ANSWER_BYTES) {
        return Err(format!("one of the {what} has {} bytes, more than the {MOST_ANSWER_BYTES} allowed", large.get().len()));
    }
    Ok(list.items)
}

fn annotations_of(list: Option<List<'_>>) -> Result<Vec<Annotation>, String> {
    let parsed = checked("annotations", list)?.into_iter().map(|raw| serde_json::from_str(raw.get()));
    parsed.collect::<Result<_, _>>().map_err(|error| format!("an annotation: {error}"))
}

/// What an export of ours says about the task.
fn marks_of(raw: Option<&RawValue>) -> Result<TaskMarks, String> {
    let Some(raw) = raw else {
        return Ok(TaskMarks::default());
    };
    // twice what it may hold: metadata, and the fields of a document
    if raw.get().len() > 2 * MOST_METADATA_BYTES {
        return Err(format!("`aprendiz` has {} bytes, more than the {} allowed", raw.get().len(), 2 * MOST_METADATA_BYTES));
    }
    let marks: TaskMarks = serde_json::from_str(raw.get()).map_err(|error| format!("aprendiz: {error}"))?;
    check_names(&marks.fields)?;
    Ok(marks)
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

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
            (json!({"annotation_id": 1, "annotator": 1, "id": 7, "text": "flat"}), "order"),
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
