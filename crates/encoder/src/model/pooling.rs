//! Reads the configuration of the Pooling module.

use serde_json::{Map, Value};

use crate::pooling_mode::PoolingMode;

/// Settings of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pooling {
    pub(crate) mode: PoolingMode,
    /// Whether the tokens of a prompt count.
    pub(crate) include_prompt: bool,
}

impl Pooling {
    /// Reads the object of the file. Rejects combinations of several poolings, and those that are not known.
    pub(crate) fn parse(config: &Map<String, Value>) -> Result<Self, String> {
        let mut names: Vec<&str> = Vec::new();
        let mut include_prompt = true;
        for (key, value) in config {
            match (key.as_str(), value) {
                ("pooling_mode", Value::String(mode)) => names.push(mode),
                ("pooling_mode", Value::Array(list)) => names.extend(list.iter().filter_map(Value::as_str)),
                ("include_prompt", Value::Bool(include)) => include_prompt = *include,
                ("include_prompt", Value::Null) | ("word_embedding_dimension" | "embedding_dimension", _) => {}
                (key, Value::Bool(is_active)) if key.starts_with("pooling_mode_") => {
                    names.extend(Some(key).filter(|_| *is_active));
                }
                (key, value) => return Err(format!("`{key}` is {value}, which is not supported")),
            }
        }
        let find = |name: &&str| PoolingMode::ALL.into_iter().find(|mode| [mode.name(), mode.key()].contains(name));
        let mut modes: Vec<Option<PoolingMode>> = names.iter().map(find).collect();
        modes.dedup();
        match modes.as_slice() {
            [Some(mode)] => Ok(Self { mode: *mode, include_prompt }),
            _ => {
                let supported = PoolingMode::ALL.map(PoolingMode::name).join(", ");
                Err(format!("pooling mode is {names:?}, supported is one of {supported}"))
            }
        }
    }
}
