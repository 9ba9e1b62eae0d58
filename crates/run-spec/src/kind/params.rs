//! What the parameters of every kind of training have in common.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::kind::sweep_metric::SweepMetric;

/// Training parameters of a kind. Every parameter has a default; unknown parameters are rejected by deserialization.
pub(crate) trait KindParams {
    /// Whether training starts from a base model.
    fn needs_base_model(&self) -> bool;

    /// Whether training computes vectors of texts with the unchanged base model, which a cache can keep.
    fn freezes_base_model(&self) -> bool;

    /// Whether training reads the text pairs of the snapshot.
    fn trains_on_pairs(&self) -> bool;

    /// Validation metrics by which trials can be compared; the first is the default.
    fn sweep_metrics(&self) -> &'static [SweepMetric];

    /// Describes every parameter, in the order in which people read them.
    fn descriptions(&self) -> &'static [ParamDescription];

    /// Checks the ranges. The error names the parameter and the allowed range.
    fn check(&self) -> Result<(), String>;
}

/// Type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParamType {
    /// `true` or `false`
    Boolean,
    /// Whole number
    Integer,
    /// Number
    Number,
    /// Text
    String,
    /// Two whole numbers, `[low, high]`
    IntegerRange,
    /// List of texts
    StringList,
    /// Object
    Object,
}

impl fmt::Display for ParamType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "true or false",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "text",
            Self::IntegerRange => "[low, high], integers",
            Self::StringList => "list of texts",
            Self::Object => "object",
        })
    }
}

/// What people need to know about a parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ParamDescription {
    pub(crate) name: &'static str,
    pub(crate) value_type: ParamType,
    pub(crate) nullable: bool,
    /// Smallest and greatest value; the second is `None` if there is no limit.
    pub(crate) range: Option<(f64, Option<f64>)>,
    /// Allowed values of a text.
    pub(crate) values: &'static [&'static str],
    /// Without a full stop.
    pub(crate) help: &'static str,
}

impl ParamDescription {
    const fn new(name: &'static str, value_type: ParamType, range: Option<(f64, Option<f64>)>, help: &'static str) -> Self {
        Self { name, value_type, nullable: false, range, values: &[], help }
    }

    pub(crate) const fn boolean(name: &'static str, help: &'static str) -> Self {
        Self::new(name, ParamType::Boolean, None, help)
    }

    pub(crate) const fn integer(name: &'static str, minimum: f64, maximum: Option<f64>, help: &'static str) -> Self {
        Self::new(name, ParamType::Integer, Some((minimum, maximum)), help)
    }

    pub(crate) const fn number(name: &'static str, minimum: f64, maximum: f64, help: &'static str) -> Self {
        Self::new(name, ParamType::Number, Some((minimum, Some(maximum))), help)
    }

    pub(crate) const fn integer_range(name: &'static str, minimum: f64, maximum: f64, help: &'static str) -> Self {
        Self::new(name, ParamType::IntegerRange, Some((minimum, Some(maximum))), help)
    }

    pub(crate) const fn choice(name: &'static str, values: &'static [&'static str], help: &'static str) -> Self {
        Self { values, ..Self::new(name, ParamType::String, None, help) }
    }

    pub(crate) const fn string_list(name: &'static str, help: &'static str) -> Self {
        Self::new(name, ParamType::StringList, None, help)
    }

    pub(crate) const fn object(name: &'static str, help: &'static str) -> Self {
        Self::new(name, ParamType::Object, None, help)
    }

    /// Allows `null`.
    pub(crate) const fn nullable(self) -> Self {
        Self { nullable: true, ..self }
    }
}

/// Parses and checks the `params` of a run spec.
pub(crate) fn parse<P: KindParams + DeserializeOwned>(params: &Map<String, Value>) -> Result<P, String> {
    let parsed: P = serde_json::from_value(Value::Object(params.clone())).map_err(|error| error.to_string())?;
    parsed.check()?;
    Ok(parsed)
}
