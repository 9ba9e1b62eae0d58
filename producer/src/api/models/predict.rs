//! Predicts field values with a published model.

use std::collections::HashMap;
use std::sync::Arc;

use aprendiz_inference::protocol::ServedPrediction;
use aprendiz_inference::{FieldPrediction, Model, NgramCounter, RankedLabel, WordEvidence};
use aprendiz_runs::{CHAMPION, ModelVersion, ShadowAnswer, find_alias};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::admission::Admission;
use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::compute::Compute;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, JsonBody};
use crate::api::http::operation::routes;
use crate::api::http::request_body::limit_body;
use crate::api::models::inference::predictor::{Predictor, explain_locally, predict_locally};
use crate::api::models::shadow::queue::{ShadowAnswers, ShadowQueue, ShadowTarget};
use crate::api::models::thresholds::{changed_thresholds, current_threshold};
use crate::api::models::version::{ensure_files, find_model_version, require_model};
use crate::api::state::AppState;

const MAX_TEXTS: usize = 64;
/// Listed classes per field, unless the request says otherwise.
const DEFAULT_TOP_K: usize = 5;
const MAX_TOP_K: usize = 1000;
/// Size limit of a request body. Long contracts have several hundred kilobytes each.
const MAX_BODY_BYTES: usize = 32 << 20;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(predict)).layer(limit_body(MAX_BODY_BYTES))
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
    /// Version number; default: the version that `alias` names.
    number: Option<i32>,
    /// Alias of the version; default: `champion`.
    alias: Option<String>,
    /// Number of listed classes per field, most probable first; default 5.
    #[schema(minimum = 1, maximum = 1000)]
    top_k: Option<usize>,
    /// Whether the words that speak for and against each value are returned, of a linear model; default false, because it takes several
    /// times as long. A field classifier always returns the part of the text that decided.
    #[serde(default)]
    evidence: bool,
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
    /// The most probable classes with their probabilities, at most `top_k`.
    top: Vec<ClassProbability>,
    /// The part of the text that contributes most to the value; only field classifiers have it, and only for a text with tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Evidence>,
    /// If the request asks for `evidence`, and the model is linear: the words that contribute most for the value, at most five, then those
    /// that contribute most against it, at most five. Empty for a text without any known feature.
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<Vec<WordContribution>>,
}

/// A part of a text, in characters (Unicode code points).
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
struct Evidence {
    /// First character, zero-based.
    start: usize,
    /// End, exclusive.
    end: usize,
}

/// A word that speaks for or against a value.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct WordContribution {
    /// The word as the text has it, without punctuation at its ends, at most 60 characters.
    text: String,
    /// What all of its occurrences add to the logarithm of the ratio of two probabilities: that of the value, and that of the second most
    /// probable one. Negative against the value.
    contribution: f64,
    /// First character of the occurrence that contributes most, zero-based; null if the text is not stored as the model reads it.
    start: Option<usize>,
    /// End, exclusive.
    end: Option<usize>,
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
        (status = 409, description = "The version is retired; `needs_inference`: it is a field classifier, and the server has no \
                                      inference process; or `model_too_large`: that process may use less memory", body = Problem),
        (status = 410, description = "The files of the version were deleted", body = Problem),
        (status = 422, description = "Invalid body, or the version is an encoder", body = Problem),
        (status = 503, description = "`inference_unavailable`: the inference process does not answer", body = Problem),
    ),
)]
async fn predict(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    admission: Admission,
    ApiPath(name): ApiPath<String>,
    body: JsonBody<PredictRequest>,
) -> Result<Response, ApiError> {
    require_model(&state, &scope, &name).await?;
    let PredictRequest { text, texts, number, alias, top_k, evidence } = body.value;
    let top_k = checked_top_k(top_k)?;
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
    let mut conn = state.database.read().await?;
    let asks_champion = number.is_none() && alias.as_deref().is_none_or(|alias| alias == CHAMPION);
    let version = answering_version(&mut conn, &name, number, alias).await?;
    let thresholds = changed_thresholds(&mut conn, version.id).await?;
    drop(conn);
    let predictor = Predictor::load(&state.models, &state.store, state.inference.as_ref(), &version).await?;
    let target = if asks_champion { state.shadow.target(&name, version.number) } else { None };
    let answering = Answering { version, thresholds, top_k, evidence, target, shadow: state.shadow.clone() };
    let response = match predictor {
        Predictor::Local(model) => predict_on_core(&state.compute, admission, model, texts, answering).await?,
        Predictor::Remote(client, version) => {
            // the shares are in use until the answer is there, or this future is dropped with its request
            let _shares = admission.take_shares();
            let kept = if answering.target.is_some() { texts.clone() } else { Vec::new() };
            let predictions = client.predict(&version, texts, top_k).await?;
            answering.respond(kept, predictions)?
        }
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], response).into_response())
}

/// Predicts in this process.
async fn predict_on_core(
    compute: &Compute,
    admission: Admission,
    model: Arc<Model>,
    texts: Vec<String>,
    answering: Answering,
) -> Result<Vec<u8>, ApiError> {
    // cancelled when this future is dropped, after a timeout or a disconnect
    let cancelled = CancellationToken::new();
    let _cancel = cancelled.clone().drop_guard();
    let computing = compute.run(move || {
        // slot and memory are in use until the last text is done or dropped, even if the request is not waiting any more
        let _shares = admission.take_shares();
        let mut counter = NgramCounter::new();
        let mut predictions = Vec::with_capacity(texts.len());
        for text in &texts {
            if cancelled.is_cancelled() {
                return Ok(Vec::new());
            }
            let predict = if answering.evidence { explain_locally } else { predict_locally };
            predictions.push(predict(&model, &mut counter, text, answering.top_k));
        }
        answering.respond(texts, predictions)
    });
    computing.await?
}

/// What turns predictions into the response.
struct Answering {
    version: ModelVersion,
    /// Thresholds that were changed since the version was published.
    thresholds: HashMap<String, Option<f64>>,
    top_k: usize,
    /// Whether the client asks for words.
    evidence: bool,
    /// The challenger to compare with, if any.
    target: Option<Arc<ShadowTarget>>,
    shadow: ShadowQueue,
}

impl Answering {
    /// The body of the response. `texts` are only needed for a challenger.
    fn respond(self, texts: Vec<String>, predictions: Vec<Vec<ServedPrediction>>) -> Result<Vec<u8>, ApiError> {
        let predictions =
            predictions.into_iter().map(|fields| TextPrediction::new(fields, &self.thresholds, self.top_k, self.evidence)).collect();
        let response = PredictResponse { model: self.version.model, number: self.version.number, predictions };
        let bytes = serde_json::to_vec(&response).map_err(ApiError::internal)?;
        if let Some(target) = self.target {
            for (text, prediction) in texts.into_iter().zip(&response.predictions) {
                self.shadow.offer(&target, text, || prediction.shadow_answers());
            }
        }
        Ok(bytes)
    }
}

/// The version that answers: the one with the number, else the one that the alias names. A retired version does not.
async fn answering_version(
    conn: &mut PgConnection,
    name: &str,
    number: Option<i32>,
    alias: Option<String>,
) -> Result<ModelVersion, ApiError> {
    let number = match (number, alias) {
        (Some(_), Some(_)) => return Err(ApiError::unprocessable("invalid_body", "at most one of `number` and `alias` can be given")),
        (Some(number), None) => number,
        (None, alias) => {
            let alias = alias.as_deref().unwrap_or(CHAMPION);
            let Some(found) = find_alias(&mut *conn, name, alias).await? else {
                // the error says so if the model has no version at all
                let latest = find_model_version(conn, name, None).await?;
                let detail = format!(
                    "model `{name}` has no alias `{alias}`, and its latest version {} does not answer unasked: promote a version, or name it as \
                     `number`",
                    latest.number
                );
                return Err(ApiError::new(StatusCode::NOT_FOUND, "unknown_alias", detail));
            };
            found.number
        }
    };
    let version = find_model_version(conn, name, Some(number)).await?;
    ensure_files(&version)?;
    match version.retired_at {
        Some(_) => Err(ApiError::conflict("version_retired", format!("model `{name}` version {number} is retired and answers nothing"))),
        None => Ok(version),
    }
}

fn checked_top_k(top_k: Option<usize>) -> Result<usize, ApiError> {
    match top_k.unwrap_or(DEFAULT_TOP_K) {
        top_k @ 1..=MAX_TOP_K => Ok(top_k),
        other => Err(ApiError::unprocessable("invalid_body", format!("top_k is {other}: it must be between 1 and {MAX_TOP_K}"))),
    }
}

impl TextPrediction {
    /// `thresholds` are those that were changed since the model was published.
    fn new(fields: Vec<ServedPrediction>, thresholds: &HashMap<String, Option<f64>>, top_k: usize, with_words: bool) -> Self {
        let no_known_feature = fields.iter().any(|served| served.prediction.no_known_feature);
        let answer = |ServedPrediction { prediction, threshold, evidence, words }: ServedPrediction| {
            let threshold = current_threshold(thresholds, &prediction.field, threshold);
            // a field classifier has no words, and its evidence instead
            let words = (with_words && evidence.is_none()).then(|| words.into_iter().map(WordContribution::from).collect());
            FieldAnswer { words, ..FieldAnswer::new(prediction, threshold, evidence, top_k) }
        };
        Self { no_known_feature, fields: fields.into_iter().map(answer).collect() }
    }

    /// The answers that a challenger is compared with.
    fn shadow_answers(&self) -> ShadowAnswers {
        let answer = |field: &FieldAnswer| ShadowAnswer {
            value: field.value.first().cloned(),
            confidence: field.confidence,
            answered: field.answered,
        };
        self.fields.iter().map(|field| (field.field.clone(), answer(field))).collect()
    }
}

impl FieldAnswer {
    fn new(mut prediction: FieldPrediction, threshold: Option<f64>, evidence: Option<(usize, usize)>, top_k: usize) -> Self {
        prediction.decide(threshold);
        let FieldPrediction { field, value, confidence, answered, no_known_feature: _, top } = prediction;
        let decision = if answered { Decision::Auto } else { Decision::NeedsReview };
        let top = top
            .into_iter()
            .take(top_k)
            .map(|RankedLabel { label, probability }| ClassProbability { value: label.into_iter().collect(), probability });
        let evidence = evidence.map(|(start, end)| Evidence { start, end });
        let value = value.into_iter().collect();
        Self { field, value, confidence, threshold, decision, answered, top: top.collect(), evidence, words: None }
    }
}

impl From<WordEvidence> for WordContribution {
    fn from(WordEvidence { text, contribution, place }: WordEvidence) -> Self {
        let (start, end) = place.unzip();
        Self { text, contribution, start, end }
    }
}
