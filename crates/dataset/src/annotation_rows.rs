//! Rows of an annotation export as Parquet (zstd), written into memory and taken from there piece by piece.
//!
//! The columns are the keys of the JSON lines; `events` and `predictions` are lists of structs, `spans` is JSON.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use annotations::export::{ExportedAnnotation, ExportedEvent, ExportedPrediction};
use arrow_array::builder::{
    ArrayBuilder, Float64Builder, Int64Builder, ListBuilder, StringBuilder, StructBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use chrono::{DateTime, Utc};
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;

use crate::write::compressed;

const UTC: &str = "UTC";
/// About the bytes of values after which a row group ends: it waits in memory until then.
const ROW_GROUP_BYTES: usize = 8 << 20;
/// About what the short columns of a row, event or prediction take.
const SHORT_BYTES: usize = 200;
const UNIQUE: [&str; 2] = ["document_id", "task_id"];

/// Writes rows; memory holds one row group.
pub struct AnnotationRows {
    writer: ArrowWriter<Sink>,
    sink: Sink,
    schema: SchemaRef,
    columns: Columns,
    bytes: usize,
}

impl std::fmt::Debug for AnnotationRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnnotationRows").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl AnnotationRows {
    /// An empty file.
    ///
    /// # Errors
    /// Never: the schema is a fixed one.
    pub fn new() -> Result<Self, ParquetError> {
        let schema: SchemaRef = Arc::new(Schema::new(fields()));
        let sink = Sink::default();
        let writer = ArrowWriter::try_new(sink.clone(), Arc::clone(&schema), Some(compressed(&UNIQUE)))?;
        Ok(Self { writer, sink, schema, columns: Columns::default(), bytes: 0 })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the columns do not fit together, which would be a fault of this module.
    pub fn push(&mut self, row: &ExportedAnnotation<'_>) -> Result<(), ParquetError> {
        self.bytes += self.columns.push(row);
        if self.bytes >= ROW_GROUP_BYTES { self.write_group() } else { Ok(()) }
    }

    /// What is ready of the file.
    pub fn take(&mut self) -> Vec<u8> {
        self.sink.take()
    }

    /// The rest of the file.
    ///
    /// # Errors
    /// As [`AnnotationRows::push`].
    pub fn finish(mut self) -> Result<Vec<u8>, ParquetError> {
        if self.bytes > 0 {
            self.write_group()?;
        }
        self.writer.close()?;
        Ok(self.sink.take())
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.columns).finish(&self.schema)?;
        self.writer.write(&batch)?;
        self.writer.flush()
    }
}

/// Memory that the writer fills and we empty.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn text(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Utf8, nullable)
}

fn time(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())), nullable)
}

fn element(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("element", data_type, false))
}

fn values(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::List(element(DataType::Utf8)), nullable)
}

fn event_fields() -> Fields {
    Fields::from(vec![
        Field::new("position", DataType::Int64, false),
        values("value", false),
        text("review_status", false),
        text("spans", true),
        text("note", true),
        text("reviewer", true),
        text("actor", true),
        text("source", false),
        text("source_ref", false),
        time("occurred_at", false),
        time("recorded_at", false),
    ])
}

fn prediction_fields() -> Fields {
    Fields::from(vec![
        text("extractor_version", false),
        values("value", false),
        Field::new("confidence", DataType::Float64, true),
        time("predicted_at", false),
    ])
}

fn fields() -> Fields {
    Fields::from(vec![
        text("document_id", false),
        text("source", false),
        text("project", false),
        text("task_id", false),
        text("file_name", true),
        text("field", false),
        values("accepted_value", true),
        values("predicted_value", true),
        Field::new("confidence", DataType::Float64, true),
        text("review_status", false),
        text("reviewer", true),
        time("occurred_at", true),
        Field::new("events", DataType::List(element(DataType::Struct(event_fields()))), false),
        Field::new("predictions", DataType::List(element(DataType::Struct(prediction_fields()))), false),
    ])
}

type Values = ListBuilder<StringBuilder>;

fn value_list() -> Values {
    ListBuilder::new(StringBuilder::new()).with_field(element(DataType::Utf8))
}

fn times() -> TimestampMicrosecondBuilder {
    TimestampMicrosecondBuilder::new().with_timezone(UTC)
}

fn structs(fields: Fields, columns: Vec<Box<dyn ArrayBuilder>>) -> ListBuilder<StructBuilder> {
    let item = element(DataType::Struct(fields.clone()));
    ListBuilder::new(StructBuilder::new(fields, columns)).with_field(item)
}

/// Rows until they are a row group.
struct Columns {
    /// `document_id`, `source`, `project`, `task_id`, `file_name`, `field`, `review_status`, `reviewer`.
    texts: [StringBuilder; 8],
    accepted: Values,
    predicted: Values,
    confidence: Float64Builder,
    occurred_at: TimestampMicrosecondBuilder,
    events: ListBuilder<StructBuilder>,
    predictions: ListBuilder<StructBuilder>,
}

impl Default for Columns {
    fn default() -> Self {
        let string = || Box::new(StringBuilder::new()) as Box<dyn ArrayBuilder>;
        let list = || Box::new(value_list()) as Box<dyn ArrayBuilder>;
        let time = || Box::new(times()) as Box<dyn ArrayBuilder>;
        let event: Vec<Box<dyn ArrayBuilder>> = vec![
            Box::new(Int64Builder::new()),
            list(),
            string(),
            string(),
            string(),
            string(),
            string(),
            string(),
            string(),
            time(),
            time(),
        ];
        let prediction: Vec<Box<dyn ArrayBuilder>> = vec![string(), list(), Box::new(Float64Builder::new()), time()];
        Self {
            texts: std::array::from_fn(|_| StringBuilder::new()),
            accepted: value_list(),
            predicted: value_list(),
            confidence: Float64Builder::new(),
            occurred_at: times(),
            events: structs(event_fields(), event),
            predictions: structs(prediction_fields(), prediction),
        }
    }
}

impl Columns {
    /// Returns about how many bytes came.
    fn push(&mut self, row: &ExportedAnnotation<'_>) -> usize {
        let [document_id, source, project, task_id, file_name, field, status, reviewer] = &mut self.texts;
        document_id.append_value(row.document_id.to_string());
        source.append_value(row.source);
        project.append_value(row.project);
        task_id.append_value(row.task_id);
        file_name.append_option(row.file_name);
        field.append_value(row.field);
        status.append_value(row.review_status.as_str());
        reviewer.append_option(row.reviewer);
        let mut bytes = SHORT_BYTES;
        for (column, value) in [(&mut self.accepted, row.accepted_value), (&mut self.predicted, row.predicted_value)] {
            match value {
                Some(value) => bytes += append(column, value),
                None => column.append(false),
            }
        }
        self.confidence.append_option(row.confidence);
        self.occurred_at.append_option(row.occurred_at.as_ref().map(DateTime::timestamp_micros));
        for event in row.events {
            bytes += push_event(self.events.values(), event);
        }
        self.events.append(true);
        for prediction in row.predictions {
            bytes += push_prediction(self.predictions.values(), prediction);
        }
        self.predictions.append(true);
        bytes
    }

    fn finish(self, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let Self { texts, mut accepted, mut predicted, mut confidence, mut occurred_at, mut events, mut predictions } = self;
        let mut texts = texts.into_iter().map(|mut column| Arc::new(column.finish()) as ArrayRef);
        let mut columns: Vec<ArrayRef> = texts.by_ref().take(6).collect();
        columns.extend([Arc::new(accepted.finish()) as ArrayRef, Arc::new(predicted.finish()), Arc::new(confidence.finish())]);
        columns.extend(texts);
        columns.extend([Arc::new(occurred_at.finish()) as ArrayRef, Arc::new(events.finish()), Arc::new(predictions.finish())]);
        RecordBatch::try_new(Arc::clone(schema), columns)
    }
}

fn append(column: &mut Values, value: &[String]) -> usize {
    for item in value {
        column.values().append_value(item);
    }
    column.append(true);
    value.iter().map(String::len).sum()
}

fn column<T: ArrayBuilder>(row: &mut StructBuilder, place: usize) -> &mut T {
    row.field_builder(place).expect("columns have the types that they were made with")
}

fn push_time(row: &mut StructBuilder, place: usize, at: DateTime<Utc>) {
    column::<TimestampMicrosecondBuilder>(row, place).append_value(at.timestamp_micros());
}

fn push_event(row: &mut StructBuilder, event: &ExportedEvent) -> usize {
    column::<Int64Builder>(row, 0).append_value(event.position);
    let mut bytes = SHORT_BYTES + append(column::<Values>(row, 1), &event.value);
    let texts = [
        Some(event.review_status.as_str()),
        event.spans.as_ref().map(|spans| spans.get()),
        event.note.as_deref(),
        event.reviewer.as_deref(),
        event.actor.as_deref(),
        Some(event.source.as_str()),
        Some(event.source_ref.as_str()),
    ];
    for (place, text) in texts.into_iter().enumerate() {
        bytes += text.map_or(0, str::len);
        column::<StringBuilder>(row, 2 + place).append_option(text);
    }
    push_time(row, 9, event.occurred_at);
    push_time(row, 10, event.recorded_at);
    row.append(true);
    bytes
}

fn push_prediction(row: &mut StructBuilder, prediction: &ExportedPrediction) -> usize {
    column::<StringBuilder>(row, 0).append_value(&prediction.extractor_version);
    let bytes = SHORT_BYTES + append(column::<Values>(row, 1), &prediction.value);
    column::<Float64Builder>(row, 2).append_option(prediction.confidence);
    push_time(row, 3, prediction.predicted_at);
    row.append(true);
    bytes
}
