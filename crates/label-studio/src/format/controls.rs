//! Supported controls of a labelling configuration, and the conversion of their values to strings.

use serde_json::{Map, Value};

/// What the type of a control implies about the kind of its field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ValueKind {
    /// Nothing: the kind is inferred from the values.
    #[default]
    Free,
    Number,
    Categorical,
}

/// A supported control.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    Choices,
    Textarea,
    Number,
    Datetime,
    Rating,
    Taxonomy,
    Labels,
}

impl Control {
    pub(crate) fn from_type(name: &str) -> Option<Self> {
        Some(match name {
            "choices" => Self::Choices,
            "textarea" => Self::Textarea,
            "number" => Self::Number,
            "datetime" => Self::Datetime,
            "rating" => Self::Rating,
            "taxonomy" => Self::Taxonomy,
            "labels" => Self::Labels,
            _ => return None,
        })
    }

    pub(crate) const fn value_kind(self) -> ValueKind {
        match self {
            Self::Choices | Self::Taxonomy => ValueKind::Categorical,
            Self::Number | Self::Rating => ValueKind::Number,
            Self::Textarea | Self::Datetime | Self::Labels => ValueKind::Free,
        }
    }

    pub(crate) fn values(self, value: &Map<String, Value>) -> Option<Vec<String>> {
        match self {
            // nested choices are paths like those of a taxonomy
            Self::Choices => strings(value.get("choices")).or_else(|| paths(value.get("choices"))),
            Self::Textarea => strings(value.get("text")),
            Self::Number => strings(value.get("number")),
            Self::Datetime => strings(value.get("datetime")),
            Self::Rating => strings(value.get("rating")),
            Self::Taxonomy => paths(value.get("taxonomy")),
            Self::Labels => strings(value.get("labels")),
        }
    }

    /// The value the control should have, for error messages.
    pub(crate) const fn expected_value(self) -> &'static str {
        match self {
            Self::Choices => "`choices`, a list of strings",
            Self::Textarea => "`text`, a list of strings",
            Self::Number => "`number`",
            Self::Datetime => "`datetime`, a string",
            Self::Rating => "`rating`, a number",
            Self::Taxonomy => "`taxonomy`, a list of paths",
            Self::Labels => "`labels`, a list of strings",
        }
    }
}

/// Converts a string or number, or a list of them. An entry that is null costs only itself, unless there is no other.
pub(crate) fn strings(value: Option<&Value>) -> Option<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match value? {
        Value::Array(items) => without_nulls(items)?.into_iter().map(one).collect(),
        single => Some(vec![one(single)?]),
    }
}

/// Converts the paths of a taxonomy, each joined to one string.
fn paths(value: Option<&Value>) -> Option<Vec<String>> {
    let Value::Array(items) = value? else {
        return None;
    };
    // a path with a null in it is another path
    let is_whole = |path: &Value| path.as_array().is_none_or(|parts| !parts.iter().any(Value::is_null));
    without_nulls(items)?.into_iter().map(|path| Some(strings(Some(path).filter(|path| is_whole(path)))?.join(" / "))).collect()
}

/// The entries of a list that are not null; `None` if it has nulls only, so that it does not say that there is no value.
fn without_nulls(items: &[Value]) -> Option<Vec<&Value>> {
    let values: Vec<&Value> = items.iter().filter(|item| !item.is_null()).collect();
    (items.is_empty() || !values.is_empty()).then_some(values)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_null_in_a_list_costs_only_itself() {
        let values = |choices: Value| Control::Choices.values(json!({"choices": choices}).as_object().unwrap());
        let found = |values: &[&str]| Some(values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>());
        assert_eq!(values(json!([null, "Malta", null])), found(&["Malta"]));
        assert_eq!(values(json!([null, ["Law", "Contract"]])), found(&["Law / Contract"]));
        assert_eq!(values(json!([])), found(&[]));
        for unknown in [json!([null]), json!([["Law", null]]), json!([{"x": 1}, "Malta"])] {
            assert_eq!(values(unknown.clone()), None, "{unknown}");
        }
    }
}
