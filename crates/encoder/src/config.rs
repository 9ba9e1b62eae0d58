//! `config.json` of a BERT model, read and checked.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::EncoderError;

/// Shape of the network. Keys are those of Hugging Face; others in the file do not change what is computed and are passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BertConfig {
    /// Always `bert`.
    pub model_type: String,
    /// Length of the vector of a word piece, and of a text.
    pub hidden_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Attention heads; they divide `hidden_size`.
    pub num_attention_heads: usize,
    /// Width of the inner layer.
    pub intermediate_size: usize,
    /// Word pieces.
    pub vocab_size: usize,
    /// Longest text, in word pieces.
    pub max_position_embeddings: usize,
    /// Kinds of segments; only the first is used.
    pub type_vocab_size: usize,
    /// Added to the variance before its root is taken.
    pub layer_norm_eps: f64,
    /// Always `gelu`, the exact one.
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
    /// If the file cannot be read, or describes a network that this program does not compute.
    pub fn read(path: &Path) -> Result<Self, EncoderError> {
        let text = std::fs::read_to_string(path).map_err(EncoderError::io(path))?;
        let refuse = |reason| EncoderError::refused(path, reason);
        let config: Self = serde_json::from_str(&text).map_err(|error| refuse(format!("does not describe a BERT model: {error}")))?;
        config.check().map_err(refuse)?;
        Ok(config)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        for (key, value, known) in [
            ("model_type", &self.model_type, "bert"),
            ("hidden_act", &self.hidden_act, "gelu"),
            ("position_embedding_type", &self.position_embedding_type, "absolute"),
        ] {
            if value != known {
                return Err(format!("{key} is `{value}`, only `{known}` is known"));
            }
        }
        for (key, value, most) in [
            ("hidden_size", self.hidden_size, 8192),
            ("num_hidden_layers", self.num_hidden_layers, 100),
            ("num_attention_heads", self.num_attention_heads, 256),
            ("intermediate_size", self.intermediate_size, 65_536),
            ("vocab_size", self.vocab_size, 10_000_000),
            ("max_position_embeddings", self.max_position_embeddings, 65_536),
            ("type_vocab_size", self.type_vocab_size, 256),
        ] {
            if !(1..=most).contains(&value) {
                return Err(format!("{key} must be from 1 to {most}, not {value}"));
            }
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return Err(format!("hidden_size {} is no multiple of num_attention_heads {}", self.hidden_size, self.num_attention_heads));
        }
        if !(self.layer_norm_eps > 0.0 && self.layer_norm_eps < 1.0) {
            return Err(format!("layer_norm_eps must lie between 0 and 1, not {}", self.layer_norm_eps));
        }
        Ok(())
    }
}
