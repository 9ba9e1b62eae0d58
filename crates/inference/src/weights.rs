//! `model.safetensors`: tensors of the vocabulary and the classification heads.
//!
//! | tensor | type | shape |
//! | --- | --- | --- |
//! | `vocabulary.keys` | U64 | `[V]`, ascending |
//! | `vocabulary.idf` | F32 | `[V]` |
//! | `fields.{name}.weight` | F32 | `[V, C]` |
//! | `fields.{name}.bias` | F32 | `[C]` |

use std::{borrow::Cow, collections::BTreeSet, fs, path::Path};

use safetensors::{Dtype, SafeTensors, View};

use crate::{config::ModelConfig, error::ModelError, files::replace_file};

/// Name of the file in a model directory.
pub const WEIGHTS_FILE: &str = "model.safetensors";

const KEYS: &str = "vocabulary.keys";
const IDF: &str = "vocabulary.idf";

/// Tensors of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// Feature keys, ascending.
    pub keys: Vec<u64>,
    /// Inverse document frequency of each feature.
    pub idf: Vec<f32>,
    /// Heads in the order of the fields in the configuration.
    pub fields: Vec<FieldWeights>,
}

/// Classification head of a field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldWeights {
    /// `[V, C]` in row-major order.
    pub weight: Vec<f32>,
    /// `[C]`.
    pub bias: Vec<f32>,
}

/// A tensor to write, as little-endian bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct RawTensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl RawTensor {
    /// A tensor of the type U64.
    #[must_use]
    pub fn u64(shape: Vec<usize>, values: &[u64]) -> Self {
        Self { dtype: Dtype::U64, shape, bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect() }
    }

    /// A tensor of the type F32.
    #[must_use]
    pub fn f32(shape: Vec<usize>, values: &[f32]) -> Self {
        Self { dtype: Dtype::F32, shape, bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect() }
    }
}

impl View for &RawTensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Weights {
    /// Writes the tensors to a model directory.
    ///
    /// # Errors
    /// A shape does not match the configuration, or the file cannot be written.
    pub fn write(&self, dir: &Path, config: &ModelConfig) -> Result<(), ModelError> {
        let path = dir.join(WEIGHTS_FILE);
        self.check(config).map_err(|reason| ModelError::invalid(&path, reason))?;
        let features = self.keys.len();
        let mut tensors = vec![
            (KEYS.to_owned(), RawTensor::u64(vec![features], &self.keys)),
            (IDF.to_owned(), RawTensor::f32(vec![features], &self.idf)),
        ];
        for (field, weights) in config.fields.iter().zip(&self.fields) {
            let classes = field.labels.len();
            tensors.push((weight_name(&field.name), RawTensor::f32(vec![features, classes], &weights.weight)));
            tensors.push((bias_name(&field.name), RawTensor::f32(vec![classes], &weights.bias)));
        }
        let bytes = safetensors::serialize(tensors.iter().map(|(name, raw)| (name, raw)), None)
            .map_err(|error| ModelError::invalid(&path, format!("cannot serialize: {error}")))?;
        replace_file(&path, &bytes)
    }

    /// Reads the tensors that the configuration requires.
    ///
    /// # Errors
    /// The file is missing or malformed, or a tensor is missing, unexpected, of the wrong type or shape, or not finite.
    pub fn read(dir: &Path, config: &ModelConfig) -> Result<Self, ModelError> {
        let path = dir.join(WEIGHTS_FILE);
        let bytes = fs::read(&path).map_err(ModelError::io(&path))?;
        Self::parse(&bytes, config).map_err(|reason| ModelError::invalid(path, reason))
    }

    fn parse(bytes: &[u8], config: &ModelConfig) -> Result<Self, String> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| format!("invalid safetensors file: {error}"))?;
        let features = config.feature_count;
        let keys = tensor_bytes(&tensors, KEYS, Dtype::U64, &[features])?;
        let (keys, _) = keys.as_chunks::<8>();
        let mut weights = Self {
            keys: keys.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect(),
            idf: read_f32(&tensors, IDF, &[features])?,
            fields: Vec::with_capacity(config.fields.len()),
        };
        let mut expected = BTreeSet::from([KEYS.to_owned(), IDF.to_owned()]);
        for field in &config.fields {
            let classes = field.labels.len();
            weights.fields.push(FieldWeights {
                weight: read_f32(&tensors, &weight_name(&field.name), &[features, classes])?,
                bias: read_f32(&tensors, &bias_name(&field.name), &[classes])?,
            });
            expected.extend([weight_name(&field.name), bias_name(&field.name)]);
        }
        if let Some(extra) = tensors.names().into_iter().find(|name| !expected.contains(*name)) {
            return Err(format!("unexpected tensor `{extra}`"));
        }
        weights.check(config)?;
        Ok(weights)
    }

    pub(crate) fn check(&self, config: &ModelConfig) -> Result<(), String> {
        let features = config.feature_count;
        if self.keys.len() != features || self.idf.len() != features {
            return Err(format!("{} keys and {} idf values do not match the feature_count {features}", self.keys.len(), self.idf.len()));
        }
        if !self.keys.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(format!("`{KEYS}` is not in ascending order"));
        }
        if self.fields.len() != config.fields.len() {
            return Err(format!("{} heads do not match {} fields", self.fields.len(), config.fields.len()));
        }
        for (field, weights) in config.fields.iter().zip(&self.fields) {
            let classes = field.labels.len();
            if weights.weight.len() != features * classes || weights.bias.len() != classes {
                return Err(format!("the head of `{}` does not have the shapes [{features}, {classes}] and [{classes}]", field.name));
            }
            if !weights.weight.iter().chain(&weights.bias).all(|value| value.is_finite()) {
                return Err(format!("the head of `{}` contains a value that is not finite", field.name));
            }
        }
        if !self.idf.iter().all(|value| value.is_finite()) {
            return Err(format!("`{IDF}` contains a value that is not finite"));
        }
        Ok(())
    }
}

fn weight_name(field: &str) -> String {
    format!("fields.{field}.weight")
}

fn bias_name(field: &str) -> String {
    format!("fields.{field}.bias")
}

fn tensor_bytes<'a>(tensors: &SafeTensors<'a>, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&'a [u8], String> {
    let tensor = tensors.tensor(name).map_err(|_| format!("missing tensor `{name}`"))?;
    if tensor.dtype() != dtype || tensor.shape() != shape {
        let (found, found_shape) = (tensor.dtype(), tensor.shape());
        return Err(format!("tensor `{name}` is {found:?} {found_shape:?}, expected {dtype:?} {shape:?}"));
    }
    Ok(tensor.data())
}

fn read_f32(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
    let bytes = tensor_bytes(tensors, name, Dtype::F32, shape)?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}
