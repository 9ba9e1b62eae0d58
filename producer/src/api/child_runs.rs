//! Runs made for another run, over exactly the data it read: the plan's `ingest` and `eval`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use runs::{CreateRun, RunId, RunKind, RunSpec, TrainingRun, create_run, documents_of, get_run};
use sha2::{Digest as _, Sha256};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::{Actor, Operator};
use crate::api::error::{ApiError, Problem};
use crate::api::extract::Segments;
use crate::api::run_request::{idempotency_key, trace_parent};
use crate::api::state::AppState;
use crate::api::training_runs::accepted;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(ingest)).routes(routes!(evaluation))
}

/// Builds the dataset snapshot of a run and nothing more
///
/// Makes a child run with the same data selection at the same position; it ends after the phase `dataset`.
#[utoipa::path(
    post, path = "/v1/training-runs/{id}/ingest", tag = "training runs", security(("api_key" = ["operator"])), params(("id" = RunId, Path)),
    responses((status = 202, description = "The child run", body = TrainingRun), (status = 404, description = "No such run", body = Problem)),
)]
async fn ingest(
    State(state): State<AppState>,
    Operator(actor): Operator,
    headers: HeaderMap,
    Segments(id): Segments<RunId>,
) -> Result<Response, ApiError> {
    create_child(&state, &actor, &headers, id, Child::Ingest).await
}

/// Scores the stored predictions of the extractor over the data of a run
///
/// Makes a child run of kind `evaluate` with the same data selection at the same position; its metrics have the split `reviewed`.
#[utoipa::path(
    post, path = "/v1/training-runs/{id}/evaluation", tag = "training runs", security(("api_key" = ["operator"])), params(("id" = RunId, Path)),
    responses((status = 202, description = "The child run", body = TrainingRun), (status = 404, description = "No such run", body = Problem)),
)]
async fn evaluation(
    State(state): State<AppState>,
    Operator(actor): Operator,
    headers: HeaderMap,
    Segments(id): Segments<RunId>,
) -> Result<Response, ApiError> {
    create_child(&state, &actor, &headers, id, Child::Evaluation).await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Child {
    Ingest,
    Evaluation,
}

async fn create_child(state: &AppState, actor: &Actor, headers: &HeaderMap, id: RunId, child: Child) -> Result<Response, ApiError> {
    let mut conn = state.pool.acquire().await?;
    let parent = get_run(&mut conn, id).await?;
    let mut spec = child.spec(parent.run_spec()?);
    spec.data.documents = documents_of(&mut conn, id).await?;
    // there is no body: what is asked for stands in the path
    let asked = hex::encode(Sha256::digest(format!("{child:?} {id}")));
    let request = CreateRun {
        spec,
        actor: &actor.0,
        on_behalf_of: None,
        idempotency: idempotency_key(headers)?.map(|key| (key, asked)),
        dataset_only: child == Child::Ingest,
        parent_run_id: Some(id),
        position: Some(parent.position),
        trace_parent: trace_parent(headers),
    };
    Ok(accepted(create_run(&mut conn, request).await?))
}

impl Child {
    /// The spec of the parent, with what the child does differently. A child does not wait for the parent's `run_after`.
    fn spec(self, parent: RunSpec) -> RunSpec {
        let parent = RunSpec { run_after: None, ..parent };
        match self {
            Self::Ingest => parent,
            Self::Evaluation => RunSpec { kind: RunKind::Evaluate, params: serde_json::Map::new(), base_model: None, ..parent },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent() -> RunSpec {
        serde_json::from_str(
            r#"{"model":"m","data":{"fields":["a"],"min_support":5},"params":{"min_df":2},"run_after":"2030-01-01T00:00:00Z"}"#,
        )
        .unwrap()
    }

    #[test]
    fn an_evaluation_reads_the_same_data_and_has_no_parameters() {
        let spec = Child::Evaluation.spec(parent());
        spec.validate().unwrap();
        assert_eq!((spec.kind, &spec.data, spec.run_after), (RunKind::Evaluate, &parent().data, None));
    }

    #[test]
    fn an_ingest_keeps_kind_and_parameters() {
        let spec = Child::Ingest.spec(parent());
        assert_eq!((spec.kind, spec.params), (RunKind::Linear, parent().params));
    }
}
