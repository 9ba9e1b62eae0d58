//! Wrong predictions of a run, with their documents.

use aprendiz_runs::{
    ErrorCounts, ErrorFilter, ErrorOrder, RunErrorRow, RunId, SliceFilter, TrainingRun, count_errors, find_run, list_errors,
    list_slice_dimensions,
};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::operation::routes;
use crate::api::http::page::{Page, checked_limit, decode_json_cursor, encode_json_cursor};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(errors))
}

/// Split of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum EvaluatedSplit {
    /// Seen by neither training nor choice.
    Test,
    /// Chose between candidates.
    Validation,
    /// All reviewed values, for stored predictions.
    Reviewed,
}

/// Order of the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum Sort {
    /// Highest confidence first.
    #[default]
    Confidence,
    /// Lowest probability of the accepted value first.
    Loss,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ErrorQuery {
    /// Only this field
    field: Option<String>,
    /// Only this accepted value; empty = no value
    gold: Option<String>,
    /// Only this predicted value; empty = no value
    predicted: Option<String>,
    /// Only predictions with at least this confidence, 0 to 1
    #[param(minimum = 0, maximum = 1)]
    min_confidence: Option<f64>,
    /// Only this slice of the test split, or of stored predictions: `DIMENSION:VALUE`, such as `source:label-studio`, `text_length:5k-20k`,
    /// `metadata.customer:ACME` or `reviewer:(none)`; `(other)` selects the values without a slice of their own
    slice: Option<String>,
    /// Only this split
    #[param(inline)]
    split: Option<EvaluatedSplit>,
    /// `confidence` (default): the most confident errors first; `loss`: the least probable accepted values first
    #[serde(default)]
    #[param(inline)]
    sort: Sort,
    /// `next_cursor` of the previous page
    cursor: Option<String>,
    /// Page size, 1 to 200; default 50
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// A page of wrong predictions.
#[derive(Debug, Serialize, ToSchema)]
struct ErrorPage {
    /// The page.
    #[serde(flatten)]
    page: Page<RunErrorRow>,
    /// Numbers of wrong predictions per split, whatever the filter. Those about documents that were erased since are counted, but not listed.
    counts: Vec<ErrorCounts>,
}

/// Lists the wrong predictions of a run with their documents
///
/// A run of kind `linear` has those of the test split and, marked, of the validation split; a run of kind `evaluate` has those of the stored
/// predictions. At most 10,000 are recorded per split, with the highest confidence.
#[utoipa::path(
    get, path = "/v1/training-runs/{id}/errors", tag = "training runs", params(("id" = RunId, Path), ErrorQuery),
    responses(
        (status = 200, description = "A page of wrong predictions", body = ErrorPage),
        (status = 404, description = "Run not found", body = Problem),
        (status = 409, description = "`errors_not_recorded`: the run has recorded no predictions; `slices_not_recorded`: the run has no metrics by slice", body = Problem),
    ),
)]
async fn errors(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath(id): ApiPath<RunId>,
    ApiQuery(query): ApiQuery<ErrorQuery>,
) -> Result<Json<ErrorPage>, ApiError> {
    let limit = checked_limit(query.limit)?;
    if let Some(confidence) = query.min_confidence.filter(|confidence| !(0.0..=1.0).contains(confidence)) {
        return Err(ApiError::unprocessable("invalid_query", format!("min_confidence is {confidence}: it must be between 0 and 1")));
    }
    let order = match query.sort {
        Sort::Confidence => ErrorOrder::Confidence,
        Sort::Loss => ErrorOrder::Loss,
    };
    let split = query.split.map(|split| match split {
        EvaluatedSplit::Test => "test".to_owned(),
        EvaluatedSplit::Validation => "validation".to_owned(),
        EvaluatedSplit::Reviewed => "reviewed".to_owned(),
    });
    let filter = ErrorFilter {
        split,
        field: query.field,
        gold: query.gold,
        predicted: query.predicted,
        min_confidence: query.min_confidence,
        slice: query.slice.as_deref().map(parse_slice).transpose()?,
        order,
        after: query.cursor.as_deref().map(decode_json_cursor).transpose()?,
    };
    let mut conn = state.database.read().await?;
    let run = find_run(&mut conn, &scope, id).await?;
    let counts = count_errors(&mut conn, id).await?;
    if counts.is_empty() {
        return Err(ApiError::conflict("errors_not_recorded", not_recorded(&run)));
    }
    if let Some(slice) = &filter.slice {
        check_dimension(&mut conn, id, slice).await?;
    }
    let rows = list_errors(&mut conn, id, &filter, limit + 1).await?;
    let page = Page::from_items(rows, limit, |row| encode_json_cursor(&row.cursor(order)));
    Ok(Json(ErrorPage { page, counts }))
}

fn parse_slice(text: &str) -> Result<SliceFilter, ApiError> {
    let (dimension, value) =
        text.split_once(':').filter(|(dimension, value)| !dimension.is_empty() && !value.is_empty()).ok_or_else(|| {
            ApiError::unprocessable("invalid_query", format!("slice is `{text}`: it must be DIMENSION:VALUE, such as source:label-studio"))
        })?;
    Ok(SliceFilter { dimension: dimension.to_owned(), value: value.to_owned() })
}

/// A dimension that the run does not have would select nothing, as if it had no errors.
async fn check_dimension(conn: &mut PgConnection, id: RunId, slice: &SliceFilter) -> Result<(), ApiError> {
    let dimensions = list_slice_dimensions(conn, id).await?;
    if dimensions.is_empty() {
        let detail = format!(
            "run {id} has no metrics by slice: it ended before they were recorded, or an erasure deleted them; a clone of it has them \
             (`aprendiz run clone {id}`)"
        );
        return Err(ApiError::conflict("slices_not_recorded", detail));
    }
    if !dimensions.contains(&slice.dimension) {
        let detail = format!("run {id} has no slices by `{}`: it has those by {}", slice.dimension, dimensions.join(", "));
        return Err(ApiError::unprocessable("invalid_query", detail));
    }
    Ok(())
}

/// Why a run has no list of errors, and what has one.
fn not_recorded(run: &TrainingRun) -> String {
    let id = run.id;
    if !run.status.is_final() {
        return format!("run {id} is {}: wrong predictions are recorded when it succeeds", run.status);
    }
    if run.status != aprendiz_runs::RunStatus::Succeeded {
        return format!("run {id} is {} and was not evaluated", run.status);
    }
    if run.dataset_only {
        return format!("run {id} only built a dataset snapshot, and predicted nothing");
    }
    if run.kind == aprendiz_run_spec::RunKind::SentenceTransformer {
        return format!("run {id} trained an encoder, which predicts no values");
    }
    format!("run {id} ended before wrong predictions were recorded: a clone of it records them (`aprendiz run clone {id}`)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_a_dimension_and_a_value_that_may_contain_colons() {
        let slice = parse_slice("metadata.customer:a:b").unwrap();
        assert_eq!((slice.dimension.as_str(), slice.value.as_str()), ("metadata.customer", "a:b"));
        for bad in ["source", ":x", "source:", ""] {
            assert!(parse_slice(bad).is_err(), "{bad}");
        }
    }
}
