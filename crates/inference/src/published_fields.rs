//! What the `config.json` of every kind that predicts fields has in common: its fields and its target accuracy.

use serde::Deserialize;

use crate::config::FieldConfig;

/// The part of a configuration that does not depend on the kind. Other keys are ignored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PublishedFields {
    /// The kind of the model.
    pub kind: String,
    /// Fields, sorted by name.
    pub fields: Vec<FieldConfig>,
    /// Target accuracy of the thresholds.
    pub target_accuracy: f64,
}

impl PublishedFields {
    /// Parses the content of the file.
    ///
    /// # Errors
    /// It is malformed, or a field is inconsistent.
    pub fn parse(content: &[u8]) -> Result<Self, String> {
        let parsed: Self = serde_json::from_slice(content).map_err(|error| error.to_string())?;
        parsed.fields.iter().try_for_each(FieldConfig::check)?;
        Ok(parsed)
    }

    /// A field by its name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&FieldConfig> {
        self.fields.iter().find(|field| field.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELD: &str = r#"{"name":"law","labels":["a",null],"train_counts":[2,1],"unlearnable":[],"l2":1.0,"threshold":null,
        "threshold_status":"not_calibrated"}"#;

    #[test]
    fn the_keys_of_a_kind_are_ignored() {
        let text = format!(r#"{{"kind":"field-classifier","chunks":{{}},"fields":[{FIELD}],"target_accuracy":0.9}}"#);
        let parsed = PublishedFields::parse(text.as_bytes()).unwrap();
        assert_eq!((parsed.kind.as_str(), parsed.target_accuracy), ("field-classifier", 0.9));
        assert!(parsed.field("law").is_some() && parsed.field("other").is_none());
    }

    #[test]
    fn inconsistent_fields_are_named() {
        let text = format!(r#"{{"kind":"linear","fields":[{}],"target_accuracy":0.9}}"#, FIELD.replace("[2,1]", "[2]"));
        assert!(PublishedFields::parse(text.as_bytes()).unwrap_err().contains("law"));
    }
}
