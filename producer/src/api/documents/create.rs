//! Creates a single document.

use aprendiz_annotations::documents::{DocumentText, Metadata, get};
use aprendiz_annotations::import::{NewDocument, create_document};
use aprendiz_runs::record_audit;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::scope::require_project;
use crate::api::http::auth::{InScope, Reviewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::JsonBody;
use crate::api::http::operation::routes;
use crate::api::http::request_body::limit_body;
use crate::api::state::AppState;

/// Size limit of a request body in bytes: a text of the maximum size with many escaped characters.
const MAX_BODY_BYTES: usize = 32 << 20;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create)).layer(limit_body(MAX_BODY_BYTES))
}

/// The document to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DocumentRequest {
    /// Source, 1 to 100 characters without `/`; default `api`. Imports use `label-studio`.
    #[serde(default = "default_source")]
    source: String,
    /// Project within the source, 1 to 200 characters.
    project: String,
    /// Id within the project, 1 to 200 characters.
    task_id: String,
    /// Text, at most 10 MiB.
    text: String,
    /// Original file name; never used as a feature.
    #[serde(default)]
    file_name: Option<String>,
    /// Additional properties; never used as features.
    #[serde(default)]
    #[schema(value_type = Object)]
    metadata: Metadata,
}

/// The created document.
#[derive(Debug, Serialize, ToSchema)]
struct DocumentResponse {
    /// The document.
    #[serde(flatten)]
    document: DocumentText,
    /// What an import would note about it, for example that its text is HTML; missing if there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

fn default_source() -> String {
    "api".to_owned()
}

/// Creates a document
///
/// As in an import, the document gets a permanent split; a near-duplicate of existing documents joins their split. Sending the same
/// document again has no effect.
#[utoipa::path(
    post, path = "/v1/documents", tag = "documents", request_body = DocumentRequest,
    responses(
        (status = 201, description = "Created; Location holds the URL", body = DocumentResponse, headers(("Location" = String))),
        (status = 200, description = "Exists with the same content", body = DocumentResponse, headers(("Location" = String))),
        (status = 409, description = "Exists with different content", body = Problem),
        (status = 410, description = "The document was erased", body = Problem),
        (status = 422, description = "Invalid document", body = Problem),
    ),
)]
async fn create(
    State(state): State<AppState>,
    InScope(Reviewer(actor), scope): InScope<Reviewer>,
    body: JsonBody<DocumentRequest>,
) -> Result<Response, ApiError> {
    let DocumentRequest { source, project, task_id, text, file_name, metadata } = body.value;
    require_project(&scope, &project)?;
    let new = NewDocument { source, project, task_id, file_name, metadata, text };
    let mut tx = state.database.begin().await?;
    let created = create_document(&mut tx, new, state.config.split_ratios).await?;
    let document = get(&mut tx, created.id).await?;
    let missing = || ApiError::internal(anyhow::anyhow!("document {} has no row although it was just created", created.id));
    let document = document.ok_or_else(missing)?;
    if created.created {
        let stored = &document.document;
        let details = json!({ "source": stored.source, "project": stored.project, "task_id": stored.task_id, "split": stored.split });
        record_audit(&mut tx, &actor.name, "document.create", &created.id.to_string(), &details).await?;
    }
    tx.commit().await?;
    let status = if created.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = (status, Json(DocumentResponse { document, warnings: created.warnings })).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/documents/{}", created.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}
