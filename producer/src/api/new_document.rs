//! Takes in one document by itself.

use annotations::documents::{DocumentText, get};
use annotations::import::{NewDocument, create_document};
use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use runs::record_audit;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sqlx::Acquire as _;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::Reviewer;
use crate::api::error::{ApiError, Problem};
use crate::api::extract::JsonBody;
use crate::api::state::AppState;

/// Bytes of a body: a text of the greatest size, many of its characters escaped.
const MAX_BODY_BYTES: usize = 32 << 20;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create)).layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

/// A document.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DocumentRequest {
    /// Where it comes from, 1 to 100 characters without `/`; default `api`. Imports use `label-studio`.
    #[serde(default = "api")]
    source: String,
    /// Project within the source, 1 to 200 characters.
    project: String,
    /// Id within the project, 1 to 200 characters.
    task_id: String,
    /// Its text, 10 MiB at most.
    text: String,
    /// Original file name; never a feature.
    #[serde(default)]
    file_name: Option<String>,
    /// Other things known about it; never features.
    #[serde(default)]
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

fn api() -> String {
    "api".to_owned()
}

/// Takes in a document
///
/// As an import does: it gets its split now and for ever, that of its near-duplicates where it has some. The same document again changes
/// nothing.
#[utoipa::path(
    post, path = "/v1/documents", tag = "documents", security(("api_key" = ["reviewer"])), request_body = DocumentRequest,
    responses(
        (status = 201, description = "The document; its address is in Location", body = DocumentText, headers(("Location" = String))),
        (status = 200, description = "It was there with the same content", body = DocumentText, headers(("Location" = String))),
        (status = 409, description = "It is there with other content", body = Problem),
        (status = 410, description = "It was erased", body = Problem),
        (status = 422, description = "It cannot be", body = Problem),
    ),
)]
async fn create(State(state): State<AppState>, Reviewer(actor): Reviewer, body: JsonBody<DocumentRequest>) -> Result<Response, ApiError> {
    let DocumentRequest { source, project, task_id, text, file_name, metadata } = body.value;
    let new = NewDocument { source, project, task_id, file_name, metadata, text };
    let mut conn = state.pool.acquire().await?;
    let mut tx = conn.begin().await?;
    let created = create_document(&mut tx, new, state.config.split_ratios).await?;
    let document = get(&mut tx, created.id).await?.ok_or(sqlx::Error::RowNotFound)?;
    if created.created {
        let about = &document.document;
        let details = json!({ "source": about.source, "project": about.project, "task_id": about.task_id, "split": about.split });
        record_audit(&mut tx, &actor.0, "document.create", &created.id.to_string(), &details).await?;
    }
    tx.commit().await?;
    let status = if created.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = (status, Json(document)).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/documents/{}", created.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}
