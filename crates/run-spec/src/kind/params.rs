//! What the parameters of every kind of training have in common.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Training parameters of a kind. Every parameter has a default; unknown parameters are rejected by deserialization.
pub(crate) trait KindParams {
    /// Whether training starts from a base model.
    fn needs_base_model(&self) -> bool;

    /// Whether training reads the text pairs of the snapshot.
    fn trains_on_pairs(&self) -> bool;

    /// Checks the ranges. The error names the parameter and the allowed range.
    fn check(&self) -> Result<(), String>;
}

/// Parses and checks the `params` of a run spec.
pub(crate) fn parse<P: KindParams + DeserializeOwned>(params: &Map<String, Value>) -> Result<P, String> {
    let parsed: P = serde_json::from_value(Value::Object(params.clone())).map_err(|error| error.to_string())?;
    parsed.check()?;
    Ok(parsed)
}
