//! Trains the kind `sentence-transformer`, from pairs and a base model to the model directory.

use std::{fs, time::Instant};

use aprendiz_encoder::{BaseModel, BaseModelCaches, Encoder, Network};
use aprendiz_run_spec::{PairLoss, SentenceTransformerParams};
use burn::{module::Module, tensor::Device};
use serde_json::json;

use crate::{
    backend::cpu_kernel,
    checkpoint::training_state::TrainingState,
    dataset::Labels,
    error::TrainingError,
    interrupt::Interrupt,
    kinds::sentence_transformer::{
        adamw::{self, Gradients, StepConfig},
        batches::epoch_batches,
        few_shot::sample_pairs,
        loss::loss,
        model_card::model_card,
        pair::Pair,
        pair_metrics::{ENCODE_BATCH, cosine_similarities, pair_metrics},
        pairs::PairSet,
        parameters::{map_parameters, read_parameters},
        progress::TrainerProgress,
        schedule::Schedule,
        trainer_state::{BestEpoch, TrainerState},
    },
    protocol::{
        encoder_report::PairMetrics,
        job::TrainingJob,
        progress::{LogLevel, Stage},
        summary::{EncoderSummary, TrainingSummary},
    },
    tensor::tensor_to_vec,
    text_groups::TextGroups,
};

/// Fraction of a run after which the pairs are tokenized, for progress reports.
const READ_FRACTION: f64 = 0.02;

/// Fraction of a run after which the encoder is trained.
const TRAINED_FRACTION: f64 = 0.98;

/// Maximum number of validation pairs that are scored after each epoch.
const MAX_VALIDATION_PAIRS: usize = 2048;

/// Default number of documents per class from which pairs are sampled.
const DEFAULT_EXAMPLES_PER_CLASS: usize = 8;

/// Batches per epoch when tests ask for an instant training.
const INSTANT_BATCHES: usize = 6;

/// Trains an encoder on pairs.
struct Trainer<'a> {
    params: &'a SentenceTransformerParams,
    seed: u64,
    encoder: &'a Encoder,
    train: &'a PairSet,
    /// Validation pairs; `None` unless there are both positive and negative ones.
    validation: Option<&'a PairSet>,
    schedule: Schedule,
    steps: u64,
    /// Devices with and without autodiff.
    training_device: Device,
    inference_device: Device,
}

/// Trains the encoder of the job. Writes a directory in the layout of sentence-transformers to `out`.
pub(crate) fn train(
    job: &TrainingJob,
    params: &SentenceTransformerParams,
    device: Device,
    training_state: &mut TrainingState<'_>,
) -> Result<TrainingSummary, Interrupt> {
    let started = Instant::now();
    training_state.check_stop()?;
    let base =
        job.base_model.as_ref().ok_or_else(|| TrainingError::BadParams("kind sentence-transformer requires a base_model".to_owned()))?;
    let mut encoder = load(base, &device)?;
    let max_length = encoder.max_length();
    if let Some(length) = params.max_length {
        encoder.set_max_length(length);
    }
    let training_max_length = encoder.max_length();
    let mut train = pairs(job, params, "train", &encoder)?;
    if params.loss == PairLoss::MultipleNegatives {
        train.pairs.retain(Pair::is_positive);
    }
    if train.pairs.len() < 2 {
        let reason = "fewer than two training pairs: review more documents of the same class, or select other fields";
        return Err(TrainingError::NoTrainableField { reasons: vec![reason.to_owned()] }.into());
    }
    let positives = train.pairs.iter().filter(|pair| pair.is_positive()).count();
    let negatives = train.pairs.len() - positives;
    if params.loss == PairLoss::CosineSimilarity && positives != negatives {
        let message = format!("the training pairs are not balanced: {positives} positive and {negatives} negative ones");
        training_state.reporter.log(LogLevel::Warn, message);
    }
    let mut validation = pairs(job, params, "validation", &encoder)?;
    let groups = if job.validation.exists() { TextGroups::read(&job.validation)? } else { TextGroups::default() };
    let validation_copies = validation.leave_out_copies(&groups).into_values().sum();
    validation.limit(MAX_VALIDATION_PAIRS);
    let has_both_labels = validation.has_both_labels();
    if !has_both_labels {
        let message = "the validation split does not have both positive and negative pairs: the last weights are kept without validation";
        training_state.reporter.log(LogLevel::Warn, message.to_owned());
    }
    training_state.reporter.examples(Stage::Features, READ_FRACTION, train.texts.len() + validation.texts.len(), started);

    // the trainer must be the only owner of the weights, so that updates need no copies
    let model = encoder.take_model();
    let steps = (params.epochs * train.pairs.len().div_ceil(params.batch)) as u64;
    let trainer = Trainer {
        params,
        seed: job.seed,
        encoder: &encoder,
        train: &train,
        validation: has_both_labels.then_some(&validation),
        schedule: Schedule::new(params.learning_rate, params.warmup, steps),
        steps,
        training_device: device.clone().autodiff(),
        inference_device: device,
    };
    let state = match trainer.train(model, training_state) {
        Err(Interrupt::IncompatibleCheckpoint(reason)) => {
            training_state.restart(&reason);
            trainer.train(load(base, &trainer.inference_device)?.model, training_state)?
        }
        state => state?,
    };

    let summary = EncoderSummary {
        pairs: train.pairs.len() as u64,
        texts: train.texts.len() as u64,
        validation_pairs: validation.pairs.len() as u64,
        validation_copies,
        epochs: state.epoch as u64,
        best_epoch: state.best.as_ref().map(|best| best.epoch as u64),
        base: state.base,
        trained: state.best.as_ref().map(|best| best.metrics),
    };
    if let (Some(base), Some(trained)) = (summary.base, summary.trained)
        && trained.average_precision < base.average_precision
    {
        let message = format!(
            "the encoder is worse than its base model: average precision on validation {:.4}, base model {:.4}",
            trained.average_precision, base.average_precision
        );
        training_state.reporter.log(LogLevel::Warn, message);
    }
    let model = match &state.best {
        Some(best) => {
            let mut parameters = best.parameters.clone();
            map_parameters(state.model, &trainer.inference_device, |path, _, values| parameters.remove(path).unwrap_or(values))?
        }
        None => state.model.valid(),
    };
    encoder.model = model;
    // the maximum length of training does not limit inference
    encoder.set_max_length(max_length);
    fs::create_dir_all(&job.reports).map_err(TrainingError::io(&job.reports))?;
    encoder.write(&job.out, &model_card(base, params, &summary)).map_err(TrainingError::from)?;
    let pairs_from = match (&job.pairs, params.examples_per_class) {
        (Some(_), None) => json!("snapshot"),
        (_, per_class) => json!({ "examples_per_class": per_class.unwrap_or(DEFAULT_EXAMPLES_PER_CLASS) }),
    };
    let settings = json!({
        "kind": job.params.kind(), "seed": job.seed, "params": job.params.to_json(), "training_version": env!("CARGO_PKG_VERSION"),
        "backend": job.backend.name(), "cpu_kernel": cpu_kernel(), "depends_on_threads": false, "base_model_sha256": base.hash,
        "optimizer": adamw::settings(), "steps": steps, "training_max_length": training_max_length,
        "max_length": max_length, "max_validation_pairs": MAX_VALIDATION_PAIRS,
        "pairs_from": pairs_from, "pairs": summary.pairs, "best_epoch": summary.best_epoch,
    });
    Ok(TrainingSummary {
        settings,
        train_documents: train.texts.len() as u64,
        measured_documents: train.texts.len() as u64,
        published_documents: train.texts.len() as u64,
        validation_documents: validation.texts.len() as u64,
        features: 0,
        fields: Vec::new(),
        skipped: Vec::new(),
        encoder: Some(Box::new(summary)),
        learning_curve: None,
        backend: job.backend.name().to_owned(),
        cpu_kernel: cpu_kernel().to_owned(),
        steps: training_state.step(),
        resumed_from_step: training_state.resumed_from(),
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Loads the base model. Fails if it was changed after the job was created.
pub(crate) fn load(base: &BaseModel, device: &Device) -> Result<Encoder, TrainingError> {
    let found = BaseModel::find(&base.dir.display().to_string(), &BaseModelCaches::default())?;
    if found.hash != base.hash {
        let reason = format!("the base model in {} was changed after the job was created", base.dir.display());
        return Err(TrainingError::BadParams(reason));
    }
    Ok(Encoder::load(&base.dir, device)?)
}

fn pairs(job: &TrainingJob, params: &SentenceTransformerParams, split: &str, encoder: &Encoder) -> Result<PairSet, TrainingError> {
    let is_train = split == "train";
    match (&job.pairs, params.examples_per_class) {
        (Some(files), None) => PairSet::read(if is_train { &files.train } else { &files.validation }, split, encoder, &job.reports),
        (_, per_class) => {
            let path = if is_train { &job.train } else { &job.validation };
            let per_class = per_class.unwrap_or(DEFAULT_EXAMPLES_PER_CLASS);
            sample_pairs(path, &Labels::read(&job.labels)?, per_class, job.seed, encoder, &job.reports)
        }
    }
}

impl Trainer<'_> {
    /// Trains for all epochs, or until validation metrics stop improving. Starts from the checkpoint, or from the base `model`.
    fn train(&self, model: Network, training_state: &mut TrainingState<'_>) -> Result<TrainerState, Interrupt> {
        let model = map_parameters(model, &self.training_device, |_, _, values| values)?;
        let mut state = match training_state.take_solve_in_progress() {
            Some(state_dict) => TrainerState::restore(&state_dict, model, &self.training_device)?,
            None => {
                let mut state = TrainerState::new(model, None);
                state.base = self.validate(&state, training_state)?;
                state
            }
        };
        let mut batches = self.batches(state.epoch);
        if state.epoch > self.params.epochs || state.batch > batches.len() {
            return Err(Interrupt::IncompatibleCheckpoint(format!(
                "its position, batch {} of epoch {}, is beyond the end of training",
                state.batch, state.epoch
            )));
        }
        training_state.confirm_resume();

        let started = (Instant::now(), training_state.step());
        let mut mean_loss = None;
        while state.epoch < self.params.epochs {
            if state.batch == batches.len() {
                if !self.end_epoch(&mut state, training_state)? {
                    break;
                }
                batches = self.batches(state.epoch);
                continue;
            }
            let batch = &batches[state.batch];
            let loss;
            (state, loss) = self.step(state, batch, training_state.step())?;
            // exponential moving average over about ten steps
            let mean = mean_loss.map_or(loss, |mean: f64| mean * 0.9 + loss * 0.1);
            mean_loss = Some(mean);
            state.batch += 1;
            training_state.count_step();
            self.report_progress(&state, mean, started, training_state);
            self.save_if_due(&state, training_state)?;
        }
        Ok(state)
    }

    fn batches(&self, epoch: usize) -> Vec<Vec<usize>> {
        let mut batches = epoch_batches(self.train, self.params.batch, self.seed, epoch);
        if aprendiz_test_gate::is_instant() {
            batches.truncate(INSTANT_BATCHES);
        }
        batches
    }

    fn save_if_due(&self, state: &TrainerState, training_state: &mut TrainingState<'_>) -> Result<(), Interrupt> {
        if !training_state.needs_state() {
            return Ok(());
        }
        let parameters = read_parameters(&state.model)?;
        training_state.save_if_due(|| state.save(&parameters, &self.inference_device))
    }

    /// Updates the weights once. Returns the loss before the update.
    fn step(&self, state: TrainerState, batch: &[usize], number: u64) -> Result<(TrainerState, f64), TrainingError> {
        let pairs: Vec<Pair> = batch.iter().map(|pair| self.train.pairs[*pair]).collect();
        // each text is encoded once, even if several pairs of the batch have it
        let mut texts: Vec<u32> = pairs.iter().flat_map(|pair| [pair.a, pair.b]).collect();
        texts.sort_unstable();
        texts.dedup();
        let position = |text: u32| texts.binary_search(&text).expect("every text of the pairs is in the list");
        let positions: Vec<(usize, usize)> = pairs.iter().map(|pair| (position(pair.a), position(pair.b))).collect();
        let tokens = texts.iter().map(|text| self.train.texts.get(*text)).collect::<Result<Vec<_>, _>>()?;

        let (vectors, token_rows) = self.encoder.forward_training(&state.model, &self.encoder.batch(&tokens), &self.training_device);
        let loss = loss(self.params.loss, self.params.scale, &pairs, &self.train.classes, vectors, &positions, &self.training_device);
        let value = tensor_to_vec(loss.clone().inner())?.first().map_or(f64::NAN, |value| f64::from(*value));
        if !value.is_finite() {
            return Err(TrainingError::Diverged { step: number + 1 });
        }
        let mut gradients = loss.backward();
        drop(loss);
        let config = StepConfig {
            step: number + 1,
            learning_rate: self.schedule.learning_rate(number),
            weight_decay: self.params.weight_decay,
            max_gradient_norm: self.params.max_gradient,
        };
        let gradients = Gradients::take(&state.model, token_rows, &mut gradients)?;
        let TrainerState { model, mut moments, .. } = state;
        let model = adamw::step(model, gradients, &mut moments, config, &self.training_device)?;
        Ok((TrainerState { model, moments, ..state }, value))
    }

    /// Validates at the end of an epoch. Returns whether training should continue.
    fn end_epoch(&self, state: &mut TrainerState, training_state: &mut TrainingState<'_>) -> Result<bool, Interrupt> {
        let metrics = self.validate(state, training_state)?;
        state.epoch += 1;
        state.batch = 0;
        let Some(metrics) = metrics else { return Ok(true) };
        let message = format!("epoch {}: average precision on validation {:.4}", state.epoch, metrics.average_precision);
        training_state.reporter.log(LogLevel::Info, message);
        let improved = state.best.as_ref().is_none_or(|best| metrics.average_precision > best.metrics.average_precision);
        if improved || self.params.patience == 0 {
            state.best = Some(BestEpoch { metrics, epoch: state.epoch, parameters: read_parameters(&state.model)? });
        }
        let epochs_since_best = state.best.as_ref().map_or(0, |best| state.epoch - best.epoch);
        Ok(self.params.patience == 0 || epochs_since_best < self.params.patience)
    }

    fn validate(&self, state: &TrainerState, training_state: &mut TrainingState<'_>) -> Result<Option<PairMetrics>, Interrupt> {
        let Some(validation) = self.validation else { return Ok(None) };
        let (started, done) = (Instant::now(), self.fraction(training_state.step()));
        let go_on = |texts: usize| {
            training_state.reporter.examples(Stage::Validation, done, texts, started);
            !training_state.stop_requested()
        };
        let model = state.model.valid();
        let mut encode = |texts: &[&[u32]]| self.encoder.encode_with(&model, texts, ENCODE_BATCH, &self.inference_device);
        let similarities = cosine_similarities(validation, &mut encode, go_on)?;
        let Some(similarities) = similarities else {
            if training_state.step() > 0 {
                self.save_if_due(state, training_state)?;
            }
            return Err(Interrupt::Stopped);
        };
        Ok(pair_metrics(validation.pairs.iter().zip(similarities)))
    }

    /// Fraction of the whole run that is done after a number of steps.
    fn fraction(&self, steps: u64) -> f64 {
        READ_FRACTION + (TRAINED_FRACTION - READ_FRACTION) * steps as f64 / self.steps as f64
    }

    fn report_progress(&self, state: &TrainerState, loss: f64, (started, first): (Instant, u64), training_state: &mut TrainingState<'_>) {
        let (done, done_here) = (training_state.step(), training_state.step() - first);
        let seconds = started.elapsed().as_secs_f64();
        training_state.reporter.trainer_step(TrainerProgress {
            epoch: state.epoch,
            epochs: self.params.epochs,
            loss,
            fraction: self.fraction(done),
            pairs_per_second: done_here as f64 * self.params.batch as f64 / seconds,
            seconds_left: seconds / done_here as f64 * self.steps.saturating_sub(done) as f64,
        });
    }
}
