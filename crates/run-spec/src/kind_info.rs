//! Descriptions of the kinds and their parameters, for help texts and forms. Defaults come from the parameters themselves; a test checks
//! that names and ranges are those that the parameters accept.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::kind::{ParamDescription, ParamType, PredictParams, TrainingParams};
use crate::run_kind::RunKind;
use crate::sweep::SweepParams;

/// A kind of run, with its parameters.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct KindInfo {
    /// Kind of the run.
    pub kind: RunKind,
    /// What a run of this kind does.
    pub summary: &'static str,
    /// Whether training starts from a base model (`base_model` of the spec).
    pub needs_base_model: bool,
    /// Parameters (`params` of the spec).
    pub params: Vec<ParamInfo>,
}

/// A training parameter.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ParamInfo {
    /// Key in `params`.
    pub name: &'static str,
    /// Meaning, for people.
    pub help: &'static str,
    /// Type of the value.
    #[serde(rename = "type")]
    pub value_type: ParamType,
    /// Value that is used if the parameter is not given.
    pub default: Value,
    /// Whether `null` is allowed.
    pub nullable: bool,
    /// Smallest value; of a range, of its bounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// Greatest value; of a range, of its bounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
    /// Allowed values of a text.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub values: &'static [&'static str],
}

impl KindInfo {
    /// All kinds that can be run.
    #[must_use]
    pub fn all() -> Vec<Self> {
        RunKind::ALL.map(Self::of).to_vec()
    }

    /// The description of a kind. Kind `evaluate`, and one that is not implemented, have no parameters.
    #[must_use]
    pub fn of(kind: RunKind) -> Self {
        let defaults = TrainingParams::parse(kind, &Map::new()).ok().flatten();
        let (values, described) = match &defaults {
            Some(defaults) => (defaults.to_json(), defaults.descriptions()),
            None if kind == RunKind::Sweep => (SweepParams::defaults(), SweepParams::descriptions()),
            None if kind == RunKind::Predict => (PredictParams::default().to_json(), PredictParams::descriptions()),
            None => (Map::new(), &[][..]),
        };
        let param = |description: &ParamDescription| ParamInfo {
            name: description.name,
            help: description.help,
            value_type: description.value_type,
            default: values.get(description.name).cloned().unwrap_or_default(),
            nullable: description.nullable,
            minimum: description.range.map(|(minimum, _)| minimum),
            maximum: description.range.and_then(|(_, maximum)| maximum),
            values: description.values,
        };
        Self {
            kind,
            summary: kind.summary(),
            needs_base_model: defaults.as_ref().is_some_and(TrainingParams::needs_base_model),
            params: described.iter().map(param).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Whether the kind accepts a value of a parameter.
    fn accepts(kind: RunKind, name: &str, value: Value) -> bool {
        let mut params = Map::from_iter([(name.to_owned(), value)]);
        if kind == RunKind::Sweep {
            // a parameter that every kind has, with as many values as there can be trials
            params.entry("space").or_insert(json!({ "epochs": (1..=200).collect::<Vec<u32>>() }));
            params.entry("search").or_insert(json!("random"));
            return SweepParams::parse(&params, 1).is_ok();
        }
        if kind == RunKind::Predict {
            return PredictParams::parse(&params).is_ok();
        }
        TrainingParams::parse(kind, &params).is_ok()
    }

    /// The default parameters of a kind.
    fn defaults(kind: RunKind) -> Map<String, Value> {
        if kind == RunKind::Sweep {
            return SweepParams::defaults();
        }
        if kind == RunKind::Predict {
            return PredictParams::default().to_json();
        }
        TrainingParams::parse(kind, &Map::new()).unwrap().map(|params| params.to_json()).unwrap_or_default()
    }

    #[test]
    fn every_parameter_is_described_once_with_a_help_text() {
        for info in KindInfo::all() {
            let defaults = defaults(info.kind);
            let described: Vec<&str> = info.params.iter().map(|param| param.name).collect();
            let mut sorted = described.clone();
            sorted.sort_unstable();
            let mut expected: Vec<&str> = defaults.keys().map(String::as_str).collect();
            expected.sort_unstable();
            assert_eq!(sorted, expected, "{}", info.kind);
            for param in &info.params {
                assert!(!param.help.is_empty() && !param.help.ends_with('.'), "{}", param.name);
                assert_eq!(param.default, defaults[param.name], "{}", param.name);
            }
        }
    }

    #[test]
    fn ranges_types_and_values_are_those_that_are_accepted() {
        let mut checked = 0;
        for info in KindInfo::all() {
            for ParamInfo { name, value_type, nullable, minimum, maximum, values, .. } in info.params {
                let accepts = |value| accepts(info.kind, name, value);
                assert_eq!(accepts(Value::Null), nullable, "{name} null");
                match value_type {
                    ParamType::Boolean => assert!(accepts(json!(true)) && accepts(json!(false)) && !accepts(json!(1)), "{name}"),
                    ParamType::String => {
                        assert!(values.iter().all(|value| accepts(json!(value))) && !accepts(json!("other")), "{name}");
                    }
                    ParamType::Integer => {
                        let bound = |bound: f64| json!(bound as i64);
                        let minimum = minimum.unwrap();
                        assert!(accepts(bound(minimum)) && !accepts(bound(minimum - 1.0)), "{name} {minimum}");
                        if let Some(maximum) = maximum {
                            assert!(accepts(bound(maximum)) && !accepts(bound(maximum + 1.0)), "{name} {maximum}");
                        }
                        assert!(!accepts(json!(2.5)), "{name}");
                    }
                    ParamType::Number => {
                        let (minimum, maximum) = (minimum.unwrap(), maximum.unwrap());
                        assert!(accepts(json!(minimum)) && !accepts(json!(minimum - minimum.abs().max(1.0) / 2.0)), "{name} {minimum}");
                        assert!(accepts(json!(maximum)) && !accepts(json!(maximum * 1.01)), "{name} {maximum}");
                    }
                    ParamType::StringList => assert!(accepts(json!([])) && accepts(json!(["a"])) && !accepts(json!("a")), "{name}"),
                    ParamType::Object => assert!(!accepts(json!(1)) && !accepts(json!({ "unknown": 1 })), "{name}"),
                    ParamType::IntegerRange => {
                        let (minimum, maximum) = (minimum.unwrap(), maximum.unwrap());
                        assert!(accepts(json!([0, 0])) && accepts(json!([minimum as i64, maximum as i64])), "{name}");
                        assert!(!accepts(json!([minimum as i64, maximum as i64 + 1])) && !accepts(json!([2, 1])), "{name}");
                    }
                }
                checked += 1;
            }
        }
        assert!(checked > 20, "{checked}");
    }
}
