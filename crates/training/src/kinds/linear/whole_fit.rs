//! The published model of a final fit on all splits. Penalties and factors are those of the measured model; nothing is chosen here.

use std::fs;

use aprendiz_inference::{ModelConfig, Weights};
use aprendiz_run_spec::LinearParams;
use burn::tensor::Device;

use crate::{
    checkpoint::training_state::TrainingState,
    dataset::Labels,
    error::TrainingError,
    fitted_files::{remove_merged, whole_file},
    interrupt::Interrupt,
    kinds::linear::{
        features::{self, TrainFeatures},
        field_config::field_config,
        field_task::FieldTask,
        fit::fit_chosen,
        gram::Examples,
        progress::Span,
    },
    protocol::{
        job::{TrainingJob, WholeFit},
        progress::Stage,
    },
};

/// What was chosen for a field: its name, the penalty, and the factor of the softmax.
pub(crate) struct Chosen {
    pub(crate) field: String,
    pub(crate) l2: f64,
    pub(crate) inverse_temperature: f64,
}

/// Fits the fields of the measured model on all splits, and writes their weights and their configuration. Returns the number of documents.
pub(crate) fn fit_whole(
    (job, files): (&TrainingJob, &WholeFit),
    params: &LinearParams,
    (labels, measured, chosen): (&Labels, &ModelConfig, &[Chosen]),
    device: &Device,
    span: Span,
    training_state: &mut TrainingState<'_>,
) -> Result<u64, Interrupt> {
    let path = whole_file(job, &files.test)?;
    let TrainFeatures { vectorizer, examples, rows } =
        features::fit(&path, &measured.features, Stage::Fit, span.until(0.5), training_state)?;
    remove_merged(job, &path)?;
    let (tasks, _) = FieldTask::all(labels, &examples);
    let solver_examples = Examples::new(&rows, device.clone());
    let (mut fields, mut heads) = (Vec::with_capacity(chosen.len()), Vec::with_capacity(chosen.len()));
    for (index, chosen) in chosen.iter().enumerate() {
        let task = tasks.iter().find(|task| task.name == chosen.field).expect("a field with two classes in some splits has them in all");
        let progress = (Stage::Fit, span.between(0.5, 1.0).part(index, tasks.len()));
        let factors = (chosen.l2, chosen.inverse_temperature);
        heads.push(fit_chosen(task, &solver_examples, factors, params, progress, training_state)?);
        fields.push(field_config(task, chosen.l2));
    }
    training_state.check_stop()?;
    let config = ModelConfig { features: vectorizer.config().clone(), feature_count: vectorizer.len(), fields, ..measured.clone() };
    let weights = Weights { keys: vectorizer.keys().to_vec(), idf: vectorizer.idf().to_vec(), fields: heads };
    fs::create_dir_all(&files.out).map_err(TrainingError::io(&files.out))?;
    weights.write(&files.out, &config).map_err(TrainingError::from)?;
    config.write(&files.out).map_err(TrainingError::from)?;
    Ok(examples.len() as u64)
}
