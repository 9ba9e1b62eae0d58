//! The facts that decide the result of a training, so that only checkpoints of the same training are resumed.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::protocol::job::TrainingJob;

/// Version of the checkpoint file and of the state that training keeps in it. Raise it when either changes.
const FORMAT_VERSION: u32 = 3;

/// Facts that decide the result of a training, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    facts: BTreeMap<&'static str, String>,
}

impl Identity {
    /// The identity of a job. `data` identifies the training data.
    pub(crate) fn new(job: &TrainingJob, data: &str) -> Self {
        // with all defaults, because a default may change between versions
        let mut params = serde_json::Value::from(job.params.to_json());
        params.sort_all_objects();
        let mut facts = BTreeMap::from([
            ("format_version", FORMAT_VERSION.to_string()),
            ("training_version", env!("CARGO_PKG_VERSION").to_owned()),
            ("kind", job.params.kind().as_str().to_owned()),
            ("seed", job.seed.to_string()),
            ("params", params.to_string()),
            ("backend", job.backend.name().to_owned()),
            ("data", data.to_owned()),
        ]);
        if let Some(base) = &job.base_model {
            facts.insert("base_model", base.hash.clone());
        }
        if let Some(fraction) = job.train_fraction {
            facts.insert("train_fraction", fraction.to_string());
        }
        Self { facts }
    }

    /// SHA-256 over all facts, each with its length, as hexadecimal digits.
    pub(crate) fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for (name, fact) in self.facts() {
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name);
            hash.update((fact.len() as u64).to_le_bytes());
            hash.update(fact);
        }
        hex::encode(hash.finalize())
    }

    pub(crate) fn facts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.facts.iter().map(|(name, fact)| (*name, fact.as_str()))
    }

    /// Describes the first fact that differs from the one in `found`.
    pub(crate) fn difference(&self, found: impl Fn(&str) -> Option<String>) -> Option<String> {
        self.facts().find_map(|(name, wanted)| match found(name) {
            Some(found) if found == wanted => None,
            Some(found) => Some(format!("its {name} is `{found}`, not `{wanted}`")),
            None => Some(format!("its {name} is missing")),
        })
    }
}
