//! Parameters of runs that write predictions of a published version for a selection of documents.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::SpecError;
use crate::kind::params::ParamDescription;

const MAX_NAMES: usize = 100;
const MAX_NAME_CHARS: usize = 200;
const MAX_BATCH: u32 = 1_000;

/// The `params` of a run of kind `predict`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PredictParams {
    /// Only documents of these sources; empty = all.
    pub sources: Vec<String>,
    /// Only documents of these projects; empty = all.
    pub projects: Vec<String>,
    /// Whether documents are left out in which every predicted field is reviewed.
    pub unreviewed: bool,
    /// Maximum number of documents that are written in one transaction. What a transaction has written is not computed again.
    pub batch_documents: u32,
}

impl Default for PredictParams {
    fn default() -> Self {
        Self { sources: Vec::new(), projects: Vec::new(), unreviewed: false, batch_documents: 64 }
    }
}

const DESCRIPTIONS: &[ParamDescription] = &[
    ParamDescription::string_list("sources", "Predict only documents of these sources; [] = all"),
    ParamDescription::string_list("projects", "Predict only documents of these projects; [] = all"),
    ParamDescription::boolean("unreviewed", "Leave out documents in which every predicted field is reviewed"),
    ParamDescription::integer(
        "batch_documents",
        1.0,
        Some(MAX_BATCH as f64),
        "Documents that are written in one transaction; an interrupted run continues after the last one",
    ),
];

impl PredictParams {
    /// Parses and checks the `params` of a run spec.
    ///
    /// # Errors
    /// [`SpecError::BadParams`] names the parameter and what it must be.
    pub fn parse(params: &Map<String, Value>) -> Result<Self, SpecError> {
        let parsed: Self =
            serde_json::from_value(Value::Object(params.clone())).map_err(|error| SpecError::BadParams(error.to_string()))?;
        parsed.check().map_err(SpecError::BadParams)?;
        Ok(parsed)
    }

    fn check(&self) -> Result<(), String> {
        for (name, list) in [("sources", &self.sources), ("projects", &self.projects)] {
            if list.len() > MAX_NAMES {
                return Err(format!("`{name}` has {} names: at most {MAX_NAMES} are allowed", list.len()));
            }
            if let Some(bad) = list.iter().find(|text| !(1..=MAX_NAME_CHARS).contains(&text.chars().count())) {
                return Err(format!("`{name}` has the name `{bad}`: names have 1 to {MAX_NAME_CHARS} characters"));
            }
        }
        if !(1..=MAX_BATCH).contains(&self.batch_documents) {
            return Err(format!("`batch_documents` is {}: it must be between 1 and {MAX_BATCH}", self.batch_documents));
        }
        Ok(())
    }

    /// The parameters with all defaults written out.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(params)) => params,
            _ => unreachable!("parameters are a struct of plain values, which always serializes to an object"),
        }
    }

    pub(crate) fn descriptions() -> &'static [ParamDescription] {
        DESCRIPTIONS
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(json: Value) -> Result<PredictParams, SpecError> {
        PredictParams::parse(json.as_object().unwrap())
    }

    #[test]
    fn parameters_are_completed_and_bad_ones_are_named() {
        assert_eq!(parse(json!({})).unwrap(), PredictParams::default());
        let given = parse(json!({ "sources": ["a", "b"], "unreviewed": true })).unwrap();
        assert_eq!((given.sources.len(), given.unreviewed, given.batch_documents), (2, true, 64));
        assert_eq!(PredictParams::parse(&given.to_json()).unwrap(), given);
        for (bad, name) in [
            (json!({ "source": ["a"] }), "source"),
            (json!({ "projects": [""] }), "projects"),
            (json!({ "sources": vec!["a"; 101] }), "sources"),
            (json!({ "batch_documents": 0 }), "batch_documents"),
            (json!({ "batch_documents": 1001 }), "batch_documents"),
        ] {
            let error = parse(bad).unwrap_err();
            assert!(error.code() == "bad_params" && error.to_string().contains(name), "{error}");
        }
    }
}
