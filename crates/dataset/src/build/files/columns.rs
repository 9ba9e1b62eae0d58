//! Parquet columns of the examples.
//!
//! The column `fields` mirrors the JSONL: a struct with one nullable struct per field. Null means unreviewed, an empty list of values
//! means "no value". Because fields are nested, a field may be named `text` or `split` without a collision.

use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch, StructArray};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

use crate::read::{Example, ReviewedField};

const UTC: &str = "UTC";
/// Estimated size of the short columns of a row.
const SHORT_COLUMNS_BYTES: usize = 150;
/// Estimated size of one field of a row.
const REVIEW_BYTES: usize = 60;
/// The string columns before `fields`, with their nullability. The dataset card lists the same names.
pub(crate) const STRING_COLUMNS: [(&str, bool); 9] = [
    ("document_id", false),
    ("text", false),
    ("split", false),
    ("group", false),
    ("source", false),
    ("project", false),
    ("task_id", false),
    ("file_name", true),
    ("metadata", false),
];

fn value_item() -> Field {
    Field::new("element", DataType::Utf8, false)
}

fn review_fields() -> Fields {
    Fields::from(vec![
        Field::new("value", DataType::List(Arc::new(value_item())), false),
        Field::new("status", DataType::Utf8, false),
        Field::new("position", DataType::Int64, false),
        Field::new("reviewer", DataType::Utf8, true),
        Field::new("occurred_at", DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())), false),
    ])
}

/// Schema for the given fields, which must be sorted and non-empty.
pub(crate) fn schema(fields: &[String]) -> SchemaRef {
    let mut columns: Vec<Field> = STRING_COLUMNS.iter().map(|(name, nullable)| Field::new(*name, DataType::Utf8, *nullable)).collect();
    columns.push(Field::new("fields", DataType::Struct(field_structs(fields)), false));
    Arc::new(Schema::new(columns))
}

fn field_structs(fields: &[String]) -> Fields {
    fields.iter().map(|field| Field::new(field, DataType::Struct(review_fields()), true)).collect()
}

/// Collects examples for one record batch.
pub(crate) struct BatchBuilder {
    schema: SchemaRef,
    names: Vec<String>,
    strings: [StringBuilder; STRING_COLUMNS.len()],
    reviews: Vec<ReviewColumn>,
    rows: usize,
    bytes: usize,
}

impl BatchBuilder {
    pub(crate) fn new(schema: SchemaRef, fields: &[String]) -> Self {
        Self {
            schema,
            names: fields.to_vec(),
            strings: std::array::from_fn(|_| StringBuilder::new()),
            reviews: fields.iter().map(|_| ReviewColumn::default()).collect(),
            rows: 0,
            bytes: 0,
        }
    }

    pub(crate) fn push(&mut self, example: &Example) {
        let [document_id, text, split, group, source, project, task_id, file_name, metadata] = &mut self.strings;
        document_id.append_value(example.document_id.to_string());
        text.append_value(&example.text);
        split.append_value(example.split.name());
        group.append_value(&example.group);
        source.append_value(&example.source);
        project.append_value(&example.project);
        task_id.append_value(&example.task_id);
        file_name.append_option(example.file_name.as_deref());
        metadata.append_value(example.metadata.get());
        let mut reviewed = example.fields.iter().peekable();
        for (index, column) in self.reviews.iter_mut().enumerate() {
            column.push(reviewed.next_if(|field| field.field_index == index));
        }
        self.rows += 1;
        self.bytes += example.text.len() + example.metadata.get().len() + SHORT_COLUMNS_BYTES + REVIEW_BYTES * self.reviews.len();
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Estimated size of the collected rows.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the collected rows as a batch and resets the builder.
    pub(crate) fn finish_batch(&mut self) -> Result<RecordBatch, ArrowError> {
        let schema = Arc::clone(&self.schema);
        let Self { strings, reviews, .. } = std::mem::replace(self, Self::new(schema, &self.names));
        let mut columns: Vec<ArrayRef> = strings.into_iter().map(|mut column| Arc::new(column.finish()) as ArrayRef).collect();
        let reviews: Vec<ArrayRef> = reviews.into_iter().map(ReviewColumn::finish).collect::<Result<_, _>>()?;
        columns.push(Arc::new(StructArray::try_new(field_structs(&self.names), reviews, None)?));
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}

/// Builders for the struct of one field.
struct ReviewColumn {
    value: ListBuilder<StringBuilder>,
    status: StringBuilder,
    position: Int64Builder,
    reviewer: StringBuilder,
    occurred_at: TimestampMicrosecondBuilder,
    reviewed: Vec<bool>,
}

impl Default for ReviewColumn {
    fn default() -> Self {
        Self {
            value: ListBuilder::new(StringBuilder::new()).with_field(value_item()),
            status: StringBuilder::new(),
            position: Int64Builder::new(),
            reviewer: StringBuilder::new(),
            occurred_at: TimestampMicrosecondBuilder::new().with_timezone(UTC),
            reviewed: Vec::new(),
        }
    }
}

impl ReviewColumn {
    fn push(&mut self, reviewed: Option<&ReviewedField>) {
        self.reviewed.push(reviewed.is_some());
        match reviewed {
            Some(reviewed) => {
                for value in &reviewed.value {
                    self.value.values().append_value(value);
                }
                self.value.append(true);
                self.status.append_value(reviewed.status.as_str());
                self.position.append_value(reviewed.position);
                self.reviewer.append_option(reviewed.reviewer.as_deref());
                self.occurred_at.append_value(reviewed.occurred_at.timestamp_micros());
            }
            // The struct is null; its non-nullable children still need a placeholder.
            None => {
                self.value.append(true);
                self.status.append_value("");
                self.position.append_value(0);
                self.reviewer.append_null();
                self.occurred_at.append_value(0);
            }
        }
    }

    fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.value.finish()),
            Arc::new(self.status.finish()),
            Arc::new(self.position.finish()),
            Arc::new(self.reviewer.finish()),
            Arc::new(self.occurred_at.finish()),
        ];
        Ok(Arc::new(StructArray::try_new(review_fields(), columns, Some(self.reviewed.into()))?))
    }
}
