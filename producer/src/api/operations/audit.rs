//! The audit log: every change with its actor.

use aprendiz_annotation_types::deserialize_time;
use aprendiz_runs::{AuditEntry, AuditFilter, list_audit};
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::http::auth::Admin;
use crate::api::http::error::ApiError;
use crate::api::http::extract::ApiQuery;
use crate::api::http::page::{Page, checked_limit, decode_number_cursor, encode_number_cursor};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only changes by this API key, or by `command line`
    actor: Option<String>,
    /// Only this action, for example `training_run.cancel`; a trailing dot selects by prefix: `training_run.`
    action: Option<String>,
    /// Only changes of this subject: an id or a name
    subject: Option<String>,
    /// Only changes at or after this time
    #[serde(default, deserialize_with = "deserialize_time")]
    since: Option<DateTime<Utc>>,
    /// `next_cursor` of the previous page
    cursor: Option<String>,
    /// Page size, 1 to 200; default 50
    limit: Option<i64>,
}

/// Lists changes, newest first
#[utoipa::path(
    get, path = "/v1/audit-log", tag = "operations", security(("api_key" = ["admin"])), params(ListQuery),
    responses((status = 200, description = "A page of changes", body = Page<AuditEntry>)),
)]
async fn list(State(state): State<AppState>, _: Admin, ApiQuery(query): ApiQuery<ListQuery>) -> Result<Json<Page<AuditEntry>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let after = query.cursor.as_deref().map(decode_number_cursor).transpose()?;
    let filter = AuditFilter { actor: query.actor, action: query.action, subject: query.subject, since: query.since, after };
    let mut conn = state.database.read().await?;
    let entries = list_audit(&mut conn, &filter, limit + 1).await?;
    Ok(Json(Page::from_items(entries, limit, |entry| encode_number_cursor(entry.id))))
}
