//! The controls of a labelling configuration that are read, and how their values become strings.

use serde_json::{Map, Value};

/// What the type of a control says about the kind of its field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Nature {
    /// Whatever the values look like.
    #[default]
    Free,
    Number,
    Categorical,
}

/// The controls that are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Choices,
    Textarea,
    Number,
    Datetime,
    Rating,
    Taxonomy,
    Labels,
}

impl Control {
    pub(super) fn of(name: &str) -> Option<Self> {
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

    pub(super) const fn nature(self) -> Nature {
        match self {
            Self::Choices | Self::Taxonomy => Nature::Categorical,
            Self::Number | Self::Rating => Nature::Number,
            Self::Textarea | Self::Datetime | Self::Labels => Nature::Free,
        }
    }

    pub(super) fn values(self, value: &Map<String, Value>) -> Option<Vec<String>> {
        match self {
            // nested choices are paths, as in a taxonomy
            Self::Choices => strings(value.get("choices")).or_else(|| paths(value.get("choices"))),
            Self::Textarea => strings(value.get("text")),
            Self::Number => strings(value.get("number")),
            Self::Datetime => strings(value.get("datetime")),
            Self::Rating => strings(value.get("rating")),
            Self::Taxonomy => paths(value.get("taxonomy")),
            Self::Labels => strings(value.get("labels")),
        }
    }

    pub(super) const fn expectation(self) -> &'static str {
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

/// A string or number, or a list of them.
pub(super) fn strings(value: Option<&Value>) -> Option<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match value? {
        Value::Array(items) => items.iter().map(one).collect(),
        single => Some(vec![one(single)?]),
    }
}

/// The paths of a taxonomy, each joined to one string.
fn paths(value: Option<&Value>) -> Option<Vec<String>> {
    let Value::Array(items) = value? else {
        return None;
    };
    items.iter().map(|path| Some(strings(Some(path))?.join(" / "))).collect()
}
