//! Runs made for another run, over exactly the data it read: the plan's `ingest`, `eval` and `train-st`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use runs::{CreateRun, ModelName, RunId, RunKind, RunSpec, TrainingRun, create_run, documents_of, get_run};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::{Actor, Operator};
use crate::api::error::{ApiError, Problem};
use crate::api::extract::{OptionalJsonBody, Params, Segments};
use crate::api::run_request::{check_spec, idempotency_key, trace_parent};
use crate::api::state::AppState;
use crate::api::training_runs::accepted;

/// What the name of an encoder ends with, unless another is given.
const ENCODER: &str = "-encoder";

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(ingest)).routes(routes!(evaluation)).routes(routes!(sentence_transformer))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ChildQuery {
    /// Reads what has been reviewed since as well; by default exactly the data of the run
    #[serde(default)]
    fresh_data: bool,
}

/// Builds the dataset snapshot of a run and nothing more
///
/// Makes a child run with the same data selection at the same position; it ends after the phase `dataset`.
#[utoipa::path(
    post, path = "/v1/training-runs/{id}/ingest", tag = "training runs", security(("api_key" = ["operator"])), params(("id" = RunId, Path), ChildQuery),
    responses((status = 202, description = "The child run", body = TrainingRun), (status = 404, description = "No such run", body = Problem)),
)]
async fn ingest(
    State(state): State<AppState>,
    Operator(actor): Operator,
    headers: HeaderMap,
    Segments(id): Segments<RunId>,
    Params(query): Params<ChildQuery>,
) -> Result<Response, ApiError> {
    create_child(&state, &actor, &headers, id, Child::Ingest, Asked { fresh: query.fresh_data, body_sha256: "" }).await
}

/// Scores the stored predictions of the extractor over the data of a run
///
/// Makes a child run of kind `evaluate` with the same data selection at the same position; its metrics have the split `reviewed`.
#[utoipa::path(
    post, path = "/v1/training-runs/{id}/evaluation", tag = "training runs", security(("api_key" = ["operator"])), params(("id" = RunId, Path), ChildQuery),
    responses((status = 202, description = "The child run", body = TrainingRun), (status = 404, description = "No such run", body = Problem)),
)]
async fn evaluation(
    State(state): State<AppState>,
    Operator(actor): Operator,
    headers: HeaderMap,
    Segments(id): Segments<RunId>,
    Params(query): Params<ChildQuery>,
) -> Result<Response, ApiError> {
    create_child(&state, &actor, &headers, id, Child::Evaluation, Asked { fresh: query.fresh_data, body_sha256: "" }).await
}

/// What an encoder is trained from, and how. Every key may be left out.
#[derive(Debug, Default, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct EncoderRequest {
    /// Name under which it is published; null = that of the run with `-encoder` behind it.
    #[schema(value_type = Option<String>)]
    model: Option<ModelName>,
    /// What it starts from, as in a run spec.
    base_model: Option<String>,
    /// Parameters of the kind.
    #[schema(value_type = Object)]
    params: Option<Map<String, Value>>,
}

/// Trains a sentence transformer on the data of a run
///
/// Makes a child run of kind `sentence-transformer` with the same data selection at the same position.
#[utoipa::path(
    post, path = "/v1/training-runs/{id}/sentence-transformer", tag = "training runs", security(("api_key" = ["operator"])),
    params(
        ("id" = RunId, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same run; another body is refused"),
    ),
    request_body(content = Option<EncoderRequest>, description = "May be left out"),
    responses(
        (status = 202, description = "The child run; its address is in Location", body = TrainingRun, headers(("Location" = String))),
        (status = 404, description = "No such run", body = Problem),
        (status = 422, description = "Such a run is not possible", body = Problem),
    ),
)]
async fn sentence_transformer(
    State(state): State<AppState>,
    Operator(actor): Operator,
    headers: HeaderMap,
    Segments(id): Segments<RunId>,
    body: OptionalJsonBody<EncoderRequest>,
) -> Result<Response, ApiError> {
    create_child(&state, &actor, &headers, id, Child::Encoder(body.value), Asked { fresh: false, body_sha256: &body.sha256 }).await
}

#[derive(Debug, Clone, PartialEq)]
enum Child {
    Ingest,
    Evaluation,
    Encoder(EncoderRequest),
}

/// What tells two requests for a child of one kind apart.
struct Asked<'a> {
    /// Whether it reads what has been reviewed since.
    fresh: bool,
    body_sha256: &'a str,
}

async fn create_child(
    state: &AppState,
    actor: &Actor,
    headers: &HeaderMap,
    id: RunId,
    child: Child,
    asked: Asked<'_>,
) -> Result<Response, ApiError> {
    let mut conn = state.pool.acquire().await?;
    let parent = get_run(&mut conn, id).await?;
    let fresh = if asked.fresh { "fresh" } else { "" };
    let asked_sha256 = hex::encode(Sha256::digest(format!("{} {id} {}{fresh}", child.name(), asked.body_sha256).trim_end()));
    let dataset_only = child == Child::Ingest;
    let mut spec = child.spec(parent.run_spec()?)?;
    if spec.kind == RunKind::SentenceTransformer && !dataset_only {
        check_spec(&mut conn, &spec).await?;
    }
    spec.data.documents = documents_of(&mut conn, id).await?;
    if asked.fresh {
        spec.data.as_of = None;
    }
    let request = CreateRun {
        spec,
        actor: &actor.0,
        on_behalf_of: None,
        idempotency: idempotency_key(headers)?.map(|key| (key, asked_sha256)),
        dataset_only,
        parent_run_id: Some(id),
        position: (!asked.fresh).then_some(parent.position),
        trace_parent: trace_parent(headers),
    };
    Ok(accepted(create_run(&mut conn, request).await?))
}

impl Child {
    const fn name(&self) -> &'static str {
        match self {
            Self::Ingest => "Ingest",
            Self::Evaluation => "Evaluation",
            Self::Encoder(_) => "Encoder",
        }
    }

    /// The spec of the parent, with what the child does differently. A child does not wait for the parent's `run_after`.
    fn spec(self, parent: RunSpec) -> Result<RunSpec, ApiError> {
        let mut spec = RunSpec { run_after: None, ..parent };
        match self {
            Self::Ingest => {}
            Self::Evaluation => {
                spec.data.pairs = None;
                spec = RunSpec { kind: RunKind::Evaluate, params: Map::new(), base_model: None, ..spec };
            }
            Self::Encoder(request) => {
                if spec.kind != RunKind::SentenceTransformer {
                    spec = RunSpec { kind: RunKind::SentenceTransformer, params: Map::new(), model: encoder_of(&spec.model)?, ..spec };
                }
                spec.model = request.model.unwrap_or(spec.model);
                spec.params = request.params.unwrap_or(spec.params);
                spec.base_model = request.base_model.or(spec.base_model);
            }
        }
        Ok(spec)
    }
}

/// The name of the encoder beside a model.
fn encoder_of(model: &ModelName) -> Result<ModelName, ApiError> {
    let longest = 63 - ENCODER.len();
    let name = model.as_str();
    Ok(ModelName::try_from(format!("{}{ENCODER}", &name[..name.len().min(longest)]))?)
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
        let spec = Child::Evaluation.spec(parent()).unwrap();
        spec.validate().unwrap();
        assert_eq!((spec.kind, &spec.data, spec.run_after), (RunKind::Evaluate, &parent().data, None));
    }

    #[test]
    fn an_ingest_keeps_kind_and_parameters() {
        let spec = Child::Ingest.spec(parent()).unwrap();
        assert_eq!((spec.kind, spec.params), (RunKind::Linear, parent().params));
    }

    #[test]
    fn an_encoder_has_a_name_and_parameters_of_its_own_and_the_same_data() {
        let spec = Child::Encoder(EncoderRequest::default()).spec(parent()).unwrap();
        spec.validate().unwrap();
        assert_eq!((spec.kind, spec.model.as_str()), (RunKind::SentenceTransformer, "m-encoder"));
        assert!(spec.params.is_empty() && spec.data == parent().data);

        let request: EncoderRequest = serde_json::from_str(r#"{"model":"other","base_model":"models:/m-encoder/1"}"#).unwrap();
        let again = Child::Encoder(request).spec(RunSpec { seed: 7, ..spec }).unwrap();
        assert_eq!((again.model.as_str(), again.base_model.as_deref(), again.seed), ("other", Some("models:/m-encoder/1"), 7));
        let evaluation = Child::Evaluation.spec(again.completed()).unwrap();
        evaluation.validate().unwrap();

        let long = RunSpec { model: "a".repeat(63).parse().unwrap(), ..parent() };
        assert_eq!(Child::Encoder(EncoderRequest::default()).spec(long).unwrap().model.as_str().len(), 63);
    }
}
