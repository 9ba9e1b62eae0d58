//! From pairs and a base model to a model directory.

use std::{fs, time::Instant};

use burn::{module::Module, tensor::Device};
use encoder::{BaseModel, BaseModelCaches, Bert, Encoder};
use inference::{PairLoss, SentenceTransformerParams};

use crate::{
    backend::cpu_kernel,
    dataset::Labels,
    error::TrainingError,
    gram::read,
    halt::Halt,
    job::TrainingJob,
    journal::Journal,
    progress::{LogLevel, PairProgress, Stage},
    sentence_transformer::{
        adamw::{self, Step},
        batches, few_shot,
        loss::loss,
        pairs::{Pair, PairSet},
        schedule::Schedule,
        score::{PairFigures, TEXTS_AT_ONCE, cosines, figures},
        state::{Best, State},
    },
    summary::{EncoderSummary, TrainingSummary},
};

/// Share of a run that reading texts takes, for the progress.
const READ_SHARE: f64 = 0.02;

/// Share of a run at which the encoder is trained.
const TRAINED_SHARE: f64 = 0.98;

/// Most pairs of validation that are scored after each epoch.
const MOST_VALIDATION_PAIRS: usize = 2048;

/// Documents of each class that pairs are made of, where none are given and nothing is said.
const EXAMPLES_PER_CLASS: usize = 8;

/// Batches of an epoch where tests ask for a training that is over at once.
const INSTANT_BATCHES: usize = 6;

/// A training: what it learns from, and how.
struct Course<'a> {
    params: &'a SentenceTransformerParams,
    seed: u64,
    encoder: &'a Encoder,
    train: &'a PairSet,
    /// Pairs that choose the epoch; `None` where there are none of both kinds.
    validation: Option<&'a PairSet>,
    schedule: Schedule,
    steps: u64,
    /// Where gradients are computed, and where not.
    training: Device,
    plain: Device,
}

/// Trains the encoder of the job. Writes a directory in the layout of sentence-transformers into `out`.
pub(crate) fn train(
    job: &TrainingJob,
    params: &SentenceTransformerParams,
    device: Device,
    journal: &mut Journal<'_>,
) -> Result<TrainingSummary, Halt> {
    let started = Instant::now();
    journal.between_solves()?;
    let base = job.base_model.as_ref().ok_or_else(|| TrainingError::BadParams("a sentence-transformer needs a base_model".to_owned()))?;
    let mut encoder = load(base, &device)?;
    let max_length = encoder.max_length();
    if let Some(length) = params.max_length {
        encoder.set_max_length(length);
    }
    let mut train = pairs(job, params, "train", &encoder)?;
    if params.loss == PairLoss::MultipleNegatives {
        train.pairs.retain(Pair::is_together);
    }
    if train.pairs.len() < 2 {
        let reason = "fewer than two pairs of texts can be made: review more documents of the same class, or name other fields";
        return Err(TrainingError::NoTrainableField { reasons: vec![reason.to_owned()] }.into());
    }
    let mut validation = pairs(job, params, "validation", &encoder)?;
    validation.limit(MOST_VALIDATION_PAIRS);
    let both_kinds = validation.has_both_kinds();
    if !both_kinds {
        let message = "validation has no pairs of both kinds: the last weights are kept, and nothing says whether they are better";
        journal.reporter.log(LogLevel::Warn, message.to_owned());
    }
    journal.reporter.examples(Stage::Features, READ_SHARE, train.texts.len() + validation.texts.len(), started);

    // the weights of the base are those that learn: nothing else holds them meanwhile
    let model = encoder.take_model();
    let steps = (params.epochs * train.pairs.len().div_ceil(params.batch)) as u64;
    let course = Course {
        params,
        seed: job.seed,
        encoder: &encoder,
        train: &train,
        validation: both_kinds.then_some(&validation),
        schedule: Schedule::new(params.learning_rate, params.warmup, steps),
        steps,
        training: device.clone().autodiff(),
        plain: device,
    };
    let state = match course.learn(model, journal) {
        Err(Halt::Unfit(reason)) => {
            journal.start_over(&reason);
            course.learn(load(base, &course.plain)?.model, journal)?
        }
        state => state?,
    };

    let summary = EncoderSummary {
        pairs: train.pairs.len() as u64,
        texts: train.texts.len() as u64,
        validation_pairs: validation.pairs.len() as u64,
        epochs: state.epoch as u64,
        best_epoch: state.best.as_ref().map(|best| best.epoch as u64),
        base: state.base,
        trained: state.best.as_ref().map(|best| best.figures),
    };
    if let (Some(base), Some(trained)) = (summary.base, summary.trained)
        && trained.average_precision < base.average_precision
    {
        let message = format!(
            "training made the encoder worse: average precision on validation {:.4}, the base model has {:.4}",
            trained.average_precision, base.average_precision
        );
        journal.reporter.log(LogLevel::Warn, message);
    }
    let model = match &state.best {
        Some(best) => {
            let mut parameters = best.parameters.clone();
            adamw::change(state.model, &course.plain, |path, _, values| parameters.remove(path).unwrap_or(values))?
        }
        None => state.model.valid(),
    };
    encoder.model = model;
    // trained on shorter texts, it still takes those of its base
    encoder.set_max_length(max_length);
    fs::create_dir_all(&job.reports).map_err(TrainingError::io(&job.reports))?;
    encoder.write(&job.out, &card(base, params, &summary)).map_err(TrainingError::from)?;
    Ok(TrainingSummary {
        train_documents: train.texts.len() as u64,
        validation_documents: validation.texts.len() as u64,
        features: 0,
        fields: Vec::new(),
        skipped: Vec::new(),
        encoder: Some(Box::new(summary)),
        backend: job.backend.name().to_owned(),
        cpu_kernel: cpu_kernel().to_owned(),
        steps: journal.step(),
        resumed_from_step: journal.resumed_from(),
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// The base model, if it is still the one that the job means.
pub(super) fn load(base: &BaseModel, device: &Device) -> Result<Encoder, TrainingError> {
    let found = BaseModel::find(&base.dir.display().to_string(), &BaseModelCaches::default())?;
    if found.hash != base.hash {
        let reason = format!("the base model in {} was changed since the job was made", base.dir.display());
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
            let per_class = per_class.unwrap_or(EXAMPLES_PER_CLASS);
            few_shot::pairs(path, &Labels::read(&job.labels)?, per_class, job.seed, encoder, &job.reports)
        }
    }
}

impl Course<'_> {
    /// All epochs, or as many as help, from where the checkpoint of the journal stands, or else from the base `model`.
    fn learn(&self, model: Bert, journal: &mut Journal<'_>) -> Result<State, Halt> {
        let model = adamw::change(model, &self.training, |_, _, values| values)?;
        let mut state = match journal.unfinished_solve() {
            Some(record) => State::restore(&record, model, &self.training)?,
            None => {
                let mut state = State::begin(model, None);
                state.base = self.validate(&state, journal)?;
                state
            }
        };
        let mut batches = self.batches(state.epoch);
        if state.epoch > self.params.epochs || state.batch > batches.len() {
            return Err(Halt::Unfit(format!("it stands at batch {} of epoch {}, beyond the end", state.batch, state.epoch)));
        }
        journal.taken_up();

        let begun = (Instant::now(), journal.step());
        let mut mean_loss = None;
        while state.epoch < self.params.epochs {
            if state.batch == batches.len() {
                if !self.end_epoch(&mut state, journal)? {
                    break;
                }
                batches = self.batches(state.epoch);
                continue;
            }
            let batch = &batches[state.batch];
            let loss;
            (state, loss) = self.step(state, batch, journal.step())?;
            // of about the last ten steps
            let mean = mean_loss.map_or(loss, |mean: f64| mean * 0.9 + loss * 0.1);
            mean_loss = Some(mean);
            state.batch += 1;
            journal.count_step();
            self.tell(&state, mean, begun, journal);
            self.between_steps(&state, journal)?;
        }
        Ok(state)
    }

    fn batches(&self, epoch: usize) -> Vec<Vec<usize>> {
        let mut batches = batches::of_epoch(self.train, self.params.batch, self.seed, epoch);
        if aprendiz_test_gate::is_instant() {
            batches.truncate(INSTANT_BATCHES);
        }
        batches
    }

    fn between_steps(&self, state: &State, journal: &mut Journal<'_>) -> Result<(), Halt> {
        if !journal.wants_state() {
            return Ok(());
        }
        let parameters = adamw::parameters(&state.model)?;
        journal.between_steps(|| state.save(&parameters, &self.plain))
    }

    /// One update of the weights; returns the loss before it.
    fn step(&self, state: State, batch: &[usize], number: u64) -> Result<(State, f64), TrainingError> {
        let pairs: Vec<Pair> = batch.iter().map(|pair| self.train.pairs[*pair]).collect();
        // each text once, however many pairs of the batch have it
        let mut texts: Vec<u32> = pairs.iter().flat_map(|pair| [pair.a, pair.b]).collect();
        texts.sort_unstable();
        texts.dedup();
        let place = |text: u32| texts.binary_search(&text).expect("every text of the pairs is there");
        let places: Vec<(usize, usize)> = pairs.iter().map(|pair| (place(pair.a), place(pair.b))).collect();
        let tokens = texts.iter().map(|text| self.train.texts.get(*text)).collect::<Result<Vec<_>, _>>()?;

        let (vectors, words) = self.encoder.forward_learning(&state.model, &self.encoder.batch(&tokens), &self.training);
        let loss = loss(self.params.loss, self.params.scale, &pairs, vectors, &places, &self.training);
        let value = read(loss.clone().inner())?.first().map_or(f64::NAN, |value| f64::from(*value));
        if !value.is_finite() {
            return Err(TrainingError::Diverged { step: number + 1 });
        }
        let mut gradients = loss.backward();
        drop(loss);
        let step = Step {
            number: number + 1,
            rate: self.schedule.rate(number),
            weight_decay: self.params.weight_decay,
            max_gradient: self.params.max_gradient,
        };
        let found = adamw::Found::take(&state.model, words, &mut gradients)?;
        let State { model, mut moments, .. } = state;
        let model = adamw::step(model, found, &mut moments, step, &self.training)?;
        Ok((State { model, moments, ..state }, value))
    }

    /// Looks at validation, and says whether another epoch may help.
    fn end_epoch(&self, state: &mut State, journal: &mut Journal<'_>) -> Result<bool, Halt> {
        let figures = self.validate(state, journal)?;
        state.epoch += 1;
        state.batch = 0;
        let Some(figures) = figures else { return Ok(true) };
        let message = format!("epoch {}: average precision on validation {:.4}", state.epoch, figures.average_precision);
        journal.reporter.log(LogLevel::Info, message);
        let better = state.best.as_ref().is_none_or(|best| figures.average_precision > best.figures.average_precision);
        if better || self.params.patience == 0 {
            state.best = Some(Best { figures, epoch: state.epoch, parameters: adamw::parameters(&state.model)? });
        }
        let since = state.best.as_ref().map_or(0, |best| state.epoch - best.epoch);
        Ok(self.params.patience == 0 || since < self.params.patience)
    }

    fn validate(&self, state: &State, journal: &mut Journal<'_>) -> Result<Option<PairFigures>, Halt> {
        let Some(validation) = self.validation else { return Ok(None) };
        let (started, done) = (Instant::now(), self.fraction(journal.step()));
        let go_on = |texts: usize| {
            journal.reporter.examples(Stage::Validation, done, texts, started);
            !journal.is_stopped()
        };
        let model = state.model.valid();
        let mut encode = |texts: &[&[u32]]| self.encoder.encode_with(&model, texts, TEXTS_AT_ONCE, &self.plain);
        let found = cosines(validation, &mut encode, go_on)?;
        let Some(found) = found else {
            if journal.step() > 0 {
                self.between_steps(state, journal)?;
            }
            return Err(Halt::Stopped);
        };
        Ok(figures(validation.pairs.iter().zip(found)))
    }

    /// Share of the whole run that is done after so many steps.
    fn fraction(&self, steps: u64) -> f64 {
        READ_SHARE + (TRAINED_SHARE - READ_SHARE) * steps as f64 / self.steps as f64
    }

    fn tell(&self, state: &State, loss: f64, (started, first): (Instant, u64), journal: &mut Journal<'_>) {
        let (done, here) = (journal.step(), journal.step() - first);
        let seconds = started.elapsed().as_secs_f64();
        journal.reporter.pairs(PairProgress {
            epoch: state.epoch,
            epochs: self.params.epochs,
            loss,
            fraction: self.fraction(done),
            pairs_per_second: here as f64 * self.params.batch as f64 / seconds,
            seconds_left: seconds / here as f64 * self.steps.saturating_sub(done) as f64,
        });
    }
}

fn card(base: &BaseModel, params: &SentenceTransformerParams, summary: &EncoderSummary) -> String {
    let loss = match params.loss {
        PairLoss::CosineSimilarity => "cosine similarity",
        PairLoss::MultipleNegatives => "multiple negatives ranking",
    };
    let row = |name: &str, of: fn(PairFigures) -> f64| {
        let shown = |figures: Option<PairFigures>| figures.map_or("–".to_owned(), |figures| format!("{:.4}", of(figures)));
        format!("| {name} | {} | {} |\n", shown(summary.base), shown(summary.trained))
    };
    format!(
        "---\nlibrary_name: sentence-transformers\npipeline_tag: sentence-similarity\n---\n\n# Sentence encoder\n\nTrained by {loss} on {} pairs of {} texts, \
         {} epochs, from base weights of hash `{}`.\n\n| on {} validation pairs | base | trained |\n| --- | --- | --- |\n{}{}",
        summary.pairs,
        summary.texts,
        summary.epochs,
        &base.hash[..16.min(base.hash.len())],
        summary.validation_pairs,
        row("average precision", |figures| figures.average_precision),
        row("Spearman", |figures| figures.spearman),
    )
}
