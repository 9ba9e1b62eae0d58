//! The fingerprint that decides which checkpoints a job may resume from.

use crate::{checkpoint::identity::Identity, protocol::job::TrainingJob};

/// SHA-256, as hexadecimal digits, of everything the result of a training depends on: kind, seed, parameters, back end, data set, base
/// model, and the versions of this crate and of its checkpoint format. Jobs with the same fingerprint may resume from each other's
/// checkpoints.
///
/// Threads, paths, the checkpoint interval and the CPU kernel are not part of it.
#[must_use]
pub fn fingerprint(job: &TrainingJob, dataset_hash: &str) -> String {
    Identity::new(job, dataset_hash).hash()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aprendiz_encoder::BaseModel;
    use aprendiz_run_spec::{Backend, LinearParams, RunKind, TrainingParams};
    use serde_json::{Value, json};

    fn linear(params: Value) -> TrainingParams {
        TrainingParams::parse(RunKind::Linear, params.as_object().unwrap()).unwrap().unwrap()
    }

    fn job() -> TrainingJob {
        TrainingJob {
            v: TrainingJob::version(),
            seed: 1,
            target_accuracy: 0.9,
            params: linear(json!({"folds": 3, "l2": 0.1})),
            train: "train".into(),
            train_fraction: None,
            whole_fit: None,
            validation: "validation".into(),
            labels: "labels".into(),
            base_model: None,
            pairs: None,
            out: "out".into(),
            reports: "reports".into(),
            checkpoints: "checkpoints".into(),
            checkpoint_seconds: 15.0,
            resume: None,
            embeddings: None,
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
            fingerprint(&TrainingJob { train_fraction: Some(0.5), ..job() }, "a"),
            fingerprint(&TrainingJob { params: linear(json!({"folds": 4, "l2": 0.1})), ..job() }, "a"),
            fingerprint(&TrainingJob { backend: Backend::Ndarray, ..job() }, "a"),
            fingerprint(
                &TrainingJob { base_model: Some(BaseModel { dir: "dir".into(), hash: "1".into(), notes: Vec::new() }), ..job() },
                "a",
            ),
            fingerprint(
                &TrainingJob { base_model: Some(BaseModel { dir: "dir".into(), hash: "2".into(), notes: Vec::new() }), ..job() },
                "a",
            ),
        ];
        assert!(changed.iter().all(|other| *other != original));
    }

    #[test]
    fn what_the_result_does_not_depend_on_leaves_the_fingerprint() {
        let other = TrainingJob {
            // what is not named is a default
            params: linear(json!({"l2": 0.1, "folds": 3, "min_df": 2})),
            out: "elsewhere".into(),
            checkpoint_seconds: 0.0,
            resume: Some("checkpoint".into()),
            threads: 2,
            backend: Backend::Flex,
            ..job()
        };
        assert_eq!(fingerprint(&other, "a"), fingerprint(&job(), "a"));
    }

    #[test]
    fn written_defaults_and_a_job_file_leave_the_fingerprint() {
        let defaults = serde_json::to_value(LinearParams { folds: 3, l2: Some(0.1), ..LinearParams::default() }).unwrap();
        let written = TrainingJob { params: linear(defaults), ..job() };
        let read: TrainingJob = serde_json::from_str(&serde_json::to_string(&written).unwrap()).unwrap();
        for other in [written, read] {
            assert_eq!(fingerprint(&other, "a"), fingerprint(&job(), "a"));
        }
    }
}
