//! Reads and replaces the parameters of a network by their paths.

use std::collections::BTreeMap;

use aprendiz_encoder::Network;
use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Device, Tensor, TensorData},
};

use crate::{error::TrainingError, tensor::tensor_to_vec};

/// The values of each parameter of a network, by its path.
pub(super) type Parameters = BTreeMap<String, Vec<f32>>;

/// The values of each parameter of a network.
pub(super) fn read_parameters(model: &Network) -> Result<Parameters, TrainingError> {
    struct Reader(Vec<String>, Parameters, Option<TrainingError>);
    impl ModuleVisitor for Reader {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            match tensor_to_vec(param.val().inner()) {
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

/// Replaces the values of each parameter of a network with the result of `map`, which gets its path, number of dimensions and values.
pub(super) fn map_parameters(
    model: Network,
    device: &Device,
    map: impl FnMut(&str, usize, Vec<f32>) -> Vec<f32>,
) -> Result<Network, TrainingError> {
    let mut mapper = Mapper { path: Vec::new(), device, map, error: None };
    let model = model.map(&mut mapper);
    mapper.error.map_or(Ok(model), Err)
}

struct Mapper<'a, F> {
    path: Vec<String>,
    device: &'a Device,
    map: F,
    error: Option<TrainingError>,
}

impl<F: FnMut(&str, usize, Vec<f32>) -> Vec<f32>> ModuleMapper for Mapper<'_, F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let shape = tensor.dims();
        // values are moved, not copied, if nothing else holds the tensor
        let values = match tensor_to_vec(tensor.inner()) {
            Ok(values) => (self.map)(&self.path.join("."), D, values),
            Err(error) => {
                // the caller gets the error instead of the network
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
