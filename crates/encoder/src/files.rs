//! Names of the files of a model directory.

/// The weights.
pub const WEIGHTS_FILE: &str = "model.safetensors";

/// The tokenizer.
pub const TOKENIZER_FILE: &str = "tokenizer.json";

/// The configuration of the network.
pub const CONFIG_FILE: &str = "config.json";
