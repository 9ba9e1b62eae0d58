//! Trains the kind `field-classifier`, from the snapshot and a base model to the model directory.

use std::{collections::HashSet, fs, path::Path, time::Instant};

use aprendiz_classifier::{
    ChunkSettings, Classifier, ClassifierConfig, ENCODER_FOLDER, FORMAT_VERSION, FieldHead, Heads, KIND_FIELD_CLASSIFIER, Vocabulary,
    WordReader,
};
use aprendiz_encoder::Encoder;
use aprendiz_inference::TrainingInfo;
use aprendiz_run_spec::FieldClassifierParams;
use aprendiz_test_gate::Point;
use burn::tensor::Device;
use serde_json::json;

use crate::{
    backend::cpu_kernel,
    checkpoint::training_state::TrainingState,
    dataset::{Example, Labels, read_batches},
    embeddings,
    error::TrainingError,
    fitted_files::{measured_file, remove_merged},
    interrupt::Interrupt,
    kinds::{
        field_classifier::{
            adam,
            documents::{Document, Embedder},
            fit::{FieldFit, FieldTraining},
            vocabulary,
        },
        linear::{field_config::field_config, field_task::FieldTask},
        sentence_transformer::train::load,
        trained_fields::{FieldScores, TrainedFields},
    },
    protocol::{
        job::TrainingJob,
        progress::{Event, LogLevel, Stage},
        report::{self, OUT_OF_FOLD_FILE, ReportRow, VALIDATION_FILE},
        summary::{FieldSkipped, TrainingSummary},
    },
};

/// Fraction of a run after which the chunks of train are encoded, for progress reports.
const EMBEDDED_FRACTION: f64 = 0.7;

/// Fraction of a run after which all heads are fitted.
const FITTED_FRACTION: f64 = 0.85;

/// Trains a head for each field. Writes the model directory and the reports of scored examples.
pub(crate) fn train(
    job: &TrainingJob,
    params: &FieldClassifierParams,
    device: &Device,
    training_state: &mut TrainingState<'_>,
) -> Result<TrainedFields, Interrupt> {
    let started = Instant::now();
    training_state.check_stop()?;
    let base = job.base_model.as_ref().ok_or_else(|| TrainingError::BadParams("kind field-classifier requires a base_model".to_owned()))?;
    let encoder = load(base, device)?;
    let settings = chunk_settings(params, &encoder, training_state);
    let labels = Labels::read(&job.labels)?;
    let cache = embeddings::open(encoder.vector_size(), job.embeddings.as_ref());
    let path = measured_file(job)?;
    let words = read_vocabulary(&path, &labels, training_state)?;
    let mut embedder = Embedder { encoder: &encoder, settings, device, cache, words: Some(&words) };
    let fitted = embed_and_fit(job, &path, params, &labels, &mut embedder, training_state);
    // vectors are kept even if training ends without a model: the next attempt needs them
    let embeddings = embeddings::close(&embedder.cache, job.embeddings.as_ref(), &mut training_state.reporter);
    training_state.reporter.flush();
    training_state.reporter.send(Event::Embedded { embeddings });
    let Fitted { tasks, skipped, fits, reads_words, train_documents, fitted_documents, validation } = fitted?;
    drop(embedder);
    let words = reads_words.then(|| words.vectorizer());

    for folder in [&job.out, &job.reports] {
        fs::create_dir_all(folder).map_err(TrainingError::io(folder))?;
    }
    let config = ClassifierConfig {
        format_version: FORMAT_VERSION,
        kind: KIND_FIELD_CLASSIFIER.to_owned(),
        chunks: settings,
        vector_size: encoder.vector_size(),
        words: words.map(|words| words.config().clone()),
        base_model: base.hash.clone(),
        fields: tasks.iter().map(|task| field_config(task, params.l2)).collect(),
        target_accuracy: job.target_accuracy,
        seed: job.seed,
        training: TrainingInfo {
            train_documents: train_documents as u64,
            validation_documents: validation.documents() as u64,
            backend: job.backend.name().to_owned(),
            cpu_kernel: cpu_kernel().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            params: job.params.to_json().into(),
        },
    };
    let mut scores = Vec::with_capacity(fits.len());
    let (heads, out_of_fold): (Vec<FieldHead>, Vec<(usize, Vec<ReportRow>)>) = tasks
        .iter()
        .zip(fits)
        .map(|(task, FieldFit { folds, head, out_of_fold, probabilities })| {
            let (l2, fold_repeats, rows) = (params.l2, usize::from(folds > 0), out_of_fold.clone());
            scores.push(FieldScores { task: task.clone(), l2, folds, fold_repeats, rows, probabilities });
            (head, (folds, out_of_fold))
        })
        .unzip();
    let (out_of_fold, fitted_validation) = validation.split_rows(out_of_fold);
    let vocabulary = words.map(|words| Vocabulary { keys: words.keys().to_vec(), idf: words.idf().to_vec() });
    write_model(&job.out, &config, &Heads { fields: heads, vocabulary }, &encoder)?;

    // score with the written model, so that the reports match what is published
    let scored = match &validation {
        Validation::Held(documents) => {
            score(&tasks, &Classifier::load_unpublished(&job.out, device).map_err(TrainingError::from)?, documents)
        }
        Validation::Fitted(_) => fitted_validation,
    };
    let rows: Vec<ReportRow> = out_of_fold.iter().flat_map(|(_, rows)| rows.iter().cloned()).collect();
    report::write(&job.reports.join(OUT_OF_FOLD_FILE), &rows)?;
    report::write(&job.reports.join(VALIDATION_FILE), &scored)?;
    let settings = json!({
        "kind": KIND_FIELD_CLASSIFIER, "seed": job.seed, "target_accuracy": job.target_accuracy, "params": job.params.to_json(),
        "training_version": env!("CARGO_PKG_VERSION"), "backend": job.backend.name(), "cpu_kernel": cpu_kernel(),
        "depends_on_threads": false, "base_model_sha256": base.hash, "chunks": settings, "vector_size": config.vector_size,
        "words": config.words,
        "final_fit": { "measured": params.final_fit.measured(), "published": params.final_fit },
        "optimizer": adam::settings(), "calibration": "temperature scaling on out-of-fold scores",
    });
    let summary = TrainingSummary {
        settings,
        train_documents: train_documents as u64,
        measured_documents: fitted_documents as u64,
        published_documents: fitted_documents as u64,
        validation_documents: validation.documents() as u64,
        features: encoder.vector_size() as u64,
        fields: tasks
            .iter()
            .zip(out_of_fold)
            .map(|(task, (folds, rows))| task.summarize(params.l2, folds, usize::from(folds > 0), rows, &scored))
            .collect(),
        skipped,
        encoder: None,
        learning_curve: None,
        backend: config.training.backend,
        cpu_kernel: config.training.cpu_kernel,
        steps: training_state.step(),
        resumed_from_step: training_state.resumed_from(),
        seconds: started.elapsed().as_secs_f64(),
    };
    Ok(TrainedFields { summary, fields: scores })
}

/// Fitted fields, and the documents that score them.
struct Fitted {
    tasks: Vec<FieldTask>,
    skipped: Vec<FieldSkipped>,
    fits: Vec<FieldFit>,
    /// Whether the heads read words, and not only vectors.
    reads_words: bool,
    train_documents: usize,
    fitted_documents: usize,
    validation: Validation,
}

/// The documents of validation.
enum Validation {
    /// They are scored by the written model.
    Held(Vec<Document>),
    /// They are fitted as well, so their scores are out of fold: the ids of the documents.
    Fitted(HashSet<String>),
}

impl Validation {
    fn documents(&self) -> usize {
        match self {
            Self::Held(documents) => documents.len(),
            Self::Fitted(ids) => ids.len(),
        }
    }

    /// Separates the out-of-fold scores of validation from those of train, which keep their fields.
    fn split_rows(&self, fields: Vec<(usize, Vec<ReportRow>)>) -> (Vec<(usize, Vec<ReportRow>)>, Vec<ReportRow>) {
        let Self::Fitted(ids) = self else { return (fields, Vec::new()) };
        let mut of_validation = Vec::new();
        let of_train = fields.into_iter().map(|(folds, rows)| {
            let (validation, train): (Vec<ReportRow>, Vec<ReportRow>) = rows.into_iter().partition(|row| ids.contains(&row.document_id));
            of_validation.extend(validation);
            (folds, train)
        });
        let of_train = of_train.collect();
        (of_train, of_validation)
    }
}

/// Encodes the documents of train, fits all fields, and encodes the documents of validation.
fn embed_and_fit(
    job: &TrainingJob,
    path: &Path,
    params: &FieldClassifierParams,
    labels: &Labels,
    embedder: &mut Embedder<'_>,
    training_state: &mut TrainingState<'_>,
) -> Result<Fitted, Interrupt> {
    let train = read(embedder, path, Stage::Features, (0.0, EMBEDDED_FRACTION), training_state)?;
    remove_merged(job, path)?;
    let examples: Vec<Example> = train.iter().map(|document| document.example.clone()).collect();
    let (tasks, skipped) = FieldTask::all(labels, &examples);
    for field in &skipped {
        training_state.reporter.log(LogLevel::Warn, format!("field `{}` is skipped: {}", field.field, field.reason));
    }
    if tasks.is_empty() {
        let reasons = skipped.into_iter().map(|field| format!("{}: {}", field.field, field.reason)).collect();
        return Err(TrainingError::NoTrainableField { reasons }.into());
    }
    let device = embedder.device;
    let words = embedder.words.filter(|words| !words.vectorizer().is_empty() && are_long(&train));
    let fit = |training_state: &mut TrainingState<'_>| fit_fields(&tasks, &train, words, params, job.seed, device, training_state);
    let fits = match fit(training_state) {
        Err(Interrupt::IncompatibleCheckpoint(reason)) => {
            training_state.restart(&reason);
            fit(training_state)?
        }
        fits => fits?,
    };
    let fitted_documents = train.len();
    drop(train);
    let validation = if params.final_fit.includes_validation() {
        Validation::Fitted(read_ids(&job.validation)?)
    } else {
        Validation::Held(read(embedder, &job.validation, Stage::Validation, (FITTED_FRACTION, 1.0), training_state)?)
    };
    let train_documents = match &validation {
        Validation::Held(_) => fitted_documents,
        Validation::Fitted(ids) => fitted_documents - ids.len(),
    };
    Ok(Fitted { tasks, skipped, fits, reads_words: words.is_some(), train_documents, fitted_documents, validation })
}

/// The n-grams of the training file, and the words of all labels.
fn read_vocabulary(path: &Path, labels: &Labels, training_state: &mut TrainingState<'_>) -> Result<WordReader, Interrupt> {
    let vectorizer = vocabulary::learn(path, training_state)?;
    let labels = labels.fields.values().flat_map(|field| &field.labels);
    Ok(WordReader::new(vectorizer, labels.filter_map(|label| label.as_deref())))
}

/// Whether most documents have several chunks. Only then do heads read words: attention has a choice, and a vector of the whole text,
/// which words add little to, does not exist.
fn are_long(documents: &[Document]) -> bool {
    documents.iter().filter(|document| document.chunks.len() > 1).count() * 2 > documents.len()
}

/// The ids of the documents of a split.
fn read_ids(path: &Path) -> Result<HashSet<String>, TrainingError> {
    let mut ids = HashSet::new();
    read_batches(path, |lines| {
        ids.extend(lines.into_iter().map(|line| line.document_id));
        Ok::<_, TrainingError>(())
    })?;
    Ok(ids)
}

/// Reads a split. `span` is the part of the run that this takes, for progress reports.
fn read(
    embedder: &mut Embedder<'_>,
    path: &Path,
    stage: Stage,
    (from, to): (f64, f64),
    training_state: &mut TrainingState<'_>,
) -> Result<Vec<Document>, Interrupt> {
    let started = Instant::now();
    let mut documents = Vec::new();
    let go_on = |done: f64, seen: usize| {
        training_state.reporter.examples(stage, from + (to - from) * done, seen, started);
        training_state.pass_gate(Point::Step(training_state.step()));
        training_state.check_stop()
    };
    embedder.read(path, go_on, |document, _| {
        documents.push(document);
        Ok(())
    })?;
    Ok(documents)
}

/// The settings of chunks, limited to what the encoder can read.
fn chunk_settings(params: &FieldClassifierParams, encoder: &Encoder, training_state: &mut TrainingState<'_>) -> ChunkSettings {
    let tokens = params.chunk_tokens.min(encoder.max_length());
    let overlap = params.chunk_overlap.min(tokens / 2);
    if (tokens, overlap) != (params.chunk_tokens, params.chunk_overlap) {
        let message = format!("chunks have at most {tokens} tokens, the limit of the base model, and an overlap of {overlap}");
        training_state.reporter.log(LogLevel::Warn, message);
    }
    ChunkSettings { tokens, overlap, max_chunks: params.max_chunks }
}

fn fit_fields(
    tasks: &[FieldTask],
    documents: &[Document],
    words: Option<&WordReader>,
    params: &FieldClassifierParams,
    seed: u64,
    device: &Device,
    training_state: &mut TrainingState<'_>,
) -> Result<Vec<FieldFit>, Interrupt> {
    let fraction = |index: usize| EMBEDDED_FRACTION + (FITTED_FRACTION - EMBEDDED_FRACTION) * index as f64 / tasks.len() as f64;
    let size = documents.iter().flat_map(|document| &document.chunks).map(|chunk| chunk.vector.len()).next().unwrap_or_default();
    let mut fits = Vec::with_capacity(tasks.len());
    for (index, task) in tasks.iter().enumerate() {
        let span = (fraction(index), fraction(index + 1));
        fits.push(FieldTraining { task, documents, params, seed, size, words, device, span }.fit(training_state)?);
    }
    training_state.confirm_resume();
    training_state.check_stop()?;
    Ok(fits)
}

fn write_model(out: &Path, config: &ClassifierConfig, heads: &Heads, encoder: &Encoder) -> Result<(), TrainingError> {
    config.write(out)?;
    heads.write(out, config)?;
    Ok(encoder.write(&out.join(ENCODER_FOLDER), "The encoder of a field classifier.\n")?)
}

/// Scores documents with the written heads.
fn score(tasks: &[FieldTask], model: &Classifier, documents: &[Document]) -> Vec<ReportRow> {
    let mut rows = Vec::new();
    for Document { example, chunks } in documents {
        let predictions = tasks.iter().zip(model.predict_chunks(chunks));
        rows.extend(predictions.filter_map(|(task, evidenced)| task.score(example, evidenced.prediction)));
    }
    rows
}
