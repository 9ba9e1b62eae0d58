//! Explicit per-field reviews and field definitions as column arrays.

use std::collections::BTreeMap;

use aprendiz_annotation_types::FieldType;
use aprendiz_label_studio::ReviewEvent;
use chrono::{DateTime, Utc};

use crate::array_literal::array_literal;
use crate::fields::{Cardinality, FieldKind};

/// Approximate bytes of the short columns of an event.
const EVENT_BYTES: usize = 200;

/// Review events as columns.
#[derive(Debug, Default)]
pub(in crate::import) struct ReviewEventColumns {
    pub(in crate::import) task_index: Vec<i64>,
    pub(in crate::import) field: Vec<String>,
    pub(in crate::import) kind: Vec<Option<&'static str>>,
    /// Array literals.
    pub(in crate::import) value: Vec<String>,
    pub(in crate::import) status: Vec<&'static str>,
    pub(in crate::import) spans: Vec<Option<String>>,
    pub(in crate::import) reviewer: Vec<Option<String>>,
    pub(in crate::import) note: Vec<Option<String>>,
    pub(in crate::import) source: Vec<String>,
    pub(in crate::import) source_ref: Vec<String>,
    pub(in crate::import) occurred_at: Vec<DateTime<Utc>>,
    pub(in crate::import) fields: FieldColumns,
    /// Approximate size.
    pub(in crate::import) bytes: usize,
}

/// Field definitions as columns.
#[derive(Debug, Default)]
pub(in crate::import) struct FieldColumns {
    pub(in crate::import) task_index: Vec<i64>,
    pub(in crate::import) field: Vec<String>,
    pub(in crate::import) kind: Vec<&'static str>,
    pub(in crate::import) many: Vec<bool>,
}

impl FieldColumns {
    pub(super) fn push(&mut self, task_index: i64, fields: &BTreeMap<String, FieldType>) {
        for (field, definition) in fields {
            self.task_index.push(task_index);
            self.field.push(field.clone());
            self.kind.push(definition.kind.as_str());
            self.many.push(definition.cardinality == Cardinality::Many);
        }
    }
}

impl ReviewEventColumns {
    pub(super) fn push(&mut self, task_index: i64, event: ReviewEvent) {
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
