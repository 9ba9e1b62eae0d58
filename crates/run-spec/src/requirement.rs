//! A requirement of a run on the worker that claims it.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::backend::Backend;
use crate::error::SpecError;
use crate::worker_labels::{BACKEND, WorkerLabels, is_label_name, is_label_value};

/// Maximum number of requirements of a run.
const MAX_REQUIREMENTS: usize = 16;

/// What a worker must have: a label (`gpu`), a label with a value (`zone=eu`), or a label with a whole number of at least N (`memory>=32`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(
    value_type = String, example = "memory>=32",
    pattern = "^[a-z][a-z0-9._-]{0,62}(=[A-Za-z0-9._-]{1,63}|>=[0-9]{1,18})?$"
)]
pub struct Requirement(Comparison);

/// A label and what it must have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Comparison {
    name: String,
    condition: Condition,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Condition {
    Present,
    Equals(String),
    AtLeast(u64),
}

impl Requirement {
    /// What a run with this backend requires; `None` for those that every build includes.
    pub(crate) fn backend(backend: Backend) -> Option<Self> {
        match backend {
            Backend::Auto | Backend::Flex => None,
            Backend::Ndarray | Backend::Cuda => {
                Some(Self(Comparison { name: BACKEND.to_owned(), condition: Condition::Equals(backend.name().to_owned()) }))
            }
        }
    }

    /// Whether it is about the backend of the spec, which has a key of its own.
    #[must_use]
    pub fn is_backend(&self) -> bool {
        self.0.name == BACKEND
    }

    /// Whether a worker with these labels meets it.
    #[must_use]
    pub fn is_met_by(&self, labels: &WorkerLabels) -> bool {
        let Some(values) = labels.values(&self.0.name) else { return false };
        match &self.0.condition {
            Condition::Present => true,
            Condition::Equals(value) => values.contains(value),
            Condition::AtLeast(least) => values.iter().any(|value| value.parse::<u64>().is_ok_and(|value| value >= *least)),
        }
    }

    /// The label with which a worker meets it, as it is written in `APRENDIZ_LABELS`.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.0.condition {
            Condition::Present => self.0.name.clone(),
            Condition::Equals(value) => format!("{}={value}", self.0.name),
            Condition::AtLeast(least) => format!("{}={least}", self.0.name),
        }
    }
}

/// Whether a worker with these labels meets the stored requirements of a run. One that this version cannot read is not met.
#[must_use]
pub fn meets_all(labels: &WorkerLabels, requirements: &[String]) -> bool {
    requirements.iter().all(|text| Requirement::try_from(text.clone()).is_ok_and(|requirement| requirement.is_met_by(labels)))
}

/// The requirements of a spec, sorted and without repetitions, so that equal ones are stored equally.
pub(crate) fn normalize_requirements(mut requires: Vec<Requirement>) -> Result<Vec<Requirement>, SpecError> {
    let invalid = |value: String, rule| Err(SpecError::OutOfRange { key: "requires", value, rule });
    if requires.len() > MAX_REQUIREMENTS {
        return invalid(format!("{} requirements", requires.len()), "at most 16 requirements");
    }
    if let Some(backend) = requires.iter().find(|requirement| requirement.is_backend()) {
        return invalid(format!("`{backend}`"), "about labels other than `backend`: the key `backend` of the spec names the backend");
    }
    requires.sort_unstable();
    requires.dedup();
    Ok(requires)
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.condition {
            Condition::Present => f.write_str(&self.0.name),
            Condition::Equals(value) => write!(f, "{}={value}", self.0.name),
            Condition::AtLeast(least) => write!(f, "{}>={least}", self.0.name),
        }
    }
}

impl TryFrom<String> for Requirement {
    type Error = SpecError;

    fn try_from(text: String) -> Result<Self, SpecError> {
        let number =
            |digits: &str| (digits.len() <= 18 && digits.bytes().all(|c| c.is_ascii_digit())).then(|| digits.parse().ok()).flatten();
        let parsed = if let Some((name, least)) = text.split_once(">=") {
            number(least).map(|least| (name, Condition::AtLeast(least)))
        } else if let Some((name, value)) = text.split_once('=') {
            is_label_value(value).then(|| (name, Condition::Equals(value.to_owned())))
        } else {
            Some((text.as_str(), Condition::Present))
        };
        match parsed.filter(|(name, _)| is_label_name(name)) {
            Some((name, condition)) => Ok(Self(Comparison { name: name.to_owned(), condition })),
            None => Err(SpecError::Requirement(text.chars().take(130).collect())),
        }
    }
}

impl From<Requirement> for String {
    fn from(requirement: Requirement) -> Self {
        requirement.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Requirement, SpecError> {
        Requirement::try_from(text.to_owned())
    }

    #[test]
    fn a_requirement_is_met_by_the_labels_of_a_worker() {
        let labels = WorkerLabels::parse("gpu=a100,memory=64,zone=eu,zone=br,spot").unwrap().with_backends(&[Backend::Flex]);
        for (text, expected) in [
            ("gpu", true),
            ("gpu=a100", true),
            ("gpu=h100", false),
            ("spot", true),
            ("spot=yes", false),
            ("tpu", false),
            ("memory>=64", true),
            ("memory>=65", false),
            ("memory=64", true),
            ("memory=064", false),
            ("memory>=0", true),
            // a label without a number has none of at least 0
            ("zone>=0", false),
            ("spot>=0", false),
            ("zone=br", true),
            ("backend=flex", true),
            ("backend=cuda", false),
        ] {
            assert_eq!(parse(text).unwrap().is_met_by(&labels), expected, "{text}");
        }
        let stored = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert!(meets_all(&labels, &[]) && meets_all(&labels, &stored(&["gpu", "memory>=32"])));
        assert!(!meets_all(&labels, &stored(&["gpu", "memory>=128"])));
        assert!(!meets_all(&labels, &stored(&["gpu", "memory~32"])), "a requirement of a newer version");
    }

    #[test]
    fn requirements_are_written_as_they_are_read() {
        for text in ["gpu", "zone=eu", "memory>=32"] {
            let requirement = parse(text).unwrap();
            assert_eq!(requirement.to_string(), text);
            assert!(requirement.is_met_by(&WorkerLabels::parse(&requirement.label()).unwrap()));
        }
        assert_eq!(parse("memory>=032").unwrap().to_string(), "memory>=32");
    }

    #[test]
    fn an_invalid_requirement_is_named() {
        for text in
            ["", "GPU", "memory>32", "memory>=", "memory>=-1", "memory>=1234567890123456789", "zone=", "zone=a=b", "a b", "memory >= 3"]
        {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")) && error.contains("memory>=32"), "{error}");
        }
    }

    #[test]
    fn only_backends_that_not_every_build_includes_are_required() {
        assert_eq!((Requirement::backend(Backend::Auto), Requirement::backend(Backend::Flex)), (None, None));
        let cuda = Requirement::backend(Backend::Cuda).unwrap();
        assert_eq!((cuda.to_string().as_str(), cuda.is_backend()), ("backend=cuda", true));
    }
}
