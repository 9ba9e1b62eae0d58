//! Predicts field values with a published model.

use std::collections::HashMap;

use aprendiz_inference::{FieldPrediction, Model, NgramCounter, RankedLabel};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::admission::Admission;
use crate::api::http::auth::Viewer;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, JsonBody};
use crate::api::http::operation::routes;
use crate::api::models::thresholds::changed_thresholds;
use crate::api::models::version::{find_model_version, load_model};
use crate::api::state::AppState;

const MAX_TEXTS: usize = 64;
/// Size limit of a request body. Long contracts have several hundred kilobytes each.
const MAX_BODY_BYTES: usize = 32 << 20;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(predict)).layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

/// Texts to predict for: `text` for one, `texts` for up to 64.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PredictRequest {
    /// A single text.
    text: Option<String>,
    /// Several texts.
    #[schema(min_items = 1, max_items = 64)]
    texts: Option<Vec<String>>,
    /// Version number; default: the latest version.
    number: Option<i32>,
}

/// Predictions of a model.
#[derive(Debug, Serialize, ToSchema)]
struct PredictResponse {
    /// Name of the model.
    model: String,
    /// Version that made the predictions.
    number: i32,
    /// One entry per text, in request order.
    predictions: Vec<TextPrediction>,
}

/// Predictions for one text.
#[derive(Debug, Serialize, ToSchema)]
struct TextPrediction {
    /// Whether the model knows no feature of the text, for example because it is empty or in another language. Then nothing is answered,
    /// and the probabilities are the shares of the classes in training.
    no_known_feature: bool,
    /// One prediction per field, ordered by name.
    fields: Vec<FieldAnswer>,
}

/// Prediction for one field.
#[derive(Debug, Serialize, ToSchema)]
struct FieldAnswer {
    /// The field.
    field: String,
    /// The most probable value; an empty list means "no value".
    value: Vec<String>,
    /// Its probability, 0 to 1.
    confidence: f64,
    /// Lowest confidence that is answered without review; null = the target accuracy is unreachable, so nothing is.
    threshold: Option<f64>,
    /// Whether the value can be used without review: its confidence reaches the threshold, and the model knows features of the text.
    decision: Decision,
    /// The same as `decision`, as a truth value: true = `auto`.
    answered: bool,
    /// All classes with their probabilities, most probable first.
    top: Vec<ClassProbability>,
}

/// What to do with a predicted value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[cfg_attr(test, derive(Deserialize))]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum Decision {
    /// Use it without review.
    Auto,
    /// A person must review it.
    NeedsReview,
}

/// A class with its probability.
#[derive(Debug, Serialize, ToSchema)]
struct ClassProbability {
    /// The class; an empty list means "no value".
    value: Vec<String>,
    /// Its probability, 0 to 1.
    probability: f64,
}

/// Predicts the field values of texts
#[utoipa::path(
    post, path = "/v1/models/{name}/predict", tag = "models", params(("name" = String, Path)),
    request_body = PredictRequest,
    responses(
        (status = 200, description = "Values with their confidence, and whether it reaches the threshold", body = PredictResponse),
        (status = 404, description = "Model or version not found", body = Problem),
        (status = 422, description = "Invalid body, or the version is an encoder", body = Problem),
    ),
)]
async fn predict(
    State(state): State<AppState>,
    _: Viewer,
    admission: Admission,
    ApiPath(name): ApiPath<String>,
    body: JsonBody<PredictRequest>,
) -> Result<Response, ApiError> {
    let PredictRequest { text, texts, number } = body.value;
    let texts = match (text, texts) {
        (Some(text), None) => vec![text],
        (None, Some(texts)) if (1..=MAX_TEXTS).contains(&texts.len()) => texts,
        (None, Some(texts)) => {
            return Err(ApiError::unprocessable(
                "invalid_body",
                format!("texts has {} entries: it must have 1 to {MAX_TEXTS}", texts.len()),
            ));
        }
        _ => return Err(ApiError::unprocessable("invalid_body", "exactly one of `text` and `texts` is required")),
    };
    let (version, thresholds) = {
        let mut conn = state.database.read().await?;
        let version = find_model_version(&mut conn, &name, number).await?;
        let thresholds = changed_thresholds(&mut conn, version.id).await?;
        (version, thresholds)
    };
    let model = load_model(&state, &version).await?;
    // cancelled when this future is dropped, after a timeout or a disconnect
    let cancelled = CancellationToken::new();
    let _cancel = cancelled.clone().drop_guard();
    let computing = state.compute.run(move || {
        // slot and memory are in use until the last text is done or dropped, even if the request is not waiting any more
        let _shares = admission.take_shares();
        let mut counter = NgramCounter::new();
        let mut predictions = Vec::with_capacity(texts.len());
        for text in texts {
            if cancelled.is_cancelled() {
                return Ok(Vec::new());
            }
            predictions.push(TextPrediction::new(&model, model.predict_with(&mut counter, &text), &thresholds));
        }
        serde_json::to_vec(&PredictResponse { model: version.model, number: version.number, predictions })
    });
    let response = computing.await?.map_err(ApiError::internal)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], response).into_response())
}

impl TextPrediction {
    /// `thresholds` are those that were changed since the model was published.
    fn new(model: &Model, fields: Vec<FieldPrediction>, thresholds: &HashMap<String, Option<f64>>) -> Self {
        let no_known_feature = fields.iter().any(|prediction| prediction.no_known_feature);
        let answer = |prediction: FieldPrediction| {
            let published = || model.field(&prediction.field).and_then(|field| field.threshold);
            let threshold = thresholds.get(&prediction.field).copied().unwrap_or_else(published);
            FieldAnswer::new(prediction, threshold)
        };
        Self { no_known_feature, fields: fields.into_iter().map(answer).collect() }
    }
}

impl FieldAnswer {
    fn new(mut prediction: FieldPrediction, threshold: Option<f64>) -> Self {
        prediction.decide(threshold);
        let FieldPrediction { field, value, confidence, answered, no_known_feature: _, top } = prediction;
        let decision = if answered { Decision::Auto } else { Decision::NeedsReview };
        let top =
            top.into_iter().map(|RankedLabel { label, probability }| ClassProbability { value: label.into_iter().collect(), probability });
        Self { field, value: value.into_iter().collect(), confidence, threshold, decision, answered, top: top.collect() }
    }
}
