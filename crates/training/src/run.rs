//! Runs a training job of any kind: threads, progress and outcome.

use std::{fs, sync::atomic::AtomicBool};

use aprendiz_test_gate::Point;

use crate::{
    backend::device,
    checkpoint::{identity::Identity, training_state::TrainingState},
    error::TrainingError,
    interrupt::Interrupt,
    kinds::{dispatch::trainable, field_classifier::evaluate::evaluate_classifier, sentence_transformer::evaluate::evaluate_encoder},
    protocol::{evaluation_job::EvaluationJob, job::TrainingJob, progress::Progress, reporter::Reporter, summary::Outcome},
    thread_pool::run_in_pool,
    train_subset::write_train_subset,
};

/// The part of the train split on which a job with `train_fraction` trains, in its folder of reports.
const TRAIN_SUBSET_FILE: &str = "train_subset.jsonl";

/// Trains the model of a job.
///
/// Writes the model to `out` and, for kinds that have them, the scored examples to `reports`. The manifest is written by the caller on
/// publication. `progress` runs on the calling thread; training waits until it has returned before it sends the next line.
///
/// When `stop` becomes true, training ends after the current step, or batch of texts outside of a solve, with a checkpoint of everything
/// done so far. A training that is interrupted and resumed any number of times writes the same bytes as an uninterrupted one on the same
/// CPU kernel.
///
/// # Errors
/// Every error has a stable code, see [`TrainingError::code`]. The contents of `out` are then unusable.
pub fn run(job: &TrainingJob, stop: &AtomicBool, progress: &mut dyn FnMut(Progress)) -> Result<Outcome, TrainingError> {
    job.validate()?;
    let subset = subset_job(job)?;
    let job = subset.as_ref().unwrap_or(job);
    run_in_pool(job.threads, progress, |send| {
        let device = device(job.backend)?;
        let identity = file_identity(job)?;
        let mut training_state = TrainingState::open(job, identity, &device, stop, Reporter::new(send))?;
        match trainable(&job.params).train(job, device, &mut training_state) {
            Ok(summary) => {
                training_state.pass_gate(Point::Trained);
                training_state.reporter.done(&summary);
                Ok(Outcome::Trained(Box::new(summary)))
            }
            Err(Interrupt::Stopped) => {
                training_state.reporter.stopped(training_state.step());
                Ok(Outcome::Stopped { step: training_state.step() })
            }
            Err(Interrupt::Failed(error)) => {
                // the state before the failure helps to explain it
                training_state.reporter.flush();
                Err(error)
            }
            Err(Interrupt::OutOfTime) => unreachable!("only a part of a training has a time budget, and the training goes on without it"),
            Err(Interrupt::IncompatibleCheckpoint(reason)) => unreachable!("the checkpoint has already been discarded: {reason}"),
        }
    })
}

/// Scores a trained encoder or field classifier on the test split, as the job requests.
///
/// # Errors
/// Every error has a stable code, see [`TrainingError::code`].
pub fn evaluate(job: &EvaluationJob, stop: &AtomicBool, progress: &mut dyn FnMut(Progress)) -> Result<(), TrainingError> {
    match job {
        EvaluationJob::Encoder(job) => evaluate_encoder(job, stop, progress).map(drop),
        EvaluationJob::Classifier(job) => evaluate_classifier(job, stop, progress).map(drop),
    }
}

/// The job with the part of the train split on which it trains, which is written to its reports; `None` if it trains on the whole.
fn subset_job(job: &TrainingJob) -> Result<Option<TrainingJob>, TrainingError> {
    let Some(fraction) = job.train_fraction.filter(|fraction| *fraction < 1.0) else { return Ok(None) };
    fs::create_dir_all(&job.reports).map_err(TrainingError::io(&job.reports))?;
    let train = job.reports.join(TRAIN_SUBSET_FILE);
    write_train_subset(&job.train, fraction, job.seed, &train, || Ok::<_, TrainingError>(()))?;
    Ok(Some(TrainingJob { train, ..job.clone() }))
}

/// The identity of a job with the hashes of its input files.
fn file_identity(job: &TrainingJob) -> Result<Identity, TrainingError> {
    Ok(Identity::new(job, &trainable(&job.params).input_hashes(job)?))
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use aprendiz_run_spec::{Backend, FinalFit, LinearParams, TrainingParams};
    use burn::tensor::Device;
    use serde_json::json;

    use super::*;
    use crate::{
        checkpoint::{file::Checkpoint, state_dict::StateDict},
        protocol::progress::Event,
        tensor::tensor_from_vec,
    };

    fn job(dir: &Path) -> TrainingJob {
        let lines: String = (0..12)
            .map(|example| {
                let value = ["a", "b"][example % 2];
                let line = json!({
                    "document_id": example.to_string(), "text": format!("{value} number {example}"), "fields": {"law": {"value": [value]}}
                });
                format!("{line}\n")
            })
            .collect();
        fs::write(dir.join("train.jsonl"), lines).unwrap();
        fs::write(dir.join("validation.jsonl"), "").unwrap();
        fs::write(dir.join("labels.json"), r#"{"v":1,"fields":{"law":{"labels":["a","b"]}}}"#).unwrap();
        TrainingJob {
            v: TrainingJob::version(),
            seed: 1,
            target_accuracy: 0.9,
            params: TrainingParams::Linear(LinearParams { min_df: 1, folds: 2, final_fit: FinalFit::Train, ..LinearParams::default() }),
            train: dir.join("train.jsonl"),
            train_fraction: None,
            whole_fit: None,
            validation: dir.join("validation.jsonl"),
            labels: dir.join("labels.json"),
            base_model: None,
            pairs: None,
            out: dir.join("model"),
            reports: dir.join("reports"),
            checkpoints: dir.join("checkpoints"),
            checkpoint_seconds: 3600.0,
            resume: None,
            embeddings: None,
            threads: 1,
            backend: Backend::Flex,
        }
    }

    /// The warnings of a training that resumes from an undamaged checkpoint with invalid content.
    fn warnings(checkpoint: &Checkpoint) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        warnings_of(&job(dir.path()), dir.path(), checkpoint)
    }

    fn warnings_of(job: &TrainingJob, dir: &Path, checkpoint: &Checkpoint) -> Vec<String> {
        let path: PathBuf = dir.join("checkpoint");
        checkpoint.write(&path, &file_identity(job).unwrap()).unwrap();
        let mut warnings = Vec::new();
        let outcome = run(&TrainingJob { resume: Some(path), ..job.clone() }, &AtomicBool::new(false), &mut |line| {
            if let Event::Log { message, .. } = line.event {
                warnings.push(message);
            }
        });
        let Outcome::Trained(summary) = outcome.unwrap() else { panic!("no stop was requested") };
        assert_eq!(summary.resumed_from_step, None);
        warnings
    }

    #[test]
    fn an_incompatible_checkpoint_is_reported_and_training_restarts() {
        let state_dict = |name: &str, shape: [usize; 2]| {
            StateDict::default().with_tensor(name, &tensor_from_vec(vec![0.5; shape[0] * shape[1]], shape, &Device::flex()))
        };
        let field = state_dict("solution", [12, 2]).with_number("l2", 0.1).with_number("folds", 2.0);
        let cases = [
            (Checkpoint { fields: vec![field.clone()], ..Checkpoint::default() }, "no tensor `scores`"),
            (Checkpoint { fields: vec![field.with_number("folds", 0.5)], ..Checkpoint::default() }, "expected a non-negative integer"),
            (Checkpoint { fields: vec![state_dict("solution", [11, 2])], ..Checkpoint::default() }, "no number `folds`"),
            (Checkpoint { solves: vec![state_dict("solution", [7, 2])], ..Checkpoint::default() }, "shape [7, 2], not [6, 2]"),
            (Checkpoint { solves: vec![state_dict("other", [6, 2])], ..Checkpoint::default() }, "no tensor `solution`"),
            (Checkpoint { state: Some(state_dict("weights", [6, 2])), ..Checkpoint::default() }, "no tensor `sums`"),
            (Checkpoint { discarded: 3, ..Checkpoint::default() }, "discarded 3 solves"),
            (Checkpoint { discarded: 1 << 40, ..Checkpoint::default() }, "discarded"),
            (Checkpoint { state: Some(state_dict("a", [0, 0])), ..Checkpoint::default() }, "no tensor `weights`"),
        ];
        for (checkpoint, reason) in cases {
            let warnings = warnings(&checkpoint);
            assert!(warnings.len() == 1 && warnings[0].contains(reason), "{warnings:?} instead of {reason}");
        }
    }

    #[test]
    fn an_incompatible_learning_curve_restarts_the_training() {
        let dir = tempfile::tempdir().unwrap();
        let mut job = job(dir.path());
        job.params = TrainingParams::Linear(LinearParams {
            min_df: 1,
            folds: 2,
            learning_curve: true,
            final_fit: FinalFit::Train,
            ..LinearParams::default()
        });
        fs::copy(&job.train, &job.validation).unwrap();
        let tensor = tensor_from_vec(vec![0.5; 24], [12, 2], &Device::flex());
        let field = StateDict::default().with_tensor("solution", &tensor).with_tensor("scores", &tensor);
        let field = field.with_number("l2", 0.1).with_number("folds", 2.0);
        let part = StateDict::default().with_number("other", 1.0);
        let checkpoint = Checkpoint { fields: vec![field, part], ..Checkpoint::default() };
        let warnings = warnings_of(&job, dir.path(), &checkpoint);
        assert!(warnings.len() == 1 && warnings[0].contains("no number `train_documents`"), "{warnings:?}");
    }
}
