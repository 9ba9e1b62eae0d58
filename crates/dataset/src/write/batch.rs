//! The columns of the Parquet files, and examples turned into them.
//!
//! The column `fields` has the shape of the JSONL: a struct with one nullable struct per field (null = unreviewed, an
//! empty list of values = "no value"). So a field may be called `text` or `split` and nothing collides.

use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch, StructArray};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

use crate::example::{Example, ReviewedField};

const UTC: &str = "UTC";
/// About what the short columns of a row take.
const ROW_BYTES: usize = 150;
/// About what one field of a row takes.
const REVIEW_BYTES: usize = 60;
/// Columns before `fields`; all strings. The card lists the same names.
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

/// The schema for these fields, which are sorted and at least one.
pub(crate) fn schema(fields: &[String]) -> SchemaRef {
    let mut columns: Vec<Field> = STRING_COLUMNS.iter().map(|(name, nullable)| Field::new(*name, DataType::Utf8, *nullable)).collect();
    columns.push(Field::new("fields", DataType::Struct(structs(fields)), false));
    Arc::new(Schema::new(columns))
}

fn structs(fields: &[String]) -> Fields {
    fields.iter().map(|field| Field::new(field, DataType::Struct(review_fields()), true)).collect()
}

/// Collects examples until they are written as one batch.
pub(crate) struct Batch {
    schema: SchemaRef,
    names: Vec<String>,
    strings: [StringBuilder; STRING_COLUMNS.len()],
    reviews: Vec<ReviewColumn>,
    rows: usize,
    bytes: usize,
}

impl Batch {
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
        for (place, column) in self.reviews.iter_mut().enumerate() {
            column.push(reviewed.next_if(|field| field.place == place));
        }
        self.rows += 1;
        self.bytes += example.text.len() + example.metadata.get().len() + ROW_BYTES + REVIEW_BYTES * self.reviews.len();
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of texts and metadata, and about those of the other columns.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes what was collected; the batch starts anew.
    pub(crate) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let schema = Arc::clone(&self.schema);
        let Self { strings, reviews, .. } = std::mem::replace(self, Self::new(schema, &self.names));
        let mut columns: Vec<ArrayRef> = strings.into_iter().map(|mut column| Arc::new(column.finish()) as ArrayRef).collect();
        let reviews: Vec<ArrayRef> = reviews.into_iter().map(ReviewColumn::finish).collect::<Result<_, _>>()?;
        columns.push(Arc::new(StructArray::try_new(structs(&self.names), reviews, None)?));
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}

/// The struct of one field.
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
            // The struct is null; its parts need some value, and nobody reads it.
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
