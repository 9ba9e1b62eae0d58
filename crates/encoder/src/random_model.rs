//! Writes a tiny encoder with random weights, for tests and for trials without base weights.

use std::path::Path;

use burn::tensor::Device;
use rand_xoshiro::{
    SplitMix64,
    rand_core::{RngCore, SeedableRng},
};
use serde_json::{Value, json};

use crate::{
    encoder::Encoder,
    error::EncoderError,
    files::CONFIG_FILE,
    model::{
        config::NetworkConfig,
        family::Family,
        modules::Modules,
        network::Network,
        parts::tensor_shapes,
        weights::{WeightTensor, Weights},
    },
    tokenizer::Tokenizer,
};

/// Standard deviation of the weights.
const STANDARD_DEVIATION: f32 = 0.1;

/// Writes an encoder with 2 layers of dimension 32 and a vocabulary of about 100 tokens: letters, digits, and some pairs of letters. The
/// same seed gives the same files.
///
/// # Errors
/// `io` if the directory cannot be written.
pub fn write_random(dir: &Path, seed: u64) -> Result<(), EncoderError> {
    let tokens = tokens();
    let config = NetworkConfig {
        model_type: "bert".to_owned(),
        hidden_size: 32,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        intermediate_size: 64,
        vocab_size: tokens.len(),
        max_position_embeddings: 64,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
        hidden_act: "gelu".to_owned(),
        position_embedding_type: "absolute".to_owned(),
        position_offset: 0,
        distance_buckets: 0,
        family: Family::Bert,
    };
    let reject = |reason| EncoderError::rejected(dir.join(CONFIG_FILE), reason);
    let mut config_text = serde_json::to_value(&config).map_err(|error| reject(error.to_string()))?;
    config_text["architectures"] = json!(["BertModel"]);
    let tokenizer_text = format!("{:#}\n", tokenizer(&tokens));
    let encoder = Encoder::from_parts(
        Network::from_weights(&config, std::iter::empty(), &mut weights(&config, seed), &Device::flex()).map_err(reject)?,
        Tokenizer::parse(&tokenizer_text, false).map_err(reject)?,
        Modules::normalized_mean(config.max_position_embeddings),
        config,
        (format!("{config_text:#}\n"), tokenizer_text),
    );
    encoder.write(dir, "A tiny encoder of random weights.\n")
}

fn tokens() -> Vec<String> {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned);
    let letters = (b'a'..=b'z').map(char::from);
    let digits = (b'0'..=b'9').map(char::from);
    let begin = letters.clone().chain(digits.clone()).map(String::from);
    let within = letters.chain(digits).map(|c| format!("##{c}"));
    let pairs = [
        "th", "er", "on", "an", "re", "he", "in", "ed", "nd", "ha", "at", "en", "es", "of", "or", "nt", "ea", "ti", "to", "it", "st", "is",
        "ar",
    ];
    special.into_iter().chain(begin).chain(within).chain(pairs.map(str::to_owned)).collect()
}

fn tokenizer(tokens: &[String]) -> Value {
    let vocab: serde_json::Map<String, Value> = tokens.iter().enumerate().map(|(id, token)| (token.clone(), json!(id))).collect();
    let special = |id: u32, content: &str| json!({"id": id, "content": content, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false});
    let added: Vec<Value> = tokens.iter().take(5).enumerate().map(|(id, token)| special(id as u32, token)).collect();
    let piece = |token: &str| json!({"SpecialToken": {"id": token, "type_id": 0}});
    let defined = |token: &str, id: u32| json!({"id": token, "ids": [id], "tokens": [token]});
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [piece("[CLS]"), {"Sequence": {"id": "A", "type_id": 0}}, piece("[SEP]")],
            "pair": [piece("[CLS]"), {"Sequence": {"id": "A", "type_id": 0}}, piece("[SEP]"), {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"[CLS]": defined("[CLS]", 2), "[SEP]": defined("[SEP]", 3)},
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": vocab},
    })
}

fn weights(config: &NetworkConfig, seed: u64) -> Weights {
    let mut generator = SplitMix64::seed_from_u64(seed);
    let mut random = || {
        // the sum of three uniform numbers approximates a normal distribution
        let sum: f32 = (0..3).map(|_| uniform(&mut generator)).sum();
        (sum - 1.5) * 2.0 * STANDARD_DEVIATION
    };
    let value = |name: &str, random: &mut dyn FnMut() -> f32| match name {
        _ if name.ends_with("LayerNorm.weight") => 1.0,
        _ if name.ends_with(".bias") => 0.0,
        _ => random(),
    };
    tensor_shapes(config)
        .into_iter()
        .map(|(name, shape)| {
            let values = (0..shape.iter().product()).map(|_| value(&name, &mut random)).collect();
            (name, WeightTensor { shape, values })
        })
        .collect()
}

/// A number from 0 to 1, with 24 random bits.
fn uniform(generator: &mut SplitMix64) -> f32 {
    (generator.next_u64() >> 40) as f32 / (1_u64 << 24) as f32
}
