//! Reads and validates `config.json` of a network.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::family::Family;

/// Keys that change the computation or the weights, and are not implemented.
const UNSUPPORTED_KEYS: [&str; 5] = ["is_decoder", "add_cross_attention", "quantization_config", "auto_map", "pruned_heads"];

/// Shape of the network. Keys are those of Hugging Face; some are rejected, and the others do not affect the
/// computation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkConfig {
    /// The family: `bert`, `distilbert`, `xlm-roberta` or `mpnet`.
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
    /// Number of rows of the position embeddings, see [`max_positions`](Self::max_positions).
    pub max_position_embeddings: usize,
    /// Number of segment types; only the first is used. 0 in families without them.
    pub type_vocab_size: usize,
    /// Added to the variance in layer norms.
    pub layer_norm_eps: f64,
    /// Always `gelu` (exact, not approximated).
    pub hidden_act: String,
    /// Always `absolute`.
    #[serde(default = "absolute")]
    pub position_embedding_type: String,
    /// Rows of the position embeddings before that of the first token.
    #[serde(skip)]
    pub(crate) position_offset: usize,
    /// Buckets of distances between tokens; 0 in families without a bias of attention scores.
    #[serde(skip)]
    pub(crate) distance_buckets: usize,
    #[serde(skip)]
    pub(crate) family: Family,
}

/// Keys of DistilBERT, and what they are called by the others.
const DISTILBERT_KEYS: [(&str, &str); 5] = [
    ("dim", "hidden_size"),
    ("n_layers", "num_hidden_layers"),
    ("n_heads", "num_attention_heads"),
    ("hidden_dim", "intermediate_size"),
    ("activation", "hidden_act"),
];

fn absolute() -> String {
    "absolute".to_owned()
}

impl NetworkConfig {
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
        let family = family(&config)?;
        if family == Family::DistilBert {
            for (key, usual) in DISTILBERT_KEYS {
                if let Some(value) = config.remove(key) {
                    config.insert(usual.to_owned(), value);
                }
            }
            // a constant of the implementation
            config.insert("layer_norm_eps".to_owned(), Value::from(1e-12));
        }
        if matches!(family, Family::DistilBert | Family::Mpnet) {
            config.insert("type_vocab_size".to_owned(), Value::from(0));
        }
        // the defaults of transformers
        let mut notes = Vec::new();
        for (key, value) in [("layer_norm_eps", Value::from(1e-12)), ("hidden_act", "gelu".into()), ("type_vocab_size", 2.into())] {
            if config.get(key).is_none_or(Value::is_null) {
                notes.push(format!("config.json has no {key}: {value} is assumed, the default of transformers"));
                config.insert(key.to_owned(), value);
            }
        }
        let position_offset = family.position_offset(&config);
        let distance_buckets = match (family, config.get("relative_attention_num_buckets")) {
            (Family::Mpnet, None | Some(Value::Null)) => 32,
            (Family::Mpnet, Some(buckets)) => {
                let buckets = buckets.as_u64().filter(|buckets| (4..=1024).contains(buckets) && buckets.is_multiple_of(4));
                buckets.ok_or("relative_attention_num_buckets must be a multiple of 4, from 4 to 1024")? as usize
            }
            _ => 0,
        };
        let config: Self =
            serde_json::from_value(Value::Object(config)).map_err(|error| format!("not the configuration of an encoder: {error}"))?;
        let config = Self { position_offset, distance_buckets, family, ..config };
        config.check()?;
        Ok((config, notes))
    }

    /// Maximum length of a text in tokens.
    #[must_use]
    pub fn max_positions(&self) -> usize {
        self.max_position_embeddings - self.position_offset
    }

    fn check(&self) -> Result<(), String> {
        for (key, value, supported) in
            [("hidden_act", &self.hidden_act, "gelu"), ("position_embedding_type", &self.position_embedding_type, "absolute")]
        {
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
            // 0 in families without segments
            ("type_vocab_size", self.type_vocab_size.max(1), 256),
        ] {
            if !(1..=max).contains(&value) {
                return Err(format!("{key} must be from 1 to {max}, got {value}"));
            }
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return Err(format!("hidden_size {} is not a multiple of num_attention_heads {}", self.hidden_size, self.num_attention_heads));
        }
        if self.max_position_embeddings <= self.position_offset {
            return Err(format!("max_position_embeddings is {}: none is left for tokens", self.max_position_embeddings));
        }
        if !(self.layer_norm_eps > 0.0 && self.layer_norm_eps < 1.0) {
            return Err(format!("layer_norm_eps must be between 0 and 1, got {}", self.layer_norm_eps));
        }
        Ok(())
    }
}

fn family(config: &Map<String, Value>) -> Result<Family, String> {
    let supported = || Family::ALL.map(|family| format!("`{}`", family.model_type())).join(", ");
    match config.get("model_type").and_then(Value::as_str) {
        Some(name) => Family::from_model_type(name).ok_or_else(|| format!("model_type is `{name}`, supported are {}", supported())),
        None => Err(format!("has no model_type, supported are {}", supported())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(changes: Value) -> Result<(NetworkConfig, Vec<String>), String> {
        let mut config = json!({
            "model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
            "vocab_size": 10, "max_position_embeddings": 16, "type_vocab_size": 2, "layer_norm_eps": 1e-5, "hidden_act": "gelu",
        });
        for (key, value) in changes.as_object().unwrap() {
            config[key] = value.clone();
        }
        let Value::Object(config) = config else { unreachable!("an object") };
        NetworkConfig::parse(config)
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

    #[test]
    fn families_differ_in_keys_positions_and_segments() {
        let distilbert = json!({
            "model_type": "distilbert", "dim": 8, "n_layers": 2, "n_heads": 2, "hidden_dim": 16, "activation": "gelu", "vocab_size": 10,
            "max_position_embeddings": 16,
        });
        let Value::Object(distilbert) = distilbert else { unreachable!("an object") };
        let (config, notes) = NetworkConfig::parse(distilbert).unwrap();
        assert_eq!((config.hidden_size, config.num_hidden_layers, config.type_vocab_size, config.max_positions()), (8, 2, 0, 16));
        assert!(notes.is_empty(), "{notes:?}");

        let (config, _) = parse(json!({"model_type": "xlm-roberta", "type_vocab_size": 1, "pad_token_id": 1})).unwrap();
        assert_eq!((config.max_positions(), config.distance_buckets), (14, 0));
        let (config, _) = parse(json!({"model_type": "mpnet"})).unwrap();
        assert_eq!((config.max_positions(), config.distance_buckets, config.type_vocab_size), (14, 32, 0));
        assert!(parse(json!({"model_type": "mpnet", "relative_attention_num_buckets": 7})).unwrap_err().contains("multiple of 4"));
        assert!(parse(json!({"model_type": "xlm-roberta", "pad_token_id": 15})).unwrap_err().contains("none is left"));
    }
}
