//! The file of a checkpoint: a safetensors file of everything that is solved so far.
//!
//! | tensor | type | shape | what |
//! | --- | --- | --- | --- |
//! | `fields.{i}.scores` | F32 | `[N, C]` | out-of-fold scores of finished field `i`; missing where nothing can be held out |
//! | `fields.{i}.solution` | F32 | `[N, C]` | its final solution |
//! | `fields.{i}.l2`, `.folds` | F64 | `[]` | chosen strength, number of folds |
//! | `solves.{j}.solution` | F32 | `[n, C]` | finished solve `j` of the field under way; those that decide nothing any more are left out |
//! | `state.*` | F32 or F64 | | the solve under way, as the solver left it after its last step |
//!
//! `N` are the training examples of the field, `n` those of the fold, `C` its classes. The metadata hold the facts of
//! [`Identity`], `step`, `forgotten` (number of the first solve that is kept), `cpu_kernel`, and `sha256` over all of it.

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
    error::TrainingError,
    gram::{matrix, read},
    identity::Identity,
    record::Record,
};

/// Version of the file and of what the solver keeps in it: changes with either.
pub(crate) const FORMAT_VERSION: u32 = 2;

const STEP: &str = "step";
const FORGOTTEN: &str = "forgotten";
const CPU_KERNEL: &str = "cpu_kernel";
const HASH: &str = "sha256";

/// All that is solved.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checkpoint {
    /// Steps that led here.
    pub(crate) step: u64,
    /// The finished fields.
    pub(crate) fields: Vec<Record>,
    /// Solves of the field under way that decide nothing any more; they come before `solves`.
    pub(crate) forgotten: usize,
    /// Its other finished solves.
    pub(crate) solves: Vec<Record>,
    /// The solve under way.
    pub(crate) state: Option<Record>,
}

/// A tensor as it was read from a file.
struct Raw {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// What a tensor of the file will hold. Its bytes are made when they are needed, one tensor at a time: those of an encoder are hundreds of
/// megabytes together.
enum Content<'a> {
    Tensor { tensor: &'a Tensor<2>, shape: [usize; 2] },
    Number(f64),
}

impl Content<'_> {
    fn bytes(&self) -> Result<Vec<u8>, TrainingError> {
        match self {
            Self::Tensor { tensor, .. } => Ok(read((*tensor).clone())?.into_iter().flat_map(f32::to_le_bytes).collect()),
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
        Cow::Owned(self.bytes().expect("it was read for the hash a moment ago"))
    }

    fn data_len(&self) -> usize {
        match self {
            Content::Tensor { shape: [rows, columns], .. } => rows * columns * size_of::<f32>(),
            Content::Number(_) => size_of::<f64>(),
        }
    }
}

impl Checkpoint {
    /// Writes the checkpoint and sees it on the disk; returns its size in bytes.
    pub(crate) fn write(&self, path: &Path, identity: &Identity) -> Result<u64, TrainingError> {
        let mut tensors = BTreeMap::new();
        for (number, field) in self.fields.iter().enumerate() {
            add(&mut tensors, &format!("fields.{number}"), field);
        }
        for (number, solve) in self.solves.iter().enumerate() {
            add(&mut tensors, &format!("solves.{}", self.forgotten + number), solve);
        }
        if let Some(state) = &self.state {
            add(&mut tensors, "state", state);
        }
        let mut metadata: BTreeMap<String, String> = identity.facts().map(|(name, fact)| (name.to_owned(), fact.to_owned())).collect();
        metadata.insert(STEP.to_owned(), self.step.to_string());
        metadata.insert(FORGOTTEN.to_owned(), self.forgotten.to_string());
        metadata.insert(CPU_KERNEL.to_owned(), cpu_kernel().to_owned());
        let mut hash = Hash::of(&metadata);
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

    /// Reads a checkpoint of this very training, with the CPU kernel that it was computed on. Refuses, in words, what is
    /// damaged or belongs to another.
    pub(crate) fn read(path: &Path, identity: &Identity, device: &Device) -> Result<(Self, String), String> {
        let bytes = fs::read(path).map_err(|error| error.to_string())?;
        let broken = |error: SafeTensorError| format!("it is damaged: {error}");
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(broken)?;
        let mut metadata: HashMap<String, String> = header.metadata().clone().unwrap_or_default();
        if let Some(difference) = identity.difference(|name| metadata.get(name).cloned()) {
            return Err(difference);
        }
        let expected = metadata.remove(HASH).ok_or("it has no hash")?;
        let views = SafeTensors::deserialize(&bytes).map_err(broken)?;
        let tensors: BTreeMap<String, Raw> = views
            .iter()
            .map(|(name, view)| {
                let raw = Raw { dtype: view.dtype(), shape: view.shape().to_vec(), bytes: view.data().to_vec() };
                (name.to_owned(), raw)
            })
            .collect();
        let mut metadata: BTreeMap<String, String> = metadata.into_iter().collect();
        let mut hash = Hash::of(&metadata);
        for (name, raw) in &tensors {
            hash.tensor(name, raw.dtype, &raw.shape, &raw.bytes);
        }
        if hash.finish() != expected {
            return Err("it is damaged: its hash is another one".to_owned());
        }
        let mut number = |name: &str| metadata.remove(name).and_then(|text| text.parse().ok()).ok_or(format!("it has no {name}"));
        let mut checkpoint = Self { step: number(STEP)?, forgotten: number(FORGOTTEN)? as usize, ..Self::default() };
        checkpoint.fill(tensors, device)?;
        Ok((checkpoint, metadata.remove(CPU_KERNEL).unwrap_or_default()))
    }

    fn fill(&mut self, tensors: BTreeMap<String, Raw>, device: &Device) -> Result<(), String> {
        let mut fields = BTreeMap::new();
        let mut solves = BTreeMap::new();
        for (name, raw) in tensors {
            let unknown = || format!("its tensor `{name}` is not known");
            let (record, within) = match name.split_once('.').ok_or_else(unknown)? {
                ("state", within) => (self.state.get_or_insert_default(), within),
                (list, rest) => {
                    let (number, within) = rest.split_once('.').ok_or_else(unknown)?;
                    let records = match list {
                        "fields" => &mut fields,
                        "solves" => &mut solves,
                        _ => return Err(unknown()),
                    };
                    let number: usize = number.parse().map_err(|_| unknown())?;
                    (records.entry(number).or_insert_with(Record::default), within)
                }
            };
            match (raw.dtype, &raw.shape[..]) {
                (Dtype::F32, &[rows, columns]) => drop(record.tensors.insert(within.to_owned(), tensor(&raw, [rows, columns], device))),
                (Dtype::F64, []) => drop(record.numbers.insert(within.to_owned(), raw_number(&raw))),
                _ => return Err(unknown()),
            }
        }
        self.fields = in_order(fields, 0)?;
        self.solves = in_order(solves, self.forgotten)?;
        Ok(())
    }
}

fn add<'a>(tensors: &mut BTreeMap<String, Content<'a>>, name: &str, record: &'a Record) {
    for (within, tensor) in &record.tensors {
        tensors.insert(format!("{name}.{within}"), Content::Tensor { tensor, shape: tensor.dims() });
    }
    for (within, number) in &record.numbers {
        tensors.insert(format!("{name}.{within}"), Content::Number(*number));
    }
}

fn tensor(raw: &Raw, shape: [usize; 2], device: &Device) -> Tensor<2> {
    let (values, _) = raw.bytes.as_chunks::<4>();
    matrix(values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(), shape, device)
}

fn raw_number(raw: &Raw) -> f64 {
    let (values, _) = raw.bytes.as_chunks::<8>();
    values.first().map_or(0.0, |bytes| f64::from_le_bytes(*bytes))
}

/// The records in the order of their numbers, which must be all from `first` on.
fn in_order(records: BTreeMap<usize, Record>, first: usize) -> Result<Vec<Record>, String> {
    match records.keys().enumerate().find(|(place, number)| first + place != **number) {
        Some((place, _)) => Err(format!("its record {} is missing", first + place)),
        None => Ok(records.into_values().collect()),
    }
}

/// Over all that a file holds, each part with its length before it.
struct Hash(Sha256);

impl Hash {
    fn of(metadata: &BTreeMap<String, String>) -> Self {
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
