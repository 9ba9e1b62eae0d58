//! Reads and validates `config.json` of a BERT model.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Keys that change the computation or the weights, and are not implemented.
const UNSUPPORTED_KEYS: [&str; 5] = ["is_decoder", "add_cross_attention", "quantization_config", "auto_map", "pruned_heads"];

/// Shape of the network. Keys are those of Hugging Face; some are rejected, and the others do not affect the
/// computation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BertConfig {
    /// Always `bert`.
    pub model_type: String,
    /// Dimension of the vectors.
    pub hidden_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads; must divide `hidden_size`.
    pub num_attention_heads: usize,
    /// Dimension of the feed-forward network.
    pub intermediate_size: usize,
    /// Number of tokens.
    pub vocab_size: usize,
    /// Maximum length of a text in tokens.
    pub max_position_embeddings: usize,
    /// Number of segment types; only the first is used.
    pub type_vocab_size: usize,
    /// Added to the variance in layer norms.
    pub layer_norm_eps: f64,
    /// Always `gelu` (exact, not approximated).
    pub hidden_act: String,
    /// Always `absolute`.
    #[serde(default = "absolute")]
    pub position_embedding_type: String,
}

fn absolute() -> String {
    "absolute".to_owned()
}

impl BertConfig {
    /// Reads the object of `config.json`. Returns the assumptions about keys that are missing, too.
    pub(crate) fn parse(mut config: Map<String, Value>) -> Result<(Self, Vec<String>), String> {
        for key in UNSUPPORTED_KEYS {
            let is_default = |value: &Value| match value {
                Value::Null | Value::Bool(false) => true,
                Value::Object(object) => object.is_empty(),
                Value::Array(list) => list.is_empty(),
                _ => false,
            };
            if let Some(value) = config.get(key).filter(|value| !is_default(value)) {
                return Err(format!("`{key}` is {value}, which is not supported"));
            }
        }
        // the defaults of transformers
        let mut notes = Vec::new();
        for (key, value) in [("layer_norm_eps", Value::from(1e-12)), ("hidden_act", "gelu".into()), ("type_vocab_size", 2.into())] {
            if config.get(key).is_none_or(Value::is_null) {
                notes.push(format!("config.json has no {key}: {value} is assumed, the default of transformers"));
                config.insert(key.to_owned(), value);
            }
        }
        let config: Self =
            serde_json::from_value(Value::Object(config)).map_err(|error| format!("not the configuration of a BERT model: {error}"))?;
        config.check()?;
        Ok((config, notes))
    }

    fn check(&self) -> Result<(), String> {
        for (key, value, supported) in [
            ("model_type", &self.model_type, "bert"),
            ("hidden_act", &self.hidden_act, "gelu"),
            ("position_embedding_type", &self.position_embedding_type, "absolute"),
        ] {
            if value != supported {
                return Err(format!("{key} is `{value}`, only `{supported}` is supported"));
            }
        }
        for (key, value, max) in [
            ("hidden_size", self.hidden_size, 8192),
            ("num_hidden_layers", self.num_hidden_layers, 100),
            ("num_attention_heads", self.num_attention_heads, 256),
            ("intermediate_size", self.intermediate_size, 65_536),
            ("vocab_size", self.vocab_size, 10_000_000),
            ("max_position_embeddings", self.max_position_embeddings, 65_536),
            ("type_vocab_size", self.type_vocab_size, 256),
        ] {
            if !(1..=max).contains(&value) {
                return Err(format!("{key} must be from 1 to {max}, got {value}"));
            }
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return Err(format!("hidden_size {} is not a multiple of num_attention_heads {}", self.hidden_size, self.num_attention_heads));
        }
        if !(self.layer_norm_eps > 0.0 && self.layer_norm_eps < 1.0) {
            return Err(format!("layer_norm_eps must be between 0 and 1, got {}", self.layer_norm_eps));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(changes: Value) -> Result<(BertConfig, Vec<String>), String> {
        let mut config = json!({
            "model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
            "vocab_size": 10, "max_position_embeddings": 16, "type_vocab_size": 2, "layer_norm_eps": 1e-5, "hidden_act": "gelu",
        });
        for (key, value) in changes.as_object().unwrap() {
            config[key] = value.clone();
        }
        let Value::Object(config) = config else { unreachable!("an object") };
        BertConfig::parse(config)
    }

    #[test]
    fn keys_that_change_the_computation_are_rejected_unless_they_are_off() {
        for (change, reason) in [
            (json!({"is_decoder": true}), "is_decoder"),
            (json!({"quantization_config": {"quant_method": "bitsandbytes"}}), "quantization_config"),
            (json!({"auto_map": {"AutoModel": "modeling.Own"}}), "auto_map"),
            (json!({"pruned_heads": {"0": [1]}}), "pruned_heads"),
            (json!({"position_embedding_type": "relative_key"}), "relative_key"),
            (json!({"model_type": "nomic_bert"}), "nomic_bert"),
        ] {
            let error = parse(change).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        let off = json!({"is_decoder": false, "add_cross_attention": null, "pruned_heads": {}, "chunk_size_feed_forward": 64});
        assert!(parse(off).unwrap().1.is_empty());
    }

    #[test]
    fn missing_keys_have_the_defaults_of_transformers_which_are_noted() {
        let (config, notes) = parse(json!({"layer_norm_eps": null, "hidden_act": null})).unwrap();
        assert_eq!((config.layer_norm_eps, config.hidden_act.as_str(), notes.len()), (1e-12, "gelu", 2));
    }
}
