//! Pairs of texts, as word pieces.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use encoder::Encoder;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{
    error::TrainingError,
    sentence_transformer::{
        classes::Classes,
        random::Random,
        token_file::{TokenFile, TokenWriter},
    },
};

/// Two texts, and how much they belong together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pair {
    /// Places among the texts.
    pub(super) a: u32,
    pub(super) b: u32,
    /// From 0 (apart) to 1 (together).
    pub(super) label: f32,
    /// What both texts have in common, where that is known: other texts of the same are no wrong partners.
    pub(super) class: Option<u32>,
    /// Place of the field among those of the set.
    pub(super) field: u32,
    /// Its number in the file, from 1.
    pub(super) number: u32,
}

/// Pairs, and each of their texts once. A pair costs a few dozen bytes of memory and a text eight: what is long lies in a file.
#[derive(Debug)]
pub(super) struct PairSet {
    pub(super) texts: TokenFile,
    pub(super) pairs: Vec<Pair>,
    pub(super) fields: Vec<String>,
}

/// A line of a file of pairs, as a snapshot has them.
#[derive(Deserialize)]
struct Line {
    text_a: String,
    text_b: String,
    label: f32,
    #[serde(default)]
    field: String,
    #[serde(default)]
    split: Option<String>,
}

impl Pair {
    pub(super) fn is_together(&self) -> bool {
        self.label >= 0.5
    }
}

impl PairSet {
    /// Reads the pairs of one split; lines without one belong to `train`. What belongs together in a field is of one class.
    pub(super) fn read(path: &Path, split: &str, encoder: &Encoder, folder: &Path) -> Result<Self, TrainingError> {
        let mut texts = TokenWriter::create(folder, split)?;
        let mut places: HashMap<[u8; 16], u32> = HashMap::new();
        let mut fields: Vec<String> = Vec::new();
        let mut pairs = Vec::new();
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
            let mut place = |text: &str| match places.entry(key(text)) {
                std::collections::hash_map::Entry::Occupied(found) => Ok(*found.get()),
                std::collections::hash_map::Entry::Vacant(vacant) => texts.push(&encoder.tokens(text)).map(|place| *vacant.insert(place)),
            };
            let (a, b) = (place(&line.text_a)?, place(&line.text_b)?);
            let field = fields.iter().position(|field| *field == line.field).unwrap_or_else(|| {
                fields.push(line.field);
                fields.len() - 1
            });
            let number = u32::try_from(number + 1).map_err(|_| refuse("more pairs than can be counted".to_owned()))?;
            pairs.push(Pair { a, b, label: line.label, class: None, field: field as u32, number });
        }
        let mut set = Self { texts: texts.finish()?, pairs, fields };
        set.find_classes();
        Ok(set)
    }

    /// Word pieces of the longer text of a pair.
    pub(super) fn length(&self, pair: &Pair) -> usize {
        self.texts.length(pair.a).max(self.texts.length(pair.b))
    }

    /// Keeps at most so many pairs, drawn evenly.
    pub(super) fn limit(&mut self, most: usize) {
        if self.pairs.len() > most {
            Random::new(0, 3).shuffle(&mut self.pairs);
            self.pairs.truncate(most);
            self.pairs.sort_by_key(|pair| pair.number);
        }
    }

    /// Whether there are pairs that belong together as well as pairs that do not.
    pub(super) fn has_both_kinds(&self) -> bool {
        self.pairs.iter().any(Pair::is_together) && !self.pairs.iter().all(Pair::is_together)
    }

    fn find_classes(&mut self) {
        let mut classes = Classes::default();
        for pair in self.pairs.iter().filter(|pair| pair.is_together()) {
            classes.join((pair.field, pair.a), (pair.field, pair.b));
        }
        for pair in &mut self.pairs {
            pair.class = pair.is_together().then(|| classes.of((pair.field, pair.a))).flatten();
        }
    }
}

/// What stands for a text: two texts of one hash do not exist.
fn key(text: &str) -> [u8; 16] {
    let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    *hash.first_chunk().expect("a hash has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_together_within_a_field_is_of_one_class() {
        let dir = tempfile::tempdir().unwrap();
        encoder::write_random(&dir.path().join("base"), 1).unwrap();
        let encoder = Encoder::load(&dir.path().join("base"), &burn::tensor::Device::flex()).unwrap();
        let line = |a: &str, b: &str, label: u8, field: &str| {
            format!("{}\n", serde_json::json!({"text_a": a, "text_b": b, "label": label, "field": field}))
        };
        let lines = [
            line("lease", "one", 1, "kind"),
            line("lease", "two", 1, "kind"),
            line("loan", "one", 0, "kind"),
            line("loan", "three", 1, "kind"),
            line("one", "three", 1, "law"),
        ];
        let path = dir.path().join("pairs.jsonl");
        std::fs::write(&path, lines.concat()).unwrap();
        let set = PairSet::read(&path, "train", &encoder, dir.path()).unwrap();
        let classes: Vec<Option<u32>> = set.pairs.iter().map(|pair| pair.class).collect();
        assert!(classes[0].is_some() && classes[0] == classes[1] && classes[2].is_none());
        assert!(
            classes[3].is_some() && classes[3] != classes[0] && classes[4].is_some() && ![classes[0], classes[3]].contains(&classes[4])
        );
        assert_eq!((set.texts.len(), set.fields.as_slice()), (5, ["kind".to_owned(), "law".to_owned()].as_slice()));
    }

    #[test]
    fn a_limit_keeps_pairs_of_both_kinds() {
        let dir = tempfile::tempdir().unwrap();
        let pair = |number: u32| Pair { a: 0, b: 0, label: (number % 2) as f32, class: None, field: 0, number };
        let texts = TokenWriter::create(dir.path(), "x").unwrap().finish().unwrap();
        let mut set = PairSet { texts, pairs: (1..=1000).map(pair).collect(), fields: Vec::new() };
        set.limit(100);
        let together = set.pairs.iter().filter(|pair| pair.is_together()).count();
        assert!(set.pairs.len() == 100 && (30..70).contains(&together) && set.pairs.is_sorted_by_key(|pair| pair.number));
    }
}
