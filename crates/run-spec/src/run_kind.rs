//! The kinds of runs, as a Postgres enum and a Rust enum.

use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use utoipa::ToSchema;

/// Kind of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type))]
#[cfg_attr(feature = "sqlx", sqlx(type_name = "run_kind", rename_all = "kebab-case"))]
pub enum RunKind {
    /// Trains softmax heads on TF-IDF features.
    #[default]
    Linear,
    /// Fine-tunes a sentence encoder on pairs of texts.
    SentenceTransformer,
    /// Trains heads with attention over chunks, on vectors of a frozen encoder.
    FieldClassifier,
    /// Trains linear models and field classifiers, and selects the better kind for each field.
    Auto,
    /// Trains nothing: scores a published version, or the stored predictions of the extractor.
    Evaluate,
    /// Trains nothing: writes predictions of a published version for a selection of documents.
    Predict,
    /// Runs trials with different parameters, and publishes the best.
    Sweep,
}

impl RunKind {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Linear, Self::SentenceTransformer, Self::FieldClassifier, Self::Auto, Self::Evaluate, Self::Predict, Self::Sweep];

    /// The name used in the database, the API and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::SentenceTransformer => "sentence-transformer",
            Self::FieldClassifier => "field-classifier",
            Self::Auto => "auto",
            Self::Evaluate => "evaluate",
            Self::Predict => "predict",
            Self::Sweep => "sweep",
        }
    }

    /// What a run of this kind does, in one sentence without a full stop.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Linear => "Trains one linear model per field on n-grams of words and characters: fast, the default",
            Self::SentenceTransformer => "Fine-tunes a sentence encoder, which computes embeddings of texts",
            Self::FieldClassifier => "Trains one classifier per field on embeddings of parts of the text, which a base model computes",
            Self::Auto => "Trains linear models and field classifiers, and selects the better kind, or both together, for each field",
            Self::Evaluate => "Trains nothing: scores a published version on test documents, or the stored predictions of the extractor",
            Self::Predict => "Trains nothing: writes predictions of a published version for documents, to review them or to export them",
            Self::Sweep => "Trains trials with different parameters, compares them on validation and publishes the best",
        }
    }

    /// Whether the metrics of this kind can be computed by slice: it scores predicted values. An encoder predicts none.
    #[must_use]
    pub const fn has_slices(self) -> bool {
        !matches!(self, Self::SentenceTransformer | Self::Predict)
    }

    pub(crate) fn names() -> String {
        let [first @ .., last] = Self::ALL.map(|kind| format!("`{kind}`"));
        format!("{} or {last}", first.join(", "))
    }
}

impl<'de> Deserialize<'de> for RunKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KindVisitor)
    }
}

/// Reads a kind, and names all of them in its error.
struct KindVisitor;

impl Visitor<'_> for KindVisitor {
    type Value = RunKind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&RunKind::names())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RunKind, E> {
        let unknown = || E::custom(format!("unknown kind `{text}`: expected {}", RunKind::names()));
        RunKind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(unknown)
    }
}

impl fmt::Display for RunKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_json_and_in_text() {
        for kind in RunKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(serde_json::from_value::<RunKind>(kind.as_str().into()).unwrap(), kind);
        }
    }
}
