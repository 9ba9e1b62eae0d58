//! Parquet schema of exported annotations.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

pub(super) const UTC: &str = "UTC";

pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(fields()))
}

fn string(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Utf8, nullable)
}

fn timestamp(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())), nullable)
}

pub(super) fn element(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("element", data_type, false))
}

fn string_list(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::List(element(DataType::Utf8)), nullable)
}

pub(super) fn event_fields() -> Fields {
    Fields::from(vec![
        Field::new("position", DataType::Int64, false),
        string_list("value", false),
        string("review_status", false),
        string("spans", true),
        string("note", true),
        string("reviewer", true),
        string("actor", true),
        string("source", false),
        string("source_ref", false),
        timestamp("occurred_at", false),
        timestamp("recorded_at", false),
    ])
}

pub(super) fn prediction_fields() -> Fields {
    Fields::from(vec![
        string("extractor_version", false),
        string_list("value", false),
        Field::new("confidence", DataType::Float64, true),
        timestamp("predicted_at", false),
    ])
}

fn fields() -> Fields {
    Fields::from(vec![
        string("document_id", false),
        string("source", false),
        string("project", false),
        string("task_id", false),
        string("file_name", true),
        string("field", false),
        string_list("accepted_value", true),
        string_list("predicted_value", true),
        Field::new("confidence", DataType::Float64, true),
        string("review_status", false),
        string("reviewer", true),
        timestamp("occurred_at", true),
        Field::new("events", DataType::List(element(DataType::Struct(event_fields()))), false),
        Field::new("predictions", DataType::List(element(DataType::Struct(prediction_fields()))), false),
    ])
}
