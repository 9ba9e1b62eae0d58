//! Reads the configuration of the Pooling module.

use serde_json::{Map, Value};

/// Settings of mean pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pooling {
    /// Whether the tokens of a prompt count.
    pub(crate) include_prompt: bool,
}

impl Pooling {
    /// Reads the object of the file. Rejects every pooling other than the mean of all tokens, which would give different vectors.
    pub(crate) fn parse(config: &Map<String, Value>) -> Result<Self, String> {
        let mut modes: Vec<&str> = Vec::new();
        let mut include_prompt = true;
        for (key, value) in config {
            match (key.as_str(), value) {
                ("pooling_mode", Value::String(mode)) => modes.push(mode),
                ("pooling_mode", Value::Array(list)) => modes.extend(list.iter().filter_map(Value::as_str)),
                ("include_prompt", Value::Bool(include)) => include_prompt = *include,
                ("include_prompt", Value::Null) | ("word_embedding_dimension" | "embedding_dimension", _) => {}
                (key, Value::Bool(is_active)) if key.starts_with("pooling_mode_") => {
                    modes.extend(key.strip_prefix("pooling_mode_").filter(|_| *is_active));
                }
                (key, value) => return Err(format!("`{key}` is {value}, which is not supported")),
            }
        }
        match modes.as_slice() {
            ["mean" | "mean_tokens"] | ["mean", "mean_tokens"] | ["mean_tokens", "mean"] => Ok(Self { include_prompt }),
            modes => Err(format!("pooling mode is {modes:?}, only the mean of the tokens is supported")),
        }
    }
}
