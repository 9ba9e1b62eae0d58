//! States of runs and attempts, as Postgres enums and Rust enums. `docs/STATES.md` shows the transitions.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! state {
    ($(#[$doc:meta])* $name:ident, $postgres:literal, { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, ToSchema)]
        #[serde(rename_all = "lowercase")]
        #[sqlx(type_name = $postgres, rename_all = "lowercase")]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// The name used in the database, the API and logs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err(format!("unknown value `{other}`: expected one of {}", [$($text),+].join(", "))),
                }
            }
        }
    };
}

state!(
    /// Status of a run.
    RunStatus, "run_status", {
        /// Waiting for a worker.
        Queued = "queued",
        /// Executed by the worker that holds its lease.
        Running = "running",
        /// Failed with a retryable error; waiting until `run_after`.
        Retrying = "retrying",
        /// Cancellation was requested while it was running.
        Cancelling = "cancelling",
        /// Completed; a training run has published its model version.
        Succeeded = "succeeded",
        /// Failed for good.
        Failed = "failed",
        /// Cancelled on request.
        Cancelled = "cancelled",
    }
);

impl RunStatus {
    /// Whether the run has ended; only a manual retry changes it again.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

state!(
    /// Phase of a running run.
    RunPhase, "run_phase", {
        /// Builds or fetches its dataset snapshot.
        Dataset = "dataset",
        /// Trains in a child process.
        Train = "train",
        /// Evaluates the trained model.
        Evaluate = "evaluate",
        /// Predicts documents with a published version.
        Predict = "predict",
        /// Uploads files, the manifest last.
        Upload = "upload",
        /// Records model version, metrics and final status in one transaction.
        Publish = "publish",
    }
);

state!(
    /// Status of an attempt.
    AttemptStatus, "attempt_status", {
        /// Running; it holds the lease.
        Running = "running",
        /// Completed the run.
        Succeeded = "succeeded",
        /// Failed with an error.
        Failed = "failed",
        /// Cancelled on request.
        Cancelled = "cancelled",
        /// Released by its worker; does not count.
        Released = "released",
        /// Lost: the worker stopped renewing the lease.
        Lost = "lost",
    }
);

state!(
    /// What a run is in the sweep that created it.
    SweepRole, "sweep_role", {
        /// Trained to be compared on validation; publishes nothing.
        Trial = "trial",
        /// The best trial, trained in full and published.
        Winner = "winner",
    }
);

state!(
    /// Kind of an event.
    EventKind, "run_event_kind", {
        /// The status changed.
        State = "state",
        /// A phase started.
        Phase = "phase",
        /// A training metric, for example the loss.
        Metric = "metric",
        /// A log line.
        Log = "log",
        /// A checkpoint was recorded.
        Checkpoint = "checkpoint",
        /// The last event of a run.
        End = "end",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_json_and_in_text() {
        for phase in [RunPhase::Dataset, RunPhase::Train, RunPhase::Evaluate, RunPhase::Upload, RunPhase::Publish] {
            assert_eq!(serde_json::to_value(phase).unwrap(), phase.as_str());
            assert_eq!(phase.as_str().parse::<RunPhase>().unwrap(), phase);
        }
        assert!("trian".parse::<RunPhase>().unwrap_err().contains("train"));
    }
}
