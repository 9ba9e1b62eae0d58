//! What a run does, by kind.

use crate::base_model::BaseModelName;
use crate::kind::{PredictParams, TrainingParams};
use crate::run_kind::RunKind;
use crate::sweep::SweepParams;

/// What a run does, by kind.
#[derive(Debug, Clone, PartialEq)]
pub enum KindSpec {
    /// Trains a model.
    Train {
        /// Kind of model, and its parameters.
        params: TrainingParams,
        /// The base model, for kinds that start from one.
        base_model: Option<BaseModelName>,
    },
    /// Trains nothing: scores a published version on the test documents, or the stored predictions of the extractor.
    Evaluate {
        /// Number of the version of the model; `None` = the extractor.
        model_version: Option<i32>,
    },
    /// Trains nothing: writes predictions of a published version.
    Predict {
        /// Number of the version of the model.
        model_version: i32,
        /// Which documents.
        params: PredictParams,
    },
    /// Runs trials, and publishes the model of the best.
    Sweep {
        /// Settings and trials.
        params: SweepParams,
        /// The base model of all trials, for kinds that start from one.
        base_model: Option<BaseModelName>,
    },
}

impl KindSpec {
    /// Kind of the run.
    #[must_use]
    pub const fn kind(&self) -> RunKind {
        match self {
            Self::Train { params, .. } => params.kind(),
            Self::Evaluate { .. } => RunKind::Evaluate,
            Self::Predict { .. } => RunKind::Predict,
            Self::Sweep { .. } => RunKind::Sweep,
        }
    }

    /// Kind of the model that the run publishes; `None` = it publishes none.
    #[must_use]
    pub const fn trained_kind(&self) -> Option<RunKind> {
        match self {
            Self::Train { params, .. } => Some(params.kind()),
            Self::Evaluate { .. } | Self::Predict { .. } => None,
            Self::Sweep { params, .. } => Some(params.kind()),
        }
    }

    /// The base model, for kinds that start from one.
    #[must_use]
    pub const fn base_model(&self) -> Option<&BaseModelName> {
        match self {
            Self::Train { base_model, .. } | Self::Sweep { base_model, .. } => base_model.as_ref(),
            Self::Evaluate { .. } | Self::Predict { .. } => None,
        }
    }

    /// Number of the published version that the run evaluates or predicts with, if it does.
    #[must_use]
    pub const fn used_version(&self) -> Option<i32> {
        match self {
            Self::Evaluate { model_version } => *model_version,
            Self::Predict { model_version, .. } => Some(*model_version),
            Self::Train { .. } | Self::Sweep { .. } => None,
        }
    }
}
