//! Validates the parts of a Unigram tokenizer, as XLM-RoBERTa has it. Kudo, 2018, arXiv:1804.10959.

use serde::Deserialize;
use serde_json::Value;

/// Normalizers whose result for a word does not depend on other words.
const NORMALIZERS: [&str; 11] =
    ["Precompiled", "Replace", "Nmt", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Strip", "Sequence"];

/// Pre-tokenizers that split at spaces.
const PRE_TOKENIZERS: [&str; 3] = ["Metaspace", "WhitespaceSplit", "Sequence"];

#[derive(Deserialize)]
struct UnigramFile {
    #[serde(default)]
    normalizer: Option<Value>,
    #[serde(default)]
    pre_tokenizer: Option<Value>,
    model: Model,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default)]
    unk_id: Option<usize>,
    vocab: Vec<(String, f64)>,
}

/// A Unigram tokenizer. The id of a token is its place in the list.
pub(super) struct Unigram {
    tokens: Vec<String>,
    lowercases: bool,
}

impl Unigram {
    pub(super) fn tokens(&self) -> impl Iterator<Item = (&str, u32)> {
        self.tokens.iter().map(String::as_str).zip(0..)
    }

    pub(super) fn lowercases(&self) -> bool {
        self.lowercases
    }
}

/// Reads the file, and checks that it asks for nothing but what is supported.
pub(super) fn read(text: &str) -> Result<Unigram, String> {
    let UnigramFile { normalizer, pre_tokenizer, model } =
        serde_json::from_str(text).map_err(|error| format!("not a Unigram tokenizer: {error}"))?;
    let normalizers = kinds(normalizer.as_ref(), "normalizers");
    let pre_tokenizers = kinds(pre_tokenizer.as_ref(), "pretokenizers");
    for (what, found, supported) in
        [("normalizer", &normalizers, NORMALIZERS.as_slice()), ("pre-tokenizer", &pre_tokenizers, PRE_TOKENIZERS.as_slice())]
    {
        if let Some(kind) = found.iter().find(|kind| !supported.contains(&kind.as_str())) {
            return Err(format!("{what} `{kind}` is not supported for Unigram, supported are {}", supported.join(", ")));
        }
    }
    if !pre_tokenizers.iter().any(|kind| kind == "Metaspace") {
        return Err("has no pre-tokenizer `Metaspace`, which Unigram needs".to_owned());
    }
    if !splits(pre_tokenizer.as_ref()) {
        return Err("the pre-tokenizer `Metaspace` does not split at spaces, which is not supported".to_owned());
    }
    match model.unk_id {
        Some(id) if id < model.vocab.len() => {}
        _ => return Err("has no token for unknown words: unk_id is not one of the tokens".to_owned()),
    }
    let tokens = model.vocab.into_iter().map(|(token, _)| token).collect();
    Ok(Unigram { tokens, lowercases: normalizers.iter().any(|kind| kind == "Lowercase") })
}

/// The types of a part and of its parts.
fn kinds(part: Option<&Value>, list: &str) -> Vec<String> {
    let Some(part) = part.filter(|part| !part.is_null()) else { return Vec::new() };
    let own = part["type"].as_str().unwrap_or("(none)").to_owned();
    let nested = part[list].as_array().into_iter().flatten().flat_map(|part| kinds(Some(part), list));
    std::iter::once(own).chain(nested).collect()
}

/// Whether every Metaspace splits, or a split at whitespace comes before it.
fn splits(part: Option<&Value>) -> bool {
    let Some(part) = part else { return true };
    let nested: Vec<&Value> = part["pretokenizers"].as_array().into_iter().flatten().collect();
    if nested.iter().any(|part| part["type"] == "WhitespaceSplit") {
        return true;
    }
    part["split"] != false && nested.into_iter().all(|part| splits(Some(part)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn file() -> Value {
        json!({
            "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁"}]},
            "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["▁law", -1.0]]},
        })
    }

    #[test]
    fn tokens_have_the_ids_of_their_places() {
        let unigram = read(&file().to_string()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(unigram.tokens().collect::<Vec<_>>(), [("<unk>", 0), ("▁law", 1)]);
        assert!(unigram.lowercases());
    }

    #[test]
    fn other_parts_are_rejected_by_name() {
        for (pointer, value, reason) in [
            ("/normalizer/normalizers/0", json!({"type": "ByteLevel"}), "ByteLevel"),
            ("/pre_tokenizer/pretokenizers/0", json!({"type": "Digits"}), "Digits"),
            ("/pre_tokenizer", json!({"type": "WhitespaceSplit"}), "Metaspace"),
            ("/pre_tokenizer", json!({"type": "Metaspace", "split": false}), "does not split"),
            ("/model/unk_id", json!(null), "unknown words"),
            ("/model/unk_id", json!(2), "unknown words"),
        ] {
            let mut file = file();
            *file.pointer_mut(pointer).unwrap() = value;
            let Err(error) = read(&file.to_string()) else { panic!("{reason} is accepted") };
            assert!(error.contains(reason), "{error}");
        }
    }
}
