//! `heads.safetensors`: the weights of all heads, and the vocabulary if they read words.
//!
//! | tensor | type | shape |
//! | --- | --- | --- |
//! | `fields.{name}.query` | F32 | `[h]` |
//! | `fields.{name}.position` | F32 | `[8]` |
//! | `fields.{name}.weight` | F32 | `[C, h]` |
//! | `fields.{name}.bias` | F32 | `[C]` |
//! | `vocabulary.keys` | U64 | `[V]`, ascending |
//! | `vocabulary.idf` | F32 | `[V]` |
//! | `fields.{name}.ngrams` | F32 | `[V, 1 + C]` |
//! | `fields.{name}.mention` | F32 | `[1]` |
//! | `fields.{name}.absent` | F32 | `[1 + C]` |

use std::{collections::BTreeSet, fs, path::Path};

use aprendiz_inference::RawTensor;
use safetensors::{Dtype, SafeTensors};

use crate::{
    config::ClassifierConfig,
    error::ClassifierError,
    head::{FieldHead, POSITIONS, WordWeights},
};

/// Name of the file in a model directory.
pub const HEADS_FILE: &str = "heads.safetensors";

const KEYS: &str = "vocabulary.keys";
const IDF: &str = "vocabulary.idf";

/// The content of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Heads {
    /// Heads in the order of the fields of the configuration.
    pub fields: Vec<FieldHead>,
    /// The n-grams that they read; `None` if they read vectors only.
    pub vocabulary: Option<Vocabulary>,
}

/// The n-grams that heads read.
#[derive(Debug, Clone, PartialEq)]
pub struct Vocabulary {
    /// Keys of the n-grams, ascending.
    pub keys: Vec<u64>,
    /// Inverse document frequency of each n-gram.
    pub idf: Vec<f32>,
}

impl Heads {
    /// Writes the file.
    ///
    /// # Errors
    /// A shape does not match the configuration, a value is not finite, or the file cannot be written.
    pub fn write(&self, dir: &Path, config: &ClassifierConfig) -> Result<(), ClassifierError> {
        let path = dir.join(HEADS_FILE);
        self.check(config).map_err(|reason| ClassifierError::invalid(&path, reason))?;
        let size = config.vector_size;
        let mut tensors: Vec<(String, RawTensor)> = Vec::new();
        if let Some(Vocabulary { keys, idf }) = &self.vocabulary {
            tensors.push((KEYS.to_owned(), RawTensor::u64(vec![keys.len()], keys)));
            tensors.push((IDF.to_owned(), RawTensor::f32(vec![idf.len()], idf)));
        }
        for (field, head) in config.fields.iter().zip(&self.fields) {
            let classes = field.labels.len();
            let mut push = |part, shape, values: &[f32]| tensors.push((name(&field.name, part), RawTensor::f32(shape, values)));
            push("query", vec![size], &head.query);
            push("position", vec![POSITIONS], &head.position);
            push("weight", vec![classes, size], &head.weight);
            push("bias", vec![classes], &head.bias);
            if let Some(WordWeights { ngrams, mention, absent }) = &head.words {
                push("ngrams", vec![ngrams.len() / (1 + classes), 1 + classes], ngrams);
                push("mention", vec![1], &[*mention]);
                push("absent", vec![1 + classes], absent);
            }
        }
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
        let mut tensors = Tensors { unread: tensors.names().into_iter().map(ToOwned::to_owned).collect(), tensors };
        let vocabulary = config.words.as_ref().map(|_| tensors.vocabulary()).transpose()?;
        let features = vocabulary.as_ref().map(|vocabulary| vocabulary.keys.len());
        let mut fields = Vec::with_capacity(config.fields.len());
        for field in &config.fields {
            let (classes, size) = (field.labels.len(), config.vector_size);
            let mut read = |part: &str, shape: &[usize]| tensors.f32(&name(&field.name, part), shape);
            fields.push(FieldHead {
                query: read("query", &[size])?,
                position: read("position", &[POSITIONS])?,
                weight: read("weight", &[classes, size])?,
                bias: read("bias", &[classes])?,
                words: match features {
                    Some(features) => Some(WordWeights {
                        ngrams: read("ngrams", &[features, 1 + classes])?,
                        mention: read("mention", &[1])?[0],
                        absent: read("absent", &[1 + classes])?,
                    }),
                    None => None,
                },
            });
        }
        if let Some(unread) = tensors.unread.first() {
            return Err(format!("has an unexpected tensor `{unread}`"));
        }
        let heads = Self { fields, vocabulary };
        heads.check(config)?;
        Ok(heads)
    }

    fn check(&self, config: &ClassifierConfig) -> Result<(), String> {
        if self.fields.len() != config.fields.len() {
            return Err(format!("{} heads do not match {} fields", self.fields.len(), config.fields.len()));
        }
        if self.vocabulary.is_some() != config.words.is_some() {
            return Err("the configuration and the file disagree whether words are read".to_owned());
        }
        if let Some(Vocabulary { keys, idf }) = &self.vocabulary {
            if keys.len() != idf.len() || !keys.windows(2).all(|pair| pair[0] < pair[1]) {
                return Err(format!("`{KEYS}` is not ascending, or does not fit `{IDF}`"));
            }
            if !idf.iter().all(|value| value.is_finite()) {
                return Err(format!("`{IDF}` has a value that is not finite"));
            }
        }
        let features = self.vocabulary.as_ref().map(|vocabulary| vocabulary.keys.len());
        for (field, head) in config.fields.iter().zip(&self.fields) {
            let (classes, size) = (field.labels.len(), config.vector_size);
            let sizes = [head.query.len(), head.position.len(), head.weight.len(), head.bias.len()];
            let of_words = head.words.as_ref().map(|words| (words.ngrams.len(), words.absent.len()));
            let expected = features.map(|features| (features * (1 + classes), 1 + classes));
            if sizes != [size, POSITIONS, classes * size, classes] || of_words != expected {
                return Err(format!("the head of `{}` does not fit {classes} classes and vectors of {size}", field.name));
            }
            if !head.is_finite() {
                return Err(format!("the head of `{}` has a value that is not finite", field.name));
            }
        }
        Ok(())
    }
}

/// The tensors of a file, with the names of those that were not read yet.
struct Tensors<'a> {
    tensors: SafeTensors<'a>,
    unread: BTreeSet<String>,
}

impl Tensors<'_> {
    fn vocabulary(&mut self) -> Result<Vocabulary, String> {
        let features = self.tensors.tensor(KEYS).map_err(|_| format!("has no tensor `{KEYS}`"))?.shape().iter().product();
        let bytes = self.bytes(KEYS, Dtype::U64, &[features])?;
        let keys = bytes.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        Ok(Vocabulary { keys, idf: self.f32(IDF, &[features])? })
    }

    fn f32(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        Ok(self.bytes(name, Dtype::F32, shape)?.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    fn bytes(&mut self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<Vec<u8>, String> {
        let tensor = self.tensors.tensor(name).map_err(|_| format!("has no tensor `{name}`"))?;
        if tensor.dtype() != dtype || tensor.shape() != shape {
            return Err(format!("tensor `{name}` is {:?} {:?}, expected {dtype:?} {shape:?}", tensor.dtype(), tensor.shape()));
        }
        self.unread.remove(name);
        Ok(tensor.data().to_vec())
    }
}

fn name(field: &str, part: &str) -> String {
    format!("fields.{field}.{part}")
}
