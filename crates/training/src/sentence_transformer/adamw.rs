//! AdamW as PyTorch computes it, with one limit for the length of all gradients together.
//!
//! Burn's own clips each tensor by itself, and keeps its state in files of its own; this one lives in the checkpoints of this crate.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Device, Gradients, Tensor, TensorData},
};
use encoder::{Bert, WordRows, on_widest_vectors};
use rayon::prelude::*;

use crate::{error::TrainingError, gram::read};

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// Numbers that one thread takes at a time. Sums are made chunk by chunk, so that the number of threads does not change them.
const CHUNK: usize = 1 << 14;

/// Path of the table of word pieces.
const WORDS: &str = "word_embeddings.weight";

/// Numbers of each parameter of a network, by the path to it.
pub(super) type Parameters = BTreeMap<String, Vec<f32>>;

/// Means of the gradients and of their squares.
#[derive(Debug, Clone, Default)]
pub(super) struct Moments {
    pub(super) first: Parameters,
    pub(super) second: Parameters,
    /// Which rows of the table of word pieces have a second moment; empty = not looked yet.
    seen: Vec<bool>,
}

impl Moments {
    pub(super) fn new(first: Parameters, second: Parameters) -> Self {
        Self { first, second, seen: Vec::new() }
    }
}

/// What a step does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// From 1.
    pub(super) number: u64,
    pub(super) rate: f64,
    pub(super) weight_decay: f64,
    pub(super) max_gradient: f64,
}

/// The gradients of a step.
pub(super) struct Found {
    /// By the path to the parameter.
    parameters: Parameters,
    /// Those of rows of the table of word pieces, where only they are known.
    words: Option<(Vec<u32>, Vec<f32>)>,
}

impl Found {
    /// Takes the gradients of a network, and of its word pieces if they were looked up in rows of their own.
    pub(super) fn take(model: &Bert, words: Option<WordRows>, gradients: &mut Gradients) -> Result<Self, TrainingError> {
        let words = match words {
            Some(WordRows { ids, rows }) => rows.grad_remove(gradients).map(read).transpose()?.map(|values| (ids, values)),
            None => None,
        };
        let mut collector = Collector { path: Vec::new(), gradients, found: Parameters::new(), error: None };
        model.visit(&mut collector);
        collector.error.map_or(Ok(Self { parameters: collector.found, words }), Err)
    }

    /// Length of all gradients together.
    fn length(&self) -> f64 {
        let words = self.words.iter().map(|(_, values)| values);
        let squares = self.parameters.values().chain(words).flat_map(|values| values.par_chunks(CHUNK).map(squares).collect::<Vec<f64>>());
        squares.sum::<f64>().sqrt()
    }
}

/// Sum of the squares of some numbers.
fn squares(values: &[f32]) -> f64 {
    on_widest_vectors(
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

/// What happens to each number in a step.
#[derive(Clone, Copy)]
struct Change {
    shorten: f32,
    correct: [f32; 2],
    rate: f32,
    /// What is left of a number that is pulled towards 0.
    keep: f32,
}

impl Change {
    fn new(step: Step, length: f64) -> Self {
        let correct = |beta: f32| (1.0 - f64::from(beta).powf(step.number as f64)) as f32;
        Self {
            shorten: (step.max_gradient / (length + 1e-6)).min(1.0) as f32,
            correct: [correct(BETA_1), correct(BETA_2).sqrt()],
            rate: step.rate as f32,
            keep: 1.0 - (step.rate * step.weight_decay) as f32,
        }
    }

    /// A vector: biases and norms are not pulled towards 0.
    fn without_decay(self) -> Self {
        Self { keep: 1.0, ..self }
    }

    fn all(self, values: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
        let chunks = values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        let chunks = chunks.zip(first.par_chunks_mut(CHUNK)).zip(second.par_chunks_mut(CHUNK));
        chunks.for_each(|(((values, gradient), first), second)| self.some(values, gradient.iter().copied(), first, second));
    }

    fn some(self, values: &mut [f32], gradient: impl Iterator<Item = f32> + Clone, first: &mut [f32], second: &mut [f32]) {
        on_widest_vectors(
            #[inline(always)]
            || {
                for (((value, gradient), first), second) in
                    values.iter_mut().zip(gradient.clone()).zip(first.iter_mut()).zip(second.iter_mut())
                {
                    let gradient = gradient * self.shorten;
                    *first = BETA_1 * *first + (1.0 - BETA_1) * gradient;
                    *second = BETA_2 * *second + (1.0 - BETA_2) * gradient * gradient;
                    *value = self.keep * *value - self.rate * (*first / self.correct[0]) / (second.sqrt() / self.correct[1] + EPSILON);
                }
            },
        );
    }

    /// A table of which only some rows have a gradient. Rows that never had one stay as they are, and cost nothing.
    fn rows(self, values: &mut [f32], (ids, gradient): &(Vec<u32>, Vec<f32>), first: &mut [f32], second: &mut [f32], seen: &mut Vec<bool>) {
        let size = gradient.len() / ids.len();
        if seen.is_empty() {
            *seen = second.chunks_exact(size).map(|row| row.iter().any(|value| *value > 0.0)).collect();
        }
        let mut next = 0;
        for (row, seen) in seen.iter_mut().enumerate() {
            let found = ids.get(next).is_some_and(|id| *id as usize == row);
            if !found && !*seen {
                continue;
            }
            let place = row * size..(row + 1) * size;
            let (values, first, second) = (&mut values[place.clone()], &mut first[place.clone()], &mut second[place]);
            if found {
                self.some(values, gradient[next * size..][..size].iter().copied(), first, second);
                // as it is told from the second moments when a checkpoint is taken up
                *seen = second.iter().any(|value| *value > 0.0);
                next += 1;
            } else {
                self.some(values, std::iter::repeat_n(0.0, size), first, second);
            }
        }
    }
}

/// Moves the weights of a network against the gradients. Nothing else may hold the network: then nothing is copied.
pub(super) fn step(model: Bert, mut found: Found, moments: &mut Moments, step: Step, device: &Device) -> Result<Bert, TrainingError> {
    let by = Change::new(step, found.length());
    let Moments { first: all_first, second: all_second, seen } = moments;
    change(model, device, |path, dimensions, mut values| {
        let words = if path == WORDS { found.words.take() } else { None };
        let gradient = found.parameters.remove(path);
        if words.is_none() && gradient.is_none() {
            return values;
        }
        let moment = |moments: &mut Parameters| moments.remove(path).unwrap_or_else(|| vec![0.0; values.len()]);
        let (mut first, mut second) = (moment(all_first), moment(all_second));
        if let Some(words) = words {
            by.rows(&mut values, &words, &mut first, &mut second, seen);
        } else if let Some(gradient) = gradient {
            let by = if dimensions > 1 { by } else { by.without_decay() };
            by.all(&mut values, &gradient, &mut first, &mut second);
        }
        all_first.insert(path.to_owned(), first);
        all_second.insert(path.to_owned(), second);
        values
    })
}

/// The numbers of each parameter of a network.
pub(super) fn parameters(model: &Bert) -> Result<Parameters, TrainingError> {
    struct Reader(Vec<String>, Parameters, Option<TrainingError>);
    impl ModuleVisitor for Reader {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            match read(param.val().inner()) {
                Ok(values) => drop(self.1.insert(self.0.join("."), values)),
                Err(error) => self.2 = Some(error),
            }
        }

        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.0.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.0.pop();
        }
    }
    let mut reader = Reader(Vec::new(), Parameters::new(), None);
    model.visit(&mut reader);
    reader.2.map_or(Ok(reader.1), Err)
}

/// Gives each parameter of a network the numbers that `change` makes of its path, number of dimensions, and numbers.
pub(super) fn change(model: Bert, device: &Device, change: impl FnMut(&str, usize, Vec<f32>) -> Vec<f32>) -> Result<Bert, TrainingError> {
    let mut changer = Changer { path: Vec::new(), device, change, error: None };
    let model = model.map(&mut changer);
    changer.error.map_or(Ok(model), Err)
}

struct Collector<'a> {
    path: Vec<String>,
    gradients: &'a mut Gradients,
    found: Parameters,
    error: Option<TrainingError>,
}

impl ModuleVisitor for Collector<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        match param.val().grad_remove(self.gradients).map(read) {
            Some(Ok(values)) => drop(self.found.insert(self.path.join("."), values)),
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

struct Changer<'a, F> {
    path: Vec<String>,
    device: &'a Device,
    change: F,
    error: Option<TrainingError>,
}

impl<F: FnMut(&str, usize, Vec<f32>) -> Vec<f32>> ModuleMapper for Changer<'_, F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let shape = tensor.dims();
        // the numbers are moved out, not copied, where nothing else holds them
        let values = match read(tensor.inner()) {
            Ok(values) => (self.change)(&self.path.join("."), D, values),
            Err(error) => {
                // whoever asked gets the error and not the network
                self.error = Some(error);
                vec![0.0; shape.iter().product()]
            }
        };
        let tensor = Tensor::<D>::from_data(TensorData::new(values, shape), self.device);
        let tensor = if self.device.is_autodiff() { tensor.require_grad() } else { tensor };
        Param::from_mapped_value(id, tensor, mapper)
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

    fn change(number: u64) -> Change {
        Change::new(Step { number, rate: 1e-2, weight_decay: 0.0, max_gradient: 1.0 }, 0.5)
    }

    #[test]
    fn rows_that_were_seen_change_as_if_all_rows_had_gradients() {
        let (rows, size) = (6, 4);
        let begin: Vec<f32> = (0..rows * size).map(|value| value as f32 / 10.0).collect();
        let [mut some, mut all] = [begin.clone(), begin.clone()];
        let [mut moments, mut expected] = [(); 2].map(|()| [(); 2].map(|()| vec![0.0; rows * size]));
        let mut seen = Vec::new();
        for (number, ids) in [vec![1, 4], vec![4], vec![0, 1, 2], vec![2]].into_iter().enumerate() {
            let by = change(number as u64 + 1);
            let gradient: Vec<f32> = (0..ids.len() * size).map(|value| (value as f32 - 3.0) / 7.0).collect();
            let mut dense = vec![0.0; rows * size];
            for (id, row) in ids.iter().zip(gradient.chunks_exact(size)) {
                dense[*id as usize * size..][..size].copy_from_slice(row);
            }
            // a checkpoint in between forgets which rows were seen
            if number == 2 {
                seen.clear();
            }
            let [first, second] = &mut moments;
            by.rows(&mut some, &(ids, gradient), first, second, &mut seen);
            let [first, second] = &mut expected;
            by.all(&mut all, &dense, first, second);
        }
        assert_eq!((some.as_slice(), &moments), (all.as_slice(), &expected));
        assert_eq!(some[3 * size..4 * size], begin[3 * size..4 * size]);
        assert_eq!(seen, [true, true, true, false, true, false]);
    }

    #[test]
    fn the_first_step_goes_the_length_of_the_rate_against_each_gradient() {
        let mut values = vec![1.0, 1.0, 1.0];
        let [mut first, mut second] = [(); 2].map(|()| vec![0.0; 3]);
        change(1).all(&mut values, &[0.3, -2.0, 0.0], &mut first, &mut second);
        assert!((values[0] - 0.99).abs() < 1e-6 && (values[1] - 1.01).abs() < 1e-6 && values[2] == 1.0);
    }

    #[test]
    fn gradients_that_are_too_long_are_shortened_all_together() {
        let by = Change::new(Step { number: 1, rate: 1.0, weight_decay: 0.0, max_gradient: 1.0 }, 4.0);
        assert!((by.shorten - 0.25).abs() < 1e-5);
        assert_eq!(change(1).shorten, 1.0);
        let values: Vec<f32> = (0..37).map(|value| value as f32 / 9.0).collect();
        let expected: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
        assert!((squares(&values) - expected).abs() < 1e-9);
    }
}
