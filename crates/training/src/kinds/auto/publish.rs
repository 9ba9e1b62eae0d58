//! Writes the model directory from its parts, and scores validation with it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use aprendiz_classifier::{
    AUTO_FORMAT_VERSION, AutoConfig, CLASSIFIER_FOLDER, ChosenKind, ClassifierConfig, FieldChoice, FieldModel, KIND_AUTO,
    KIND_FIELD_CLASSIFIER, LINEAR_FOLDER,
};
use aprendiz_inference::{FieldConfig, KIND_LINEAR, ModelConfig, NgramCounter, TrainingInfo};
use burn::tensor::Device;

use crate::{
    checkpoint::training_state::TrainingState,
    embeddings,
    error::TrainingError,
    interrupt::Interrupt,
    kinds::{field_classifier::documents::Embedder, trained_fields::FieldScores},
    protocol::{
        job::TrainingJob,
        report::{ReportRow, VALIDATION_FILE},
    },
};

/// The jobs of the parts, whose models are written.
pub(super) struct Parts<'a> {
    pub(super) linear: &'a TrainingJob,
    pub(super) classifier: &'a TrainingJob,
}

impl Parts<'_> {
    /// The job whose model predicts all fields alone, and its kind.
    fn only(&self, choices: &[FieldChoice]) -> Option<(&TrainingJob, &'static str)> {
        let all = |kind| choices.iter().all(|choice| choice.chosen == kind);
        if all(ChosenKind::Linear) {
            return Some((self.linear, KIND_LINEAR));
        }
        all(ChosenKind::FieldClassifier).then_some((self.classifier, KIND_FIELD_CLASSIFIER))
    }
}

/// Moves the models of the selected kinds into the directory of the job. Returns the kind of the model: that of the parts, if all fields have
/// the same one.
pub(super) fn publish(job: &TrainingJob, parts: &Parts<'_>, choices: &[FieldChoice]) -> Result<&'static str, TrainingError> {
    fs::create_dir_all(&job.out).map_err(TrainingError::io(&job.out))?;
    if let Some((part, kind)) = parts.only(choices) {
        move_files(&part.out, &job.out)?;
        return Ok(kind);
    }
    let linear = ModelConfig::read(&parts.linear.out).map_err(TrainingError::from)?;
    let classifier = ClassifierConfig::read(&parts.classifier.out).map_err(TrainingError::from)?;
    let chosen = |(choice, (linear, classifier)): (&FieldChoice, (&FieldConfig, &FieldConfig))| match choice.chosen {
        ChosenKind::Linear | ChosenKind::Combination => linear.clone(),
        ChosenKind::FieldClassifier => classifier.clone(),
    };
    let config = AutoConfig {
        format_version: AUTO_FORMAT_VERSION,
        kind: KIND_AUTO.to_owned(),
        fields: choices.iter().zip(linear.fields.iter().zip(&classifier.fields)).map(chosen).collect(),
        choices: choices.to_vec(),
        target_accuracy: job.target_accuracy,
        seed: job.seed,
        training: TrainingInfo { params: job.params.to_json().into(), ..linear.training },
    };
    for (part, folder) in [(parts.linear, LINEAR_FOLDER), (parts.classifier, CLASSIFIER_FOLDER)] {
        let to = job.out.join(folder);
        fs::create_dir_all(&to).map_err(TrainingError::io(&to))?;
        move_files(&part.out, &to)?;
    }
    config.write(&job.out)?;
    Ok(KIND_AUTO)
}

/// Moves the entries of a folder into another one.
fn move_files(from: &Path, to: &Path) -> Result<(), TrainingError> {
    for entry in fs::read_dir(from).map_err(TrainingError::io(from))? {
        let entry = entry.map_err(TrainingError::io(from))?;
        let target: PathBuf = to.join(entry.file_name());
        fs::rename(entry.path(), &target).map_err(TrainingError::io(&target))?;
    }
    Ok(())
}

/// The scores of a validation split that was not fitted, by the published model.
pub(super) fn validation_rows(
    job: &TrainingJob,
    parts: &Parts<'_>,
    choices: &[FieldChoice],
    fields: &[FieldScores],
    device: &Device,
    training_state: &mut TrainingState<'_>,
) -> Result<Vec<ReportRow>, Interrupt> {
    if let Some((part, _)) = parts.only(choices) {
        return Ok(ReportRow::read_all(&part.reports.join(VALIDATION_FILE))?);
    }
    let model = FieldModel::load_unpublished(&job.out, device).map_err(TrainingError::from)?;
    let mut cache = embeddings::open(model.encoder().vector_size(), job.embeddings.as_ref());
    // the field classifier has computed the vectors of validation already
    job.embeddings.iter().filter(|files| files.fresh.exists()).for_each(|files| cache.add_file(&files.fresh));
    let mut embedder = Embedder { encoder: model.encoder(), settings: model.chunk_settings(), device, cache, words: model.words() };
    let (mut rows, mut counter) = (Vec::new(), NgramCounter::new());
    embedder.read(
        &job.validation,
        |_, _| training_state.check_stop(),
        |document, text| {
            let predictions = model.predict_chunks(text, &document.chunks, &mut counter);
            let scored = fields.iter().zip(predictions);
            rows.extend(scored.filter_map(|(scores, predicted)| scores.task.score(&document.example, predicted.prediction)));
            Ok(())
        },
    )?;
    Ok(rows)
}
