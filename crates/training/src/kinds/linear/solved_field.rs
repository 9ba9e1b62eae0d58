//! The solution of a field, as checkpoints store it.

use burn::tensor::Tensor;

use crate::{checkpoint::state_dict::StateDict, interrupt::Interrupt};

/// The solution of a field, from which its head and its out-of-fold scores are derived.
pub(crate) struct SolvedField {
    /// The L2 penalty.
    pub(crate) l2: f64,
    /// Number of folds; 0 if no examples can be held out.
    pub(crate) folds: usize,
    /// Out-of-fold scores, `[N, C]`; `None` if no examples can be held out.
    pub(crate) scores: Option<Tensor<2>>,
    /// Solution on all examples, `[N, C]`.
    pub(crate) solution: Tensor<2>,
}

impl SolvedField {
    pub(crate) fn save(&self) -> StateDict {
        let state_dict =
            StateDict::default().with_number("l2", self.l2).with_number("folds", self.folds as f64).with_tensor("solution", &self.solution);
        match &self.scores {
            Some(scores) => state_dict.with_tensor("scores", scores),
            None => state_dict,
        }
    }

    pub(crate) fn restore(state_dict: &StateDict, shape: [usize; 2]) -> Result<Self, Interrupt> {
        let folds = state_dict.count("folds")?;
        let scores = if folds > 0 { Some(state_dict.tensor("scores", shape)?) } else { None };
        Ok(Self { l2: state_dict.number("l2")?, folds, scores, solution: state_dict.tensor("solution", shape)? })
    }
}
