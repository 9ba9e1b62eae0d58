//! Reads `modules.json` and the modules it lists: how token vectors become the vector of a text.
//!
//! sentence-transformers has two formats for these files. Both are read; the older one is written, because every version can read it.

use std::{fs, path::Path};

use serde::Deserialize;
use serde_json::Value;

use crate::error::EncoderError;

/// Default maximum length of a text, in tokens.
const DEFAULT_MAX_LENGTH: usize = 256;

/// The processing of a text around the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Modules {
    /// Maximum length of a text in tokens, special tokens included. Longer texts are truncated.
    pub(crate) max_length: usize,
    /// Whether vectors are normalized to length 1.
    pub(crate) normalize: bool,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

impl Modules {
    /// Reads the directory of a model whose network supports texts of at most `positions` tokens.
    pub(crate) fn read(dir: &Path, positions: usize) -> Result<Self, EncoderError> {
        let length = match json(&dir.join("sentence_bert_config.json"))? {
            Some(config) => config.get("max_seq_length").and_then(Value::as_u64).map_or(DEFAULT_MAX_LENGTH, |length| length as usize),
            None => DEFAULT_MAX_LENGTH,
        };
        let max_length = length.min(positions);
        if max_length < 3 {
            let reason = format!("max_seq_length is {max_length}, must be at least 3");
            return Err(EncoderError::rejected(dir.join("sentence_bert_config.json"), reason));
        }
        let path = dir.join("modules.json");
        let Some(modules) = json(&path)? else {
            // a bare BERT model: mean pooling and normalization, the defaults of sentence-transformers for training
            return Ok(Self { max_length, normalize: true });
        };
        let modules: Vec<Module> = serde_json::from_value(modules).map_err(|error| EncoderError::rejected(&path, error.to_string()))?;
        let mut normalize = false;
        for (position, module) in modules.iter().enumerate() {
            match (position, module.kind.rsplit('.').next().unwrap_or_default()) {
                (0, "Transformer") if module.path.is_empty() => {}
                (1, "Pooling") if is_plain(&module.path) => check_pooling(&dir.join(&module.path).join("config.json"))?,
                (2, "Normalize") => normalize = true,
                (_, kind) => {
                    let reason = format!(
                        "module {position} is a `{kind}` at `{}`; supported are Transformer, Pooling and Normalize, in this order",
                        module.path
                    );
                    return Err(EncoderError::rejected(path, reason));
                }
            }
        }
        if modules.len() < 2 {
            return Err(EncoderError::rejected(path, "has no Pooling module"));
        }
        Ok(Self { max_length, normalize })
    }
}

/// Rejects every pooling other than the mean of all tokens, which would silently give different vectors.
fn check_pooling(path: &Path) -> Result<(), EncoderError> {
    let config = json(path)?.ok_or_else(|| EncoderError::rejected(path, "is missing, although modules.json lists its folder"))?;
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
        modes => Err(EncoderError::rejected(path, format!("pooling mode is {modes:?}, only the mean of the tokens is supported"))),
    }
}

fn is_plain(path: &str) -> bool {
    !path.is_empty() && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn json(path: &Path) -> Result<Option<Value>, EncoderError> {
    match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| EncoderError::rejected(path, format!("not valid JSON: {error}"))),
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
    fn both_formats_give_the_same_modules() {
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
    fn any_other_pooling_or_module_is_rejected_by_name() {
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
    fn the_maximum_length_is_limited_by_directory_and_network() {
        let dir = directory(&modules("x."), &json!({"pooling_mode": "mean"}));
        fs::write(dir.path().join("sentence_bert_config.json"), r#"{"max_seq_length": 128, "do_lower_case": false}"#).unwrap();
        assert_eq!(Modules::read(dir.path(), 512).unwrap().max_length, 128);
        assert_eq!(Modules::read(dir.path(), 64).unwrap().max_length, 64);
    }
}
