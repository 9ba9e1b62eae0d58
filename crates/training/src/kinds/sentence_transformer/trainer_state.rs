//! The state of the trainer between two steps, saved to checkpoints and restored from them.

use aprendiz_encoder::Network;
use burn::tensor::Device;

use crate::{
    checkpoint::state_dict::StateDict,
    interrupt::Interrupt,
    kinds::sentence_transformer::{
        adamw::Moments,
        parameters::{Parameters, map_parameters, read_parameters},
    },
    protocol::encoder_report::PairMetrics,
    tensor::{tensor_from_vec, tensor_to_vec},
};

/// The state of the trainer. Batches follow from the seed and the position, so no random state is needed.
#[derive(Debug, Clone)]
pub(super) struct TrainerState {
    /// The network being trained.
    pub(super) model: Network,
    pub(super) moments: Moments,
    /// Current epoch, from 0.
    pub(super) epoch: usize,
    /// Completed batches of the epoch.
    pub(super) batch: usize,
    /// Validation metrics of the base model.
    pub(super) base: Option<PairMetrics>,
    /// The best epoch so far by validation metrics.
    pub(super) best: Option<BestEpoch>,
}

#[derive(Debug, Clone)]
pub(super) struct BestEpoch {
    pub(super) metrics: PairMetrics,
    /// From 1.
    pub(super) epoch: usize,
    pub(super) parameters: Parameters,
}

impl TrainerState {
    pub(super) fn new(model: Network, base: Option<PairMetrics>) -> Self {
        Self { model, moments: Moments::default(), epoch: 0, batch: 0, base, best: None }
    }

    /// Saves the state. `parameters` are those of the network: reading them can fail, and saving must not.
    pub(super) fn save(&self, parameters: &Parameters, device: &Device) -> StateDict {
        let mut state_dict = StateDict::default().with_number("epoch", self.epoch as f64).with_number("batch", self.batch as f64);
        let mut put = |prefix: &str, parameters: &Parameters| {
            for (path, values) in parameters {
                let tensor = tensor_from_vec(values.clone(), [1, values.len()], device);
                state_dict.tensors.insert(format!("{prefix}.{path}"), tensor);
            }
        };
        put("weights", parameters);
        put("first", &self.moments.first);
        put("second", &self.moments.second);
        if let Some(best) = &self.best {
            put("best", &best.parameters);
            state_dict = state_dict.with_number("best_epoch", best.epoch as f64);
            state_dict = with_metrics(state_dict, "best", best.metrics);
        }
        match self.base {
            Some(metrics) => with_metrics(state_dict, "base", metrics),
            None => state_dict,
        }
    }

    /// Restores a saved state for a network of the shape of `model`.
    pub(super) fn restore(state_dict: &StateDict, model: Network, training: &Device) -> Result<Self, Interrupt> {
        let shapes = read_parameters(&model)?;
        let take = |prefix: &str| -> Result<Parameters, Interrupt> {
            let one = |(path, values): (&String, &Vec<f32>)| {
                let tensor = state_dict.tensor(&format!("{prefix}.{path}"), [1, values.len()])?;
                Ok((path.clone(), tensor_to_vec(tensor)?))
            };
            shapes.iter().map(one).collect()
        };
        let moments = |prefix: &str| {
            if state_dict.tensors.keys().any(|name| name.starts_with(prefix)) { take(prefix) } else { Ok(Parameters::new()) }
        };
        let mut weights = take("weights")?;
        let best = match state_dict.numbers.contains_key("best_epoch") {
            true => Some(BestEpoch {
                metrics: read_metrics(state_dict, "best")?,
                epoch: state_dict.count("best_epoch")?,
                parameters: take("best")?,
            }),
            false => None,
        };
        let base = if state_dict.numbers.contains_key("base_average_precision") { Some(read_metrics(state_dict, "base")?) } else { None };
        let state = Self {
            moments: Moments::new(moments("first")?, moments("second")?),
            epoch: state_dict.count("epoch")?,
            batch: state_dict.count("batch")?,
            base,
            best,
            model: map_parameters(model, training, |path, _, values| weights.remove(path).unwrap_or(values))?,
        };
        Ok(state)
    }
}

fn with_metrics(state_dict: StateDict, prefix: &str, metrics: PairMetrics) -> StateDict {
    state_dict
        .with_number(&format!("{prefix}_average_precision"), metrics.average_precision)
        .with_number(&format!("{prefix}_spearman"), metrics.spearman)
}

fn read_metrics(state_dict: &StateDict, prefix: &str) -> Result<PairMetrics, Interrupt> {
    Ok(PairMetrics {
        average_precision: state_dict.number(&format!("{prefix}_average_precision"))?,
        spearman: state_dict.number(&format!("{prefix}_spearman"))?,
    })
}
