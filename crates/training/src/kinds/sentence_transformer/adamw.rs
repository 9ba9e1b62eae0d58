//! AdamW as in PyTorch, with gradient clipping by global norm.
//!
//! Burn's optimizer clips each tensor separately and stores its state in its own files; this one stores its state in checkpoints.

use aprendiz_encoder::{Network, TokenRows, with_simd};
use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Gradients as AutodiffGradients, Tensor},
};
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::{
    error::TrainingError,
    kinds::sentence_transformer::parameters::{Parameters, map_parameters},
    tensor::tensor_to_vec,
};

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// The settings of the optimizer that no parameter changes, as decimal numbers.
pub(super) fn settings() -> Value {
    let decimal = |value: f32| value.to_string().parse::<f64>().unwrap_or_else(|_| f64::from(value));
    json!({ "algorithm": "AdamW", "beta_1": decimal(BETA_1), "beta_2": decimal(BETA_2), "epsilon": decimal(EPSILON) })
}

/// Values per parallel task. Sums are computed chunk by chunk, so the result does not depend on the number of threads.
const CHUNK: usize = 1 << 14;

/// Path of the token embedding table.
const TOKEN_EMBEDDINGS: &str = "word_embeddings.weight";

/// First and second moments of the gradients.
#[derive(Debug, Clone, Default)]
pub(super) struct Moments {
    pub(super) first: Parameters,
    pub(super) second: Parameters,
    /// Rows of the token embedding table that have a second moment; empty until first use.
    seen: Vec<bool>,
}

impl Moments {
    pub(super) fn new(first: Parameters, second: Parameters) -> Self {
        Self { first, second, seen: Vec::new() }
    }
}

/// Settings of one optimizer step.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepConfig {
    /// Number of the step, from 1.
    pub(super) step: u64,
    pub(super) learning_rate: f64,
    pub(super) weight_decay: f64,
    pub(super) max_gradient_norm: f64,
}

/// The gradients of a step.
pub(super) struct Gradients {
    /// By path of the parameter.
    parameters: Parameters,
    /// Gradients of the rows of the token embedding table that the batch uses, with their token ids. Used instead of the whole table.
    token_rows: Option<(Vec<u32>, Vec<f32>)>,
}

impl Gradients {
    /// Takes the gradients of a network, and those of its token embeddings if they were looked up separately.
    pub(super) fn take(model: &Network, token_rows: Option<TokenRows>, gradients: &mut AutodiffGradients) -> Result<Self, TrainingError> {
        let token_rows = match token_rows {
            Some(TokenRows { ids, rows }) => rows.grad_remove(gradients).map(tensor_to_vec).transpose()?.map(|values| (ids, values)),
            None => None,
        };
        let mut collector = Collector { path: Vec::new(), gradients, collected: Parameters::new(), error: None };
        model.visit(&mut collector);
        collector.error.map_or(Ok(Self { parameters: collector.collected, token_rows }), Err)
    }

    /// L2 norm of all gradients together.
    fn global_norm(&self) -> f64 {
        let token_rows = self.token_rows.iter().map(|(_, values)| values);
        let squares = self
            .parameters
            .values()
            .chain(token_rows)
            .flat_map(|values| values.par_chunks(CHUNK).map(sum_of_squares).collect::<Vec<f64>>());
        squares.sum::<f64>().sqrt()
    }
}

/// Sum of squares.
fn sum_of_squares(values: &[f32]) -> f64 {
    with_simd(
        #[inline(always)]
        || {
            let (whole, rest) = values.as_chunks::<8>();
            let mut lanes = [0.0_f64; 8];
            for values in whole {
                for (lane, value) in lanes.iter_mut().zip(values) {
                    *lane += f64::from(*value) * f64::from(*value);
                }
            }
            lanes.iter().sum::<f64>() + rest.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>()
        },
    )
}

/// The update of one parameter value.
#[derive(Clone, Copy)]
struct AdamWStep {
    /// Factor that clips the global gradient norm.
    clip: f32,
    /// Bias corrections of the first moment and of the root of the second.
    bias_correction: [f32; 2],
    lr: f32,
    /// Factor of decoupled weight decay, `1 - lr · weight_decay`.
    decay: f32,
}

impl AdamWStep {
    fn new(config: StepConfig, gradient_norm: f64) -> Self {
        let bias_correction = |beta: f32| (1.0 - f64::from(beta).powf(config.step as f64)) as f32;
        Self {
            clip: (config.max_gradient_norm / (gradient_norm + 1e-6)).min(1.0) as f32,
            bias_correction: [bias_correction(BETA_1), bias_correction(BETA_2).sqrt()],
            lr: config.learning_rate as f32,
            decay: 1.0 - (config.learning_rate * config.weight_decay) as f32,
        }
    }

    /// For vectors: biases and norms have no weight decay.
    fn without_decay(self) -> Self {
        Self { decay: 1.0, ..self }
    }

    fn update(self, values: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
        let chunks = values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        let chunks = chunks.zip(first.par_chunks_mut(CHUNK)).zip(second.par_chunks_mut(CHUNK));
        chunks.for_each(|(((values, gradient), first), second)| self.update_chunk(values, gradient.iter().copied(), first, second));
    }

    fn update_chunk(self, values: &mut [f32], gradient: impl Iterator<Item = f32> + Clone, first: &mut [f32], second: &mut [f32]) {
        with_simd(
            #[inline(always)]
            || {
                for (((value, gradient), first), second) in
                    values.iter_mut().zip(gradient.clone()).zip(first.iter_mut()).zip(second.iter_mut())
                {
                    let gradient = gradient * self.clip;
                    *first = BETA_1 * *first + (1.0 - BETA_1) * gradient;
                    *second = BETA_2 * *second + (1.0 - BETA_2) * gradient * gradient;
                    *value = self.decay * *value
                        - self.lr * (*first / self.bias_correction[0]) / (second.sqrt() / self.bias_correction[1] + EPSILON);
                }
            },
        );
    }

    /// Updates a table of which only some rows have gradients. Rows that never had one are skipped.
    fn update_rows(
        self,
        values: &mut [f32],
        (ids, gradient): &(Vec<u32>, Vec<f32>),
        first: &mut [f32],
        second: &mut [f32],
        seen: &mut Vec<bool>,
    ) {
        let size = gradient.len() / ids.len();
        if seen.is_empty() {
            *seen = second.chunks_exact(size).map(|row| row.iter().any(|value| *value > 0.0)).collect();
        }
        let mut next = 0;
        for (row, seen) in seen.iter_mut().enumerate() {
            let has_gradient = ids.get(next).is_some_and(|id| *id as usize == row);
            if !has_gradient && !*seen {
                continue;
            }
            let range = row * size..(row + 1) * size;
            let (values, first, second) = (&mut values[range.clone()], &mut first[range.clone()], &mut second[range]);
            if has_gradient {
                self.update_chunk(values, gradient[next * size..][..size].iter().copied(), first, second);
                // the same rule as after a restart from a checkpoint
                *seen = second.iter().any(|value| *value > 0.0);
                next += 1;
            } else {
                self.update_chunk(values, std::iter::repeat_n(0.0, size), first, second);
            }
        }
    }
}

/// Updates the weights of a network. The network must be the only owner of its tensors, otherwise they are copied.
pub(super) fn step(
    model: Network,
    mut gradients: Gradients,
    moments: &mut Moments,
    config: StepConfig,
    device: &Device,
) -> Result<Network, TrainingError> {
    let step = AdamWStep::new(config, gradients.global_norm());
    let Moments { first: all_first, second: all_second, seen } = moments;
    map_parameters(model, device, |path, dimensions, mut values| {
        let token_rows = if path == TOKEN_EMBEDDINGS { gradients.token_rows.take() } else { None };
        let gradient = gradients.parameters.remove(path);
        if token_rows.is_none() && gradient.is_none() {
            return values;
        }
        let moment = |moments: &mut Parameters| moments.remove(path).unwrap_or_else(|| vec![0.0; values.len()]);
        let (mut first, mut second) = (moment(all_first), moment(all_second));
        if let Some(token_rows) = token_rows {
            step.update_rows(&mut values, &token_rows, &mut first, &mut second, seen);
        } else if let Some(gradient) = gradient {
            let step = if dimensions > 1 { step } else { step.without_decay() };
            step.update(&mut values, &gradient, &mut first, &mut second);
        }
        all_first.insert(path.to_owned(), first);
        all_second.insert(path.to_owned(), second);
        values
    })
}

struct Collector<'a> {
    path: Vec<String>,
    gradients: &'a mut AutodiffGradients,
    collected: Parameters,
    error: Option<TrainingError>,
}

impl ModuleVisitor for Collector<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        match param.val().grad_remove(self.gradients).map(tensor_to_vec) {
            Some(Ok(values)) => drop(self.collected.insert(self.path.join("."), values)),
            Some(Err(error)) => self.error = Some(error),
            None => {}
        }
    }

    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(number: u64) -> AdamWStep {
        AdamWStep::new(StepConfig { step: number, learning_rate: 1e-2, weight_decay: 0.0, max_gradient_norm: 1.0 }, 0.5)
    }

    #[test]
    fn sparse_updates_equal_dense_updates() {
        let (rows, size) = (6, 4);
        let begin: Vec<f32> = (0..rows * size).map(|value| value as f32 / 10.0).collect();
        let [mut some, mut all] = [begin.clone(), begin.clone()];
        let [mut moments, mut expected] = [(); 2].map(|()| [(); 2].map(|()| vec![0.0; rows * size]));
        let mut seen = Vec::new();
        for (number, ids) in [vec![1, 4], vec![4], vec![0, 1, 2], vec![2]].into_iter().enumerate() {
            let step = step(number as u64 + 1);
            let gradient: Vec<f32> = (0..ids.len() * size).map(|value| (value as f32 - 3.0) / 7.0).collect();
            let mut dense = vec![0.0; rows * size];
            for (id, row) in ids.iter().zip(gradient.chunks_exact(size)) {
                dense[*id as usize * size..][..size].copy_from_slice(row);
            }
            // a checkpoint does not store which rows were seen
            if number == 2 {
                seen.clear();
            }
            let [first, second] = &mut moments;
            step.update_rows(&mut some, &(ids, gradient), first, second, &mut seen);
            let [first, second] = &mut expected;
            step.update(&mut all, &dense, first, second);
        }
        assert_eq!((some.as_slice(), &moments), (all.as_slice(), &expected));
        assert_eq!(some[3 * size..4 * size], begin[3 * size..4 * size]);
        assert_eq!(seen, [true, true, true, false, true, false]);
    }

    #[test]
    fn the_first_step_moves_by_the_learning_rate_against_the_gradient() {
        let mut values = vec![1.0, 1.0, 1.0];
        let [mut first, mut second] = [(); 2].map(|()| vec![0.0; 3]);
        step(1).update(&mut values, &[0.3, -2.0, 0.0], &mut first, &mut second);
        assert!((values[0] - 0.99).abs() < 1e-6 && (values[1] - 1.01).abs() < 1e-6 && values[2] == 1.0);
    }

    #[test]
    fn gradients_are_clipped_by_their_global_norm() {
        let clipped = AdamWStep::new(StepConfig { step: 1, learning_rate: 1.0, weight_decay: 0.0, max_gradient_norm: 1.0 }, 4.0);
        assert!((clipped.clip - 0.25).abs() < 1e-5);
        assert_eq!(step(1).clip, 1.0);
        let values: Vec<f32> = (0..37).map(|value| value as f32 / 9.0).collect();
        let expected: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
        assert!((sum_of_squares(&values) - expected).abs() < 1e-9);
    }
}
