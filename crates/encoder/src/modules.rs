//! `modules.json` and what it points to: how vectors of word pieces become the vector of a text.
//!
//! sentence-transformers has written this in two ways. Ours is the older one, which all its versions read in the same way; both are
//! understood.

use std::{fs, path::Path};

use serde::Deserialize;
use serde_json::Value;

use crate::error::EncoderError;

/// Longest text where the directory does not say, in word pieces.
const DEFAULT_LENGTH: usize = 256;

/// How a text becomes a vector, around the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Modules {
    /// Longest text, in word pieces with the special tokens; what is longer loses its end.
    pub(crate) max_length: usize,
    /// Whether vectors have length 1.
    pub(crate) normalize: bool,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

impl Modules {
    /// Reads the directory of a model whose network takes texts of at most `positions` word pieces.
    pub(crate) fn read(dir: &Path, positions: usize) -> Result<Self, EncoderError> {
        let length = match json(&dir.join("sentence_bert_config.json"))? {
            Some(config) => config.get("max_seq_length").and_then(Value::as_u64).map_or(DEFAULT_LENGTH, |length| length as usize),
            None => DEFAULT_LENGTH,
        };
        let max_length = length.min(positions);
        if max_length < 3 {
            let reason = format!("max_seq_length is {max_length}, which leaves no room for a text; it must be 3 or more");
            return Err(EncoderError::refused(dir.join("sentence_bert_config.json"), reason));
        }
        let path = dir.join("modules.json");
        let Some(modules) = json(&path)? else {
            // a bare network: mean pooling and length 1, as sentence-transformers would train it
            return Ok(Self { max_length, normalize: true });
        };
        let modules: Vec<Module> = serde_json::from_value(modules).map_err(|error| EncoderError::refused(&path, error.to_string()))?;
        let mut normalize = false;
        for (place, module) in modules.iter().enumerate() {
            match (place, module.kind.rsplit('.').next().unwrap_or_default()) {
                (0, "Transformer") if module.path.is_empty() => {}
                (1, "Pooling") if is_plain(&module.path) => check_pooling(&dir.join(&module.path).join("config.json"))?,
                (2, "Normalize") => normalize = true,
                (_, kind) => {
                    let reason = format!(
                        "module {place} is a `{kind}` at `{}`; known are Transformer, Pooling and Normalize, in this order",
                        module.path
                    );
                    return Err(EncoderError::refused(path, reason));
                }
            }
        }
        if modules.len() < 2 {
            return Err(EncoderError::refused(path, "has no Pooling"));
        }
        Ok(Self { max_length, normalize })
    }
}

/// Only the mean of all word pieces is computed here: any other pooling would silently give other vectors.
fn check_pooling(path: &Path) -> Result<(), EncoderError> {
    let config = json(path)?.ok_or_else(|| EncoderError::refused(path, "is missing, although modules.json names its folder"))?;
    let mut modes: Vec<&str> = Vec::new();
    for (key, value) in config.as_object().into_iter().flatten() {
        match (key.as_str(), value) {
            ("pooling_mode", Value::String(mode)) => modes.push(mode),
            ("pooling_mode", Value::Array(list)) => modes.extend(list.iter().filter_map(Value::as_str)),
            (key, Value::Bool(true)) => modes.extend(key.strip_prefix("pooling_mode_")),
            _ => {}
        }
    }
    match modes.as_slice() {
        ["mean" | "mean_tokens"] => Ok(()),
        ["mean", "mean_tokens"] | ["mean_tokens", "mean"] => Ok(()),
        modes => Err(EncoderError::refused(path, format!("pools by {modes:?}, only the mean of the tokens is known"))),
    }
}

fn is_plain(path: &str) -> bool {
    !path.is_empty() && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn json(path: &Path) -> Result<Option<Value>, EncoderError> {
    match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| EncoderError::refused(path, format!("not valid JSON: {error}"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(EncoderError::io(path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn directory(modules: &Value, pooling: &Value) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("1_Pooling")).unwrap();
        fs::write(dir.path().join("modules.json"), modules.to_string()).unwrap();
        fs::write(dir.path().join("1_Pooling/config.json"), pooling.to_string()).unwrap();
        dir
    }

    fn modules(prefix: &str) -> Value {
        json!([
            {"idx": 0, "name": "0", "path": "", "type": format!("{prefix}Transformer")},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": format!("{prefix}Pooling")},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": format!("{prefix}Normalize")},
        ])
    }

    #[test]
    fn the_older_and_the_newer_way_say_the_same() {
        let expected = Modules { max_length: 256, normalize: true };
        let older = directory(
            &modules("sentence_transformers.models."),
            &json!({"pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true}),
        );
        assert_eq!(Modules::read(older.path(), 512).unwrap(), expected);
        let newer = directory(
            &modules("sentence_transformers.sentence_transformer.modules."),
            &json!({"pooling_mode": "mean", "include_prompt": true}),
        );
        assert_eq!(Modules::read(newer.path(), 512).unwrap(), expected);
    }

    #[test]
    fn any_other_pooling_or_module_is_refused_by_name() {
        let pooled = |pooling: Value| {
            Modules::read(directory(&modules("sentence_transformers.models."), &pooling).path(), 512).unwrap_err().to_string()
        };
        assert!(pooled(json!({"pooling_mode": "cls"})).contains("cls"));
        assert!(pooled(json!({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true})).contains("cls_token"));
        assert!(pooled(json!({})).contains("only the mean"));
        let mut dense = modules("sentence_transformers.models.");
        dense[2]["type"] = json!("sentence_transformers.models.Dense");
        let error = Modules::read(directory(&dense, &json!({"pooling_mode": "mean"})).path(), 512).unwrap_err().to_string();
        assert!(error.contains("Dense") && error.contains("modules.json"), "{error}");
        let mut outside = modules("sentence_transformers.models.");
        outside[1]["path"] = json!("../elsewhere");
        assert!(Modules::read(directory(&outside, &json!({"pooling_mode": "mean"})).path(), 512).is_err());
    }

    #[test]
    fn the_longest_text_is_what_both_directory_and_network_allow() {
        let dir = directory(&modules("x."), &json!({"pooling_mode": "mean"}));
        fs::write(dir.path().join("sentence_bert_config.json"), r#"{"max_seq_length": 128, "do_lower_case": false}"#).unwrap();
        assert_eq!(Modules::read(dir.path(), 512).unwrap().max_length, 128);
        assert_eq!(Modules::read(dir.path(), 64).unwrap().max_length, 64);
    }
}
