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

/// Whether values of a type can be read.
pub(crate) fn is_supported(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::F64)
}

/// Reads the tensors of a file that `names` has, under the names given there.
pub(crate) fn read(path: &Path, names: &BTreeMap<&str, &str>) -> Result<Weights, EncoderError> {
    let bytes = fs::read(path).map_err(EncoderError::io(path))?;
    parse(&bytes, names).map_err(|reason| EncoderError::rejected(path, reason))
}

fn parse(bytes: &[u8], names: &BTreeMap<&str, &str>) -> Result<Weights, String> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| format!("not valid safetensors: {error}"))?;
    let mut weights = Weights::new();
    for (stored, view) in tensors.iter() {
        let Some(name) = names.get(stored) else { continue };
        let values = values(view.dtype(), view.data()).ok_or_else(|| format!("tensor `{stored}` has the type {:?}", view.dtype()))?;
        if !values.iter().all(|value| value.is_finite()) {
            return Err(format!("tensor `{stored}` has a value that is not finite"));
        }
        weights.insert((*name).to_owned(), WeightTensor { shape: view.shape().to_vec(), values });
    }
    Ok(weights)
}

/// Values as F32; `None` if the type is not supported.
fn values(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let halves = || bytes.as_chunks::<2>().0.iter().map(|bytes| u16::from_le_bytes(*bytes));
    Some(match dtype {
        Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        Dtype::BF16 => halves().map(|bits| f32::from_bits(u32::from(bits) << 16)).collect(),
        Dtype::F16 => halves().map(widen_f16).collect(),
        Dtype::F64 => bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect(),
        _ => return None,
    })
}

/// The value of a number of IEEE 754 half precision, exactly.
fn widen_f16(bits: u16) -> f32 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2_f32.powi(-24),
        0x1f if fraction == 0.0 => f32::INFINITY,
        0x1f => f32::NAN,
        exponent => (1024.0 + fraction) * 2_f32.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_half_precision_are_widened_exactly() {
        for (bits, expected) in [
            (0x0000_u16, 0.0_f32),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x3555, 0.333_251_95),
        ] {
            assert_eq!(widen_f16(bits), expected, "{bits:04x}");
        }
        assert_eq!(widen_f16(0x8000).to_bits(), (-0.0_f32).to_bits());
        assert!(widen_f16(0x7c00).is_infinite() && widen_f16(0x7e00).is_nan());
        assert_eq!(values(Dtype::BF16, &[0x80, 0x3f, 0x40, 0xc0]).unwrap(), [1.0, -3.0]);
        assert_eq!(values(Dtype::F64, &0.25_f64.to_le_bytes()).unwrap(), [0.25]);
        assert_eq!(values(Dtype::I64, &[0; 8]), None);
    }
}
