//! Tokenized pairs of texts.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use aprendiz_encoder::Encoder;
use serde::Deserialize;

use crate::{
    error::TrainingError,
    kinds::sentence_transformer::{
        connected_components::ConnectedComponents,
        pair::Pair,
        text_classes::TextClasses,
        token_file::{TokenFile, TokenWriter},
    },
    random::Random,
    text_groups::{Key, TextGroups, key},
};

/// Pairs and their distinct texts. A pair takes a few dozen bytes of memory and a text eight: the tokens are in a file.
#[derive(Debug)]
pub(super) struct PairSet {
    pub(super) texts: TokenFile,
    pub(super) pairs: Vec<Pair>,
    pub(super) fields: Vec<String>,
    pub(super) classes: TextClasses,
    /// Identifies each text.
    pub(super) keys: Vec<Key>,
}

/// A line of a pairs file.
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

impl PairSet {
    /// Reads the pairs of one split; lines without a split belong to `train`. Texts of a field that are connected by positive pairs form a
    /// class.
    pub(super) fn read(path: &Path, split: &str, encoder: &Encoder, folder: &Path) -> Result<Self, TrainingError> {
        let mut texts = TokenWriter::create(folder, split)?;
        let mut text_indices: HashMap<Key, u32> = HashMap::new();
        let mut keys = Vec::new();
        let mut fields: Vec<String> = Vec::new();
        let mut pairs = Vec::new();
        let lines = BufReader::new(File::open(path).map_err(TrainingError::io(path))?).lines();
        for (number, line) in lines.enumerate() {
            let line = line.map_err(TrainingError::io(path))?;
            if line.trim().is_empty() {
                continue;
            }
            let reject = |reason: String| TrainingError::BadDataset { path: path.to_owned(), line: Some(number + 1), reason };
            let line: Line = serde_json::from_str(&line).map_err(|error| reject(error.to_string()))?;
            if !(0.0..=1.0).contains(&line.label) {
                return Err(reject(format!("label must be from 0 to 1, got {}", line.label)));
            }
            if line.split.as_deref().unwrap_or("train") != split {
                continue;
            }
            let mut index = |text: &str| match text_indices.entry(key(text)) {
                std::collections::hash_map::Entry::Occupied(found) => Ok(*found.get()),
                std::collections::hash_map::Entry::Vacant(vacant) => {
                    keys.push(*vacant.key());
                    texts.push(&encoder.tokens(text)).map(|index| *vacant.insert(index))
                }
            };
            let (a, b) = (index(&line.text_a)?, index(&line.text_b)?);
            let field = fields.iter().position(|field| *field == line.field).unwrap_or_else(|| {
                fields.push(line.field);
                fields.len() - 1
            });
            let number = u32::try_from(number + 1).map_err(|_| reject("too many pairs".to_owned()))?;
            pairs.push(Pair { a, b, label: line.label, class: None, field: field as u32, number });
        }
        let mut set = Self { texts: texts.finish()?, pairs, fields, classes: TextClasses::default(), keys };
        set.find_classes();
        Ok(set)
    }

    /// Number of tokens of the longer text of a pair.
    pub(super) fn length(&self, pair: &Pair) -> usize {
        self.texts.length(pair.a).max(self.texts.length(pair.b))
    }

    /// Keeps at most `max` pairs, sampled uniformly.
    pub(super) fn limit(&mut self, max: usize) {
        if self.pairs.len() > max {
            Random::with_stream(0, 3).shuffle(&mut self.pairs);
            self.pairs.truncate(max);
            self.pairs.sort_by_key(|pair| pair.number);
        }
    }

    /// Keeps the first of pairs that differ only in near-duplicates: they are one piece of evidence. Returns the number of pairs left out, by
    /// field.
    pub(super) fn leave_out_copies(&mut self, groups: &TextGroups) -> HashMap<u32, u64> {
        let (mut seen, mut copies) = (HashSet::new(), HashMap::new());
        let group = |text: u32| groups.of(self.keys[text as usize]);
        self.pairs.retain(|pair| {
            let (a, b) = (group(pair.a), group(pair.b));
            let is_first = seen.insert((pair.field, pair.label.to_bits(), a.min(b), a.max(b)));
            *copies.entry(pair.field).or_default() += u64::from(!is_first);
            is_first
        });
        copies
    }

    /// Whether there are both positive and negative pairs.
    pub(super) fn has_both_labels(&self) -> bool {
        self.pairs.iter().any(Pair::is_positive) && !self.pairs.iter().all(Pair::is_positive)
    }

    fn find_classes(&mut self) {
        let mut components = ConnectedComponents::default();
        for pair in self.pairs.iter().filter(|pair| pair.is_positive()) {
            components.union((pair.field, pair.a), (pair.field, pair.b));
        }
        for pair in &mut self.pairs {
            pair.class = pair.is_positive().then(|| components.find((pair.field, pair.a))).flatten();
            if let Some(class) = pair.class {
                self.classes.insert(pair.field, pair.a, class);
                self.classes.insert(pair.field, pair.b, class);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_connected_by_positive_pairs_of_a_field_form_a_class() {
        let dir = tempfile::tempdir().unwrap();
        aprendiz_encoder::write_random(&dir.path().join("base"), 1).unwrap();
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
        // the class of a text in each field it has positive pairs of
        let one = set.pairs[0].b;
        assert_eq!((set.classes.get(0, one), set.classes.get(1, one)), (classes[0], classes[4]));
        assert_eq!((set.texts.len(), set.fields.as_slice()), (5, ["kind".to_owned(), "law".to_owned()].as_slice()));
    }

    #[test]
    fn pairs_of_copies_are_one_piece_of_evidence() {
        let dir = tempfile::tempdir().unwrap();
        let documents = dir.path().join("test.jsonl");
        let document =
            |id: &str, group: &str, text: &str| format!("{}\n", serde_json::json!({"document_id": id, "group": group, "text": text}));
        let lines = [("1", "g", "one"), ("2", "g", "one, copied"), ("3", "h", "two")].map(|(id, group, text)| document(id, group, text));
        std::fs::write(&documents, lines.concat()).unwrap();
        let groups = TextGroups::read(&documents).unwrap();
        let texts = TokenWriter::create(dir.path(), "x").unwrap().finish().unwrap();
        let keys = ["Malta", "one", "one, copied", "two"].map(key).to_vec();
        let pair = |a, b, label, field, number| Pair { a, b, label, class: None, field, number };
        let pairs = vec![
            pair(0, 1, 1.0, 0, 1),
            pair(0, 2, 1.0, 0, 2),
            pair(2, 0, 1.0, 0, 3),
            pair(0, 2, 0.0, 0, 4),
            pair(0, 2, 1.0, 1, 5),
            pair(1, 3, 1.0, 0, 6),
            pair(3, 2, 1.0, 0, 7),
        ];
        let mut set = PairSet { texts, pairs, fields: Vec::new(), classes: TextClasses::default(), keys };
        let copies = set.leave_out_copies(&groups);
        assert_eq!(set.pairs.iter().map(|pair| pair.number).collect::<Vec<_>>(), [1, 4, 5, 6]);
        assert_eq!((copies[&0], copies[&1]), (3, 0));
    }

    #[test]
    fn a_limit_keeps_positive_and_negative_pairs() {
        let dir = tempfile::tempdir().unwrap();
        let pair = |number: u32| Pair { a: 0, b: 0, label: (number % 2) as f32, class: None, field: 0, number };
        let texts = TokenWriter::create(dir.path(), "x").unwrap().finish().unwrap();
        let mut set =
            PairSet { texts, pairs: (1..=1000).map(pair).collect(), fields: Vec::new(), classes: TextClasses::default(), keys: Vec::new() };
        set.limit(100);
        let positive = set.pairs.iter().filter(|pair| pair.is_positive()).count();
        assert!(set.pairs.len() == 100 && (30..70).contains(&positive) && set.pairs.is_sorted_by_key(|pair| pair.number));
    }
}
