//! Reviews of which it is known exactly what they were about, field by field: those of an export of ours, and of a legacy review file.
//!
//! Any other review answers every field of its project and goes another way (`settle/reviews`).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::array_literal::array_literal;
use crate::fields::{Cardinality, FieldKind, is_valid_name};
use crate::import::answers::{SpanCheck, answer_of, collect};
use crate::import::marks::FieldMarks;
use crate::import::objects::Annotation;
use crate::import::scalars::{id_of, printable, reviewer_of, time_of};
use crate::review_status::ReviewStatus;
use crate::spans::IndexedText;

/// About what the short columns of an event take.
const EVENT_BYTES: usize = 200;

/// What a review says about one field.
#[derive(Debug)]
pub(super) struct SaidEvent {
    pub(super) field: String,
    /// Guessed from the answer.
    pub(super) kind: Option<FieldKind>,
    pub(super) value: Vec<String>,
    /// How it related to the prediction of its time; `UNREVIEWED` takes back what was said before.
    pub(super) status: ReviewStatus,
    /// A JSON array.
    pub(super) spans: Option<String>,
    pub(super) reviewer: Option<String>,
    pub(super) note: Option<String>,
    pub(super) source: String,
    pub(super) source_ref: String,
    pub(super) occurred_at: DateTime<Utc>,
}

/// Such events as columns.
#[derive(Debug, Default)]
pub(super) struct SaidColumns {
    pub(super) task_index: Vec<i64>,
    pub(super) field: Vec<String>,
    pub(super) kind: Vec<Option<&'static str>>,
    /// Array literals.
    pub(super) value: Vec<String>,
    pub(super) status: Vec<&'static str>,
    pub(super) spans: Vec<Option<String>>,
    pub(super) reviewer: Vec<Option<String>>,
    pub(super) note: Vec<Option<String>>,
    pub(super) source: Vec<String>,
    pub(super) source_ref: Vec<String>,
    pub(super) occurred_at: Vec<DateTime<Utc>>,
    pub(super) fields: FieldColumns,
    /// About how many they have together.
    pub(super) bytes: usize,
}

/// What fields are, as columns.
#[derive(Debug, Default)]
pub(super) struct FieldColumns {
    pub(super) task_index: Vec<i64>,
    pub(super) field: Vec<String>,
    pub(super) kind: Vec<&'static str>,
    pub(super) many: Vec<bool>,
}

impl FieldColumns {
    pub(super) fn push(&mut self, task_index: i64, fields: &BTreeMap<String, FieldMarks>) {
        for (field, marks) in fields {
            self.task_index.push(task_index);
            self.field.push(field.clone());
            self.kind.push(marks.kind.as_str());
            self.many.push(marks.cardinality == Cardinality::Many);
        }
    }
}

/// Refuses what cannot be the name of a field.
pub(super) fn check_names(fields: &BTreeMap<String, FieldMarks>) -> Result<(), String> {
    match fields.keys().find(|name| !is_valid_name(name)) {
        Some(name) => Err(format!("`{}` cannot be the name of a field", printable(name, 100))),
        None => Ok(()),
    }
}

impl SaidColumns {
    pub(super) fn push(&mut self, task_index: i64, event: SaidEvent) {
        let value = array_literal(&event.value);
        self.bytes += value.len() + event.spans.as_ref().map_or(0, String::len) + event.note.as_ref().map_or(0, String::len) + EVENT_BYTES;
        self.task_index.push(task_index);
        self.field.push(event.field);
        self.kind.push(event.kind.map(FieldKind::as_str));
        self.value.push(value);
        self.status.push(event.status.as_str());
        self.spans.push(event.spans);
        self.reviewer.push(event.reviewer);
        self.note.push(event.note);
        self.source.push(event.source);
        self.source_ref.push(event.source_ref);
        self.occurred_at.push(event.occurred_at);
    }
}

/// The events of annotations of an export of ours; the others are left in the list.
///
/// # Errors
/// With the reason for quarantine.
pub(super) fn take_said(annotations: &mut Vec<Annotation>, text: &IndexedText<'_>) -> Result<Vec<SaidEvent>, String> {
    let (ours, others): (Vec<_>, Vec<_>) = std::mem::take(annotations).into_iter().partition(|annotation| annotation.aprendiz.is_some());
    *annotations = others;
    let mut said = Vec::new();
    let mut seen = BTreeSet::new();
    for annotation in ours {
        let id = id_of("id of an annotation", annotation.id.as_ref())?.unwrap_or_default();
        let events = events_of(annotation, text).map_err(|reason| format!("annotation {id}: {reason}"))?;
        for event in events {
            let key = (event.source.clone(), event.source_ref.clone(), event.occurred_at, event.field.clone());
            if !seen.insert(key) {
                return Err(format!("annotation {id} is there twice"));
            }
            said.push(event);
        }
    }
    Ok(said)
}

fn events_of(annotation: Annotation, text: &IndexedText<'_>) -> Result<Vec<SaidEvent>, String> {
    let Some(marks) = annotation.aprendiz else {
        return Ok(Vec::new());
    };
    marks.check()?;
    let time = annotation.updated_at.as_deref().or(annotation.created_at.as_deref());
    let occurred_at = time_of(time.ok_or("it has neither updated_at nor created_at")?)?;
    let reviewer = reviewer_of(annotation.completed_by.as_ref())?;
    // ours are as they are held: a text may have changed under an older review
    let mut answers = collect(&annotation.result.unwrap_or_default(), text, SpanCheck::Lenient, &mut |_| {})?;
    let mut events = Vec::with_capacity(marks.fields.len());
    for (field, status) in marks.fields {
        let answer = answer_of(&mut answers, &field)?;
        // what is not in the result has no value
        answer.has_control = true;
        let undone = status == ReviewStatus::Unreviewed;
        let value = if undone { Vec::new() } else { answer.value() };
        let fits = match status {
            ReviewStatus::Ok | ReviewStatus::Corrected | ReviewStatus::New => !value.is_empty(),
            ReviewStatus::Rejected | ReviewStatus::Missing => value.is_empty(),
            ReviewStatus::Unreviewed => true,
        };
        if !fits {
            return Err(format!("`{field}` is {status}, which does not fit its value"));
        }
        let spans =
            (!undone && !answer.spans.is_empty()).then(|| serde_json::to_string(&answer.spans).expect("spans are numbers and strings"));
        events.push(SaidEvent {
            kind: answer.kind(),
            field,
            value,
            status,
            spans,
            reviewer: reviewer.clone(),
            note: marks.note.clone(),
            source: marks.source.clone(),
            source_ref: marks.source_ref.clone(),
            occurred_at,
        });
    }
    Ok(events)
}
