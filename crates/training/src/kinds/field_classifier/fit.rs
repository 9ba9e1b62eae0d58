//! Fits one field: out-of-fold scores by cross-validation, calibration, and the final head on all examples.

use aprendiz_classifier::{FieldHead, POSITIONS};
use aprendiz_run_spec::FieldClassifierParams;
use burn::tensor::Device;

use crate::{
    checkpoint::{state_dict::StateDict, training_state::TrainingState},
    dataset::Example,
    error::TrainingError,
    interrupt::Interrupt,
    kinds::{
        field_classifier::{
            documents::Document,
            head_training::{HeadExamples, HeadSettings, HeadTraining, train_head},
        },
        linear::{field_task::FieldTask, folds, out_of_fold::report_row, temperature},
    },
    protocol::{
        progress::{Event, LogLevel, Stage},
        report::ReportRow,
    },
    tensor::{tensor_from_vec, tensor_to_vec},
};

/// A fitted field.
pub(super) struct FieldFit {
    pub(super) folds: usize,
    pub(super) head: FieldHead,
    pub(super) out_of_fold: Vec<ReportRow>,
}

/// A field that is being fitted.
pub(super) struct FieldTraining<'a> {
    pub(super) task: &'a FieldTask,
    pub(super) documents: &'a [Document],
    pub(super) params: &'a FieldClassifierParams,
    pub(super) seed: u64,
    pub(super) size: usize,
    pub(super) device: &'a Device,
    /// Part of the run that this takes, for progress reports.
    pub(super) span: (f64, f64),
}

impl FieldTraining<'_> {
    /// Fits the field. Each finished head is recorded, so that a resumed training does not fit it again.
    pub(super) fn fit(&self, training_state: &mut TrainingState<'_>) -> Result<FieldFit, Interrupt> {
        let (task, documents) = (self.task, self.documents);
        let groups: Vec<&str> = task.examples.iter().map(|example| documents[*example].example.group.as_str()).collect();
        let (folds, assigned) = folds::assign(&groups, &task.classes, self.params.folds, self.seed).unwrap_or_default();
        if folds == 0 {
            let reason = "all its examples are near-duplicates of each other, so none can be held out";
            training_state.reporter.log(LogLevel::Warn, format!("field `{}` has no out-of-fold scores: {reason}", task.name));
        }
        let heads = match training_state.replay_field() {
            Some(state_dict) => self.restore(&state_dict, folds)?,
            None => {
                let mut heads = Vec::with_capacity(folds + 1);
                for fold in 0..=folds {
                    let fitted: Vec<usize> =
                        (0..task.examples.len()).filter(|example| fold == folds || assigned[*example] != fold).collect();
                    heads.push(self.head(&fitted, fold, folds, training_state)?);
                }
                training_state.finish_field(self.save(&heads));
                heads
            }
        };
        Ok(self.calibrate(heads, folds, &assigned)?)
    }

    fn head(&self, fitted: &[usize], fold: usize, folds: usize, training_state: &mut TrainingState<'_>) -> Result<FieldHead, Interrupt> {
        if let Some(state_dict) = training_state.replay_solve() {
            return self.restore_head(&state_dict, "");
        }
        let task = self.task;
        let saved = training_state.take_solve_in_progress();
        let saved = saved.map(|saved| HeadTraining::restore(&saved, self.size, task.labels.len())).transpose()?;
        training_state.confirm_resume();
        let classes: Vec<usize> = fitted.iter().map(|example| task.classes[*example]).collect();
        let mut counts = vec![0_usize; task.labels.len()];
        classes.iter().for_each(|class| counts[*class] += 1);
        let weight = |count: &usize| match (self.params.class_weights, *count) {
            (true, count @ 1..) => classes.len() as f32 / (count * task.labels.len()) as f32,
            _ => 1.0,
        };
        let examples = HeadExamples {
            documents: fitted.iter().map(|example| self.documents[task.examples[*example]].vectors.as_slice()).collect(),
            class_weights: counts.iter().map(weight).collect(),
            classes,
            size: self.size,
        };
        let settings = HeadSettings {
            epochs: self.params.epochs,
            batch: self.params.batch,
            learning_rate: self.params.learning_rate,
            l2: self.params.l2,
            seed: self.seed ^ fold as u64,
        };
        let (from, to) = self.span;
        let head = train_head(&examples, settings, self.device, saved, |state, loss| {
            training_state.count_step();
            let done = (fold as f64 + state.epoch as f64 / settings.epochs as f64) / (folds + 1) as f64;
            let step = training_state.step();
            let stage = if fold == folds { Stage::Fit } else { Stage::Fold };
            let event = |fraction| Event::Progress {
                stage,
                step,
                field: Some(task.name.clone()),
                fold: (fold < folds).then_some(fold as u64 + 1),
                epoch: Some(state.epoch as u64),
                epochs: Some(settings.epochs as u64),
                loss: Some(loss),
                fraction,
                examples_per_second: None,
                seconds_left: None,
            };
            training_state.reporter.progress(stage, event, from + (to - from) * done);
            training_state.save_if_due(|| state.save())
        })?;
        training_state.finish_solve(self.save_head(StateDict::default(), &head, ""));
        Ok(head)
    }

    /// Scores the held-out examples, calibrates them, and scales the final head accordingly.
    fn calibrate(&self, mut heads: Vec<FieldHead>, folds: usize, assigned: &[usize]) -> Result<FieldFit, TrainingError> {
        let task = self.task;
        let mut head = heads.pop().expect("the last head is fitted on all examples");
        if folds == 0 {
            return Ok(FieldFit { folds, head, out_of_fold: Vec::new() });
        }
        let vectors = |index: usize| self.documents[task.examples[index]].vectors.as_slice();
        let scores: Vec<f32> = (0..task.examples.len())
            .flat_map(|index| heads[assigned[index]].forward(vectors(index)).logits.into_iter().map(|logit| logit as f32))
            .collect();
        let (inverse_temperature, log_loss) = temperature::fit(&scores, &task.classes);
        for value in head.weight.iter_mut().chain(&mut head.bias) {
            *value = (f64::from(*value) * inverse_temperature) as f32;
        }
        let is_finite = head.query.iter().chain(&head.position).chain(&head.weight).chain(&head.bias).all(|value| value.is_finite());
        if !log_loss.is_finite() || !is_finite {
            return Err(TrainingError::NonFiniteLoss { field: task.name.clone() });
        }
        let examples: Vec<Example> = self.documents.iter().map(|document| document.example.clone()).collect();
        let total = task.train_counts.iter().sum::<u64>().max(1) as f64;
        let shares: Vec<f64> = task.train_counts.iter().map(|count| *count as f64 / total).collect();
        let rows = scores.chunks_exact(task.labels.len()).enumerate().map(|(index, scores)| {
            let is_empty = self.documents[task.examples[index]].is_empty();
            let probabilities = if is_empty { shares.clone() } else { temperature::probabilities(scores, inverse_temperature) };
            ReportRow { no_known_feature: is_empty, ..report_row(task, &examples, index, &probabilities) }
        });
        Ok(FieldFit { folds, head, out_of_fold: rows.collect() })
    }

    fn save(&self, heads: &[FieldHead]) -> StateDict {
        heads
            .iter()
            .enumerate()
            .fold(StateDict::default(), |state_dict, (number, head)| self.save_head(state_dict, head, &number.to_string()))
    }

    fn restore(&self, state_dict: &StateDict, folds: usize) -> Result<Vec<FieldHead>, Interrupt> {
        (0..=folds).map(|number| self.restore_head(state_dict, &number.to_string())).collect()
    }

    fn save_head(&self, state_dict: StateDict, head: &FieldHead, name: &str) -> StateDict {
        let classes = self.task.labels.len();
        let tensor = |values: &[f32], shape| tensor_from_vec(values.to_vec(), shape, self.device);
        state_dict
            .with_tensor(&format!("query{name}"), &tensor(&head.query, [1, self.size]))
            .with_tensor(&format!("position{name}"), &tensor(&head.position, [1, POSITIONS]))
            .with_tensor(&format!("weight{name}"), &tensor(&head.weight, [classes, self.size]))
            .with_tensor(&format!("bias{name}"), &tensor(&head.bias, [1, classes]))
    }

    fn restore_head(&self, state_dict: &StateDict, name: &str) -> Result<FieldHead, Interrupt> {
        let classes = self.task.labels.len();
        Ok(FieldHead {
            query: tensor_to_vec(state_dict.tensor(&format!("query{name}"), [1, self.size])?)?,
            position: tensor_to_vec(state_dict.tensor(&format!("position{name}"), [1, POSITIONS])?)?,
            weight: tensor_to_vec(state_dict.tensor(&format!("weight{name}"), [classes, self.size])?)?,
            bias: tensor_to_vec(state_dict.tensor(&format!("bias{name}"), [1, classes])?)?,
        })
    }
}
