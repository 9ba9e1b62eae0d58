//! `heads.safetensors`: the weights of all heads.
//!
//! | tensor | type | shape |
//! | --- | --- | --- |
//! | `fields.{name}.query` | F32 | `[h]` |
//! | `fields.{name}.position` | F32 | `[8]` |
//! | `fields.{name}.weight` | F32 | `[C, h]` |
//! | `fields.{name}.bias` | F32 | `[C]` |

use std::{fs, path::Path};

use aprendiz_inference::RawTensor;
use safetensors::{Dtype, SafeTensors};

use crate::{
    config::ClassifierConfig,
    error::ClassifierError,
    head::{FieldHead, POSITIONS},
};

/// Name of the file in a model directory.
pub const HEADS_FILE: &str = "heads.safetensors";

/// Tensors of a head.
const TENSORS: usize = 4;

/// Heads in the order of the fields of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Heads(pub Vec<FieldHead>);

impl Heads {
    /// Writes the file.
    ///
    /// # Errors
    /// A shape does not match the configuration, a value is not finite, or the file cannot be written.
    pub fn write(&self, dir: &Path, config: &ClassifierConfig) -> Result<(), ClassifierError> {
        let path = dir.join(HEADS_FILE);
        self.check(config).map_err(|reason| ClassifierError::invalid(&path, reason))?;
        let size = config.vector_size;
        let tensors: Vec<(String, RawTensor)> = config
            .fields
            .iter()
            .zip(&self.0)
            .flat_map(|(field, head)| {
                let classes = field.labels.len();
                let shapes = [
                    ("query", vec![size], &head.query),
                    ("position", vec![POSITIONS], &head.position),
                    ("weight", vec![classes, size], &head.weight),
                    ("bias", vec![classes], &head.bias),
                ];
                shapes.map(|(part, shape, values)| (name(&field.name, part), RawTensor::f32(shape, values)))
            })
            .collect();
        let bytes = safetensors::serialize(tensors.iter().map(|(name, raw)| (name, raw)), None)
            .map_err(|error| ClassifierError::invalid(&path, format!("cannot be written: {error}")))?;
        fs::write(&path, bytes).map_err(ClassifierError::io(&path))
    }

    /// Reads the tensors that the configuration requires.
    ///
    /// # Errors
    /// The file is missing or malformed, or a tensor is missing, unexpected, of another type or shape, or not finite.
    pub fn read(dir: &Path, config: &ClassifierConfig) -> Result<Self, ClassifierError> {
        let path = dir.join(HEADS_FILE);
        let bytes = fs::read(&path).map_err(ClassifierError::io(&path))?;
        Self::parse(&bytes, config).map_err(|reason| ClassifierError::invalid(&path, reason))
    }

    fn parse(bytes: &[u8], config: &ClassifierConfig) -> Result<Self, String> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| format!("not valid safetensors: {error}"))?;
        let read = |name: String, shape: &[usize]| {
            let tensor = tensors.tensor(&name).map_err(|_| format!("has no tensor `{name}`"))?;
            if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
                return Err(format!("tensor `{name}` is {:?} {:?}, expected F32 {shape:?}", tensor.dtype(), tensor.shape()));
            }
            Ok(tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect::<Vec<f32>>())
        };
        let head = |(field, classes): (&str, usize)| {
            Ok::<_, String>(FieldHead {
                query: read(name(field, "query"), &[config.vector_size])?,
                position: read(name(field, "position"), &[POSITIONS])?,
                weight: read(name(field, "weight"), &[classes, config.vector_size])?,
                bias: read(name(field, "bias"), &[classes])?,
            })
        };
        let heads = Self(config.fields.iter().map(|field| head((&field.name, field.labels.len()))).collect::<Result<_, String>>()?);
        if tensors.len() != TENSORS * config.fields.len() {
            return Err(format!("has {} tensors, expected {}", tensors.len(), TENSORS * config.fields.len()));
        }
        heads.check(config)?;
        Ok(heads)
    }

    fn check(&self, config: &ClassifierConfig) -> Result<(), String> {
        if self.0.len() != config.fields.len() {
            return Err(format!("{} heads do not match {} fields", self.0.len(), config.fields.len()));
        }
        for (field, head) in config.fields.iter().zip(&self.0) {
            let (classes, size) = (field.labels.len(), config.vector_size);
            let sizes = [head.query.len(), head.position.len(), head.weight.len(), head.bias.len()];
            if sizes != [size, POSITIONS, classes * size, classes] {
                return Err(format!("the head of `{}` does not fit {classes} classes and vectors of {size}", field.name));
            }
            if !head.query.iter().chain(&head.position).chain(&head.weight).chain(&head.bias).all(|value| value.is_finite()) {
                return Err(format!("the head of `{}` has a value that is not finite", field.name));
            }
        }
        Ok(())
    }
}

fn name(field: &str, part: &str) -> String {
    format!("fields.{field}.{part}")
}
