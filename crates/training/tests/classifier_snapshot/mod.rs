//! A snapshot of short texts with a tiny base model, and jobs of kinds that read it.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use aprendiz_encoder::{BaseModel, BaseModelCaches, write_random};
use aprendiz_run_spec::{Backend, RunKind, TrainingParams};
use aprendiz_training::{OUT_OF_FOLD_FILE, TrainingJob, VALIDATION_FILE};
use serde_json::{Value, json};

const WORDS: [[&str; 4]; 3] =
    [["rent", "flat", "tenant", "lease"], ["goods", "price", "order", "buyer"], ["secret", "party", "disclose", "data"]];

pub(crate) struct Snapshot {
    dir: tempfile::TempDir,
}

impl Snapshot {
    /// Documents of three classes with different words, and a tiny base model.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        write_random(&dir.path().join("base"), 3).unwrap();
        let snapshot = Self { dir };
        snapshot.write("train.jsonl", &lines(0, 60));
        snapshot.write("validation.jsonl", &lines(1000, 18));
        snapshot.write_labels(&["kind"]);
        snapshot
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, lines: &[Value]) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn write_labels(&self, fields: &[&str]) {
        let fields: BTreeMap<&str, Value> = fields.iter().map(|field| (*field, json!({"labels": ["a", "b", "c"]}))).collect();
        fs::write(self.path("labels.json"), json!({"v": 1, "left_out": [], "fields": fields}).to_string()).unwrap();
    }

    /// A job of a kind with all of its output below `name`.
    pub(crate) fn job_of(&self, kind: RunKind, name: &str, params: &Value) -> TrainingJob {
        TrainingJob {
            v: TrainingJob::version(),
            seed: 42,
            target_accuracy: 0.8,
            params: TrainingParams::parse(kind, params.as_object().unwrap()).unwrap().unwrap(),
            train: self.path("train.jsonl"),
            train_fraction: None,
            whole_fit: None,
            validation: self.path("validation.jsonl"),
            labels: self.path("labels.json"),
            base_model: Some(BaseModel::find(self.path("base").to_str().unwrap(), &BaseModelCaches::default()).unwrap()),
            pairs: None,
            out: self.path(name).join("model"),
            reports: self.path(name).join("reports"),
            checkpoints: self.path(name).join("checkpoints"),
            checkpoint_seconds: 0.0,
            resume: None,
            embeddings: None,
            threads: 1,
            backend: Backend::Flex,
        }
    }
}

pub(crate) fn document(number: usize, text: &str, value: &[&str]) -> Value {
    json!({
        "document_id": format!("d{number}"), "group": format!("g{number}"), "text": text, "fields": {"kind": {"value": value}},
    })
}

pub(crate) fn text(number: usize) -> String {
    let words: Vec<&str> = (0..6).map(|index| WORDS[number % 3][(number / 3 + index * index) % 4]).collect();
    format!("{} number {number}", words.join(" "))
}

pub(crate) fn lines(first: usize, count: usize) -> Vec<Value> {
    (first..first + count).map(|number| document(number, &text(number), &[["a", "b", "c"][number % 3]])).collect()
}

/// Paths and contents of all files below a folder.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let folder = PathBuf::from(path.file_name().unwrap());
            found.extend(files(&path).into_iter().map(|(name, bytes)| (folder.join(name), bytes)));
        } else {
            found.insert(path.file_name().unwrap().into(), fs::read(&path).unwrap());
        }
    }
    found
}

pub(crate) fn assert_same_model(job: &TrainingJob, other: &TrainingJob) {
    let (found, expected) = (files(&job.out), files(&other.out));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (path, bytes) in found {
        assert!(bytes == expected[&path], "{} differs", path.display());
    }
    for file in [OUT_OF_FOLD_FILE, VALIDATION_FILE] {
        assert!(fs::read(job.reports.join(file)).unwrap() == fs::read(other.reports.join(file)).unwrap(), "{file} differs");
    }
}
