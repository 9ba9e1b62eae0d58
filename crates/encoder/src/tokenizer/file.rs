//! Validates `tokenizer.json`: everything but BERT WordPiece is rejected, never ignored.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The part of `tokenizer.json` that decides how texts are tokenized.
#[derive(Deserialize)]
pub(super) struct TokenizerFile {
    #[serde(default)]
    pub(super) added_tokens: Vec<AddedToken>,
    normalizer: Typed<BertNormalizer>,
    pre_tokenizer: Typed<NoOptions>,
    post_processor: Typed<PostProcessor>,
    model: WordPiece,
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

#[derive(Deserialize)]
struct BertNormalizer {
    #[serde(default)]
    lowercase: bool,
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

    pub(super) fn lowercases(&self) -> bool {
        self.normalizer.options.lowercase
    }

    /// All tokens of the vocabulary, by id.
    pub(super) fn tokens(&self) -> Result<Vec<String>, String> {
        let mut tokens = vec![String::new(); self.model.vocab.len()];
        for (token, id) in &self.model.vocab {
            let slot =
                tokens.get_mut(*id as usize).ok_or_else(|| format!("token `{token}` has id {id}, beyond the size of the vocabulary"))?;
            if !slot.is_empty() {
                return Err(format!("tokens `{slot}` and `{token}` both have id {id}"));
            }
            slot.clone_from(token);
        }
        Ok(tokens)
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
                    if sequences == 0 { &mut before } else { &mut after }.extend(&token.ids);
                }
            }
        }
        if sequences == 1 { Ok((before, after)) } else { Err(format!("the template has the text {sequences} times")) }
    }
}
