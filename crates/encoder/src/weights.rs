//! `model.safetensors` under the names of Hugging Face.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::Write,
    path::Path,
};

use safetensors::{Dtype, SafeTensors, View};

use crate::error::EncoderError;

/// What older files prefix all names with.
const PREFIX: &str = "bert.";

/// A tensor as the file holds it, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightTensor {
    /// Lengths of its dimensions.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub values: Vec<f32>,
}

/// Tensors by name.
pub type Weights = BTreeMap<String, WeightTensor>;

struct Bytes<'a> {
    shape: &'a [usize],
    bytes: Vec<u8>,
}

impl View for &Bytes<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Reads the tensors of a file; `embeddings.position_ids`, which only counts, is left out.
pub(crate) fn read(path: &Path) -> Result<Weights, EncoderError> {
    let bytes = fs::read(path).map_err(EncoderError::io(path))?;
    parse(&bytes).map_err(|reason| EncoderError::refused(path, reason))
}

fn parse(bytes: &[u8]) -> Result<Weights, String> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| format!("not valid safetensors: {error}"))?;
    let mut weights = Weights::new();
    for (name, view) in tensors.iter() {
        let name = name.strip_prefix(PREFIX).unwrap_or(name);
        if name == "embeddings.position_ids" {
            continue;
        }
        if view.dtype() != Dtype::F32 {
            return Err(format!("tensor `{name}` is {:?}, only F32 is known: convert the file", view.dtype()));
        }
        let (values, _) = view.data().as_chunks::<4>();
        let values: Vec<f32> = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        if !values.iter().all(|value| value.is_finite()) {
            return Err(format!("tensor `{name}` holds a number that is not finite"));
        }
        weights.insert(name.to_owned(), WeightTensor { shape: view.shape().to_vec(), values });
    }
    Ok(weights)
}

/// Writes a file that PyTorch users read, and sees it on the disk.
pub(crate) fn write(path: &Path, weights: &Weights) -> Result<(), EncoderError> {
    let tensors: Vec<(&str, Bytes<'_>)> = weights
        .iter()
        .map(|(name, tensor)| {
            let bytes = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
            (name.as_str(), Bytes { shape: &tensor.shape, bytes })
        })
        .collect();
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(tensors.iter().map(|(name, tensor)| (*name, tensor)), Some(metadata))
        .map_err(|error| EncoderError::refused(path, format!("cannot be written: {error}")))?;
    // not by the crate itself: it makes files that only their owner can read
    let mut file = File::create(path).map_err(EncoderError::io(path))?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(EncoderError::io(path))
}
