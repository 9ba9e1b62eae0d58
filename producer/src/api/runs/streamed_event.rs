//! Events of a run as server-sent events.

use std::borrow::Cow;

use aprendiz_runs::{EventKind, RunEvent};
use axum::response::sse::Event;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Data of a server-sent event, as JSON.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct EventData<'a> {
    /// Sequence number within the run.
    sequence: i64,
    /// Number of the attempt that wrote it, if any.
    attempt_number: Option<i32>,
    /// When it happened, by the database clock.
    occurred_at: DateTime<Utc>,
    /// Details that depend on the kind.
    #[schema(value_type = Object)]
    payload: &'a Value,
}

/// A server-sent event. A document of OpenAPI 3.1 describes a stream by the schema of its events.
pub(super) struct StreamedEvent;

impl PartialSchema for StreamedEvent {
    fn schema() -> RefOr<Schema> {
        let text = |description: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(description));
        let data = text("JSON").content_media_type("application/json");
        ObjectBuilder::new()
            .description(Some("A server-sent event."))
            .property("id", text("Sequence number within the run, for `Last-Event-ID`"))
            .property("event", Ref::from_schema_name(EventKind::name()))
            .property("data", data.content_schema(Some(Ref::from_schema_name(EventData::name()))))
            .required("id")
            .required("event")
            .required("data")
            .into()
    }
}

impl ToSchema for StreamedEvent {
    fn name() -> Cow<'static, str> {
        "StreamedEvent".into()
    }
}

pub(super) fn to_sse(event: &RunEvent) -> Event {
    let RunEvent { sequence, attempt_number, kind, payload, occurred_at } = event;
    let data = EventData { sequence: *sequence, attempt_number: *attempt_number, occurred_at: *occurred_at, payload };
    let text = serde_json::to_string(&data).unwrap_or_else(|_| "{}".to_owned());
    Event::default().id(sequence.to_string()).event(kind.as_str()).data(text)
}
