//! Archives and unarchives documents and projects.

use aprendiz_annotations::documents::{
    Archival, MAX_ARCHIVED, Project, archive as archive_documents, list_projects, list_to_archive, project_exists, unknown_ids,
};
use aprendiz_db::Scope;
use aprendiz_runs::record_audit;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::http::auth::{InScope, Operator, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::JsonBody;
use crate::api::http::operation::routes;
use crate::api::http::page::Page;
use crate::api::state::AppState;

/// Maximum length of a reason in characters.
const MAX_REASON_CHARS: usize = 1000;
/// Maximum number of listed projects.
const MAX_PROJECTS: i64 = 10_000;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(projects))
}

pub(super) fn untimed_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(archive)).routes(routes!(unarchive))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ArchiveRequest {
    /// IDs of documents, 1 to 1000; or a project
    #[serde(default)]
    #[schema(max_items = 1000)]
    documents: Option<Vec<Uuid>>,
    /// All documents of this project
    #[serde(default)]
    project: Option<ProjectName>,
    /// Why; kept with the change
    #[serde(default)]
    #[schema(min_length = 1, max_length = 1000)]
    reason: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProjectName {
    /// Source of the project
    source: String,
    /// ID within the source
    project: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct Archived {
    /// Documents that changed; the others already were in this state
    documents: u64,
}

/// Archives documents: takes them out of selections, of the review queue and of counts
///
/// Selections as of an earlier position keep them, and imports go on to update them. Repeating the request has no effect.
#[utoipa::path(
    post, path = "/v1/documents/archive", tag = "documents",
    request_body = ArchiveRequest,
    responses(
        (status = 200, description = "Number of archived documents", body = Archived),
        (status = 404, description = "Document or project not found", body = Problem),
        (status = 422, description = "Neither or both of documents and project, or an invalid reason", body = Problem),
    ),
)]
async fn archive(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    JsonBody { value: request, .. }: JsonBody<ArchiveRequest>,
) -> Result<Json<Archived>, ApiError> {
    change(&state, &scope, &actor.name, request, true).await.map(Json)
}

/// Unarchives documents
///
/// They are in selections from the new position on, in the split that they had.
#[utoipa::path(
    post, path = "/v1/documents/unarchive", tag = "documents",
    request_body = ArchiveRequest,
    responses(
        (status = 200, description = "Number of unarchived documents", body = Archived),
        (status = 404, description = "Document or project not found", body = Problem),
        (status = 422, description = "Neither or both of documents and project, or an invalid reason", body = Problem),
    ),
)]
async fn unarchive(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    JsonBody { value: request, .. }: JsonBody<ArchiveRequest>,
) -> Result<Json<Archived>, ApiError> {
    change(&state, &scope, &actor.name, request, false).await.map(Json)
}

/// Lists the projects that have documents which are not archived, by source and project
#[utoipa::path(
    get, path = "/v1/projects", tag = "documents",
    responses((status = 200, description = "All projects", body = Page<Project>)),
)]
async fn projects(State(state): State<AppState>, InScope(Viewer, scope): InScope<Viewer>) -> Result<Json<Page<Project>>, ApiError> {
    let mut conn = state.database.read().await?;
    Ok(Json(Page { items: list_projects(&mut conn, &scope, MAX_PROJECTS).await?, next_cursor: None }))
}

async fn change(state: &AppState, scope: &Scope, actor: &str, request: ArchiveRequest, archived: bool) -> Result<Archived, ApiError> {
    if request.reason.as_ref().is_some_and(|reason| reason.trim().is_empty() || reason.chars().count() > MAX_REASON_CHARS) {
        return Err(ApiError::unprocessable("invalid_reason", format!("reason must have 1 to {MAX_REASON_CHARS} characters")));
    }
    let archival = Archival { archived, actor: actor.to_owned(), reason: request.reason.clone() };
    match (request.documents, request.project) {
        (Some(documents), None) if !documents.is_empty() && documents.len() <= MAX_ARCHIVED => {
            change_documents(state, scope, &documents, &archival).await
        }
        (None, Some(project)) => change_project(state, scope, &project, &archival).await,
        _ => Err(ApiError::unprocessable("invalid_body", format!("send either `documents`, 1 to {MAX_ARCHIVED} ids, or `project`"))),
    }
}

async fn change_documents(state: &AppState, scope: &Scope, documents: &[Uuid], archival: &Archival) -> Result<Archived, ApiError> {
    let mut tx = state.database.begin_long().await?;
    if let Some(unknown) = unknown_ids(&mut tx, scope, documents).await?.first() {
        return Err(ApiError::not_found(format!("document {unknown} not found")));
    }
    let changed = archive_documents(&mut tx, documents, archival).await?;
    if changed > 0 {
        let subject = documents.iter().take(10).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        record_audit(&mut tx, &archival.actor, action("document", archival), &subject, &details(archival, changed)).await?;
    }
    tx.commit().await?;
    Ok(Archived { documents: changed })
}

/// Changes the documents of a project in batches: repeated after an interruption, the rest follows.
async fn change_project(state: &AppState, scope: &Scope, project: &ProjectName, archival: &Archival) -> Result<Archived, ApiError> {
    let ProjectName { source, project } = project;
    let mut conn = state.database.read().await?;
    if !scope.contains(project) || !project_exists(&mut conn, source, project).await? {
        return Err(ApiError::not_found(format!("project {source}/{project} has no documents: GET /v1/projects lists the projects")));
    }
    drop(conn);
    let (mut after, mut documents) = (Uuid::nil(), 0);
    loop {
        let mut tx = state.database.begin_long().await?;
        let batch = list_to_archive(&mut tx, source, project, archival.archived, after).await?;
        let Some(last) = batch.last() else { break };
        after = *last;
        let changed = archive_documents(&mut tx, &batch, archival).await?;
        if changed > 0 {
            let subject = format!("{source}/{project}");
            record_audit(&mut tx, &archival.actor, action("project", archival), &subject, &details(archival, changed)).await?;
        }
        tx.commit().await?;
        documents += changed;
    }
    Ok(Archived { documents })
}

fn action(subject: &'static str, archival: &Archival) -> &'static str {
    match (subject, archival.archived) {
        ("document", true) => "document.archive",
        ("document", false) => "document.unarchive",
        (_, true) => "project.archive",
        (_, false) => "project.unarchive",
    }
}

fn details(archival: &Archival, documents: u64) -> serde_json::Value {
    json!({ "documents": documents, "reason": archival.reason })
}
