//! Events of a run, as a stream of server-sent events that ends with the run, or as a page.

use std::convert::Infallible;
use std::time::Duration;

use aprendiz_runs::{EventKind, RunEvent, RunId, TrainingRun, events_after, find_run, get_run};
use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::Stream;
use futures::stream::{self, StreamExt as _};
use serde::Deserialize;
use tokio::time::timeout;
use tracing::warn;
use utoipa::openapi::path::Operation;
use utoipa::{PartialSchema as _, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::operation::{Describe, add_header, add_problem, routes};
use crate::api::http::page::Page;
use crate::api::http::stored_file::insert;
use crate::api::runs::event_hub::Wakeups;
use crate::api::runs::streamed_event::{StreamedEvent, to_sse};
use crate::api::state::AppState;

/// Maximum number of events in one read.
const BATCH: i64 = 500;
/// Interval of comments on an idle stream, which keep proxies from closing it.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// How often a stream reads the table when no wake-up arrives.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(events))
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum Format {
    /// A stream that follows the run until it ends.
    #[default]
    Sse,
    /// The current events, as a page.
    Json,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventsQuery {
    /// `sse` (default) or `json`
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// Only events with a greater sequence number; `Last-Event-ID` has the same effect
    after: Option<i64>,
}

/// Streams the events of a run
///
/// Event names are `state`, `phase`, `metric`, `log`, `checkpoint` and `end`. The event id is the sequence number: a client that reconnects
/// with `Last-Event-ID` resumes after that event. The stream ends after `end`, or once the run has ended and all events are sent.
#[utoipa::path(
    get, path = "/v1/training-runs/{id}/events", tag = "training runs",
    params(
        ("id" = RunId, Path),
        EventsQuery,
    ),
    responses(
        (status = 200, description = "The events, oldest first", content(
            (StreamedEvent = "text/event-stream"),
            (Page<RunEvent> = "application/json"),
        )),
        (status = 404, description = "Run not found", body = Problem),
    ),
)]
async fn events(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    LastEventId(last): LastEventId,
    ApiPath(id): ApiPath<RunId>,
    ApiQuery(query): ApiQuery<EventsQuery>,
) -> Result<Response, ApiError> {
    // subscribe before the first read, so that no event is missed in between
    let wakeups = state.events.subscribe();
    let mut conn = state.database.read().await?;
    find_run(&mut conn, &scope, id).await?;
    let after = query.after.unwrap_or(last);
    if query.format == Format::Json {
        let items = events_after(&mut conn, id, after, BATCH + 1).await?;
        let limit = BATCH;
        return Ok(Json(Page::from_items(items, limit, |event| event.sequence.to_string())).into_response());
    }
    drop(conn);
    let follower = Follower { state, id, after, wakeups };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE_INTERVAL).text("keep-alive");
    let mut response = Sse::new(follower.into_stream()).keep_alive(keep_alive).into_response();
    // a proxy that buffers or compresses would delay events
    insert(response.headers_mut(), HeaderName::from_static("x-accel-buffering"), "no");
    insert(response.headers_mut(), header::CACHE_CONTROL, "no-cache, no-transform");
    Ok(response)
}

/// The `Last-Event-ID` of a request; 0 without it.
struct LastEventId(i64);

impl<S: Send + Sync> FromRequestParts<S> for LastEventId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get("last-event-id") else { return Ok(Self(0)) };
        let id = value.to_str().ok().and_then(|value| value.trim().parse().ok());
        id.map(Self).ok_or_else(|| ApiError::unprocessable("invalid_last_event_id", "Last-Event-ID must be the id of an event of this run"))
    }
}

impl Describe for LastEventId {
    fn describe(operation: &mut Operation) {
        add_header(operation, "Last-Event-ID", "Sequence number of the last event that the client received", i64::schema());
        add_problem(operation, StatusCode::UNPROCESSABLE_ENTITY, "`invalid_last_event_id`: Last-Event-ID is not a number");
    }
}

/// Reads batches of events until the run has ended.
struct Follower {
    state: AppState,
    id: RunId,
    after: i64,
    wakeups: Wakeups,
}

impl Follower {
    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        let batches = stream::unfold(Some(self), |follower| async {
            let mut follower = follower?;
            match follower.next_batch().await {
                Ok(Some((events, true))) => Some((events, None)),
                Ok(Some((events, false))) => Some((events, Some(follower))),
                Ok(None) => None,
                Err(error) => {
                    // the client reconnects with the id of the last event it received
                    warn!(training_run.id = %follower.id, %error, "event stream aborted");
                    None
                }
            }
        });
        batches.flat_map(|events| stream::iter(events.into_iter().map(|event| Ok(to_sse(&event)))))
    }

    /// The next events, and whether they are the last ones. Returns `None` at shutdown.
    async fn next_batch(&mut self) -> Result<Option<(Vec<RunEvent>, bool)>, aprendiz_runs::RunsError> {
        loop {
            let mut conn = self.state.database.read().await?;
            // read the run first: the events written before it ended are then in this batch or an earlier one
            let run: TrainingRun = get_run(&mut conn, self.id).await?;
            let events = events_after(&mut conn, self.id, self.after, BATCH).await?;
            drop(conn);
            let full = i64::try_from(events.len()) == Ok(BATCH);
            if let Some(last) = events.last() {
                self.after = last.sequence;
            }
            // a manually retried run has an `end` event in the middle: the stream ends only if `end` is the last event of an ended run
            let ended = run.status.is_final() && !full && events.last().is_none_or(|last| last.kind == EventKind::End);
            if ended || !events.is_empty() {
                return Ok(Some((events, ended)));
            }
            let woken = timeout(POLL_INTERVAL, self.wakeups.wait_for(self.id));
            if self.state.shutdown.run_until_cancelled(woken).await.is_none() {
                return Ok(None);
            }
        }
    }
}
