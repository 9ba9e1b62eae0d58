//! Reads and validates `config.json` of a BERT model.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::EncoderError;

/// Shape of the network. Keys are those of Hugging Face; other keys do not affect the computation and are ignored.
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
    /// Reads `config.json`.
    ///
    /// # Errors
    /// `io` if the file cannot be read, `bad_base_model` if it describes an unsupported network.
    pub fn read(path: &Path) -> Result<Self, EncoderError> {
        let text = std::fs::read_to_string(path).map_err(EncoderError::io(path))?;
        let reject = |reason| EncoderError::rejected(path, reason);
        let config: Self =
            serde_json::from_str(&text).map_err(|error| reject(format!("not the configuration of a BERT model: {error}")))?;
        config.check().map_err(reject)?;
        Ok(config)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
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
