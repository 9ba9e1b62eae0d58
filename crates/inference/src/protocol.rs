//! Messages between the API and the inference process: JSON over HTTP on a Unix domain socket.

use serde::{Deserialize, Serialize};

use crate::prediction::FieldPrediction;
use crate::word_evidence::WordEvidence;

/// Path of predictions: `POST` with a [`PredictionRequest`].
pub const PREDICT_PATH: &str = "/predict";
/// Path of the health check.
pub const HEALTH_PATH: &str = "/healthz";
/// Maximum number of texts of a request.
pub const MAX_REQUEST_TEXTS: usize = 64;
/// Size limit of a request. The API accepts 32 MiB of JSON; written again, the texts are not longer.
pub const MAX_REQUEST_BYTES: usize = (32 << 20) + (64 << 10);

/// Texts to predict for, and the version that predicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictionRequest {
    /// The version.
    pub version: ServedVersion,
    /// The texts.
    pub texts: Vec<String>,
    /// Number of listed classes per field.
    pub top_k: usize,
    /// Time after which the answer is not needed any more.
    pub timeout_ms: u64,
}

/// Where the files of a version are, and what they must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServedVersion {
    /// Name of the model, for messages.
    pub model: String,
    /// Number of the version, for messages.
    pub number: i32,
    /// Prefix of the object keys of its files.
    pub object_prefix: String,
    /// SHA-256 of its manifest, which identifies its whole content, in lower-case hexadecimal.
    pub manifest_sha256: String,
}

/// The predictions of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictionResponse {
    /// One entry per text, in the order of the request.
    pub predictions: Vec<Vec<ServedPrediction>>,
}

/// A prediction for a field, with what only the loaded model knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServedPrediction {
    /// The prediction. `top` has at most the requested number of classes.
    pub prediction: FieldPrediction,
    /// The threshold that was published with the version; `None` = nothing is answered.
    pub threshold: Option<f64>,
    /// Offsets, in characters, of the part of the text that contributes most to the value. The end is exclusive.
    pub evidence: Option<(usize, usize)>,
    /// Words that speak for and against the value, of a linear model, if the client asks for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<WordEvidence>,
}

/// Why a request has no predictions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// The kind of the reason.
    pub reason: RefusalReason,
    /// The reason, for people.
    pub detail: String,
}

/// Kinds of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// The request is malformed or too large.
    InvalidRequest,
    /// Too many requests or bytes are waiting.
    Overloaded,
    /// The time of the request is over.
    TimedOut,
    /// The process is shutting down.
    ShuttingDown,
    /// The files cannot be downloaded at present.
    FilesUnavailable,
    /// The model needs more memory or disk than is allowed.
    ModelTooLarge,
    /// The files are missing, damaged or of an unsupported version.
    InvalidModel,
    /// The computation failed.
    Failed,
}

impl RefusalReason {
    /// HTTP status of the response.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::Overloaded | Self::TimedOut | Self::ShuttingDown | Self::FilesUnavailable => 503,
            Self::ModelTooLarge => 507,
            Self::InvalidModel | Self::Failed => 500,
        }
    }
}

impl Refusal {
    /// A refusal with its reason in words.
    pub fn new(reason: RefusalReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prediction::RankedLabel;

    #[test]
    fn numbers_are_the_same_after_the_transfer() {
        let probabilities = [0.527_367_199_595_360_4, 1.0 / 3.0, 5e-324, 0.1 + 0.2];
        let top: Vec<RankedLabel> = probabilities.map(|probability| RankedLabel { label: None, probability }).into();
        let served = |confidence| ServedPrediction {
            prediction: FieldPrediction {
                field: "law".to_owned(),
                value: Some("Texas".to_owned()),
                confidence,
                answered: true,
                no_known_feature: false,
                top: top.clone(),
            },
            threshold: Some(0.7),
            evidence: Some((3, 9)),
            words: Vec::new(),
        };
        let response = PredictionResponse { predictions: vec![probabilities.map(served).into()] };
        let text = serde_json::to_string(&response).unwrap();
        assert_eq!(serde_json::from_str::<PredictionResponse>(&text).unwrap(), response);
    }

    #[test]
    fn unknown_keys_are_refused() {
        let text =
            r#"{"version":{"model":"m","number":1,"object_prefix":"p","manifest_sha256":"0"},"texts":[],"top_k":1,"timeout_ms":1,"x":1}"#;
        assert!(serde_json::from_str::<PredictionRequest>(text).unwrap_err().to_string().contains('x'));
    }
}
