//! The checkpoint file: a safetensors file with everything that a training has computed so far.
//!
//! | tensor | type | shape | content |
//! | --- | --- | --- | --- |
//! | `fields.{i}.scores` | F32 | `[N, C]` | out-of-fold scores of finished field `i`; missing if no example can be held out |
//! | `fields.{i}.solution` | F32 | `[N, C]` | its final solution |
//! | `fields.{i}.l2`, `.folds` | F64 | `[]` | chosen L2 penalty, number of folds |
//! | `solves.{j}.solution` | F32 | `[n, C]` | finished solve `j` of the current field, unless it was discarded |
//! | `state.*` | F32 or F64 | | the solve in progress, or the trainer state of an encoder, after the last step |
//!
//! `N` is the number of training examples of the field, `n` that of the fold, `C` the number of classes. The metadata hold the facts of
//! [`Identity`], `step`, `forgotten` (number of discarded solves), `cpu_kernel`, and `sha256` over everything else.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    path::Path,
};

use burn::tensor::{Device, Tensor};
use safetensors::{Dtype, SafeTensors, View, tensor::SafeTensorError};
use sha2::{Digest, Sha256};

use crate::{
    backend::cpu_kernel,
    checkpoint::{identity::Identity, state_dict::StateDict},
    error::TrainingError,
    tensor::{tensor_from_vec, tensor_to_vec},
};

const STEP: &str = "step";
const DISCARDED: &str = "forgotten";
const CPU_KERNEL: &str = "cpu_kernel";
const HASH: &str = "sha256";

/// The content of a checkpoint.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checkpoint {
    /// Completed steps.
    pub(crate) step: u64,
    /// Finished fields.
    pub(crate) fields: Vec<StateDict>,
    /// Number of discarded solves of the current field; they precede `solves`.
    pub(crate) discarded: usize,
    /// Finished solves of the current field.
    pub(crate) solves: Vec<StateDict>,
    /// The solve in progress.
    pub(crate) state: Option<StateDict>,
}

/// A tensor as read from the file.
struct Raw {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// The content of a tensor to write. Its bytes are produced on demand, one tensor at a time: all tensors of an encoder take hundreds of
/// megabytes.
enum Content<'a> {
    Tensor { tensor: &'a Tensor<2>, shape: [usize; 2] },
    Number(f64),
}

impl Content<'_> {
    fn bytes(&self) -> Result<Vec<u8>, TrainingError> {
        match self {
            Self::Tensor { tensor, .. } => Ok(tensor_to_vec((*tensor).clone())?.into_iter().flat_map(f32::to_le_bytes).collect()),
            Self::Number(number) => Ok(number.to_le_bytes().to_vec()),
        }
    }
}

impl View for &Content<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Content::Tensor { .. } => Dtype::F32,
            Content::Number(_) => Dtype::F64,
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Content::Tensor { shape, .. } => shape,
            Content::Number(_) => &[],
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.bytes().expect("the tensor was read before, to compute the hash"))
    }

    fn data_len(&self) -> usize {
        match self {
            Content::Tensor { shape: [rows, columns], .. } => rows * columns * size_of::<f32>(),
            Content::Number(_) => size_of::<f64>(),
        }
    }
}

impl Checkpoint {
    /// Writes the checkpoint and syncs it to disk. Returns its size in bytes.
    pub(crate) fn write(&self, path: &Path, identity: &Identity) -> Result<u64, TrainingError> {
        let mut tensors = BTreeMap::new();
        for (number, field) in self.fields.iter().enumerate() {
            add(&mut tensors, &format!("fields.{number}"), field);
        }
        for (number, solve) in self.solves.iter().enumerate() {
            add(&mut tensors, &format!("solves.{}", self.discarded + number), solve);
        }
        if let Some(state) = &self.state {
            add(&mut tensors, "state", state);
        }
        let mut metadata: BTreeMap<String, String> = identity.facts().map(|(name, fact)| (name.to_owned(), fact.to_owned())).collect();
        metadata.insert(STEP.to_owned(), self.step.to_string());
        metadata.insert(DISCARDED.to_owned(), self.discarded.to_string());
        metadata.insert(CPU_KERNEL.to_owned(), cpu_kernel().to_owned());
        let mut hash = Hash::new(&metadata);
        for (name, content) in &tensors {
            hash.tensor(name, (&content).dtype(), (&content).shape(), &content.bytes()?);
        }
        metadata.insert(HASH.to_owned(), hash.finish());

        safetensors::serialize_to_file(&tensors, Some(metadata.into_iter().collect()), path).map_err(|error| {
            let source = match error {
                SafeTensorError::IoError(source) => source,
                other => std::io::Error::other(other.to_string()),
            };
            TrainingError::io(path)(source)
        })?;
        let file = File::open(path).map_err(TrainingError::io(path))?;
        file.sync_all().map_err(TrainingError::io(path))?;
        Ok(file.metadata().map_err(TrainingError::io(path))?.len())
    }

    /// Reads a checkpoint and the CPU kernel it was computed on. Returns a message if the file is damaged or belongs to another training.
    pub(crate) fn read(path: &Path, identity: &Identity, device: &Device) -> Result<(Self, String), String> {
        let bytes = fs::read(path).map_err(|error| error.to_string())?;
        let broken = |error: SafeTensorError| format!("it is damaged: {error}");
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(broken)?;
        let mut metadata: HashMap<String, String> = header.metadata().clone().unwrap_or_default();
        if let Some(difference) = identity.difference(|name| metadata.get(name).cloned()) {
            return Err(difference);
        }
        let expected = metadata.remove(HASH).ok_or("its hash is missing")?;
        let views = SafeTensors::deserialize(&bytes).map_err(broken)?;
        let tensors: BTreeMap<String, Raw> = views
            .iter()
            .map(|(name, view)| {
                let raw = Raw { dtype: view.dtype(), shape: view.shape().to_vec(), bytes: view.data().to_vec() };
                (name.to_owned(), raw)
            })
            .collect();
        let mut metadata: BTreeMap<String, String> = metadata.into_iter().collect();
        let mut hash = Hash::new(&metadata);
        for (name, raw) in &tensors {
            hash.tensor(name, raw.dtype, &raw.shape, &raw.bytes);
        }
        if hash.finish() != expected {
            return Err("it is damaged: its hash does not match".to_owned());
        }
        let mut number = |name: &str| metadata.remove(name).and_then(|text| text.parse().ok()).ok_or(format!("its {name} is missing"));
        let mut checkpoint = Self { step: number(STEP)?, discarded: number(DISCARDED)? as usize, ..Self::default() };
        checkpoint.fill(tensors, device)?;
        Ok((checkpoint, metadata.remove(CPU_KERNEL).unwrap_or_default()))
    }

    fn fill(&mut self, tensors: BTreeMap<String, Raw>, device: &Device) -> Result<(), String> {
        let mut fields = BTreeMap::new();
        let mut solves = BTreeMap::new();
        for (name, raw) in tensors {
            let unknown = || format!("its tensor `{name}` is unknown");
            let (state_dict, within) = match name.split_once('.').ok_or_else(unknown)? {
                ("state", within) => (self.state.get_or_insert_default(), within),
                (list, rest) => {
                    let (number, within) = rest.split_once('.').ok_or_else(unknown)?;
                    let state_dicts = match list {
                        "fields" => &mut fields,
                        "solves" => &mut solves,
                        _ => return Err(unknown()),
                    };
                    let number: usize = number.parse().map_err(|_| unknown())?;
                    (state_dicts.entry(number).or_insert_with(StateDict::default), within)
                }
            };
            match (raw.dtype, &raw.shape[..]) {
                (Dtype::F32, &[rows, columns]) => drop(state_dict.tensors.insert(within.to_owned(), tensor(&raw, [rows, columns], device))),
                (Dtype::F64, []) => drop(state_dict.numbers.insert(within.to_owned(), raw_number(&raw))),
                _ => return Err(unknown()),
            }
        }
        self.fields = in_order(fields, 0)?;
        self.solves = in_order(solves, self.discarded)?;
        Ok(())
    }
}

fn add<'a>(tensors: &mut BTreeMap<String, Content<'a>>, name: &str, state_dict: &'a StateDict) {
    for (within, tensor) in &state_dict.tensors {
        tensors.insert(format!("{name}.{within}"), Content::Tensor { tensor, shape: tensor.dims() });
    }
    for (within, number) in &state_dict.numbers {
        tensors.insert(format!("{name}.{within}"), Content::Number(*number));
    }
}

fn tensor(raw: &Raw, shape: [usize; 2], device: &Device) -> Tensor<2> {
    let (values, _) = raw.bytes.as_chunks::<4>();
    tensor_from_vec(values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(), shape, device)
}

fn raw_number(raw: &Raw) -> f64 {
    let (values, _) = raw.bytes.as_chunks::<8>();
    values.first().map_or(0.0, |bytes| f64::from_le_bytes(*bytes))
}

/// The state dicts in the order of their indices, which must be contiguous from `first` on.
fn in_order(state_dicts: BTreeMap<usize, StateDict>, first: usize) -> Result<Vec<StateDict>, String> {
    match state_dicts.keys().enumerate().find(|(position, index)| first + position != **index) {
        Some((position, _)) => Err(format!("its entry {} is missing", first + position)),
        None => Ok(state_dicts.into_values().collect()),
    }
}

/// SHA-256 over the content of a file, each part preceded by its length.
struct Hash(Sha256);

impl Hash {
    fn new(metadata: &BTreeMap<String, String>) -> Self {
        let mut hash = Self(Sha256::new());
        for (name, value) in metadata {
            hash.update(name.as_bytes());
            hash.update(value.as_bytes());
        }
        hash
    }

    fn tensor(&mut self, name: &str, dtype: Dtype, shape: &[usize], bytes: &[u8]) {
        self.update(name.as_bytes());
        self.update(format!("{dtype:?} {shape:?}").as_bytes());
        self.update(bytes);
    }

    fn update(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }
}
