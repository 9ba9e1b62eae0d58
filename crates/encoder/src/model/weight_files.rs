//! Finds the weights of a directory: one file, or several with an index.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use safetensors::{Dtype, tensor::Metadata};
use serde_json::Value;

use crate::{
    error::EncoderError,
    files::{INDEX_FILE, WEIGHTS_FILE},
    model::{
        config::NetworkConfig,
        reader::{DirectoryReader, join},
        weight_names::WeightNames,
        weights::{self, Weights, is_supported},
    },
};

/// Weights in a format that is not read, because reading it can execute code.
const PICKLE_FILES: [&str; 2] = ["pytorch_model.bin", "pytorch_model.bin.index.json"];

/// Maximum size of the header of a file.
const MAX_HEADER_BYTES: u64 = 64 << 20;

/// The files of the weights and the names of their tensors.
#[derive(Debug)]
pub(crate) struct WeightFiles {
    paths: Vec<PathBuf>,
    pub(crate) names: WeightNames,
    /// Assumptions and conversions.
    pub(crate) notes: Vec<String>,
}

/// Whether the folder of a directory has weights.
pub(crate) fn has_weights(reader: &DirectoryReader, folder: &str) -> bool {
    [WEIGHTS_FILE, INDEX_FILE].iter().any(|name| reader.path(&join(folder, name)).is_file())
}

/// Why a folder has no weights that can be read.
pub(crate) fn explain_missing(reader: &DirectoryReader, folder: &str) -> String {
    match PICKLE_FILES.iter().find(|name| reader.exists(&join(folder, name))) {
        Some(name) => format!(
            "there is no {WEIGHTS_FILE}, and {name} is not read, because such a file can execute code: load the model once and save it with `safe_serialization=True`"
        ),
        None => format!("there is no {WEIGHTS_FILE} and no {INDEX_FILE}"),
    }
}

impl WeightFiles {
    /// Reads the headers of the files and checks names, shapes and types of all tensors.
    pub(crate) fn read(reader: &mut DirectoryReader, folder: &str, config: &NetworkConfig) -> Result<Self, EncoderError> {
        let whole = join(folder, WEIGHTS_FILE);
        let (index, files) = if reader.exists(&whole) {
            (whole.clone(), vec![whole])
        } else {
            let index = join(folder, INDEX_FILE);
            let Some(value) = reader.find_json(&index)? else {
                return Err(reader.reject(&whole, explain_missing(reader, folder)));
            };
            let shards = shards(&value).map_err(|reason| reader.reject(&index, reason))?;
            (index, shards.into_iter().map(|name| join(folder, &name)).collect())
        };
        let (mut paths, mut shapes, mut types) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for name in &files {
            let path = reader.record(name);
            for (tensor, info) in read_header(&path)?.tensors() {
                if shapes.insert(tensor.clone(), info.shape.clone()).is_some() {
                    return Err(EncoderError::rejected(path, format!("tensor `{tensor}` is in another file, too")));
                }
                types.insert(tensor, info.dtype);
            }
            paths.push(path);
        }
        let names = WeightNames::resolve(&shapes, config).map_err(|reason| reader.reject(&index, reason))?;
        let mut converted = BTreeSet::new();
        for stored in names.names.values() {
            match types[stored] {
                Dtype::F32 => {}
                dtype if is_supported(dtype) => drop(converted.insert(format!("{dtype:?}"))),
                dtype => {
                    let reason = format!("tensor `{stored}` has type {dtype:?}, supported are F32, F16, BF16 and F64: convert the file");
                    return Err(reader.reject(&index, reason));
                }
            }
        }
        let mut notes = names.notes();
        if !converted.is_empty() {
            let types: Vec<String> = converted.into_iter().collect();
            notes.push(format!("weights are stored as {} and used as F32", types.join(" and ")));
        }
        Ok(Self { paths, names, notes })
    }

    /// Reads the tensors under their current names.
    pub(crate) fn load(&self) -> Result<Weights, EncoderError> {
        let current: BTreeMap<&str, &str> = self.names.names.iter().map(|(name, stored)| (stored.as_str(), name.as_str())).collect();
        let mut weights = Weights::new();
        for path in &self.paths {
            weights.append(&mut weights::read(path, &current)?);
        }
        Ok(weights)
    }
}

/// The files that an index lists.
fn shards(index: &Value) -> Result<BTreeSet<String>, String> {
    let map = index["weight_map"].as_object().filter(|map| !map.is_empty()).ok_or("has no weight_map")?;
    let name = |name: &Value| match name.as_str() {
        Some(name) if name.ends_with(".safetensors") && !name.starts_with('.') && !name.contains(['/', '\\']) => Ok(name.to_owned()),
        _ => Err(format!("lists {name}, which is not the name of a safetensors file in the same folder")),
    };
    map.values().map(name).collect()
}

/// The header of a file, which lists its tensors.
fn read_header(path: &Path) -> Result<Metadata, EncoderError> {
    let reject = |reason: String| EncoderError::rejected(path, reason);
    let mut file = File::open(path).map_err(EncoderError::io(path))?;
    let size = file.metadata().map_err(EncoderError::io(path))?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| reject(format!("not valid safetensors: it has {size} bytes")))?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER_BYTES {
        return Err(reject(format!("not valid safetensors: its header has {length} bytes")));
    }
    let mut text = Vec::new();
    file.take(length).read_to_end(&mut text).map_err(EncoderError::io(path))?;
    let header: Metadata = serde_json::from_slice(&text).map_err(|error| reject(format!("not valid safetensors: {error}")))?;
    let expected = 8 + length + header.data_len() as u64;
    if size == expected { Ok(header) } else { Err(reject(format!("has {size} bytes, expected {expected}: it was not copied completely"))) }
}
