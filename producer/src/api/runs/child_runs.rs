//! Creates child runs: `ingest`, `evaluation` and `sentence-transformer` runs over the data of another run.

use aprendiz_db::Scope;
use aprendiz_run_spec::{ModelName, RunKind, RunSpec};
use aprendiz_runs::{ApiKey, CreateRun, RunId, TrainingRun, find_run, list_run_documents};
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Operator};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery, OptionalJsonBody};
use crate::api::http::operation::routes;
use crate::api::http::request_headers::RunHeaders;
use crate::api::runs::create::{accepted, create_in_scope};
use crate::api::runs::validation::validate_spec;
use crate::api::state::AppState;

/// Suffix of the default name of an encoder.
const ENCODER_SUFFIX: &str = "-encoder";
/// Maximum length of a model name.
const MAX_MODEL_NAME_LEN: usize = 63;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(ingest)).routes(routes!(evaluation)).routes(routes!(sentence_transformer))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ChildRunQuery {
    /// Reads the current data, including reviews made since the parent run; by default exactly the data of the parent
    #[serde(default)]
    fresh_data: bool,
}

/// Builds the dataset snapshot of a run without training
///
/// Creates a child run with the same data selection at the same position. It ends after the phase `dataset`.
#[utoipa::path(
    post, path = "/v1/training-runs/{id}/ingest", tag = "training runs",
    params(("id" = RunId, Path), ChildRunQuery),
    responses(
        (status = 202, description = "The child run", body = TrainingRun),
        (status = 404, description = "Run not found", body = Problem),
    ),
)]
async fn ingest(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    headers: RunHeaders,
    ApiPath(id): ApiPath<RunId>,
    ApiQuery(query): ApiQuery<ChildRunQuery>,
) -> Result<Response, ApiError> {
    let request = RunRequest { fresh_data: query.fresh_data, body_sha256: "" };
    create_child_run(&state, &scope, &actor, &headers, id, ChildRunRequest::Ingest, request).await
}

/// Evaluates the stored predictions of the extractor on the data of a run
///
/// Creates a child run of kind `evaluate` with the same data selection at the same position. Its metrics have the split `reviewed`.
#[utoipa::path(
    post, path = "/v1/training-runs/{id}/evaluation", tag = "training runs",
    params(("id" = RunId, Path), ChildRunQuery),
    responses(
        (status = 202, description = "The child run", body = TrainingRun),
        (status = 404, description = "Run not found", body = Problem),
    ),
)]
async fn evaluation(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    headers: RunHeaders,
    ApiPath(id): ApiPath<RunId>,
    ApiQuery(query): ApiQuery<ChildRunQuery>,
) -> Result<Response, ApiError> {
    let request = RunRequest { fresh_data: query.fresh_data, body_sha256: "" };
    create_child_run(&state, &scope, &actor, &headers, id, ChildRunRequest::Evaluation, request).await
}

/// Settings of an encoder training run. All keys are optional.
#[derive(Debug, Default, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct EncoderRequest {
    /// Model name to publish under; null = model name of the parent run with the suffix `-encoder`.
    #[schema(value_type = Option<String>)]
    model: Option<ModelName>,
    /// Base model, as in a run spec.
    base_model: Option<String>,
    /// Parameters of the kind `sentence-transformer`.
    #[schema(value_type = Option<Object>)]
    params: Option<Map<String, Value>>,
}

/// Trains a sentence transformer on the data of a run
///
/// Creates a child run of kind `sentence-transformer` with the same data selection at the same position.
#[utoipa::path(
    post, path = "/v1/training-runs/{id}/sentence-transformer", tag = "training runs",
    params(("id" = RunId, Path)),
    request_body = EncoderRequest,
    responses(
        (status = 202, description = "The child run; Location holds its URL", body = TrainingRun, headers(("Location" = String))),
        (status = 404, description = "Run not found", body = Problem),
        (status = 422, description = "Invalid spec of the child run", body = Problem),
    ),
)]
async fn sentence_transformer(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    headers: RunHeaders,
    ApiPath(id): ApiPath<RunId>,
    body: OptionalJsonBody<EncoderRequest>,
) -> Result<Response, ApiError> {
    let request = RunRequest { fresh_data: false, body_sha256: &body.sha256 };
    create_child_run(&state, &scope, &actor, &headers, id, ChildRunRequest::Encoder(body.value), request).await
}

/// The child run to create.
#[derive(Debug, Clone, PartialEq)]
enum ChildRunRequest {
    Ingest,
    Evaluation,
    Encoder(EncoderRequest),
}

/// The part of a request that, beside its kind and parent, decides whether two requests with one idempotency key are the same.
struct RunRequest<'a> {
    /// Whether the child reads the current data instead of the data of the parent.
    fresh_data: bool,
    body_sha256: &'a str,
}

async fn create_child_run(
    state: &AppState,
    scope: &Scope,
    actor: &ApiKey,
    headers: &RunHeaders,
    parent_id: RunId,
    child: ChildRunRequest,
    request: RunRequest<'_>,
) -> Result<Response, ApiError> {
    let RunRequest { fresh_data, body_sha256 } = request;
    let mut tx = state.database.begin().await?;
    let parent = find_run(&mut tx, scope, parent_id).await?;
    let fresh = if fresh_data { "fresh" } else { "" };
    let request_sha256 = hex::encode(Sha256::digest(format!("{} {parent_id} {body_sha256}{fresh}", child.name()).trim_end()));
    let dataset_only = child == ChildRunRequest::Ingest;
    // the other children name only what their parent names
    let may_name_unknown = matches!(child, ChildRunRequest::Encoder(_));
    let mut spec = child.spec(parent.run_spec()?)?;
    spec.data.documents = list_run_documents(&mut tx, parent_id).await?;
    if fresh_data {
        spec.data.as_of = None;
    }
    let spec = if may_name_unknown { validate_spec(&mut tx, scope, spec).await? } else { spec.validate()? };
    let run = CreateRun {
        spec,
        actor: &actor.name,
        on_behalf_of: None,
        idempotency: headers.idempotency(request_sha256),
        dataset_only,
        parent_run_id: Some(parent_id),
        position: (!fresh_data).then_some(parent.position),
        trace_parent: headers.trace_parent(),
        trace_state: headers.trace_state(),
    };
    let created = create_in_scope(&mut tx, scope, run).await?;
    tx.commit().await?;
    Ok(accepted(created))
}

impl ChildRunRequest {
    /// Part of the request hash: must not change, or a repeated request would be rejected.
    const fn name(&self) -> &'static str {
        match self {
            Self::Ingest => "Ingest",
            Self::Evaluation => "Evaluation",
            Self::Encoder(_) => "Encoder",
        }
    }

    /// Derives the spec of the child run from the spec of its parent. The parent's `run_after` is not inherited.
    fn spec(self, parent: RunSpec) -> Result<RunSpec, ApiError> {
        if parent.kind == RunKind::Predict {
            let detail = "a run of kind `predict` reads no snapshot that another run could use: name a run that trains or evaluates";
            return Err(ApiError::unprocessable("invalid_spec", detail));
        }
        let mut spec = RunSpec { run_after: None, ..parent };
        match self {
            Self::Ingest => {}
            Self::Evaluation => {
                spec = spec.with_kind(RunKind::Evaluate);
            }
            Self::Encoder(request) => {
                if spec.kind != RunKind::SentenceTransformer {
                    let model = default_encoder_name(&spec.model)?;
                    spec = RunSpec { model, ..spec.with_kind(RunKind::SentenceTransformer) };
                }
                spec.model = request.model.unwrap_or(spec.model);
                spec.params = request.params.unwrap_or(spec.params);
                spec.base_model = request.base_model.or(spec.base_model);
            }
        }
        Ok(spec)
    }
}

/// Default name of the encoder trained from the data of a model; shortened where the suffix would make it too long.
fn default_encoder_name(model: &ModelName) -> Result<ModelName, ApiError> {
    let max_len = MAX_MODEL_NAME_LEN - ENCODER_SUFFIX.len();
    let name = model.as_str();
    Ok(ModelName::try_from(format!("{}{ENCODER_SUFFIX}", &name[..name.len().min(max_len)]))?)
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
        let spec = ChildRunRequest::Evaluation.spec(parent()).unwrap();
        spec.clone().validate().unwrap();
        assert_eq!((spec.kind, &spec.data, spec.run_after), (RunKind::Evaluate, &parent().data, None));
    }

    #[test]
    fn a_run_that_predicts_has_no_child_runs() {
        let parent: RunSpec = serde_json::from_str(r#"{"model":"m","kind":"predict","model_version":1}"#).unwrap();
        for child in [ChildRunRequest::Ingest, ChildRunRequest::Evaluation, ChildRunRequest::Encoder(EncoderRequest::default())] {
            assert!(child.spec(parent.clone()).is_err());
        }
    }

    #[test]
    fn an_ingest_keeps_kind_and_parameters() {
        let spec = ChildRunRequest::Ingest.spec(parent()).unwrap();
        assert_eq!((spec.kind, spec.params), (RunKind::Linear, parent().params));
    }

    #[test]
    fn an_encoder_has_its_own_name_and_parameters_and_the_same_data() {
        let spec = ChildRunRequest::Encoder(EncoderRequest::default()).spec(parent()).unwrap();
        spec.clone().validate().unwrap();
        assert_eq!((spec.kind, spec.model.as_str()), (RunKind::SentenceTransformer, "m-encoder"));
        assert!(spec.params.is_empty() && spec.data == parent().data);

        let request: EncoderRequest = serde_json::from_str(r#"{"model":"other","base_model":"models:/m-encoder/1"}"#).unwrap();
        let again = ChildRunRequest::Encoder(request).spec(RunSpec { seed: 7, ..spec }).unwrap();
        assert_eq!((again.model.as_str(), again.base_model.as_deref(), again.seed), ("other", Some("models:/m-encoder/1"), 7));
        let evaluation = ChildRunRequest::Evaluation.spec(again.validate().unwrap().into()).unwrap();
        evaluation.validate().unwrap();

        let long = RunSpec { model: "a".repeat(63).parse().unwrap(), ..parent() };
        assert_eq!(ChildRunRequest::Encoder(EncoderRequest::default()).spec(long).unwrap().model.as_str().len(), 63);
    }
}
