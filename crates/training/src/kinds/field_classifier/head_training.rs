//! Trains one head with Adam. Kingma and Ba, 2014, arXiv:1412.6980.

use aprendiz_classifier::{FieldHead, POSITIONS, chunk_position};
use burn::tensor::{Device, Tensor, TensorData, activation};
use serde_json::{Value, json};

use crate::{
    checkpoint::state_dict::StateDict,
    error::TrainingError,
    interrupt::Interrupt,
    random::Random,
    tensor::{tensor_from_vec, tensor_to_vec},
};

/// Attention score of the first chunk at the beginning of a training: most of the attention. Titles are there; of few documents, a head
/// does not learn where to look from equal weights.
const FIRST_CHUNK_SCORE: f32 = 6.0;

/// Added to the attention scores of padding: small enough that its attention weight is exactly 0.
const PADDING_SCORE: f32 = -1e9;

const FIRST_DECAY: f64 = 0.9;
const SECOND_DECAY: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// The settings of the optimizer that no parameter changes, as decimal numbers.
pub(super) fn optimizer() -> Value {
    json!({
        "algorithm": "Adam", "first_decay": FIRST_DECAY.to_string(), "second_decay": SECOND_DECAY.to_string(),
        "epsilon": EPSILON.to_string(), "schedule": "cosine to 0",
    })
}

/// Examples of a head: the vectors of the chunks of each document, and its class.
pub(super) struct HeadExamples<'a> {
    pub(super) documents: Vec<&'a [Vec<f32>]>,
    pub(super) classes: Vec<usize>,
    /// Weight of each class in the loss.
    pub(super) class_weights: Vec<f32>,
    /// Dimension of the vectors.
    pub(super) size: usize,
}

/// Hyperparameters of a head.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadSettings {
    pub(super) epochs: usize,
    pub(super) batch: usize,
    pub(super) learning_rate: f64,
    pub(super) l2: f64,
    pub(super) seed: u64,
}

/// A parameter with its moments.
struct Parameter {
    value: Tensor<2>,
    moments: [Tensor<2>; 2],
}

impl Parameter {
    fn zeros(shape: [usize; 2], device: &Device) -> Self {
        let zeros = || Tensor::zeros(shape, device);
        Self { value: zeros(), moments: [zeros(), zeros()] }
    }

    fn update(self, gradient: Tensor<2>, learning_rate: f64, step: i32) -> Self {
        let [first, second] = self.moments;
        let first = first * FIRST_DECAY + gradient.clone() * (1.0 - FIRST_DECAY);
        let second = second * SECOND_DECAY + gradient.square() * (1.0 - SECOND_DECAY);
        let corrected = first.clone() / (1.0 - FIRST_DECAY.powi(step));
        let scale = (second.clone() / (1.0 - SECOND_DECAY.powi(step))).sqrt() + EPSILON;
        Self { value: self.value - corrected / scale * learning_rate, moments: [first, second] }
    }
}

/// A training after some epochs. Checkpoints have it, so that another process continues with the same numbers.
pub(super) struct HeadTraining {
    /// Completed epochs.
    pub(super) epoch: usize,
    parameters: [Parameter; PARAMETERS.len()],
}

impl HeadTraining {
    fn new(size: usize, classes: usize, device: &Device) -> Self {
        let mut parameters = shapes(size, classes).map(|shape| Parameter::zeros(shape, device));
        let mut position = vec![0.0; POSITIONS];
        position[0] = FIRST_CHUNK_SCORE;
        parameters[1].value = tensor_from_vec(position, [POSITIONS, 1], device);
        Self { epoch: 0, parameters }
    }

    /// The state for a checkpoint.
    pub(super) fn save(&self) -> StateDict {
        let numbered = PARAMETERS.iter().zip(&self.parameters);
        numbered.fold(StateDict::default().with_number("epoch", self.epoch as f64), |state_dict, (name, parameter)| {
            let [first, second] = &parameter.moments;
            let state_dict = state_dict.with_tensor(name, &parameter.value);
            state_dict.with_tensor(&format!("{name}.first"), first).with_tensor(&format!("{name}.second"), second)
        })
    }

    /// Restores a state for vectors of dimension `size`.
    pub(super) fn restore(state_dict: &StateDict, size: usize, classes: usize) -> Result<Self, Interrupt> {
        let read = |(name, shape): (&str, [usize; 2])| {
            let moment = |moment: &str| state_dict.tensor(&format!("{name}.{moment}"), shape);
            Ok::<_, Interrupt>(Parameter { value: state_dict.tensor(name, shape)?, moments: [moment("first")?, moment("second")?] })
        };
        let mut read = PARAMETERS.into_iter().zip(shapes(size, classes)).map(read);
        let mut next = || read.next().expect("one for each parameter");
        Ok(Self { epoch: state_dict.count("epoch")?, parameters: [next()?, next()?, next()?, next()?] })
    }
}

/// Names of the parameters in checkpoints.
const PARAMETERS: [&str; 4] = ["query", "position", "weight", "bias"];

fn shapes(size: usize, classes: usize) -> [[usize; 2]; PARAMETERS.len()] {
    [[size, 1], [POSITIONS, 1], [size, classes], [1, classes]]
}

/// Trains a head, from the beginning or from a saved state. After each epoch, `go_on` gets the state and the mean loss; training ends
/// early if it returns an error.
pub(super) fn train_head<E: From<TrainingError>>(
    examples: &HeadExamples<'_>,
    settings: HeadSettings,
    device: &Device,
    saved: Option<HeadTraining>,
    mut go_on: impl FnMut(&HeadTraining, f64) -> Result<(), E>,
) -> Result<FieldHead, E> {
    let (classes, count) = (examples.class_weights.len(), examples.documents.len());
    let training = device.clone().autodiff();
    let mut state = saved.unwrap_or_else(|| HeadTraining::new(examples.size, classes, device));
    let steps_per_epoch = count.div_ceil(settings.batch);
    let steps = (steps_per_epoch * settings.epochs) as f64;
    let mut step = i32::try_from(steps_per_epoch * state.epoch).unwrap_or(i32::MAX);
    while state.epoch < settings.epochs {
        let HeadTraining { epoch, mut parameters } = state;
        let mut order: Vec<usize> = (0..count).collect();
        Random::with_stream(settings.seed, epoch as u64).shuffle(&mut order);
        let mut total = 0.0;
        for batch in order.chunks(settings.batch) {
            let [query, position, weight, bias] =
                [0, 1, 2, 3].map(|index: usize| Tensor::<2>::from_inner(parameters[index].value.clone()).require_grad());
            let logits = forward(batch_chunks(examples, batch, &training), &query, &position, &weight, &bias);
            let loss = loss(examples, batch, logits, &training) + weight.clone().square().sum() * (settings.l2 / (2.0 * count as f64));
            let value = tensor_to_vec(loss.clone().inner())?.first().map_or(f64::NAN, |value| f64::from(*value));
            if !value.is_finite() {
                return Err(TrainingError::Diverged { step: step as u64 + 1 }.into());
            }
            total += value * batch.len() as f64;
            let mut gradients = loss.backward();
            let found = [query, position, weight, bias].map(|tensor| tensor.grad_remove(&mut gradients));
            let learning_rate = settings.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * f64::from(step) / steps).cos());
            step += 1;
            let mut updated = parameters.into_iter().zip(found).map(|(parameter, gradient)| match gradient {
                Some(gradient) => parameter.update(gradient, learning_rate, step),
                None => parameter,
            });
            parameters = std::array::from_fn(|_| updated.next().expect("one for each parameter"));
        }
        state = HeadTraining { epoch: epoch + 1, parameters };
        go_on(&state, total / count.max(1) as f64)?;
        if aprendiz_test_gate::is_instant() {
            break;
        }
    }
    let [query, position, weight, bias] = state.parameters.map(|parameter| parameter.value);
    let weight = tensor_to_vec(weight.transpose())?;
    Ok(FieldHead { query: tensor_to_vec(query)?, position: tensor_to_vec(position)?, weight, bias: tensor_to_vec(bias)? })
}

/// The chunks of a batch, filled up to the same number.
struct BatchChunks {
    /// `[b, m, h]`; of padding zeros.
    vectors: Tensor<3>,
    /// `[b * m, POSITIONS]`: 1 at the position of each chunk; of padding zeros.
    positions: Tensor<2>,
    /// `[b, m]`: added to the attention scores.
    padding: Tensor<2>,
}

fn batch_chunks(examples: &HeadExamples<'_>, batch: &[usize], device: &Device) -> BatchChunks {
    let size = examples.size;
    let most = batch.iter().map(|example| examples.documents[*example].len()).max().unwrap_or(1);
    let rows = batch.len() * most;
    let mut vectors = Vec::with_capacity(rows * size);
    let (mut positions, mut padding) = (vec![0.0; rows * POSITIONS], vec![PADDING_SCORE; rows]);
    for (row, example) in batch.iter().enumerate() {
        let chunks = examples.documents[*example];
        vectors.extend(chunks.iter().flatten());
        vectors.resize((row + 1) * most * size, 0.0);
        for index in 0..chunks.len() {
            padding[row * most + index] = 0.0;
            positions[(row * most + index) * POSITIONS + chunk_position(index, chunks.len())] = 1.0;
        }
    }
    BatchChunks {
        vectors: Tensor::from_data(TensorData::new(vectors, [batch.len(), most, size]), device),
        positions: tensor_from_vec(positions, [rows, POSITIONS], device),
        padding: tensor_from_vec(padding, [batch.len(), most], device),
    }
}

/// Logits `[b, C]`; the computation of [`FieldHead::forward`].
fn forward(batch: BatchChunks, query: &Tensor<2>, position: &Tensor<2>, weight: &Tensor<2>, bias: &Tensor<2>) -> Tensor<2> {
    let BatchChunks { vectors, positions, padding } = batch;
    let [rows, chunks, size] = vectors.dims();
    let mean = if chunks == 1 {
        vectors.reshape([rows, size])
    } else {
        let scores = vectors.clone().reshape([rows * chunks, size]).matmul(query.clone()) + positions.matmul(position.clone());
        let attention = activation::softmax(scores.reshape([rows, chunks]) + padding, 1).reshape([rows, chunks, 1]);
        (vectors * attention).sum_dim(1).reshape([rows, size])
    };
    mean.matmul(weight.clone()) + bias.clone()
}

/// Mean cross-entropy of a batch, weighted by class, `[1]`.
fn loss(examples: &HeadExamples<'_>, batch: &[usize], logits: Tensor<2>, device: &Device) -> Tensor<1> {
    let classes = examples.class_weights.len();
    let mut targets = vec![0.0; batch.len() * classes];
    for (row, example) in batch.iter().enumerate() {
        let class = examples.classes[*example];
        targets[row * classes + class] = examples.class_weights[class] / batch.len() as f32;
    }
    let targets = tensor_from_vec(targets, [batch.len(), classes], device);
    -(activation::log_softmax(logits, 1) * targets).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> HeadSettings {
        HeadSettings { epochs: 60, batch: 8, learning_rate: 0.2, l2: 0.01, seed: 1 }
    }

    /// Documents of three chunks. One of them, at a changing place, determines the class.
    fn documents() -> (Vec<Vec<Vec<f32>>>, Vec<usize>) {
        let document = |number: usize| {
            let class = number % 2;
            let mut chunks = vec![vec![0.0, 0.0, 1.0, 0.0]; 3];
            chunks[number / 2 % 3] = if class == 0 { vec![1.0, 0.0, 0.0, 1.0] } else { vec![0.0, 1.0, 0.0, 1.0] };
            (chunks, class)
        };
        (0..24).map(document).unzip()
    }

    fn train(epochs: usize) -> FieldHead {
        let (documents, classes) = documents();
        let examples =
            HeadExamples { documents: documents.iter().map(Vec::as_slice).collect(), classes, class_weights: vec![1.0, 1.0], size: 4 };
        let settings = HeadSettings { epochs, ..settings() };
        train_head::<TrainingError>(&examples, settings, &Device::flex(), None, |_, _| Ok(())).expect("a head")
    }

    #[test]
    fn attention_finds_the_chunk_that_determines_the_class() {
        let head = train(200);
        let (documents, classes) = documents();
        for (number, (document, class)) in documents.iter().zip(classes).enumerate() {
            let output = head.forward(document);
            assert!(output.logits[class] > output.logits[1 - class], "{number}");
            assert!(output.attention[number / 2 % 3] > 0.5, "{number}: {:?}", output.attention);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_head_with_any_number_of_threads() {
        let with = |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool").install(|| train(5));
        assert_eq!(with(1), with(3));
    }
    #[test]
    fn a_saved_training_continues_with_the_same_numbers() {
        let (documents, classes) = documents();
        let examples =
            HeadExamples { documents: documents.iter().map(Vec::as_slice).collect(), classes, class_weights: vec![1.0, 1.0], size: 4 };
        let mut saved = None;
        let go_on = |state: &HeadTraining, _| {
            if state.epoch == 7 {
                saved = Some(state.save());
            }
            Ok::<_, TrainingError>(())
        };
        let whole = train_head(&examples, settings(), &Device::flex(), None, go_on).expect("a head");
        let saved = HeadTraining::restore(&saved.expect("a state"), 4, 2).expect("it fits");
        let continued = train_head::<TrainingError>(&examples, settings(), &Device::flex(), Some(saved), |_, _| Ok(()));
        assert_eq!(continued.expect("a head"), whole);
    }
}
