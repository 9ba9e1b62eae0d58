//! Points at which a process can be held.

use std::fmt;

/// A point in the execution of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point<'a> {
    /// Training has completed this number of steps and has not started the next one.
    Step(u64),
    /// The checkpoint of this step is about to be written.
    BeforeCheckpoint(u64),
    /// The checkpoint of this step is on disk and reported.
    AfterCheckpoint(u64),
    /// The model is written; the end of the training is not reported yet.
    Trained,
    /// The evaluation process has loaded its model and has not scored any example.
    Evaluation,
    /// The worker has recorded the start of this phase.
    Phase(&'a str),
}

impl Point<'_> {
    /// Whether a gate that names `line` holds a process at this point: the same point, or a later step.
    #[must_use]
    pub fn is_held_by(&self, line: &str) -> bool {
        let (name, argument) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let reached = |step: u64| argument.parse::<u64>().is_ok_and(|first| step >= first);
        match *self {
            Self::Step(step) => name == "step" && reached(step),
            Self::BeforeCheckpoint(step) => name == "before-checkpoint" && reached(step),
            Self::AfterCheckpoint(step) => name == "after-checkpoint" && reached(step),
            Self::Trained => name == "trained",
            Self::Evaluation => name == "evaluation",
            Self::Phase(phase) => name == "phase" && argument == phase,
        }
    }
}

impl fmt::Display for Point<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(step) => write!(formatter, "step {step}"),
            Self::BeforeCheckpoint(step) => write!(formatter, "before-checkpoint {step}"),
            Self::AfterCheckpoint(step) => write!(formatter, "after-checkpoint {step}"),
            Self::Trained => formatter.write_str("trained"),
            Self::Evaluation => formatter.write_str("evaluation"),
            Self::Phase(phase) => write!(formatter, "phase {phase}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_holds_its_own_point_and_later_steps() {
        for point in [Point::Step(3), Point::BeforeCheckpoint(3), Point::AfterCheckpoint(3), Point::Trained, Point::Phase("upload")] {
            assert!(point.is_held_by(&point.to_string()), "{point}");
        }
        assert!(Point::Step(4).is_held_by("step 3"));
        assert!(!Point::Step(2).is_held_by("step 3"));
        assert!(!Point::Step(3).is_held_by("after-checkpoint 3"));
        assert!(!Point::Phase("train").is_held_by("phase upload"));
        assert!(!Point::Trained.is_held_by(""));
    }
}
