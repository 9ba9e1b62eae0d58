//! AdamW as PyTorch computes it, with one limit for the length of all gradients together.
//!
//! Burn's own clips each tensor by itself, and keeps its state in files of its own; this one lives in the checkpoints of this crate.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Device, Gradients, Tensor, TensorData},
};
use encoder::Bert;
use rayon::prelude::*;

use crate::{error::TrainingError, gram::read};

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// Numbers that one thread takes at a time. Sums are made chunk by chunk, so that the number of threads does not change them.
const CHUNK: usize = 1 << 14;

/// Numbers of each parameter of a network, by the path to it.
pub(super) type Parameters = BTreeMap<String, Vec<f32>>;

/// Means of the gradients and of their squares.
#[derive(Debug, Clone, Default)]
pub(super) struct Moments {
    pub(super) first: Parameters,
    pub(super) second: Parameters,
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

/// Moves the weights of a network against the gradients.
pub(super) fn step(
    model: Bert,
    gradients: &mut Gradients,
    moments: &mut Moments,
    step: Step,
    device: &Device,
) -> Result<Bert, TrainingError> {
    let mut collector = Collector { path: Vec::new(), gradients, found: Parameters::new(), error: None };
    model.visit(&mut collector);
    let (mut found, error) = (collector.found, collector.error);
    error.map_or(Ok(()), Err)?;

    let squares: Vec<f64> = found
        .values()
        .flat_map(|values| {
            values.par_chunks(CHUNK).map(|chunk| chunk.iter().map(|value| f64::from(*value).powi(2)).sum()).collect::<Vec<f64>>()
        })
        .collect();
    let length = squares.iter().sum::<f64>().sqrt();
    let shorten = (step.max_gradient / (length + 1e-6)).min(1.0) as f32;
    let correct = |beta: f32| (1.0 - f64::from(beta).powf(step.number as f64)) as f32;
    let (correct_1, correct_2) = (correct(BETA_1), correct(BETA_2).sqrt());
    let rate = step.rate as f32;

    change(model, device, |path, dimensions, mut values| {
        let Some(gradient) = found.remove(path) else { return values };
        // biases and norms are vectors; they are not pulled towards 0
        let keep = if dimensions > 1 { 1.0 - (step.rate * step.weight_decay) as f32 } else { 1.0 };
        let moment = |moments: &mut Parameters| moments.remove(path).unwrap_or_else(|| vec![0.0; gradient.len()]);
        let (mut first, mut second) = (moment(&mut moments.first), moment(&mut moments.second));
        let chunks = values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        let chunks = chunks.zip(first.par_chunks_mut(CHUNK)).zip(second.par_chunks_mut(CHUNK));
        chunks.for_each(|(((values, gradient), first), second)| {
            for (((value, gradient), first), second) in values.iter_mut().zip(gradient).zip(first).zip(second) {
                let gradient = gradient * shorten;
                *first = BETA_1 * *first + (1.0 - BETA_1) * gradient;
                *second = BETA_2 * *second + (1.0 - BETA_2) * gradient * gradient;
                *value = keep * *value - rate * (*first / correct_1) / (second.sqrt() / correct_2 + EPSILON);
            }
        });
        moments.first.insert(path.to_owned(), first);
        moments.second.insert(path.to_owned(), second);
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
        let values = match read(tensor.clone().inner()) {
            Ok(values) => values,
            Err(error) => {
                self.error = Some(error);
                return Param::from_mapped_value(id, tensor, mapper);
            }
        };
        drop(tensor);
        let values = (self.change)(&self.path.join("."), D, values);
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
