//! Builders of the list columns: values, events and predictions.

use aprendiz_annotations::export::{ExportedEvent, ExportedPrediction};
use arrow_array::builder::{
    ArrayBuilder, Float64Builder, Int64Builder, ListBuilder, StringBuilder, StructBuilder, TimestampMicrosecondBuilder,
};
use arrow_schema::{DataType, Fields};
use chrono::{DateTime, Utc};

use crate::annotation_parquet::schema::{UTC, element, event_fields, prediction_fields};

/// Estimated size of the short columns of a row, event or prediction.
pub(super) const SHORT_COLUMNS_BYTES: usize = 200;

pub(super) type ValueListBuilder = ListBuilder<StringBuilder>;

pub(super) fn value_list() -> ValueListBuilder {
    ListBuilder::new(StringBuilder::new()).with_field(element(DataType::Utf8))
}

pub(super) fn timestamps() -> TimestampMicrosecondBuilder {
    TimestampMicrosecondBuilder::new().with_timezone(UTC)
}

fn struct_list(fields: Fields, columns: Vec<Box<dyn ArrayBuilder>>) -> ListBuilder<StructBuilder> {
    let item = element(DataType::Struct(fields.clone()));
    ListBuilder::new(StructBuilder::new(fields, columns)).with_field(item)
}

fn boxed<T: ArrayBuilder>(builder: T) -> Box<dyn ArrayBuilder> {
    Box::new(builder)
}

/// Builder of the column `events`.
pub(super) fn event_list() -> ListBuilder<StructBuilder> {
    let mut columns = vec![boxed(Int64Builder::new()), boxed(value_list())];
    columns.extend((0..7).map(|_| boxed(StringBuilder::new())));
    columns.extend([boxed(timestamps()), boxed(timestamps())]);
    struct_list(event_fields(), columns)
}

/// Builder of the column `predictions`.
pub(super) fn prediction_list() -> ListBuilder<StructBuilder> {
    let columns = vec![boxed(StringBuilder::new()), boxed(value_list()), boxed(Float64Builder::new()), boxed(timestamps())];
    struct_list(prediction_fields(), columns)
}

pub(super) fn append_value_list(column: &mut ValueListBuilder, value: &[String]) -> usize {
    for item in value {
        column.values().append_value(item);
    }
    column.append(true);
    value.iter().map(String::len).sum()
}

fn column<T: ArrayBuilder>(row: &mut StructBuilder, index: usize) -> &mut T {
    row.field_builder(index).expect("each column is read with the type it was created with")
}

fn push_timestamp(row: &mut StructBuilder, index: usize, at: DateTime<Utc>) {
    column::<TimestampMicrosecondBuilder>(row, index).append_value(at.timestamp_micros());
}

pub(super) fn push_event(row: &mut StructBuilder, event: &ExportedEvent) -> usize {
    column::<Int64Builder>(row, 0).append_value(event.position);
    let mut bytes = SHORT_COLUMNS_BYTES + append_value_list(column::<ValueListBuilder>(row, 1), &event.value);
    let texts = [
        Some(event.review_status.as_str()),
        event.spans.as_ref().map(|spans| spans.get()),
        event.note.as_deref(),
        event.reviewer.as_deref(),
        event.actor.as_deref(),
        Some(event.source.as_str()),
        Some(event.source_ref.as_str()),
    ];
    for (index, text) in texts.into_iter().enumerate() {
        bytes += text.map_or(0, str::len);
        column::<StringBuilder>(row, 2 + index).append_option(text);
    }
    push_timestamp(row, 9, event.occurred_at);
    push_timestamp(row, 10, event.recorded_at);
    row.append(true);
    bytes
}

pub(super) fn push_prediction(row: &mut StructBuilder, prediction: &ExportedPrediction) -> usize {
    column::<StringBuilder>(row, 0).append_value(&prediction.extractor_version);
    let bytes = SHORT_COLUMNS_BYTES + append_value_list(column::<ValueListBuilder>(row, 1), &prediction.value);
    column::<Float64Builder>(row, 2).append_option(prediction.confidence);
    push_timestamp(row, 3, prediction.predicted_at);
    row.append(true);
    bytes
}
