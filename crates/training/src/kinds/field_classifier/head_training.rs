//! Trains one head with Adam.

use aprendiz_classifier::{FieldHead, HeadInput, POSITIONS, WordWeights, chunk_position};
use aprendiz_inference::SparseRow;
use burn::tensor::{Device, Tensor, TensorData, activation};

use crate::{
    checkpoint::state_dict::StateDict,
    error::TrainingError,
    interrupt::Interrupt,
    kinds::field_classifier::{
        adam::{AdamStep, Parameter},
        sparse_table::SparseTable,
    },
    random::Random,
    tensor::{tensor_from_vec, tensor_to_vec},
};

/// Attention score of the first chunk at the beginning of a training of a head that reads vectors only: most of the attention. Titles are
/// there; of few documents, such a head does not learn where to look from equal weights.
const FIRST_CHUNK_SCORE: f32 = 6.0;

/// Weight of a mention at the beginning of a training.
const MENTION_WEIGHT: f32 = 3.0;

/// Added to the attention scores of padding: small enough that its attention weight is exactly 0.
const PADDING_SCORE: f32 = -1e9;

/// Examples of a head: what it reads of each document, and its class.
pub(super) struct HeadExamples<'a> {
    pub(super) documents: Vec<&'a [HeadInput<'a>]>,
    pub(super) classes: Vec<usize>,
    /// Weight of each class in the loss.
    pub(super) class_weights: Vec<f32>,
    pub(super) shape: HeadShape,
}

/// The shape of a head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HeadShape {
    /// Dimension of the vectors.
    pub(super) size: usize,
    pub(super) classes: usize,
    /// Size of the vocabulary; `None` for a head that reads vectors only.
    pub(super) features: Option<usize>,
}

/// Hyperparameters of a head.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadSettings {
    pub(super) epochs: usize,
    pub(super) batch: usize,
    pub(super) learning_rate: f64,
    pub(super) l2: f64,
    pub(super) ngram_l2: f64,
    pub(super) seed: u64,
}

/// A training after some epochs. Checkpoints have it, so that another process continues with the same numbers.
pub(super) struct HeadTraining {
    /// Completed epochs.
    pub(super) epoch: usize,
    parameters: Vec<Parameter>,
    /// Weights of n-grams, `[V, 1 + C]`.
    ngrams: Option<SparseTable>,
}

/// Names of the parameters in checkpoints. The last two belong to heads that read words.
const PARAMETERS: [&str; 6] = ["query", "position", "weight", "bias", "mention", "absent"];

/// Name of the weights of n-grams in checkpoints.
const NGRAMS: &str = "ngrams";

impl HeadShape {
    /// Shapes of the parameters.
    fn parameters(self) -> Vec<[usize; 2]> {
        let Self { size, classes, features } = self;
        let mut shapes = vec![[size, 1], [POSITIONS, 1], [size, classes], [1, classes]];
        if features.is_some() {
            shapes.extend([[1, 1], [1, 1 + classes]]);
        }
        shapes
    }
}

impl HeadTraining {
    fn new(shape: HeadShape, device: &Device) -> Self {
        let mut parameters: Vec<Parameter> = shape.parameters().into_iter().map(|shape| Parameter::zeros(shape, device)).collect();
        match parameters.get_mut(4) {
            Some(mention) => mention.value = tensor_from_vec(vec![MENTION_WEIGHT], [1, 1], device),
            None => {
                let mut position = vec![0.0; POSITIONS];
                position[0] = FIRST_CHUNK_SCORE;
                parameters[1].value = tensor_from_vec(position, [POSITIONS, 1], device);
            }
        }
        let ngrams = shape.features.map(|features| SparseTable::zeros(features, 1 + shape.classes));
        Self { epoch: 0, parameters, ngrams }
    }

    /// The state for a checkpoint.
    pub(super) fn save(&self) -> StateDict {
        let numbered = PARAMETERS.iter().zip(&self.parameters);
        let state_dict = numbered.fold(StateDict::default().with_number("epoch", self.epoch as f64), |state_dict, (name, parameter)| {
            let [first, second] = &parameter.moments;
            let state_dict = state_dict.with_tensor(name, &parameter.value);
            state_dict.with_tensor(&format!("{name}.first"), first).with_tensor(&format!("{name}.second"), second)
        });
        let device = self.parameters[0].value.device();
        self.ngrams.iter().fold(state_dict, |state_dict, ngrams| ngrams.save(state_dict, NGRAMS, &device))
    }

    /// Restores a state for a head of this shape.
    pub(super) fn restore(state_dict: &StateDict, shape: HeadShape) -> Result<Self, Interrupt> {
        let read = |(name, shape): (&str, [usize; 2])| {
            let moment = |moment: &str| state_dict.tensor(&format!("{name}.{moment}"), shape);
            Ok::<_, Interrupt>(Parameter { value: state_dict.tensor(name, shape)?, moments: [moment("first")?, moment("second")?] })
        };
        let parameters = PARAMETERS.into_iter().zip(shape.parameters()).map(read).collect::<Result<_, _>>()?;
        let ngrams = shape.features.map(|features| SparseTable::restore(state_dict, NGRAMS, features, 1 + shape.classes)).transpose()?;
        Ok(Self { epoch: state_dict.count("epoch")?, parameters, ngrams })
    }

    fn into_head(self) -> Result<FieldHead, TrainingError> {
        let mut values = self.parameters.into_iter().map(|parameter| parameter.value);
        let mut next = || values.next().expect("a head has these parameters");
        let (query, position) = (tensor_to_vec(next())?, tensor_to_vec(next())?);
        let (weight, bias) = (tensor_to_vec(next().transpose())?, tensor_to_vec(next())?);
        let words = match self.ngrams {
            Some(ngrams) => {
                let mention = tensor_to_vec(next())?[0];
                Some(WordWeights { ngrams: ngrams.values, mention, absent: tensor_to_vec(next())? })
            }
            None => None,
        };
        Ok(FieldHead { query, position, weight, bias, words })
    }
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
    let count = examples.documents.len();
    let training = device.clone().autodiff();
    let mut state = saved.unwrap_or_else(|| HeadTraining::new(examples.shape, device));
    let steps_per_epoch = count.div_ceil(settings.batch);
    let steps = (steps_per_epoch * settings.epochs) as f64;
    let [decay, ngram_decay] = [settings.l2, settings.ngram_l2].map(|l2| l2 / count.max(1) as f64);
    let mut step = i32::try_from(steps_per_epoch * state.epoch).unwrap_or(i32::MAX);
    while state.epoch < settings.epochs {
        let HeadTraining { epoch, mut parameters, mut ngrams } = state;
        let mut order: Vec<usize> = (0..count).collect();
        Random::with_stream(settings.seed, epoch as u64).shuffle(&mut order);
        let mut total = 0.0;
        for batch in order.chunks(settings.batch) {
            let tracked: Vec<Tensor<2>> =
                parameters.iter().map(|parameter| Tensor::from_inner(parameter.value.clone()).require_grad()).collect();
            let padded = Padded::new(examples, batch);
            let ngram_sums = ngrams.as_ref().map(|ngrams| padded.ngram_sums(ngrams, &training));
            let logits = padded.forward(examples, &tracked, ngram_sums.as_ref(), &training);
            let loss = loss(examples, batch, logits, &training) + tracked[2].clone().square().sum() * (decay / 2.0);
            let value = tensor_to_vec(loss.clone().inner())?.first().map_or(f64::NAN, |value| f64::from(*value));
            if !value.is_finite() {
                return Err(TrainingError::Diverged { step: step as u64 + 1 }.into());
            }
            total += value * batch.len() as f64;
            let mut gradients = loss.backward();
            let found: Vec<Option<Tensor<2>>> = tracked.iter().map(|tensor| tensor.grad_remove(&mut gradients)).collect();
            let learning_rate = settings.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * f64::from(step) / steps).cos());
            step += 1;
            let adam = AdamStep::new(learning_rate, step);
            let updated = parameters.into_iter().zip(found).map(|(parameter, gradient)| match gradient {
                Some(gradient) => parameter.update(gradient, adam),
                None => parameter,
            });
            parameters = updated.collect();
            if let (Some(ngrams), Some(sums)) = (&mut ngrams, ngram_sums) {
                let gradient = sums.grad_remove(&mut gradients).map(tensor_to_vec).transpose()?;
                ngrams.update(&padded.ngrams, &gradient.unwrap_or_default(), ngram_decay as f32, adam);
            }
        }
        state = HeadTraining { epoch: epoch + 1, parameters, ngrams };
        go_on(&state, total / count.max(1) as f64)?;
        if aprendiz_test_gate::is_instant() {
            break;
        }
    }
    Ok(state.into_head()?)
}

/// The chunks of a batch of `b` documents, filled up to the same number `m`.
struct Padded<'a> {
    documents: usize,
    chunks: usize,
    /// `[b, m]`; `None` is padding.
    inputs: Vec<Option<HeadInput<'a>>>,
    /// The n-grams of the inputs.
    ngrams: Vec<Option<&'a SparseRow>>,
}

impl<'a> Padded<'a> {
    fn new(examples: &HeadExamples<'a>, batch: &[usize]) -> Self {
        let chunks = batch.iter().map(|example| examples.documents[*example].len()).max().unwrap_or(1);
        let mut inputs = Vec::with_capacity(batch.len() * chunks);
        for (row, example) in batch.iter().enumerate() {
            inputs.extend(examples.documents[*example].iter().copied().map(Some));
            inputs.resize_with((row + 1) * chunks, || None);
        }
        let ngrams = inputs.iter().map(|input| input.map(|input| input.ngrams)).collect();
        Self { documents: batch.len(), chunks, inputs, ngrams }
    }

    /// What n-grams add to the score and the logits of each chunk, `[b * m, 1 + C]`.
    fn ngram_sums(&self, ngrams: &SparseTable, device: &Device) -> Tensor<2> {
        let sums = ngrams.product(&self.ngrams);
        let columns = sums.len() / self.inputs.len();
        tensor_from_vec(sums, [self.inputs.len(), columns], device).require_grad()
    }

    /// Logits `[b, C]`; the computation of [`FieldHead::forward`].
    fn forward(&self, examples: &HeadExamples<'_>, parameters: &[Tensor<2>], ngram_sums: Option<&Tensor<2>>, device: &Device) -> Tensor<2> {
        let HeadShape { size, classes, .. } = examples.shape;
        let (documents, chunks) = (self.documents, self.chunks);
        let [query, position, weight, bias, of_words @ ..] = parameters else { unreachable!("a head has at least four parameters") };
        let vectors = self.vectors(size, device);
        if chunks == 1 && of_words.is_empty() {
            return vectors.reshape([documents, size]).matmul(weight.clone()) + bias.clone();
        }
        let scores = vectors.clone().reshape([documents * chunks, size]).matmul(query.clone())
            + self.positions(device).matmul(position.clone())
            + self.padding(device);
        let (Some(sums), [mention, absent]) = (ngram_sums, of_words) else {
            let attention = activation::softmax(scores.reshape([documents, chunks]), 1).reshape([documents, 1, chunks]);
            return attention.matmul(vectors).reshape([documents, size]).matmul(weight.clone()) + bias.clone();
        };
        let scores = (scores + sums.clone().narrow(1, 0, 1)).reshape([documents, chunks]);
        let absent_score = absent.clone().narrow(1, 0, 1).expand([documents, 1]);
        let attention = activation::softmax(Tensor::cat(vec![scores, absent_score], 1), 1);
        let of_absent = attention.clone().narrow(1, chunks, 1).matmul(absent.clone().narrow(1, 1, classes));
        let attention = attention.narrow(1, 0, chunks).reshape([documents, 1, chunks]);
        let mentions = self.mentions(classes, device) * mention.clone();
        let of_chunks = (sums.clone().narrow(1, 1, classes) + mentions).reshape([documents, chunks, classes]);
        attention.clone().matmul(vectors).reshape([documents, size]).matmul(weight.clone())
            + attention.matmul(of_chunks).reshape([documents, classes])
            + of_absent
            + bias.clone()
    }

    /// `[b, m, h]`; of padding zeros.
    fn vectors(&self, size: usize, device: &Device) -> Tensor<3> {
        let mut vectors = Vec::with_capacity(self.inputs.len() * size);
        for (index, input) in self.inputs.iter().enumerate() {
            vectors.extend_from_slice(input.map_or(&[], |input| input.vector));
            vectors.resize((index + 1) * size, 0.0);
        }
        Tensor::from_data(TensorData::new(vectors, [self.documents, self.chunks, size]), device)
    }

    /// `[b * m, POSITIONS]`: 1 at the position of each chunk; of padding zeros.
    fn positions(&self, device: &Device) -> Tensor<2> {
        let mut positions = vec![0.0; self.inputs.len() * POSITIONS];
        for (document, inputs) in self.inputs.chunks_exact(self.chunks).enumerate() {
            let count = inputs.iter().flatten().count();
            for index in 0..count {
                positions[(document * self.chunks + index) * POSITIONS + chunk_position(index, count)] = 1.0;
            }
        }
        tensor_from_vec(positions, [self.inputs.len(), POSITIONS], device)
    }

    /// `[b * m, 1]`: added to the attention scores.
    fn padding(&self, device: &Device) -> Tensor<2> {
        let padding = self.inputs.iter().map(|input| if input.is_some() { 0.0 } else { PADDING_SCORE }).collect();
        tensor_from_vec(padding, [self.inputs.len(), 1], device)
    }

    /// `[b * m, C]`: the share of the words of each label.
    fn mentions(&self, classes: usize, device: &Device) -> Tensor<2> {
        let mut mentions = vec![0.0; self.inputs.len() * classes];
        for (row, input) in mentions.chunks_exact_mut(classes).zip(&self.inputs) {
            let Some(SparseRow { indices, values }) = input.map(|input| input.mentions) else { continue };
            indices.iter().zip(values).for_each(|(class, share)| row[*class as usize] = *share);
        }
        tensor_from_vec(mentions, [self.inputs.len(), classes], device)
    }
}

/// Mean cross-entropy of a batch, weighted by class, `[1]`.
fn loss(examples: &HeadExamples<'_>, batch: &[usize], logits: Tensor<2>, device: &Device) -> Tensor<1> {
    let classes = examples.shape.classes;
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

    const NOTHING: &SparseRow = &SparseRow { indices: Vec::new(), values: Vec::new() };

    fn settings() -> HeadSettings {
        HeadSettings { epochs: 60, batch: 8, learning_rate: 0.2, l2: 0.01, ngram_l2: 0.01, seed: 1 }
    }

    fn train(documents: &[(Vec<HeadInput<'_>>, usize)], features: Option<usize>, epochs: usize) -> FieldHead {
        continue_training(documents, features, epochs, None, |_| {})
    }

    fn continue_training(
        documents: &[(Vec<HeadInput<'_>>, usize)],
        features: Option<usize>,
        epochs: usize,
        saved: Option<HeadTraining>,
        mut see: impl FnMut(&HeadTraining),
    ) -> FieldHead {
        let examples = HeadExamples {
            documents: documents.iter().map(|(chunks, _)| chunks.as_slice()).collect(),
            classes: documents.iter().map(|(_, class)| *class).collect(),
            class_weights: vec![1.0, 1.0],
            shape: shape(features),
        };
        let go_on = |state: &HeadTraining, _| {
            see(state);
            Ok::<_, TrainingError>(())
        };
        train_head(&examples, HeadSettings { epochs, ..settings() }, &Device::flex(), saved, go_on).expect("a head")
    }

    fn shape(features: Option<usize>) -> HeadShape {
        HeadShape { size: 4, classes: 2, features }
    }

    /// Documents of three chunks. The vector of one of them, at a changing place, determines the class.
    fn with_vectors(use_documents: impl FnOnce(&[(Vec<HeadInput<'_>>, usize)])) {
        let others = [0.0, 0.0, 1.0, 0.0];
        let deciding = [[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0]];
        let input = |vector| HeadInput { vector, ngrams: NOTHING, mentions: NOTHING };
        let document = |number: usize| {
            let mut chunks = vec![input(&others[..]); 3];
            chunks[number / 2 % 3] = input(&deciding[number % 2]);
            (chunks, number % 2)
        };
        use_documents(&(0..24).map(document).collect::<Vec<_>>());
    }

    /// Documents of two to four chunks with equal vectors. One chunk has the n-gram 0 and mentions the label of the class; another one
    /// mentions the other label, without the n-gram.
    fn with_words(use_documents: impl FnOnce(&[(Vec<HeadInput<'_>>, usize)])) {
        let row = |index: u32| SparseRow { indices: vec![index], values: vec![1.0] };
        let (vector, clause, mentions) = ([1.0, 0.0, 0.0, 0.0], row(0), [row(0), row(1)]);
        let input = |ngrams, mentions| HeadInput { vector: &vector, ngrams, mentions };
        let document = |number: usize| {
            let class = number % 2;
            let mut chunks = vec![input(NOTHING, NOTHING); number % 3];
            chunks.push(input(NOTHING, &mentions[1 - class]));
            chunks.insert(number % chunks.len(), input(&clause, &mentions[class]));
            (chunks, class)
        };
        use_documents(&(0..24).map(document).collect::<Vec<_>>());
    }

    #[test]
    fn attention_finds_the_chunk_that_determines_the_class() {
        with_vectors(|documents| {
            let head = train(documents, None, 200);
            for (number, (chunks, class)) in documents.iter().enumerate() {
                let output = head.forward(chunks);
                assert!(output.logits[*class] > output.logits[1 - class], "{number}");
                assert!(output.attention[number / 2 % 3] > 0.5, "{number}: {:?}", output.attention);
            }
        });
    }

    #[test]
    fn words_find_the_chunk_whose_mention_counts() {
        with_words(|documents| {
            let head = train(documents, Some(2), 60);
            for (number, (chunks, class)) in documents.iter().enumerate() {
                let output = head.forward(chunks);
                assert!(output.logits[*class] > output.logits[1 - class] + 1.0, "{number}: {:?}", output.logits);
                let found = head.deciding_chunk(chunks, &output.attention, *class).expect("a chunk");
                assert_eq!(chunks[found].ngrams.indices, [0], "{number}");
            }
        });
    }

    #[test]
    fn the_same_seed_gives_the_same_head_with_any_number_of_threads() {
        let with = |threads: usize, documents: &[(Vec<HeadInput<'_>>, usize)], features| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| train(documents, features, 5))
        };
        with_vectors(|documents| assert_eq!(with(1, documents, None), with(3, documents, None)));
        with_words(|documents| assert_eq!(with(1, documents, Some(2)), with(3, documents, Some(2))));
    }

    #[test]
    fn a_saved_training_continues_with_the_same_numbers() {
        let check = |documents: &[(Vec<HeadInput<'_>>, usize)], features| {
            let mut saved = None;
            let whole = continue_training(documents, features, 60, None, |state| {
                if state.epoch == 7 {
                    saved = Some(state.save());
                }
            });
            let saved = HeadTraining::restore(&saved.expect("a state"), shape(features)).expect("it fits");
            assert_eq!(continue_training(documents, features, 60, Some(saved), |_| {}), whole);
        };
        with_vectors(|documents| check(documents, None));
        with_words(|documents| check(documents, Some(2)));
    }

    #[test]
    fn a_state_of_another_shape_is_rejected() {
        with_vectors(|documents| {
            let mut saved = None;
            continue_training(documents, None, 1, None, |state| saved = Some(state.save()));
            assert!(HeadTraining::restore(&saved.expect("a state"), shape(Some(2))).is_err());
        });
    }
}
