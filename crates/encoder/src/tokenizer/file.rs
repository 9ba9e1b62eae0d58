//! `tokenizer.json`, as far as it is understood; the rest is refused, never passed over.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::normalizer::Normalizer;

#[derive(Deserialize)]
pub(super) struct TokenizerFile {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    normalizer: Typed<BertNormalizer>,
    pre_tokenizer: Typed<Nothing>,
    post_processor: Typed<PostProcessor>,
    pub(super) model: WordPiece,
}

#[derive(Deserialize)]
struct Typed<T> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(flatten)]
    rest: T,
}

#[derive(Deserialize)]
struct Nothing {}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
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
    clean_text: bool,
    #[serde(default)]
    handle_chinese_chars: bool,
    #[serde(default)]
    strip_accents: Option<bool>,
    #[serde(default)]
    lowercase: bool,
}

/// `TemplateProcessing` has `single` and `special_tokens`, `BertProcessing` the other two.
#[derive(Deserialize)]
struct PostProcessor {
    #[serde(default)]
    single: Vec<TemplatePiece>,
    #[serde(default)]
    special_tokens: BTreeMap<String, SpecialToken>,
    cls: Option<(String, u32)>,
    sep: Option<(String, u32)>,
}

#[derive(Deserialize)]
enum TemplatePiece {
    SpecialToken { id: String },
    Sequence {},
}

#[derive(Deserialize)]
struct SpecialToken {
    ids: Vec<u32>,
}

#[derive(Deserialize)]
pub(super) struct WordPiece {
    #[serde(rename = "type", default = "word_piece")]
    pub(super) kind: String,
    pub(super) vocab: BTreeMap<String, u32>,
    pub(super) unk_token: String,
    #[serde(default = "prefix")]
    pub(super) continuing_subword_prefix: String,
    #[serde(default = "word_chars")]
    pub(super) max_input_chars_per_word: usize,
}

fn word_piece() -> String {
    "WordPiece".to_owned()
}

fn prefix() -> String {
    "##".to_owned()
}

const fn word_chars() -> usize {
    100
}

impl TokenizerFile {
    pub(super) fn normalizer(&self) -> Result<Normalizer, String> {
        for (what, kind, known) in
            [("normalizer", &self.normalizer.kind, "BertNormalizer"), ("pre-tokenizer", &self.pre_tokenizer.kind, "BertPreTokenizer")]
        {
            if kind != known {
                return Err(format!("its {what} is `{kind}`, only `{known}` is known"));
            }
        }
        let BertNormalizer { clean_text, handle_chinese_chars, strip_accents, lowercase } = self.normalizer.rest;
        Ok(Normalizer { clean: clean_text, ideographs: handle_chinese_chars, accents: strip_accents.unwrap_or(lowercase), lowercase })
    }

    /// Tokens that are looked for in the text itself, before anything else is done to it.
    pub(super) fn verbatim(&self) -> Result<Vec<(String, u32)>, String> {
        let token = |token: &AddedToken| {
            if token.single_word || token.lstrip || token.rstrip || token.normalized || token.content.is_empty() {
                return Err(format!("its added token `{}` is not taken as it is written, which is not known", token.content));
            }
            Ok((token.content.clone(), token.id))
        };
        self.added_tokens.iter().map(token).collect()
    }

    /// What stands before and after the pieces of a text.
    pub(super) fn special_tokens(&self) -> Result<(Vec<u32>, Vec<u32>), String> {
        let processor = &self.post_processor.rest;
        if let ("BertProcessing", Some((_, cls)), Some((_, sep))) = (self.post_processor.kind.as_str(), &processor.cls, &processor.sep) {
            return Ok((vec![*cls], vec![*sep]));
        }
        if self.post_processor.kind != "TemplateProcessing" {
            return Err(format!("its post-processor is `{}`, only `TemplateProcessing` is known", self.post_processor.kind));
        }
        let (mut before, mut after, mut sequences) = (Vec::new(), Vec::new(), 0);
        for piece in &processor.single {
            match piece {
                TemplatePiece::Sequence {} => sequences += 1,
                TemplatePiece::SpecialToken { id } => {
                    let token =
                        processor.special_tokens.get(id).ok_or_else(|| format!("its template names `{id}`, which it does not define"))?;
                    if sequences == 0 { &mut before } else { &mut after }.extend(&token.ids);
                }
            }
        }
        if sequences == 1 { Ok((before, after)) } else { Err(format!("its template has the text {sequences} times")) }
    }
}
