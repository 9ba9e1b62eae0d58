//! Reads and writes `model.safetensors` under the tensor names of Hugging Face.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::Write,
    path::Path,
};

use safetensors::{Dtype, SafeTensors, View};

use crate::error::EncoderError;

/// Prefix of all tensor names in older files.
const PREFIX: &str = "bert.";

/// A tensor in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightTensor {
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its values.
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

/// Reads the tensors of a file, except the constant `embeddings.position_ids`.
pub(crate) fn read(path: &Path) -> Result<Weights, EncoderError> {
    let bytes = fs::read(path).map_err(EncoderError::io(path))?;
    parse(&bytes).map_err(|reason| EncoderError::rejected(path, reason))
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
            return Err(format!("tensor `{name}` has type {:?}, only F32 is supported: convert the file", view.dtype()));
        }
        let (values, _) = view.data().as_chunks::<4>();
        let values: Vec<f32> = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        if !values.iter().all(|value| value.is_finite()) {
            return Err(format!("tensor `{name}` has a value that is not finite"));
        }
        weights.insert(name.to_owned(), WeightTensor { shape: view.shape().to_vec(), values });
    }
    Ok(weights)
}

/// Writes a file in the format of PyTorch and syncs it to disk.
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
        .map_err(|error| EncoderError::rejected(path, format!("cannot be written: {error}")))?;
    // `safetensors::serialize_to_file` creates files that only their owner can read
    let mut file = File::create(path).map_err(EncoderError::io(path))?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(EncoderError::io(path))
}
