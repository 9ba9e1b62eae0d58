//! Fits one field: out-of-fold scores by cross-validation, calibration, and the final head on all examples.

use aprendiz_classifier::{FieldHead, HeadInput, LabelWords, POSITIONS, WordReader, WordWeights, mentions};
use aprendiz_inference::SparseRow;
use aprendiz_run_spec::FieldClassifierParams;
use burn::tensor::Device;
use rayon::prelude::*;

use crate::{
    checkpoint::{state_dict::StateDict, training_state::TrainingState},
    dataset::Example,
    error::TrainingError,
    interrupt::Interrupt,
    kinds::{
        field_classifier::{
            documents::Document,
            head_training::{HeadExamples, HeadSettings, HeadShape, HeadTraining, train_head},
        },
        linear::{field_task::FieldTask, folds, out_of_fold::report_row, temperature},
    },
    protocol::{
        progress::{Event, LogLevel, Stage},
        report::ReportRow,
    },
    tensor::{tensor_from_vec, tensor_to_vec},
};

/// Steps of an epoch at most: of many examples, larger batches give the same head in less time.
const MAX_STEPS_PER_EPOCH: usize = 100;

/// A fitted field.
pub(super) struct FieldFit {
    pub(super) folds: usize,
    pub(super) head: FieldHead,
    pub(super) out_of_fold: Vec<ReportRow>,
    /// `[out_of_fold, C]`.
    pub(super) probabilities: Vec<f32>,
}

/// A field that is being fitted.
pub(super) struct FieldTraining<'a> {
    pub(super) task: &'a FieldTask,
    pub(super) documents: &'a [Document],
    pub(super) params: &'a FieldClassifierParams,
    pub(super) seed: u64,
    /// Dimension of the vectors.
    pub(super) size: usize,
    /// What the heads read of the words of chunks; `None` if they read vectors only.
    pub(super) words: Option<&'a WordReader>,
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
        let mentions = self.mentions();
        let inputs: Vec<Vec<HeadInput<'_>>> = task
            .examples
            .iter()
            .zip(&mentions)
            .map(|(document, mentions)| {
                let chunks = documents[*document].chunks.iter().zip(mentions);
                chunks.map(|(chunk, mentions)| chunk.input(mentions)).collect()
            })
            .collect();
        let heads = match training_state.replay_field() {
            Some(state_dict) => self.restore(&state_dict, folds)?,
            None => {
                let mut heads = Vec::with_capacity(folds + 1);
                for fold in 0..=folds {
                    let fitted: Vec<usize> =
                        (0..task.examples.len()).filter(|example| fold == folds || assigned[*example] != fold).collect();
                    heads.push(self.head(&inputs, &fitted, fold, folds, training_state)?);
                }
                training_state.finish_field(self.save(&heads));
                heads
            }
        };
        Ok(self.calibrate(heads, folds, &assigned, &inputs)?)
    }

    /// The shares of the words of each label in each chunk of the examples.
    fn mentions(&self) -> Vec<Vec<SparseRow>> {
        let labels = self.task.labels.iter().map(Option::as_deref);
        let label_words = self.words.map(|words| LabelWords::new(labels, words.vectorizer()));
        self.task.examples.par_iter().map(|document| mentions(label_words.as_ref(), &self.documents[*document].chunks)).collect()
    }

    fn shape(&self) -> HeadShape {
        let features = self.words.map(|words| words.vectorizer().len());
        HeadShape { size: self.size, classes: self.task.labels.len(), features }
    }

    fn head(
        &self,
        inputs: &[Vec<HeadInput<'_>>],
        fitted: &[usize],
        fold: usize,
        folds: usize,
        training_state: &mut TrainingState<'_>,
    ) -> Result<FieldHead, Interrupt> {
        if let Some(state_dict) = training_state.replay_solve() {
            return self.restore_head(&state_dict, "");
        }
        let task = self.task;
        let saved = training_state.take_solve_in_progress();
        let saved = saved.map(|saved| HeadTraining::restore(&saved, self.shape())).transpose()?;
        training_state.confirm_resume();
        let classes: Vec<usize> = fitted.iter().map(|example| task.classes[*example]).collect();
        let mut counts = vec![0_usize; task.labels.len()];
        classes.iter().for_each(|class| counts[*class] += 1);
        let weight = |count: &usize| match (self.params.class_weights, *count) {
            (true, count @ 1..) => classes.len() as f32 / (count * task.labels.len()) as f32,
            _ => 1.0,
        };
        let fitted_examples = classes.len();
        let examples = HeadExamples {
            documents: fitted.iter().map(|example| inputs[*example].as_slice()).collect(),
            class_weights: counts.iter().map(weight).collect(),
            classes,
            shape: self.shape(),
        };
        let settings = HeadSettings {
            epochs: self.params.epochs,
            batch: self.params.batch.max(fitted_examples.div_ceil(MAX_STEPS_PER_EPOCH)),
            learning_rate: self.params.learning_rate,
            l2: self.params.l2,
            ngram_l2: self.params.ngram_l2,
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
    fn calibrate(
        &self,
        mut heads: Vec<FieldHead>,
        folds: usize,
        assigned: &[usize],
        inputs: &[Vec<HeadInput<'_>>],
    ) -> Result<FieldFit, TrainingError> {
        let task = self.task;
        let mut head = heads.pop().expect("the last head is fitted on all examples");
        if folds == 0 {
            return Ok(FieldFit { folds, head, out_of_fold: Vec::new(), probabilities: Vec::new() });
        }
        let scores: Vec<f32> = (0..task.examples.len())
            .flat_map(|index| heads[assigned[index]].forward(&inputs[index]).logits.into_iter().map(|logit| logit as f32))
            .collect();
        let (inverse_temperature, log_loss) = temperature::fit(&scores, &task.classes);
        head.scale_logits(inverse_temperature);
        if !log_loss.is_finite() || !head.is_finite() {
            return Err(TrainingError::NonFiniteLoss { field: task.name.clone() });
        }
        let examples: Vec<Example> = self.documents.iter().map(|document| document.example.clone()).collect();
        let total = task.train_counts.iter().sum::<u64>().max(1) as f64;
        let shares: Vec<f64> = task.train_counts.iter().map(|count| *count as f64 / total).collect();
        let mut all_probabilities = Vec::with_capacity(scores.len());
        let rows = scores.chunks_exact(task.labels.len()).enumerate().map(|(index, scores)| {
            let is_empty = self.documents[task.examples[index]].is_empty();
            let probabilities = if is_empty { shares.clone() } else { temperature::probabilities(scores, inverse_temperature) };
            all_probabilities.extend(probabilities.iter().map(|probability| *probability as f32));
            ReportRow { no_known_feature: is_empty, ..report_row(task, &examples, index, &probabilities) }
        });
        let out_of_fold = rows.collect();
        Ok(FieldFit { folds, head, out_of_fold, probabilities: all_probabilities })
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
        let state_dict = state_dict
            .with_tensor(&format!("query{name}"), &tensor(&head.query, [1, self.size]))
            .with_tensor(&format!("position{name}"), &tensor(&head.position, [1, POSITIONS]))
            .with_tensor(&format!("weight{name}"), &tensor(&head.weight, [classes, self.size]))
            .with_tensor(&format!("bias{name}"), &tensor(&head.bias, [1, classes]));
        let Some(WordWeights { ngrams, mention, absent }) = &head.words else { return state_dict };
        state_dict
            .with_tensor(&format!("ngrams{name}"), &tensor(ngrams, [ngrams.len() / (1 + classes), 1 + classes]))
            .with_tensor(&format!("mention{name}"), &tensor(&[*mention], [1, 1]))
            .with_tensor(&format!("absent{name}"), &tensor(absent, [1, 1 + classes]))
    }

    fn restore_head(&self, state_dict: &StateDict, name: &str) -> Result<FieldHead, Interrupt> {
        let HeadShape { size, classes, features } = self.shape();
        let read = |part: &str, shape| {
            let tensor = state_dict.tensor(&format!("{part}{name}"), shape)?;
            Ok::<_, Interrupt>(tensor_to_vec(tensor)?)
        };
        let words = match features {
            Some(features) => Some(WordWeights {
                ngrams: read("ngrams", [features, 1 + classes])?,
                mention: read("mention", [1, 1])?[0],
                absent: read("absent", [1, 1 + classes])?,
            }),
            None => None,
        };
        Ok(FieldHead {
            query: read("query", [1, size])?,
            position: read("position", [1, POSITIONS])?,
            weight: read("weight", [classes, size])?,
            bias: read("bias", [1, classes])?,
            words,
        })
    }
}
