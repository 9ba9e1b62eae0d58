//! The states of runs and attempts, as Postgres enums and Rust enums. The diagram is in `docs/STATES.md`.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! state {
    ($(#[$doc:meta])* $name:ident, $postgres:literal, $case:literal, { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, ToSchema)]
        #[serde(rename_all = $case)]
        #[sqlx(type_name = $postgres, rename_all = $case)]
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
                    other => Err(format!("`{other}` is none of: {}", [$($text),+].join(", "))),
                }
            }
        }
    };
}

state!(
    /// What a run learns.
    RunKind, "run_kind", "kebab-case", {
        /// Softmax heads on TF-IDF.
        Linear = "linear",
        /// The encoder, by pairs of texts.
        SentenceTransformer = "sentence-transformer",
        /// Heads with attention over chunks.
        FieldClassifier = "field-classifier",
        /// The best of the others per field.
        Auto = "auto",
        /// Nothing: scores the stored predictions of the extractor.
        Evaluate = "evaluate",
    }
);

state!(
    /// Where a run is in its life.
    RunStatus, "run_status", "lowercase", {
        /// Waits for a worker.
        Queued = "queued",
        /// A worker holds its lease.
        Running = "running",
        /// Failed in a way that may pass; waits until `run_after`.
        Retrying = "retrying",
        /// Asked to stop while running.
        Cancelling = "cancelling",
        /// Finished; a training run has its model version.
        Succeeded = "succeeded",
        /// Finished without success.
        Failed = "failed",
        /// Stopped on request.
        Cancelled = "cancelled",
    }
);

impl RunStatus {
    /// Whether nothing will happen to the run any more, unless someone retries it by hand.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

state!(
    /// What a running run does.
    RunPhase, "run_phase", "lowercase", {
        /// Builds or fetches its dataset snapshot.
        Dataset = "dataset",
        /// Trains in the child process.
        Train = "train",
        /// Scores the trained model.
        Evaluate = "evaluate",
        /// Uploads files, the manifest last.
        Upload = "upload",
        /// Writes the model version, metrics and final status in one transaction.
        Publish = "publish",
    }
);

state!(
    /// How an attempt goes or ended.
    AttemptStatus, "attempt_status", "lowercase", {
        /// Holds the lease.
        Running = "running",
        /// Finished the run.
        Succeeded = "succeeded",
        /// Ended with an error.
        Failed = "failed",
        /// Stopped on request.
        Cancelled = "cancelled",
        /// Given back by a worker that shut down; does not count.
        Released = "released",
        /// Its worker stopped renewing the lease.
        Lost = "lost",
    }
);

state!(
    /// Kind of a progress event.
    EventKind, "run_event_kind", "lowercase", {
        /// The status changed.
        State = "state",
        /// A phase began.
        Phase = "phase",
        /// A number during training, for example the loss.
        Metric = "metric",
        /// A line for people.
        Log = "log",
        /// A checkpoint was kept.
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
        for kind in [RunKind::Linear, RunKind::SentenceTransformer, RunKind::FieldClassifier, RunKind::Auto, RunKind::Evaluate] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(kind.as_str().parse::<RunKind>().unwrap(), kind);
        }
        assert!("linar".parse::<RunKind>().unwrap_err().contains("linear"));
    }
}
