//! Reads the settings of the Transformer module: how texts become tokens, and how many of them are used.

use serde_json::{Map, Value};

use crate::{
    error::EncoderError,
    files::{TOKENIZER_CONFIG_FILE, TRANSFORMER_CONFIG_FILES},
    model::reader::{DirectoryReader, join},
};

/// Minimum length of a text: a token and the special tokens around it.
const MIN_LENGTH: usize = 3;

/// Settings of the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TransformerModule {
    /// Maximum length of a text in tokens, special tokens included.
    pub(crate) max_length: usize,
    /// Whether texts are lowercased before the tokenizer.
    pub(crate) lowercase: bool,
    /// Contents of `tokenizer_config.json`.
    pub(crate) tokenizer_config: Map<String, Value>,
    /// Assumptions.
    pub(crate) notes: Vec<String>,
}

impl TransformerModule {
    /// Reads the module in `folder`, whose network has `positions` positions. `is_bare` is a directory of transformers, for which
    /// sentence-transformers reads no configuration of its own.
    pub(crate) fn read(reader: &mut DirectoryReader, folder: &str, is_bare: bool, positions: usize) -> Result<Self, EncoderError> {
        let config = if is_bare { None } else { find_config(reader, folder)? };
        let (config_name, config) = config.unwrap_or_else(|| (join(folder, TRANSFORMER_CONFIG_FILES[0]), Map::new()));
        check_config(&config).map_err(|reason| reader.reject(&config_name, reason))?;
        let lowercase = match config.get("do_lower_case") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(lowercase)) => *lowercase,
            Some(other) => return Err(reader.reject(&config_name, format!("do_lower_case is {other}, expected true or false"))),
        };
        let tokenizer_name = join(folder, TOKENIZER_CONFIG_FILE);
        let tokenizer_config = reader.find_object(&tokenizer_name)?.unwrap_or_default();
        if let Some(side) = tokenizer_config.get("truncation_side").filter(|side| !side.is_null() && *side != "right") {
            return Err(reader.reject(&tokenizer_name, format!("truncation_side is {side}, only `right` is supported")));
        }

        let mut notes = Vec::new();
        let length = |object: &Map<String, Value>, name: &str, key: &str| match object.get(key) {
            None | Some(Value::Null) => Ok(None),
            // transformers writes a number far beyond 2^64 for "no limit"
            Some(Value::Number(number)) if number.as_f64().is_some_and(|length| length >= 0.0) => {
                Ok(Some(number.as_u64().map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(usize::MAX))))
            }
            Some(other) => Err(reader.reject(name, format!("{key} is {other}, expected a number of tokens"))),
        };
        let own = length(&config, &config_name, "max_seq_length")?;
        let tokenizer = length(&tokenizer_config, &tokenizer_name, "model_max_length")?.filter(|length| *length < usize::MAX);
        let (max_length, name, key) = match (own, tokenizer) {
            (Some(length), _) => (length, &config_name, "max_seq_length"),
            (None, Some(length)) => (length, &tokenizer_name, "model_max_length"),
            (None, None) => {
                notes.push(format!("no maximum length is given: texts are truncated to the {positions} positions of the network"));
                (positions, &config_name, "max_seq_length")
            }
        };
        if max_length < MIN_LENGTH {
            return Err(reader.reject(name, format!("{key} is {max_length}, must be at least {MIN_LENGTH}")));
        }
        if max_length > positions && own.is_some() {
            notes.push(format!(
                "{key} is {max_length}, but the network has {positions} positions: texts are truncated to {positions} tokens"
            ));
        }
        Ok(Self { max_length: max_length.min(positions), lowercase, tokenizer_config, notes })
    }
}

/// A file by its path in the model directory, with its JSON object.
type JsonFile = (String, Map<String, Value>);

fn find_config(reader: &mut DirectoryReader, folder: &str) -> Result<Option<JsonFile>, EncoderError> {
    for name in TRANSFORMER_CONFIG_FILES {
        let name = join(folder, name);
        if let Some(config) = reader.find_object(&name)? {
            return Ok(Some((name, config)));
        }
    }
    Ok(None)
}

/// Rejects every setting that could change vectors and is not implemented.
fn check_config(config: &Map<String, Value>) -> Result<(), String> {
    for (key, value) in config {
        let is_supported = match key.as_str() {
            // how the network is computed, not what
            "max_seq_length" | "do_lower_case" | "unpad_inputs" => true,
            "transformer_task" => value == "feature-extraction",
            "module_output_name" => value == "token_embeddings",
            "modality_config" => value == &serde_json::json!({"text": {"method": "forward", "method_output_name": "last_hidden_state"}}),
            _ => value.is_null() || value.as_object().is_some_and(Map::is_empty),
        };
        if !is_supported {
            return Err(format!("`{key}` is {value}, which is not supported"));
        }
    }
    Ok(())
}
