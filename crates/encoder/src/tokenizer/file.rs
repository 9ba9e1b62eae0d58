//! Validates `tokenizer.json`: everything but BERT WordPiece is rejected, never ignored.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// The part of `tokenizer.json` that decides how texts are tokenized.
#[derive(Deserialize)]
pub(super) struct TokenizerFile {
    #[serde(default)]
    pub(super) added_tokens: Vec<AddedToken>,
    #[serde(default)]
    truncation: Option<Truncation>,
    normalizer: Typed<BertNormalizer>,
    pre_tokenizer: Typed<NoOptions>,
    post_processor: Typed<PostProcessor>,
    model: WordPiece,
}

#[derive(Deserialize)]
struct Truncation {
    #[serde(default)]
    direction: Option<String>,
}

#[derive(Deserialize)]
struct Typed<T> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(flatten)]
    options: T,
}

#[derive(Deserialize)]
struct NoOptions {}

#[derive(Deserialize)]
pub(super) struct AddedToken {
    pub(super) id: u32,
    pub(super) content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    normalized: bool,
}

/// Missing options have the defaults of the crate `tokenizers`.
#[derive(Deserialize)]
pub(super) struct BertNormalizer {
    #[serde(default = "default_true")]
    pub(super) handle_chinese_chars: bool,
    #[serde(default)]
    pub(super) strip_accents: Option<bool>,
    #[serde(default = "default_true")]
    pub(super) lowercase: bool,
}

fn default_true() -> bool {
    true
}

/// `TemplateProcessing` has `single` and `special_tokens`, `BertProcessing` has `cls` and `sep`.
#[derive(Deserialize)]
struct PostProcessor {
    #[serde(default)]
    single: Vec<TemplatePart>,
    #[serde(default)]
    special_tokens: BTreeMap<String, SpecialToken>,
    cls: Option<(String, u32)>,
    sep: Option<(String, u32)>,
}

#[derive(Deserialize)]
enum TemplatePart {
    SpecialToken { id: String },
    Sequence {},
}

#[derive(Deserialize)]
struct SpecialToken {
    ids: Vec<u32>,
}

#[derive(Deserialize)]
struct WordPiece {
    #[serde(rename = "type", default = "default_kind")]
    kind: String,
    vocab: BTreeMap<String, u32>,
    unk_token: String,
}

fn default_kind() -> String {
    "WordPiece".to_owned()
}

impl TokenizerFile {
    /// Checks that the file asks for nothing but BERT WordPiece.
    pub(super) fn check(&self) -> Result<(), String> {
        for (what, kind, supported) in [
            ("normalizer", &self.normalizer.kind, "BertNormalizer"),
            ("pre-tokenizer", &self.pre_tokenizer.kind, "BertPreTokenizer"),
            ("model", &self.model.kind, "WordPiece"),
        ] {
            if kind != supported {
                return Err(format!("{what} `{kind}` is not supported, only `{supported}` is"));
            }
        }
        if let Some(direction) = self.truncation.as_ref().and_then(|truncation| truncation.direction.as_deref())
            && direction != "Right"
        {
            return Err(format!("truncation at the side `{direction}` is not supported, only `Right` is"));
        }
        if !self.model.vocab.contains_key(&self.model.unk_token) {
            return Err(format!("has no token `{}` for unknown words", self.model.unk_token));
        }
        for token in &self.added_tokens {
            if token.single_word || token.lstrip || token.rstrip || token.normalized || token.content.is_empty() {
                return Err(format!("added token `{}` has matching options, which are not supported", token.content));
            }
        }
        Ok(())
    }

    /// All tokens with their ids, including added ones.
    pub(super) fn tokens(&self) -> impl Iterator<Item = (&str, u32)> {
        let added = self.added_tokens.iter().map(|token| (token.content.as_str(), token.id));
        self.model.vocab.iter().map(|(token, id)| (token.as_str(), *id)).chain(added)
    }

    pub(super) fn id(&self, token: &str) -> Option<u32> {
        let added = || self.added_tokens.iter().find(|added| added.content == token).map(|added| added.id);
        self.model.vocab.get(token).copied().or_else(added)
    }

    pub(super) fn unknown_token(&self) -> &str {
        &self.model.unk_token
    }

    pub(super) fn normalizer(&self) -> &BertNormalizer {
        &self.normalizer.options
    }

    /// Checks that the settings of transformers, `tokenizer_config.json`, do not contradict the file, because readers differ in the one
    /// they follow. Returns the assumptions about settings that are missing.
    pub(super) fn check_settings(&self, settings: &Map<String, Value>) -> Result<Vec<String>, String> {
        let normalizer = self.normalizer();
        let mut notes = Vec::new();
        for (key, option, value, default) in [
            ("do_lower_case", "lowercase", Some(normalizer.lowercase), Some(true)),
            ("tokenize_chinese_chars", "handle_chinese_chars", Some(normalizer.handle_chinese_chars), Some(true)),
            ("strip_accents", "strip_accents", normalizer.strip_accents, None),
        ] {
            let show = |value: Option<bool>| value.map_or_else(|| "null".to_owned(), |value| value.to_string());
            match settings.get(key) {
                None if value == default => {}
                None => notes.push(format!(
                    "tokenizer_config.json has no {key}: {option} of tokenizer.json, {}, is used; transformers assumes {}",
                    show(value),
                    show(default)
                )),
                Some(found) if found.as_bool() == value && (found.is_boolean() || found.is_null()) => {}
                Some(found) => {
                    let reason = format!("{key} is {found}, but {option} of tokenizer.json is {}: correct one of them", show(value));
                    return Err(reason);
                }
            }
        }
        for (id, token) in settings.get("added_tokens_decoder").and_then(Value::as_object).into_iter().flatten() {
            let content = token["content"].as_str().unwrap_or_default();
            self.check_added(content, id.parse().ok())?;
        }
        Ok(notes)
    }

    /// Checks that a token of another file is one of this file.
    pub(super) fn check_added(&self, token: &str, id: Option<u32>) -> Result<(), String> {
        match self.id(token) {
            Some(known) if Some(known) == id => Ok(()),
            Some(known) => Err(format!("gives `{token}` the id {id:?}, tokenizer.json {known}")),
            None => Err(format!("adds a token `{token}`, which tokenizer.json does not have")),
        }
    }

    /// The special tokens before and after a text.
    pub(super) fn special_tokens(&self) -> Result<(Vec<u32>, Vec<u32>), String> {
        let processor = &self.post_processor.options;
        if let ("BertProcessing", Some((_, cls)), Some((_, sep))) = (self.post_processor.kind.as_str(), &processor.cls, &processor.sep) {
            return Ok((vec![*cls], vec![*sep]));
        }
        if self.post_processor.kind != "TemplateProcessing" {
            return Err(format!("post-processor `{}` is not supported, only `TemplateProcessing` is", self.post_processor.kind));
        }
        let (mut before, mut after, mut sequences) = (Vec::new(), Vec::new(), 0);
        for part in &processor.single {
            match part {
                TemplatePart::Sequence {} => sequences += 1,
                TemplatePart::SpecialToken { id } => {
                    let token =
                        processor.special_tokens.get(id).ok_or_else(|| format!("the template uses `{id}`, which is not defined"))?;
                    // readers that build the template themselves use the ids of the vocabulary
                    if let [found] = token.ids.as_slice()
                        && let Some(known) = self.id(id)
                        && known != *found
                    {
                        return Err(format!("the template gives `{id}` the id {found}, the vocabulary {known}"));
                    }
                    if sequences == 0 { &mut before } else { &mut after }.extend(&token.ids);
                }
            }
        }
        if sequences == 1 { Ok((before, after)) } else { Err(format!("the template has the text {sequences} times")) }
    }
}
