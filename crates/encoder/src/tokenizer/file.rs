//! Validates `tokenizer.json`: everything but BERT WordPiece and Unigram is rejected, never ignored.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::tokenizer::unigram::{self, Unigram};

/// The part of `tokenizer.json` that decides how texts are tokenized.
pub(super) struct TokenizerFile {
    parts: Parts,
    model: Model,
}

/// What all kinds of tokenizers have.
#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    #[serde(default)]
    truncation: Option<Truncation>,
    post_processor: Typed<PostProcessor>,
}

enum Model {
    /// That of BERT, DistilBERT and MPNet.
    WordPiece(WordPiece, BertNormalizer),
    /// That of XLM-RoBERTa.
    Unigram(Unigram),
}

/// Reads the kind of a file without the rest.
#[derive(Deserialize)]
struct Probe {
    model: ProbedModel,
}

#[derive(Deserialize)]
struct ProbedModel {
    #[serde(rename = "type", default = "default_kind")]
    kind: String,
}

#[derive(Deserialize)]
struct WordPieceParts {
    normalizer: Typed<BertNormalizer>,
    pre_tokenizer: Typed<NoOptions>,
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
    vocab: BTreeMap<String, u32>,
    unk_token: String,
}

fn default_kind() -> String {
    "WordPiece".to_owned()
}

impl TokenizerFile {
    /// Reads a file, and checks that it asks for nothing but what is supported.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
            serde_json::from_str(text).map_err(|error| format!("not a supported tokenizer: {error}"))
        }
        let probe: Probe = read(text)?;
        let model = match probe.model.kind.as_str() {
            "WordPiece" => {
                let WordPieceParts { normalizer, pre_tokenizer, model } = read(text)?;
                for (what, kind, supported) in
                    [("normalizer", &normalizer.kind, "BertNormalizer"), ("pre-tokenizer", &pre_tokenizer.kind, "BertPreTokenizer")]
                {
                    if kind != supported {
                        return Err(format!("{what} `{kind}` is not supported for WordPiece, only `{supported}` is"));
                    }
                }
                Model::WordPiece(model, normalizer.options)
            }
            "Unigram" => Model::Unigram(unigram::read(text)?),
            kind => return Err(format!("model `{kind}` is not supported, only `WordPiece` and `Unigram` are")),
        };
        let file = Self { parts: read(text)?, model };
        file.check()?;
        Ok(file)
    }

    fn check(&self) -> Result<(), String> {
        if let Some(direction) = self.parts.truncation.as_ref().and_then(|truncation| truncation.direction.as_deref())
            && direction != "Right"
        {
            return Err(format!("truncation at the side `{direction}` is not supported, only `Right` is"));
        }
        if let Model::WordPiece(model, _) = &self.model
            && !model.vocab.contains_key(&model.unk_token)
        {
            return Err(format!("has no token `{}` for unknown words", model.unk_token));
        }
        for token in &self.parts.added_tokens {
            // the mask token takes the spaces before it, and no text has it
            let lstrip = token.lstrip && !token.content.contains("mask") && !token.content.contains("MASK");
            let normalized = token.normalized && matches!(self.model, Model::WordPiece(..));
            if token.single_word || lstrip || token.rstrip || normalized || token.content.is_empty() {
                return Err(format!("added token `{}` has matching options, which are not supported", token.content));
            }
        }
        Ok(())
    }

    pub(super) fn added_tokens(&self) -> &[AddedToken] {
        &self.parts.added_tokens
    }

    /// All tokens with their ids, including added ones.
    pub(super) fn tokens(&self) -> Vec<(&str, u32)> {
        let added = self.parts.added_tokens.iter().map(|token| (token.content.as_str(), token.id));
        match &self.model {
            Model::WordPiece(model, _) => model.vocab.iter().map(|(token, id)| (token.as_str(), *id)).chain(added).collect(),
            Model::Unigram(model) => model.tokens().chain(added).collect(),
        }
    }

    pub(super) fn id(&self, token: &str) -> Option<u32> {
        let known = match &self.model {
            Model::WordPiece(model, _) => model.vocab.get(token).copied(),
            Model::Unigram(model) => model.tokens().find(|(known, _)| *known == token).map(|(_, id)| id),
        };
        known.or_else(|| self.parts.added_tokens.iter().find(|added| added.content == token).map(|added| added.id))
    }

    /// The token for unknown words and the normalizer of a WordPiece tokenizer.
    pub(super) fn word_piece(&self) -> Option<(&str, &BertNormalizer)> {
        match &self.model {
            Model::WordPiece(model, normalizer) => Some((&model.unk_token, normalizer)),
            Model::Unigram(_) => None,
        }
    }

    /// Whether the normalizer lowercases texts.
    pub(super) fn lowercases(&self) -> bool {
        match &self.model {
            Model::WordPiece(_, normalizer) => normalizer.lowercase,
            Model::Unigram(model) => model.lowercases(),
        }
    }

    /// Checks that the settings of transformers, `tokenizer_config.json`, do not contradict the file, because readers differ in the one
    /// they follow. Returns the assumptions about settings that are missing.
    pub(super) fn check_settings(&self, settings: &Map<String, Value>) -> Result<Vec<String>, String> {
        let mut notes = Vec::new();
        let Some((_, normalizer)) = self.word_piece() else {
            return self.check_decoder(settings).map(|()| notes);
        };
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
        self.check_decoder(settings).map(|()| notes)
    }

    fn check_decoder(&self, settings: &Map<String, Value>) -> Result<(), String> {
        for (id, token) in settings.get("added_tokens_decoder").and_then(Value::as_object).into_iter().flatten() {
            let content = token["content"].as_str().unwrap_or_default();
            self.check_added(content, id.parse().ok())?;
        }
        Ok(())
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
        let kind = self.parts.post_processor.kind.as_str();
        let processor = &self.parts.post_processor.options;
        if let ("BertProcessing" | "RobertaProcessing", Some((_, cls)), Some((_, sep))) = (kind, &processor.cls, &processor.sep) {
            return Ok((vec![*cls], vec![*sep]));
        }
        if kind != "TemplateProcessing" {
            return Err(format!("post-processor `{kind}` is not supported, only `TemplateProcessing` is"));
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
