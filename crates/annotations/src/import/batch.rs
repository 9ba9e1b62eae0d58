//! Rows of some tasks as columns, the form in which Postgres takes them fastest (`UNNEST` of arrays).

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::import::answers::Answer;
use crate::import::parse::ParsedTask;

/// Bytes of text and values after which a batch goes to the database.
const FULL_BYTES: usize = 4 << 20;
/// Rows after which it goes, however short they are.
const FULL_ROWS: usize = 20_000;

/// Rows of some tasks.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Tasks read so far, good and bad, this batch included.
    pub(super) tasks_read: u64,
    pub(super) tasks: TaskColumns,
    pub(super) reviews: ReviewColumns,
    pub(super) answers: AnswerColumns,
    pub(super) predictions: PredictionColumns,
    bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct TaskColumns {
    pub(super) task_index: Vec<i64>,
    /// Id of the document, should it be new.
    pub(super) id: Vec<Uuid>,
    pub(super) project: Vec<String>,
    pub(super) task_id: Vec<String>,
    pub(super) file_name: Vec<Option<String>>,
    pub(super) metadata: Vec<String>,
    pub(super) checksum: Vec<String>,
    pub(super) group_key: Vec<String>,
    pub(super) split: Vec<&'static str>,
    pub(super) rate: Vec<i16>,
    /// Hashes of the sketches of all tasks, one after the other.
    pub(super) hashes: Vec<i64>,
    /// How many of them there are up to the end of each task.
    pub(super) hashes_end: Vec<i32>,
    pub(super) text: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct ReviewColumns {
    pub(super) task_index: Vec<i64>,
    pub(super) source_ref: Vec<String>,
    pub(super) occurred_at: Vec<DateTime<Utc>>,
    pub(super) reviewer: Vec<Option<String>>,
    /// Whether it is the newest one of its task.
    pub(super) latest: Vec<bool>,
}

/// What answers of reviews and of predictions have in common.
#[derive(Debug, Default)]
pub(super) struct ValueColumns {
    pub(super) task_index: Vec<i64>,
    pub(super) field: Vec<String>,
    pub(super) has_control: Vec<bool>,
    /// Array literals.
    pub(super) value: Vec<String>,
    pub(super) kind: Vec<Option<&'static str>>,
}

#[derive(Debug, Default)]
pub(super) struct AnswerColumns {
    pub(super) values: ValueColumns,
    pub(super) source_ref: Vec<String>,
    /// Whether the review leaves open what it accepts.
    pub(super) open: Vec<bool>,
    /// JSON arrays.
    pub(super) spans: Vec<Option<String>>,
}

#[derive(Debug, Default)]
pub(super) struct PredictionColumns {
    pub(super) values: ValueColumns,
    pub(super) extractor_version: Vec<String>,
    pub(super) confidence: Vec<Option<f64>>,
    pub(super) predicted_at: Vec<DateTime<Utc>>,
    /// [`Marks`].
    pub(super) marks: Vec<i16>,
}

/// Of what an answer of a prediction is the newest, as bits. Whether labelled spans alone predict a field is known only when the file
/// has ended, so the newest is marked for either case.
#[derive(Debug, Default)]
struct Marks<'t> {
    of_field: Vec<&'t str>,
    of_field_by_control: Vec<&'t str>,
    of_version: Vec<(&'t str, &'t str)>,
    of_version_by_control: Vec<(&'t str, &'t str)>,
}

impl<'t> Marks<'t> {
    /// Newest answer about its field in its task.
    const FIELD: i16 = 1;
    /// The same among those of controls.
    const FIELD_BY_CONTROL: i16 = 2;
    /// Newest answer of its extractor version about its field.
    const VERSION: i16 = 4;
    /// The same among those of controls.
    const VERSION_BY_CONTROL: i16 = 8;

    /// To be called from the newest answer to the oldest.
    fn of(&mut self, version: &'t str, field: &'t str, has_control: bool) -> i16 {
        fn first<K: PartialEq>(seen: &mut Vec<K>, key: K) -> bool {
            let new = !seen.contains(&key);
            if new {
                seen.push(key);
            }
            new
        }
        let mut marks = 0;
        if first(&mut self.of_field, field) {
            marks |= Self::FIELD;
        }
        if first(&mut self.of_version, (version, field)) {
            marks |= Self::VERSION;
        }
        if has_control && first(&mut self.of_field_by_control, field) {
            marks |= Self::FIELD_BY_CONTROL;
        }
        if has_control && first(&mut self.of_version_by_control, (version, field)) {
            marks |= Self::VERSION_BY_CONTROL;
        }
        marks
    }
}

impl Batch {
    pub(super) fn push(&mut self, task_index: u64, task: ParsedTask) {
        let task_index = i64::try_from(task_index).expect("a file has fewer than 2^63 tasks");
        self.bytes += task.text.len() + task.metadata.len() + 8 * task.sketch.hashes.len();
        // as positions are ordered: by time, then by reference
        let latest = task.reviews.iter().map(|review| (review.occurred_at, &review.source_ref)).max();
        let latest = latest.map(|(_, source_ref)| source_ref.clone());
        for review in task.reviews {
            self.reviews.latest.push(latest.as_deref() == Some(review.source_ref.as_str()));
            self.reviews.task_index.push(task_index);
            self.reviews.source_ref.push(review.source_ref.clone());
            self.reviews.occurred_at.push(review.occurred_at);
            self.reviews.reviewer.push(review.reviewer);
            for (field, answer) in review.answers {
                self.answers.open.push(review.open.contains(&field));
                self.answers.source_ref.push(review.source_ref.clone());
                let spans =
                    (!answer.spans.is_empty()).then(|| serde_json::to_string(&answer.spans).expect("spans are numbers and strings"));
                self.bytes += spans.as_ref().map_or(0, String::len);
                self.answers.spans.push(spans);
                self.bytes += self.answers.values.push(task_index, field, &answer);
            }
        }
        let mut marks = Marks::default();
        for prediction in task.predictions.iter().rev() {
            for (field, answer) in prediction.answers.iter().rev() {
                self.predictions.marks.push(marks.of(&prediction.extractor_version, field, answer.has_control));
                self.predictions.extractor_version.push(prediction.extractor_version.clone());
                self.predictions.confidence.push(answer.score);
                self.predictions.predicted_at.push(prediction.predicted_at);
                self.bytes += self.predictions.values.push(task_index, field.clone(), answer);
            }
        }
        let tasks = &mut self.tasks;
        tasks.task_index.push(task_index);
        tasks.id.push(Uuid::now_v7());
        tasks.project.push(task.project);
        tasks.task_id.push(task.task_id);
        tasks.file_name.push(task.file_name);
        tasks.metadata.push(task.metadata);
        tasks.checksum.push(task.checksum);
        tasks.group_key.push(task.group_key);
        tasks.split.push(task.split.as_str());
        tasks.rate.push(i16::from(task.sketch.rate));
        tasks.hashes.extend(task.sketch.hashes.iter().map(|hash| hash.cast_signed()));
        tasks.hashes_end.push(i32::try_from(tasks.hashes.len()).expect("a batch has fewer than 2^31 words"));
        tasks.text.push(task.text);
    }

    pub(super) fn is_full(&self) -> bool {
        let rows = self.tasks.text.len() + self.reviews.reviewer.len() + self.answers.open.len() + self.predictions.confidence.len();
        self.bytes >= FULL_BYTES || rows >= FULL_ROWS
    }
}

impl ValueColumns {
    /// Returns the bytes added.
    fn push(&mut self, task_index: i64, field: String, answer: &Answer) -> usize {
        let value = array_literal(&answer.value());
        let bytes = value.len();
        self.task_index.push(task_index);
        self.field.push(field);
        self.has_control.push(answer.has_control);
        self.kind.push(answer.kind().map(crate::fields::FieldKind::as_str));
        self.value.push(value);
        bytes
    }
}

/// A `text[]` as Postgres writes it: arrays of arrays of different lengths cannot be bound, arrays of such literals can.
fn array_literal(values: &[String]) -> String {
    let mut literal = String::with_capacity(2 + values.iter().map(|value| value.len() + 3).sum::<usize>());
    literal.push('{');
    for (place, value) in values.iter().enumerate() {
        if place > 0 {
            literal.push(',');
        }
        literal.push('"');
        for character in value.chars() {
            if matches!(character, '"' | '\\') {
                literal.push('\\');
            }
            literal.push(character);
        }
        literal.push('"');
    }
    literal.push('}');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn array_literals_are_quoted() {
        let literal = |values: &[&str]| array_literal(&values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>());
        assert_eq!(literal(&[]), "{}");
        assert_eq!(literal(&["a", "NULL", ""]), r#"{"a","NULL",""}"#);
        assert_eq!(literal(&[r#"say "x\y", {b}"#]), r#"{"say \"x\\y\", {b}"}"#);
    }
}
