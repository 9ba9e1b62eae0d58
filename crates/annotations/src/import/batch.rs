//! Rows of some tasks, table by table.

use uuid::Uuid;

use crate::import::answers::Answer;
use crate::import::parsed::ParsedTask;
use crate::import::rows::Rows;
use crate::import::said::SaidColumns;

/// Bytes of a table after which they go to the database.
const FULL_BYTES: usize = 4 << 20;

/// Rows of some tasks, for the temporary tables of `staging`.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Tasks read so far, good and bad, this batch included.
    pub(super) tasks_read: u64,
    pub(super) tasks: Rows,
    pub(super) texts: Rows,
    pub(super) sketches: Rows,
    pub(super) reviews: Rows,
    pub(super) answers: Rows,
    pub(super) predictions: Rows,
    /// Events of an export of ours.
    pub(super) said: SaidColumns,
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
        // as positions are ordered: by time, then by reference
        let latest = task.reviews.iter().map(|review| (review.occurred_at, review.source_ref.as_str())).max();
        for review in &task.reviews {
            let source_ref = review.source_ref.as_str();
            self.reviews.begin(5).bigint(task_index).text(source_ref).timestamptz(review.occurred_at);
            self.reviews.optional_text(review.reviewer.as_deref()).bool(latest.is_some_and(|(_, latest)| latest == source_ref));
            for (field, answer) in &review.answers {
                self.answers.begin(8).bigint(task_index).text(source_ref);
                push_value(&mut self.answers, field, answer);
                let spans =
                    (!answer.spans.is_empty()).then(|| serde_json::to_string(&answer.spans).expect("spans are numbers and strings"));
                self.answers.bool(review.open.contains(field)).jsonb(spans.as_deref());
            }
        }
        let mut marks = Marks::default();
        for prediction in task.predictions.iter().rev() {
            for (field, answer) in prediction.answers.iter().rev() {
                let marks = marks.of(&prediction.extractor_version, field, answer.has_control);
                self.predictions.begin(9).bigint(task_index).text(&prediction.extractor_version);
                push_value(&mut self.predictions, field, answer);
                self.predictions.double(answer.score).timestamptz(prediction.predicted_at).smallint(marks);
            }
        }
        self.said.fields.push(task_index, &task.fields);
        for event in task.said {
            self.said.push(task_index, event);
        }
        // the id of the document, should it be new
        self.tasks.begin(9).bigint(task_index).uuid(Uuid::now_v7()).text(&task.project).text(&task.task_id);
        self.tasks.optional_text(task.file_name.as_deref()).jsonb(Some(&task.metadata));
        self.tasks.text(&task.checksum).text(&task.group_key).text(task.split.as_str());
        self.texts.begin(2).bigint(task_index).text(&task.text);
        let hashes: Vec<i64> = task.sketch.hashes.iter().map(|hash| hash.cast_signed()).collect();
        self.sketches.begin(3).bigint(task_index).smallint(i16::from(task.sketch.rate)).bigints(&hashes);
    }

    /// The rows of those tables that have enough of them; the others wait for more. A `COPY` of a few rows costs as much as one of many,
    /// and over TCP up to 40 ms more, since the driver leaves Nagle's algorithm on.
    pub(super) fn take_full(&mut self) -> Option<Self> {
        let mut full = Self::default();
        let mut any = false;
        for (rows, taken) in [
            (&mut self.tasks, &mut full.tasks),
            (&mut self.texts, &mut full.texts),
            (&mut self.sketches, &mut full.sketches),
            (&mut self.reviews, &mut full.reviews),
            (&mut self.answers, &mut full.answers),
            (&mut self.predictions, &mut full.predictions),
        ] {
            if rows.len() >= FULL_BYTES {
                std::mem::swap(rows, taken);
                any = true;
            }
        }
        if self.said.bytes >= FULL_BYTES {
            std::mem::swap(&mut self.said, &mut full.said);
            any = true;
        }
        any.then_some(full)
    }
}

/// What answers of reviews and of predictions have in common: field, whether a control spoke, value, kind.
fn push_value(rows: &mut Rows, field: &str, answer: &Answer) {
    rows.text(field).bool(answer.has_control).texts(&answer.value());
    rows.optional_text(answer.kind().map(crate::fields::FieldKind::as_str));
}
