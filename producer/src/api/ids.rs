//! Finds IDs by their first or last digits, for people who type them.

use aprendiz_annotations::import::find_import_ids;
use aprendiz_db::{IdMatch, IdPart};
use aprendiz_runs::{find_dataset_ids, find_run_ids, find_worker_ids};
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::http::auth::scope::refused;
use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::operation::routes;
use crate::api::state::AppState;

/// Maximum number of matches in a response.
const MAX_MATCHES: usize = 10;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(find))
}

/// What an ID identifies.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum IdKind {
    /// Training run
    Run,
    /// Worker
    Worker,
    /// Import
    Import,
    /// Dataset snapshot
    Dataset,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct FindQuery {
    /// First or last digits of the ID, at least 4, with or without hyphens; without it, the newest objects are found
    part: Option<String>,
    /// Only runs of this model, and snapshots that they use
    model: Option<String>,
}

/// Objects whose ID matches.
#[derive(Debug, Serialize, ToSchema)]
struct FoundIds {
    /// At most 10 objects, newest first.
    items: Vec<FoundId>,
    /// Whether there are more.
    more: bool,
}

/// An object whose ID matches.
#[derive(Debug, Serialize, ToSchema)]
struct FoundId {
    /// Its ID.
    id: Uuid,
    /// What it is, for people.
    label: String,
    /// When it was created.
    created_at: DateTime<Utc>,
}

impl FoundIds {
    fn new(mut found: Vec<IdMatch>) -> Self {
        let more = found.len() > MAX_MATCHES;
        found.truncate(MAX_MATCHES);
        let items = found.into_iter().map(|IdMatch { id, label, created_at }| FoundId { id, label, created_at });
        Self { items: items.collect(), more }
    }
}

/// Finds IDs by their first or last digits
///
/// IDs that were made within the same minute begin with the same digits: their last digits tell them apart. A match that is not unique is
/// for the client to report.
#[utoipa::path(
    get, path = "/v1/ids/{kind}", tag = "operations", params(("kind" = inline(IdKind), Path, description = "What the ID identifies"), FindQuery),
    responses(
        (status = 200, description = "The matching objects; none if nothing matches", body = FoundIds),
        (status = 403, description = "`scope`: the API key is limited to projects, and workers and imports have none", body = Problem),
    ),
)]
async fn find(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath(kind): ApiPath<IdKind>,
    ApiQuery(query): ApiQuery<FindQuery>,
) -> Result<Json<FoundIds>, ApiError> {
    let invalid = |detail: String| ApiError::unprocessable("invalid_query", detail);
    let part = query.part.as_deref().map(IdPart::parse).transpose().map_err(|error| invalid(error.to_string()))?;
    let (part, model) = (part.as_ref(), query.model.as_deref());
    if model.is_some() && matches!(kind, IdKind::Worker | IdKind::Import) {
        return Err(invalid("`model` selects runs and datasets: workers and imports have no model".to_owned()));
    }
    if !scope.is_all() && matches!(kind, IdKind::Worker | IdKind::Import) {
        return Err(refused("the API key is limited to projects, and finds runs and datasets only: workers and imports have no project"));
    }
    let limit = MAX_MATCHES as i64 + 1;
    let mut conn = state.database.read().await?;
    let found = match kind {
        IdKind::Run => find_run_ids(&mut conn, &scope, part, model, limit).await?,
        IdKind::Worker => find_worker_ids(&mut conn, part, limit).await?,
        IdKind::Import => find_import_ids(&mut conn, part, limit).await?,
        IdKind::Dataset => find_dataset_ids(&mut conn, &scope, part, model, limit).await?,
    };
    Ok(Json(FoundIds::new(found)))
}
