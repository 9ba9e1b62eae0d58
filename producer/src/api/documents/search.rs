//! Searches documents: names and metadata by an index, texts by reading them.

use aprendiz_annotations::Split;
use aprendiz_annotations::documents::{DocumentFilter, FoundDocument, list as list_documents, search_texts};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::error::ApiError;
use crate::api::http::extract::ApiQuery;
use crate::api::http::operation::routes;
use crate::api::http::page::{Page, checked_limit, decode_json_cursor, encode_json_cursor};
use crate::api::state::AppState;

/// Maximum length of a query, in characters.
const MAX_QUERY_CHARS: usize = 200;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(search))
}

/// Where to search.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum Place {
    /// File name, project, id within the project, and metadata.
    #[default]
    Names,
    /// The latest text.
    Texts,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SearchQuery {
    /// Names: words, each of which must start a word; texts: a phrase. Case does not matter
    #[param(min_length = 1, max_length = 200)]
    q: String,
    /// `names` (default) or `texts`
    #[serde(default, rename = "in")]
    #[param(inline)]
    place: Place,
    /// Only documents of this source
    source: Option<String>,
    /// Only documents of this project
    project: Option<String>,
    /// Only documents in this split
    #[param(inline)]
    split: Option<Split>,
    /// `next_cursor` of the previous page
    cursor: Option<String>,
    /// Page size, 1 to 200; default 50
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Searches documents, oldest first
///
/// Names are found by an index. Texts are read, at most 32 MiB per page: a page may have fewer items than `limit`, or none, and still a
/// `next_cursor` that continues the search.
#[utoipa::path(
    get, path = "/v1/documents/search", tag = "documents", params(SearchQuery),
    responses((status = 200, description = "A page of documents", body = Page<FoundDocument>)),
)]
async fn search(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiQuery(query): ApiQuery<SearchQuery>,
) -> Result<Json<Page<FoundDocument>>, ApiError> {
    let limit = usize::try_from(checked_limit(query.limit)?).unwrap_or(usize::MAX);
    let length = query.q.chars().count();
    if query.q.trim().is_empty() || length > MAX_QUERY_CHARS {
        return Err(ApiError::unprocessable("invalid_query", format!("q has {length} characters: it must have 1 to {MAX_QUERY_CHARS}")));
    }
    let after: Option<Uuid> = query.cursor.as_deref().map(decode_json_cursor).transpose()?;
    let filter = DocumentFilter { source: query.source, project: query.project, split: query.split, ..DocumentFilter::default() };
    let mut conn = state.database.read().await?;
    let (items, next) = match query.place {
        Place::Names => {
            let filter = DocumentFilter { words: Some(query.q), ..filter };
            let page = list_documents(&mut conn, &scope, &filter, after, limit).await?;
            (page.items.into_iter().map(|document| FoundDocument { document, excerpt: None }).collect(), page.next)
        }
        Place::Texts => {
            let page = search_texts(&mut conn, &scope, query.q.trim(), &filter, after, limit).await?;
            (page.items, page.next)
        }
    };
    Ok(Json(Page { items, next_cursor: next.map(|id| encode_json_cursor(&id)) }))
}
