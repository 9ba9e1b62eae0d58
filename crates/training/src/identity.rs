//! What the result of a training depends on, so that no checkpoint of another one is ever continued.

use std::{collections::BTreeMap, path::Path};

use inference::{LinearParams, SentenceTransformerParams, manifest::hash_file};
use sha2::{Digest, Sha256};

use crate::{
    checkpoint::FORMAT_VERSION,
    error::TrainingError,
    job::{Kind, TrainingJob},
};

/// The facts that decide a training, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    facts: BTreeMap<&'static str, String>,
}

/// SHA-256 in hexadecimal digits of everything the result of a training depends on: kind, seed, parameters, back end, data set,
/// and the versions of this crate and of its checkpoints. Two jobs of one fingerprint may continue each other's checkpoints.
///
/// Threads, paths, the pause between checkpoints and the CPU kernel are no part of it.
#[must_use]
pub fn fingerprint(job: &TrainingJob, dataset_hash: &str) -> String {
    let identity = Identity::new(job, dataset_hash);
    let mut hash = Sha256::new();
    for (name, fact) in identity.facts() {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((fact.len() as u64).to_le_bytes());
        hash.update(fact);
    }
    hex::encode(hash.finalize())
}

impl Identity {
    /// The identity of a job on `data`, which stands for the bytes that are learned from.
    pub(crate) fn new(job: &TrainingJob, data: &str) -> Self {
        let mut params = with_defaults(job);
        params.sort_all_objects();
        let mut facts = BTreeMap::from([
            ("format_version", FORMAT_VERSION.to_string()),
            ("training_version", env!("CARGO_PKG_VERSION").to_owned()),
            ("kind", job.kind.name().to_owned()),
            ("seed", job.seed.to_string()),
            ("params", params.to_string()),
            ("backend", job.backend.name().to_owned()),
            ("data", data.to_owned()),
        ]);
        if let Some(base) = &job.base_model {
            facts.insert("base_model", base.hash.clone());
        }
        Self { facts }
    }

    /// The identity of a job on its own files. Validation is part of it only where it decides when training ends.
    pub(crate) fn of_files(job: &TrainingJob) -> Result<Self, TrainingError> {
        let data = match (job.kind, &job.pairs) {
            (Kind::Linear, _) => format!("train {}, labels {}", sha256(&job.train)?, sha256(&job.labels)?),
            (Kind::SentenceTransformer, pairs) => {
                let [train, validation, labels] = [&job.train, &job.validation, &job.labels].map(|path| sha256(path));
                let documents = format!("train {}, validation {}, labels {}", train?, validation?, labels?);
                match pairs {
                    Some(pairs) => format!("{documents}, pairs {}, {}", sha256(&pairs.train)?, sha256(&pairs.validation)?),
                    None => documents,
                }
            }
        };
        Ok(Self::new(job, &data))
    }

    pub(crate) fn facts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.facts.iter().map(|(name, fact)| (*name, fact.as_str()))
    }

    /// The first fact that is another one in `found`, in words.
    pub(crate) fn difference(&self, found: impl Fn(&str) -> Option<String>) -> Option<String> {
        self.facts().find_map(|(name, wanted)| match found(name) {
            Some(found) if found == wanted => None,
            Some(found) => Some(format!("its {name} is `{found}`, not `{wanted}`")),
            None => Some(format!("it does not name its {name}")),
        })
    }
}

/// The parameters that training uses: a default that is another in another version gives another result.
fn with_defaults(job: &TrainingJob) -> serde_json::Value {
    let known = match job.kind {
        Kind::Linear => LinearParams::parse(&job.params).map(serde_json::to_value),
        Kind::SentenceTransformer => SentenceTransformerParams::parse(&job.params).map(serde_json::to_value),
    };
    // what cannot be parsed is never trained
    known.ok().and_then(Result::ok).unwrap_or_else(|| job.params.clone())
}

fn sha256(path: &Path) -> Result<String, TrainingError> {
    Ok(hash_file(path)?.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;
    use encoder::BaseModel;
    use serde_json::json;

    fn job() -> TrainingJob {
        TrainingJob {
            v: TrainingJob::version(),
            kind: Kind::Linear,
            seed: 1,
            target_accuracy: 0.9,
            params: json!({"folds": 3, "l2": 0.1}),
            train: "train".into(),
            validation: "validation".into(),
            labels: "labels".into(),
            base_model: None,
            pairs: None,
            out: "out".into(),
            reports: "reports".into(),
            checkpoints: "checkpoints".into(),
            checkpoint_seconds: 15.0,
            resume: None,
            threads: 1,
            backend: Backend::Auto,
        }
    }

    #[test]
    fn what_the_result_depends_on_changes_the_fingerprint() {
        let original = fingerprint(&job(), "a");
        assert_eq!(original.len(), 64);
        let changed = [
            fingerprint(&job(), "b"),
            fingerprint(&TrainingJob { seed: 2, ..job() }, "a"),
            fingerprint(&TrainingJob { params: json!({"folds": 4, "l2": 0.1}), ..job() }, "a"),
            fingerprint(&TrainingJob { backend: Backend::Ndarray, ..job() }, "a"),
            fingerprint(&TrainingJob { base_model: Some(BaseModel { dir: "dir".into(), hash: "1".into() }), ..job() }, "a"),
            fingerprint(&TrainingJob { base_model: Some(BaseModel { dir: "dir".into(), hash: "2".into() }), ..job() }, "a"),
        ];
        assert!(changed.iter().all(|other| *other != original));
    }

    #[test]
    fn what_the_result_does_not_depend_on_leaves_the_fingerprint() {
        let other = TrainingJob {
            // what is not named is a default
            params: json!({"l2": 0.1, "folds": 3, "min_df": 2}),
            out: "elsewhere".into(),
            checkpoint_seconds: 0.0,
            resume: Some("checkpoint".into()),
            threads: 2,
            backend: Backend::Flex,
            ..job()
        };
        assert_eq!(fingerprint(&other, "a"), fingerprint(&job(), "a"));
    }
}
