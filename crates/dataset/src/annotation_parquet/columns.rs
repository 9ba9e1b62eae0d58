//! Columns of one row group.

use std::sync::Arc;

use aprendiz_annotations::export::ExportedAnnotation;
use arrow_array::builder::{Float64Builder, ListBuilder, StringBuilder, StructBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, SchemaRef};
use chrono::DateTime;

use crate::annotation_parquet::lists::{
    SHORT_COLUMNS_BYTES, ValueListBuilder, append_value_list, event_list, prediction_list, push_event, push_prediction, timestamps,
    value_list,
};

/// Rows collected for a row group.
pub(super) struct Columns {
    /// The string columns: `document_id`, `source`, `project`, `task_id`, `file_name`, `field`, `review_status`, `reviewer`.
    texts: [StringBuilder; 8],
    accepted: ValueListBuilder,
    predicted: ValueListBuilder,
    confidence: Float64Builder,
    occurred_at: TimestampMicrosecondBuilder,
    events: ListBuilder<StructBuilder>,
    predictions: ListBuilder<StructBuilder>,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            texts: std::array::from_fn(|_| StringBuilder::new()),
            accepted: value_list(),
            predicted: value_list(),
            confidence: Float64Builder::new(),
            occurred_at: timestamps(),
            events: event_list(),
            predictions: prediction_list(),
        }
    }
}

impl Columns {
    /// Adds a row and returns its estimated size in bytes.
    pub(super) fn push(&mut self, row: &ExportedAnnotation<'_>) -> usize {
        let [document_id, source, project, task_id, file_name, field, status, reviewer] = &mut self.texts;
        document_id.append_value(row.document_id.to_string());
        source.append_value(row.source);
        project.append_value(row.project);
        task_id.append_value(row.task_id);
        file_name.append_option(row.file_name);
        field.append_value(row.field);
        status.append_value(row.review_status.as_str());
        reviewer.append_option(row.reviewer);
        let mut bytes = SHORT_COLUMNS_BYTES;
        for (column, value) in [(&mut self.accepted, row.accepted_value), (&mut self.predicted, row.predicted_value)] {
            match value {
                Some(value) => bytes += append_value_list(column, value),
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

    pub(super) fn finish(self, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let Self { texts, mut accepted, mut predicted, mut confidence, mut occurred_at, mut events, mut predictions } = self;
        let mut texts = texts.into_iter().map(|mut column| Arc::new(column.finish()) as ArrayRef);
        let mut columns: Vec<ArrayRef> = texts.by_ref().take(6).collect();
        columns.extend([Arc::new(accepted.finish()) as ArrayRef, Arc::new(predicted.finish()), Arc::new(confidence.finish())]);
        columns.extend(texts);
        columns.extend([Arc::new(occurred_at.finish()) as ArrayRef, Arc::new(events.finish()), Arc::new(predictions.finish())]);
        RecordBatch::try_new(Arc::clone(schema), columns)
    }
}
