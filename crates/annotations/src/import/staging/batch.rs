//! Rows of some tasks, table by table.

use aprendiz_annotation_types::resembles_missing_word;
use aprendiz_label_studio::{FieldValue, ParsedTask};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::fields::FieldKind;
use crate::import::staging::copy_rows::CopyRows;
use crate::import::staging::latest_flags::LatestFlags;
use crate::import::staging::review_event_columns::ReviewEventColumns;
use crate::import::staging::seen_labels::SeenLabels;
use crate::import::staging::staged_value::StagedValue;
use crate::near_duplicates::Sketch;
use crate::splits::{SplitRatios, compute_group_key};

/// Bytes of the rows of a table from which on they are sent to the database.
const FLUSH_BYTES: usize = 4 << 20;

/// Rows of some tasks, for the temporary tables.
#[derive(Debug, Default)]
pub(in crate::import) struct Batch {
    /// Tasks read so far, valid and quarantined, including this batch.
    pub(in crate::import) tasks_read: u64,
    pub(super) tasks: CopyRows,
    pub(super) texts: CopyRows,
    pub(super) sketches: CopyRows,
    pub(super) reviews: CopyRows,
    pub(super) values: CopyRows,
    pub(super) predictions: CopyRows,
    /// Events of an Aprendiz export.
    pub(super) review_events: ReviewEventColumns,
}

/// A valid document.
#[derive(Debug)]
pub(in crate::import) struct StagedDocument {
    pub(in crate::import) project: String,
    pub(in crate::import) task_id: String,
    pub(in crate::import) file_name: Option<String>,
    /// JSON object.
    pub(in crate::import) metadata: String,
    pub(in crate::import) text: String,
}

impl Batch {
    /// Adds a task with its reviews and predictions. `labels` are those of the tasks before.
    pub(super) fn push_task(&mut self, task_index: u64, task: ParsedTask, ratios: SplitRatios, labels: &mut SeenLabels) {
        let index = index_column(task_index);
        let latest = task.reviews.iter().max_by_key(|review| review.order()).map(|review| review.source_ref.as_str());
        for review in &task.reviews {
            let source_ref = review.source_ref.as_str();
            self.reviews.begin(5).bigint(index).text(source_ref).timestamptz(review.occurred_at);
            self.reviews.optional_text(review.reviewer.as_deref()).bool(latest == Some(source_ref));
            for (field, value) in &review.values {
                self.values.begin(11).bigint(index).text(source_ref);
                let staged = push_value(&mut self.values, field, value, labels);
                let has_missing_word = staged.value.iter().any(|value| resembles_missing_word(value));
                let spans = (!value.spans.is_empty()).then(|| serde_json::to_string(&value.spans).expect("spans are numbers and strings"));
                self.values.bool(has_missing_word).bool(review.unresolved.contains(field)).jsonb(spans.as_deref());
            }
        }
        let mut flags = LatestFlags::default();
        for prediction in task.predictions.iter().rev() {
            for (field, value) in prediction.values.iter().rev() {
                let flags = flags.flags(&prediction.extractor_version, field, value.has_control);
                self.predictions.begin(11).bigint(index).text(&prediction.extractor_version);
                push_value(&mut self.predictions, field, value, labels);
                self.predictions.double(value.score).timestamptz(prediction.predicted_at).smallint(flags);
            }
        }
        self.review_events.fields.push(index, &task.fields);
        for event in task.review_events {
            self.review_events.push(index, event);
        }
        let ParsedTask { project, task_id, file_name, metadata, text, .. } = task;
        self.push_document(task_index, &StagedDocument { project, task_id, file_name, metadata, text }, ratios);
    }

    /// Adds a document without reviews and predictions.
    pub(in crate::import) fn push_document(&mut self, task_index: u64, document: &StagedDocument, ratios: SplitRatios) {
        let index = index_column(task_index);
        let group_key = compute_group_key(&document.text);
        let checksum = hex::encode(Sha256::digest(document.text.as_bytes()));
        // the id of the document, in case it is new
        self.tasks.begin(9).bigint(index).uuid(Uuid::now_v7()).text(&document.project).text(&document.task_id);
        self.tasks.optional_text(document.file_name.as_deref()).jsonb(Some(&document.metadata));
        self.tasks.text(&checksum).text(&group_key).text(ratios.assign(&group_key).as_str());
        self.texts.begin(2).bigint(index).text(&document.text);
        let sketch = Sketch::of(&document.text);
        let hashes: Vec<i64> = sketch.hashes.iter().map(|hash| hash.cast_signed()).collect();
        self.sketches.begin(3).bigint(index).smallint(i16::from(sketch.rate)).bigints(&hashes);
    }

    /// Takes the rows of the tables that have enough of them. A `COPY` of a few rows costs as much as one of many, and over TCP up to 40 ms
    /// more, because the driver does not disable Nagle's algorithm.
    pub(super) fn take_full(&mut self) -> Option<Self> {
        let mut full = Self::default();
        let mut any = false;
        for (rows, taken) in [
            (&mut self.tasks, &mut full.tasks),
            (&mut self.texts, &mut full.texts),
            (&mut self.sketches, &mut full.sketches),
            (&mut self.reviews, &mut full.reviews),
            (&mut self.values, &mut full.values),
            (&mut self.predictions, &mut full.predictions),
        ] {
            if rows.len() >= FLUSH_BYTES {
                std::mem::swap(rows, taken);
                any = true;
            }
        }
        if self.review_events.bytes >= FLUSH_BYTES {
            std::mem::swap(&mut self.review_events, &mut full.review_events);
            any = true;
        }
        any.then_some(full)
    }
}

fn index_column(task_index: u64) -> i64 {
    i64::try_from(task_index).expect("a file has fewer than 2^63 tasks")
}

/// Adds the columns that reviewed and predicted values have in common: field, whether it has a control, value, value as written, kind, and
/// whether it may have a new label.
fn push_value<'v>(rows: &mut CopyRows, field: &str, value: &'v FieldValue, labels: &mut SeenLabels) -> StagedValue<'v> {
    let staged = StagedValue::new(value);
    rows.text(field).bool(value.has_control).texts(&staged.value);
    match &staged.written {
        Some(written) => rows.texts(written),
        None => rows.null(),
    };
    rows.optional_text(staged.kind.map(FieldKind::as_str)).bool(labels.may_have_new(field, &staged));
    staged
}
