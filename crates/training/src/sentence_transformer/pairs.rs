//! Pairs of texts, as word pieces.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use encoder::Encoder;
use serde::Deserialize;

use crate::error::TrainingError;

/// Two texts, and how much they belong together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pair {
    /// Places among the texts.
    pub(super) a: usize,
    pub(super) b: usize,
    /// From 0 (apart) to 1 (together).
    pub(super) label: f32,
    /// What both texts have in common, where that is known: other texts of the same are no wrong partners.
    pub(super) class: Option<usize>,
}

/// Pairs, and each of their texts once. Texts are cut to what the encoder takes, so a text costs at most a few hundred numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct PairSet {
    pub(super) texts: Vec<Vec<u32>>,
    pub(super) pairs: Vec<Pair>,
}

/// A line of a file of pairs, as a snapshot has them.
#[derive(Deserialize)]
struct Line {
    text_a: String,
    text_b: String,
    label: f32,
    /// Only for readers.
    #[serde(default, rename = "field")]
    _field: Option<String>,
    #[serde(default)]
    split: Option<String>,
}

impl Pair {
    pub(super) fn is_together(&self) -> bool {
        self.label >= 0.5
    }
}

impl PairSet {
    /// Reads the pairs of one split; lines without one belong to `train`.
    pub(super) fn read(path: &Path, split: &str, encoder: &Encoder) -> Result<Self, TrainingError> {
        let mut set = Self::default();
        let mut places: HashMap<String, usize> = HashMap::new();
        let lines = BufReader::new(File::open(path).map_err(TrainingError::io(path))?).lines();
        for (number, line) in lines.enumerate() {
            let line = line.map_err(TrainingError::io(path))?;
            if line.trim().is_empty() {
                continue;
            }
            let refuse = |reason: String| TrainingError::BadDataset { path: path.to_owned(), line: Some(number + 1), reason };
            let line: Line = serde_json::from_str(&line).map_err(|error| refuse(error.to_string()))?;
            if !(0.0..=1.0).contains(&line.label) {
                return Err(refuse(format!("label must be from 0 to 1, not {}", line.label)));
            }
            if line.split.as_deref().unwrap_or("train") != split {
                continue;
            }
            let mut place = |text: String| {
                *places.entry(text).or_insert_with_key(|text| {
                    set.texts.push(encoder.tokens(text));
                    set.texts.len() - 1
                })
            };
            let (a, b) = (place(line.text_a), place(line.text_b));
            set.pairs.push(Pair { a, b, label: line.label, class: None });
        }
        Ok(set)
    }

    /// Word pieces of the longer text of a pair.
    pub(super) fn length(&self, pair: &Pair) -> usize {
        self.texts[pair.a].len().max(self.texts[pair.b].len())
    }
}
