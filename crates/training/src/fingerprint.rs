//! The fingerprint that decides which checkpoints a job may resume from.

use crate::{checkpoint::identity::Identity, kinds::dispatch::resolved_params, protocol::job::TrainingJob};

/// SHA-256, as hexadecimal digits, of everything the result of a training depends on: kind, seed, parameters, back end, data set, base
/// model, and the versions of this crate and of its checkpoint format. Jobs with the same fingerprint may resume from each other's
/// checkpoints.
///
/// Threads, paths, the checkpoint interval and the CPU kernel are not part of it.
#[must_use]
pub fn fingerprint(job: &TrainingJob, dataset_hash: &str) -> String {
    Identity::new(job, resolved_params(job), dataset_hash).hash()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{backend::Backend, kinds::kind::Kind};
    use encoder::BaseModel;
    use serde_json::json;

    fn job() -> TrainingJob {
        TrainingJob {
            v: TrainingJob::version(),
            kind: Kind::Linear,
            seed: 1,
            target_accuracy: 0.9,
            params: json!({"folds": 3, "l2": 0.1}),
            train: "train".into(),
            validation: "validation".into(),
            labels: "labels".into(),
            base_model: None,
            pairs: None,
            out: "out".into(),
            reports: "reports".into(),
            checkpoints: "checkpoints".into(),
            checkpoint_seconds: 15.0,
            resume: None,
            threads: 1,
            backend: Backend::Auto,
        }
    }

    #[test]
    fn what_the_result_depends_on_changes_the_fingerprint() {
        let original = fingerprint(&job(), "a");
        assert_eq!(original.len(), 64);
        let changed = [
            fingerprint(&job(), "b"),
            fingerprint(&TrainingJob { seed: 2, ..job() }, "a"),
            fingerprint(&TrainingJob { params: json!({"folds": 4, "l2": 0.1}), ..job() }, "a"),
            fingerprint(&TrainingJob { backend: Backend::Ndarray, ..job() }, "a"),
            fingerprint(&TrainingJob { base_model: Some(BaseModel { dir: "dir".into(), hash: "1".into() }), ..job() }, "a"),
            fingerprint(&TrainingJob { base_model: Some(BaseModel { dir: "dir".into(), hash: "2".into() }), ..job() }, "a"),
        ];
        assert!(changed.iter().all(|other| *other != original));
    }

    #[test]
    fn what_the_result_does_not_depend_on_leaves_the_fingerprint() {
        let other = TrainingJob {
            // what is not named is a default
            params: json!({"l2": 0.1, "folds": 3, "min_df": 2}),
            out: "elsewhere".into(),
            checkpoint_seconds: 0.0,
            resume: Some("checkpoint".into()),
            threads: 2,
            backend: Backend::Flex,
            ..job()
        };
        assert_eq!(fingerprint(&other, "a"), fingerprint(&job(), "a"));
    }
}
