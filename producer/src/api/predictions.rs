//! Asks a published model.

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use inference::{FieldPrediction, RankedLabel};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::Viewer;
use crate::api::error::{ApiError, Problem};
use crate::api::extract::{JsonBody, Segments};
use crate::api::model_cache::ModelFiles;
use crate::api::models::{find_model_version, model_files, read_manifest};
use crate::api::run_request::is_encoder;
use crate::api::state::AppState;

const MAX_TEXTS: usize = 64;
/// Long contracts have some hundred kilobytes.
const MAX_BODY_BYTES: usize = 32 << 20;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(predict)).layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

/// What to predict: `text` for one, `texts` for up to 64.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PredictRequest {
    /// One text.
    text: Option<String>,
    /// Several texts.
    texts: Option<Vec<String>>,
    /// Number of the version; default: the newest.
    number: Option<i32>,
}

/// What a model says.
#[derive(Debug, Serialize, ToSchema)]
struct PredictResponse {
    /// Name of the model.
    model: String,
    /// Version that answered.
    number: i32,
    /// One entry per text, in the order of the texts.
    predictions: Vec<TextPrediction>,
}

/// What a model says about one text.
#[derive(Debug, Serialize, ToSchema)]
struct TextPrediction {
    /// One answer per field, by name.
    fields: Vec<FieldAnswer>,
}

/// What a model says about one field.
#[derive(Debug, Serialize, ToSchema)]
struct FieldAnswer {
    /// The field.
    field: String,
    /// The most probable value; an empty list is the answer "there is no value".
    value: Vec<String>,
    /// Its probability, 0 to 1.
    confidence: f64,
    /// Whether the confidence reaches the threshold of the field. If not, the value is a hint and no answer.
    answered: bool,
    /// Every class with its probability, the most probable first.
    top: Vec<ClassProbability>,
}

/// A class with its probability.
#[derive(Debug, Serialize, ToSchema)]
struct ClassProbability {
    /// The class; an empty list is "there is no value".
    value: Vec<String>,
    /// Its probability, 0 to 1.
    probability: f64,
}

/// Asks a model for the values of its fields
#[utoipa::path(
    post, path = "/v1/models/{name}/predict", tag = "models", security(("api_key" = ["viewer"])), params(("name" = String, Path)),
    request_body = PredictRequest,
    responses(
        (status = 200, description = "Values with confidence, and whether they reach the threshold", body = PredictResponse),
        (status = 404, description = "No such model or version", body = Problem),
        (status = 422, description = "The body is wrong, or the version is an encoder", body = Problem),
    ),
)]
async fn predict(
    State(state): State<AppState>,
    _: Viewer,
    Segments(name): Segments<String>,
    body: JsonBody<PredictRequest>,
) -> Result<Json<PredictResponse>, ApiError> {
    let PredictRequest { text, texts, number } = body.value;
    let texts = match (text, texts) {
        (Some(text), None) => vec![text],
        (None, Some(texts)) if (1..=MAX_TEXTS).contains(&texts.len()) => texts,
        (None, Some(texts)) => {
            return Err(ApiError::unprocessable(
                "invalid_body",
                format!("texts has {} entries: 1 to {MAX_TEXTS} are allowed", texts.len()),
            ));
        }
        _ => return Err(ApiError::unprocessable("invalid_body", "exactly one of `text` and `texts` is needed")),
    };
    let version = find_model_version(&mut *state.pool.acquire().await?, &name, number).await?;
    if is_encoder(&version.card) {
        let detail = format!("{name} version {} is an encoder and answers nothing: `aprendiz embed` gives its vectors", version.number);
        return Err(ApiError::unprocessable("model_without_answers", detail));
    }
    let files = async || {
        let (_, manifest) = read_manifest(&state, &version).await?;
        Ok(ModelFiles { files: model_files(&version)?, manifest })
    };
    let model = state.models.get(&version, files).await?;
    let predictions = tokio::task::spawn_blocking(move || model.predict_batch(&texts)).await.map_err(ApiError::internal)?;
    let predictions =
        predictions.into_iter().map(|fields| TextPrediction { fields: fields.into_iter().map(FieldAnswer::from).collect() }).collect();
    Ok(Json(PredictResponse { model: version.model, number: version.number, predictions }))
}

impl From<FieldPrediction> for FieldAnswer {
    fn from(prediction: FieldPrediction) -> Self {
        let FieldPrediction { field, value, confidence, answered, top } = prediction;
        let top =
            top.into_iter().map(|RankedLabel { label, probability }| ClassProbability { value: label.into_iter().collect(), probability });
        Self { field, value: value.into_iter().collect(), confidence, answered, top: top.collect() }
    }
}
