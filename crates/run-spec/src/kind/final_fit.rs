//! Which splits the published model is fitted on.

use serde::{Deserialize, Serialize};

/// Which splits the published model is fitted on, after everything is chosen out of fold. Reported test metrics are always those of a model
/// that has not seen the test split.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FinalFit {
    /// Train only. Validation is scored by the published model.
    #[serde(rename = "train")]
    Train,
    /// Train and validation. The scores of both are out of fold.
    #[default]
    #[serde(rename = "train+validation")]
    TrainAndValidation,
    /// All splits. The test split is measured with a model of train and validation, and then the published weights are fitted on all.
    #[serde(rename = "all")]
    All,
}

impl FinalFit {
    /// The names, as a spec has them.
    pub const NAMES: &'static [&'static str] = &["train", "train+validation", "all"];

    /// The name, as a spec has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::TrainAndValidation => "train+validation",
            Self::All => "all",
        }
    }

    /// The splits that the measured model is fitted on.
    #[must_use]
    pub const fn measured(self) -> Self {
        match self {
            Self::Train => Self::Train,
            Self::TrainAndValidation | Self::All => Self::TrainAndValidation,
        }
    }

    /// Whether validation is part of what the measured model is fitted on.
    #[must_use]
    pub const fn includes_validation(self) -> bool {
        !matches!(self, Self::Train)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_a_spec() {
        for (fit, name) in [FinalFit::Train, FinalFit::TrainAndValidation, FinalFit::All].into_iter().zip(FinalFit::NAMES) {
            assert_eq!((serde_json::to_value(fit).unwrap(), fit.as_str()), ((*name).into(), *name));
        }
    }
}
