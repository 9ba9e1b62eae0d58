//! What a comparison leaves out, with the reason.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(rename_all = "snake_case")]
pub(crate) enum ComparedSideName {
    /// The side that is compared with.
    Baseline,
    /// The side that may replace it.
    Candidate,
}

/// Test documents of one side, or an evaluation run, that are not compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ComparisonExclusion {
    /// The side that lacks the documents, or whose evaluation run is not used.
    pub(crate) side: ComparedSideName,
    /// Why.
    pub(crate) reason: ComparisonExclusionReason,
    /// Number of documents; null for an evaluation run.
    pub(crate) documents: Option<usize>,
    /// The evaluation run; null for documents.
    pub(crate) run_id: Option<Uuid>,
}

/// Why something is not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(rename_all = "snake_case")]
pub(crate) enum ComparisonExclusionReason {
    /// The version was trained on the documents, which the other side predicted.
    Trained,
    /// The version was selected on the documents, which the other side predicted: they are in its validation split.
    Selected,
    /// The latest evaluation run of the version has the documents' state but did not predict them: they are archived, reviewed for another
    /// field, or not in its selection.
    NotInEvaluation,
    /// The predictions of the evaluation run were deleted, because a document was erased.
    EvaluationErased,
    /// The predictions of the evaluation run are larger than a comparison reads.
    EvaluationTooLarge,
    /// Newer evaluation runs of the version are used.
    EvaluationNotRead,
    /// The predictions of the evaluation run cannot be read from the object store.
    EvaluationUnreadable,
}
