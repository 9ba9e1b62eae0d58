//! `model.safetensors`: vocabulary and heads as tensors.
//!
//! | tensor | type | shape |
//! | --- | --- | --- |
//! | `vocabulary.keys` | U64 | `[V]`, ascending |
//! | `vocabulary.idf` | F32 | `[V]` |
//! | `fields.{name}.weight` | F32 | `[V, C]` |
//! | `fields.{name}.bias` | F32 | `[C]` |

use std::{borrow::Cow, collections::BTreeSet, fs, path::Path};

use safetensors::{Dtype, SafeTensors, View};

use crate::{
    config::{ModelConfig, replace},
    error::ModelError,
};

/// Name of the file in a model directory.
pub const WEIGHTS_FILE: &str = "model.safetensors";

const KEYS: &str = "vocabulary.keys";
const IDF: &str = "vocabulary.idf";

/// The tensors of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// Keys of the features, ascending.
    pub keys: Vec<u64>,
    /// Inverse document frequency of each feature.
    pub idf: Vec<f32>,
    /// The heads, in the order of the configuration's fields.
    pub fields: Vec<FieldWeights>,
}

/// The head of one field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldWeights {
    /// `[V, C]`, row by row: the classes of a feature lie together.
    pub weight: Vec<f32>,
    /// `[C]`.
    pub bias: Vec<f32>,
}

struct Raw {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for &Raw {
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

fn raw_f32(shape: Vec<usize>, values: &[f32]) -> Raw {
    Raw { dtype: Dtype::F32, shape, bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect() }
}

impl Weights {
    /// Writes the tensors that belong to `config` into a model directory.
    ///
    /// # Errors
    /// If a shape does not fit the configuration, or the file cannot be written.
    pub fn write(&self, dir: &Path, config: &ModelConfig) -> Result<(), ModelError> {
        let path = dir.join(WEIGHTS_FILE);
        self.check(config).map_err(|reason| ModelError::refused(&path, reason))?;
        let features = self.keys.len();
        let keys = self.keys.iter().flat_map(|key| key.to_le_bytes()).collect();
        let mut tensors = vec![
            (KEYS.to_owned(), Raw { dtype: Dtype::U64, shape: vec![features], bytes: keys }),
            (IDF.to_owned(), raw_f32(vec![features], &self.idf)),
        ];
        for (field, weights) in config.fields.iter().zip(&self.fields) {
            let classes = field.labels.len();
            tensors.push((weight_name(&field.name), raw_f32(vec![features, classes], &weights.weight)));
            tensors.push((bias_name(&field.name), raw_f32(vec![classes], &weights.bias)));
        }
        let bytes = safetensors::serialize(tensors.iter().map(|(name, raw)| (name, raw)), None)
            .map_err(|error| ModelError::refused(&path, format!("cannot be written: {error}")))?;
        replace(&path, &bytes)
    }

    /// Reads exactly the tensors that `config` asks for.
    ///
    /// # Errors
    /// If the file is missing or malformed, a tensor is missing, extra, of another type or shape, or holds a number that
    /// is not finite.
    pub fn read(dir: &Path, config: &ModelConfig) -> Result<Self, ModelError> {
        let path = dir.join(WEIGHTS_FILE);
        let bytes = fs::read(&path).map_err(ModelError::io(&path))?;
        Self::parse(&bytes, config).map_err(|reason| ModelError::refused(path, reason))
    }

    fn parse(bytes: &[u8], config: &ModelConfig) -> Result<Self, String> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| format!("not valid safetensors: {error}"))?;
        let features = config.feature_count;
        let keys = take(&tensors, KEYS, Dtype::U64, &[features])?;
        let (keys, _) = keys.as_chunks::<8>();
        let mut weights = Self {
            keys: keys.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect(),
            idf: take_f32(&tensors, IDF, &[features])?,
            fields: Vec::with_capacity(config.fields.len()),
        };
        let mut expected = BTreeSet::from([KEYS.to_owned(), IDF.to_owned()]);
        for field in &config.fields {
            let classes = field.labels.len();
            weights.fields.push(FieldWeights {
                weight: take_f32(&tensors, &weight_name(&field.name), &[features, classes])?,
                bias: take_f32(&tensors, &bias_name(&field.name), &[classes])?,
            });
            expected.extend([weight_name(&field.name), bias_name(&field.name)]);
        }
        if let Some(extra) = tensors.names().into_iter().find(|name| !expected.contains(*name)) {
            return Err(format!("has a tensor `{extra}` that the configuration does not know"));
        }
        weights.check(config)?;
        Ok(weights)
    }

    fn check(&self, config: &ModelConfig) -> Result<(), String> {
        let features = config.feature_count;
        if self.keys.len() != features || self.idf.len() != features {
            return Err(format!("has {} keys and {} idf, feature_count is {features}", self.keys.len(), self.idf.len()));
        }
        if !self.keys.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(format!("`{KEYS}` does not ascend"));
        }
        if self.fields.len() != config.fields.len() {
            return Err(format!("has {} heads for {} fields", self.fields.len(), config.fields.len()));
        }
        for (field, weights) in config.fields.iter().zip(&self.fields) {
            let classes = field.labels.len();
            if weights.weight.len() != features * classes || weights.bias.len() != classes {
                return Err(format!("the head of `{}` is not [{features}, {classes}] and [{classes}]", field.name));
            }
            if !weights.weight.iter().chain(&weights.bias).all(|value| value.is_finite()) {
                return Err(format!("the head of `{}` holds a number that is not finite", field.name));
            }
        }
        if !self.idf.iter().all(|value| value.is_finite()) {
            return Err(format!("`{IDF}` holds a number that is not finite"));
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

fn take<'a>(tensors: &SafeTensors<'a>, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&'a [u8], String> {
    let tensor = tensors.tensor(name).map_err(|_| format!("has no tensor `{name}`"))?;
    if tensor.dtype() != dtype || tensor.shape() != shape {
        let (found, found_shape) = (tensor.dtype(), tensor.shape());
        return Err(format!("tensor `{name}` is {found:?} {found_shape:?}, not {dtype:?} {shape:?}"));
    }
    Ok(tensor.data())
}

fn take_f32(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
    let bytes = take(tensors, name, Dtype::F32, shape)?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}
