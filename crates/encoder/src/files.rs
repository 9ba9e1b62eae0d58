//! Names of the files of a model directory.

/// The weights.
pub const WEIGHTS_FILE: &str = "model.safetensors";

/// The tokenizer.
pub const TOKENIZER_FILE: &str = "tokenizer.json";

/// The configuration of the network.
pub const CONFIG_FILE: &str = "config.json";

/// Lists the files of weights that are stored in several.
pub(crate) const INDEX_FILE: &str = "model.safetensors.index.json";

/// Lists the modules. A directory without it is a model of transformers.
pub(crate) const MODULES_FILE: &str = "modules.json";

/// Prompts, among other things.
pub(crate) const PROMPTS_FILE: &str = "config_sentence_transformers.json";

/// Settings of the tokenizer of transformers.
pub(crate) const TOKENIZER_CONFIG_FILE: &str = "tokenizer_config.json";

/// The word list of BERT, from which the tokenizer of older models is built.
pub const WORD_LIST_FILE: &str = "vocab.txt";

/// Special tokens of such a tokenizer.
pub const SPECIAL_TOKENS_FILE: &str = "special_tokens_map.json";

/// Files of tokenizers of other kinds.
pub(crate) const OTHER_TOKENIZER_FILES: [&str; 6] =
    ["sentencepiece.bpe.model", "spiece.model", "tokenizer.model", "merges.txt", "vocab.json", "bpe.codes"];

/// Tokens that a tokenizer of older versions has beside its vocabulary.
pub(crate) const ADDED_TOKENS_FILE: &str = "added_tokens.json";

/// Changes of the weights that are stored separately, which are rejected.
pub(crate) const ADAPTER_FILE: &str = "adapter_config.json";

/// The configuration of the module Transformer. Older versions of sentence-transformers named it after the network.
pub(crate) const TRANSFORMER_CONFIG_FILES: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

/// Whether a file of a model directory, or of the folder of one of its modules, may be read.
#[must_use]
pub fn is_model_file(name: &str) -> bool {
    let others = [
        CONFIG_FILE,
        TOKENIZER_FILE,
        INDEX_FILE,
        MODULES_FILE,
        PROMPTS_FILE,
        TOKENIZER_CONFIG_FILE,
        WORD_LIST_FILE,
        SPECIAL_TOKENS_FILE,
        ADDED_TOKENS_FILE,
        ADAPTER_FILE,
    ];
    others.contains(&name) || TRANSFORMER_CONFIG_FILES.contains(&name) || is_weights_file(name)
}

/// Whether a path names weights, or one part of them, such as `model-00001-of-00002.safetensors`.
#[must_use]
pub fn is_weights_file(path: &str) -> bool {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let part = name.strip_prefix("model-").and_then(|rest| rest.strip_suffix(".safetensors")).and_then(|part| part.split_once("-of-"));
    name == WEIGHTS_FILE || part.is_some_and(|(part, all)| is_number(part) && is_number(all))
}
