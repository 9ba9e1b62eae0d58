//! The tokenizer of an encoder, as configured by `tokenizer.json`.
//!
//! The crate `tokenizers` does the work, but only the kinds with reference vectors are accepted: BERT WordPiece, and Unigram. Padding and
//! truncation settings of the file are ignored: the caller decides.

mod file;
mod unigram;
mod vocabulary;
mod word_list;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use file::TokenizerFile;
use vocabulary::Vocabulary;

/// Bytes per requested token in the first prefix of a text that is tokenized. English texts have about 5 bytes per token.
const BYTES_PER_TOKEN: usize = 6;

/// Characters before which a text can be split without changing its tokens. Other whitespace is a control character to the normalizer,
/// which removes it instead of splitting words.
const SPLIT_POINTS: [char; 6] = [' ', '\n', '\t', '\r', '\u{a0}', '\u{3000}'];

/// As [`SPLIT_POINTS`], for Unigram. Other whitespace may become a space or nothing.
const SPACE: [char; 1] = [' '];

/// Names of the token that fills short texts, and of the one that hides a token from training.
const PAD_TOKENS: [&str; 2] = ["[PAD]", "<pad>"];
const MASK_TOKENS: [&str; 2] = ["[MASK]", "<mask>"];

/// Turns texts into token ids.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    tokenizer: tokenizers::Tokenizer,
    vocabulary: Vocabulary,
    /// Special tokens before and after a text.
    before: Vec<u32>,
    after: Vec<u32>,
    pad: u32,
    /// The settings of transformers that the file implies, for WordPiece.
    settings: Option<Map<String, Value>>,
    lowercases: bool,
    notes: Vec<String>,
    /// Where a text can be split; nowhere if an added token contains such a character.
    split_points: &'static [char],
}

impl Tokenizer {
    /// Builds the tokenizer of a `tokenizer.json`. `lowercase`: texts are lowercased before, unless the file does that itself.
    pub(crate) fn parse(text: &str, lowercase: bool) -> Result<Self, String> {
        let file = TokenizerFile::parse(text)?;
        let (before, after) = file.special_tokens()?;
        let vocabulary = Vocabulary::new(file.tokens().into_iter());
        let (pad_token, pad) = PAD_TOKENS
            .iter()
            .find_map(|token| Some((*token, file.id(token)?)))
            .ok_or_else(|| format!("has no token for padding: {}", PAD_TOKENS.map(|token| format!("`{token}`")).join(" or ")))?;
        let tokenizer = load(text, lowercase && !file.lowercases())?;
        for token in file.added_tokens() {
            let id = tokenizer.token_to_id(&token.content);
            if id != Some(token.id) {
                return Err(format!("added token `{}` has id {}, expected {id:?}", token.content, token.id));
            }
        }
        let points: &'static [char] = if file.word_piece().is_some() { &SPLIT_POINTS } else { &SPACE };
        let is_split = file.added_tokens().iter().any(|token| token.content.contains(SPLIT_POINTS));
        let split_points = if is_split { &[] } else { points };
        let settings = settings(&file, &vocabulary, pad_token, &before, &after);
        let (lowercases, notes) = (file.lowercases(), vocabulary.notes());
        Ok(Self { tokenizer, vocabulary, before, after, pad, settings, lowercases, notes, split_points })
    }

    /// The `tokenizer.json` of a directory that has only the word list of BERT, `vocab.txt`, and settings of transformers.
    pub(crate) fn build_file(word_list: &str, settings: &Map<String, Value>) -> Result<String, String> {
        word_list::build(word_list, settings)
    }

    /// Adds the checks of `tokenizer_config.json` beside a file that was parsed.
    pub(crate) fn check_settings(&mut self, text: &str, settings: &Map<String, Value>) -> Result<(), String> {
        let file = TokenizerFile::parse(text)?;
        self.notes.extend(file.check_settings(settings)?);
        Ok(())
    }

    /// Checks that a token of another file, `added_tokens.json`, is one of this file.
    pub(crate) fn check_added(&self, token: &str, id: &Value) -> Result<(), String> {
        let known = self.tokenizer.token_to_id(token);
        if known.is_some() && known.map(u64::from) == id.as_u64() {
            return Ok(());
        }
        let known = known.map_or_else(|| "does not have it".to_owned(), |id| format!("gives it the id {id}"));
        Err(format!("adds the token `{token}` with the id {id}, but tokenizer.json {known}"))
    }

    /// Checks that the network has a row of embeddings for every token id: those of the vocabulary, of added and of special tokens.
    pub(crate) fn check_ids(&self, rows: usize) -> Result<(), String> {
        self.vocabulary.check(rows)?;
        let special: BTreeSet<u32> = self.before.iter().chain(&self.after).copied().collect();
        match special.into_iter().find(|id| *id as usize >= rows) {
            Some(id) => Err(format!("the template has id {id}, but vocab_size is {rows}: the network has no embeddings for it")),
            None => Ok(()),
        }
    }

    /// Assumptions about the file.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Token ids of a text with special tokens, at most `max_length` in total. Longer texts are truncated without tokenizing the rest.
    #[must_use]
    pub fn encode(&self, text: &str, max_length: usize) -> Vec<u32> {
        let limit = max_length.saturating_sub(self.after.len());
        let mut ids = self.before.clone();
        ids.extend(self.first_tokens(text, limit.saturating_sub(ids.len())));
        ids.truncate(limit);
        ids.extend(&self.after);
        ids
    }

    /// Number of tokens of a text without the special tokens after it, as [`encode`](Self::encode) truncates them.
    pub(crate) fn length_before_end(&self, text: &str, max_length: usize) -> usize {
        self.encode(text, max_length).len() - self.after.len()
    }

    /// At least the first `count` token ids of a text, or all if there are fewer, without special tokens.
    ///
    /// Tokenizes a prefix of the text, and longer ones until one has enough tokens.
    fn first_tokens(&self, text: &str, count: usize) -> Vec<u32> {
        if count == 0 {
            return Vec::new();
        }
        let mut length = count.saturating_mul(BYTES_PER_TOKEN);
        loop {
            let prefix = self.prefix(text, length);
            let ids = self.tokenize(prefix);
            if ids.len() >= count || prefix.len() == text.len() {
                return ids;
            }
            length = length.saturating_mul(2);
        }
    }

    /// The shortest prefix of at least `length` bytes that ends at a split point, or the whole text.
    fn prefix<'a>(&self, text: &'a str, length: usize) -> &'a str {
        if self.split_points.is_empty() || length >= text.len() {
            return text;
        }
        let start = text.ceil_char_boundary(length);
        text[start..].find(self.split_points).map_or(text, |offset| &text[..start + offset])
    }

    fn tokenize(&self, text: &str) -> Vec<u32> {
        let encoding = self.tokenizer.encode_fast(text, false);
        encoding.expect("tokenizers only fail without a token for unknown words").get_ids().to_vec()
    }

    /// Byte offsets of the tokens of a text, without special tokens. Tokens of one character that has several share its offsets.
    pub(crate) fn offsets(&self, text: &str) -> Vec<(usize, usize)> {
        let encoding = self.tokenizer.encode(text, false).expect("tokenizers only fail without a token for unknown words");
        encoding.get_offsets().to_vec()
    }

    /// Id of the padding token.
    #[must_use]
    pub fn pad(&self) -> u32 {
        self.pad
    }

    /// The settings of `tokenizer_config.json` with which transformers tokenizes like the file.
    ///
    /// `None` for a kind that transformers reads from the file.
    pub(crate) fn settings(&self) -> Option<&Map<String, Value>> {
        self.settings.as_ref()
    }

    /// Whether texts are lowercased by the file itself.
    pub(crate) fn lowercases(&self) -> bool {
        self.lowercases
    }

    /// The lines of `vocab.txt`.
    pub(crate) fn vocabulary_lines(&self) -> Vec<String> {
        self.vocabulary.lines()
    }
}

/// Transformers builds the normalizer and the template of a WordPiece tokenizer from these settings, whatever `tokenizer.json` says.
fn settings(file: &TokenizerFile, vocabulary: &Vocabulary, pad: &str, before: &[u32], after: &[u32]) -> Option<Map<String, Value>> {
    let special = |ids: &[u32], usual: &str| match ids {
        [id] => vocabulary.token(*id).unwrap_or(usual).to_owned(),
        _ => usual.to_owned(),
    };
    let (unknown, normalizer) = file.word_piece()?;
    let mut settings = Map::from_iter([
        ("unk_token".to_owned(), json!(unknown)),
        ("sep_token".to_owned(), json!(special(after, "[SEP]"))),
        ("pad_token".to_owned(), json!(pad)),
        ("cls_token".to_owned(), json!(special(before, "[CLS]"))),
        ("do_lower_case".to_owned(), json!(normalizer.lowercase)),
        ("strip_accents".to_owned(), json!(normalizer.strip_accents)),
        ("tokenize_chinese_chars".to_owned(), json!(normalizer.handle_chinese_chars)),
    ]);
    // a token that the vocabulary does not have would get a new id, beyond the embeddings
    if let Some(mask) = MASK_TOKENS.iter().find(|token| vocabulary.contains(token)) {
        settings.insert("mask_token".to_owned(), json!(mask));
    }
    Some(settings)
}

/// Builds the tokenizer without the parts of the file that are ignored or implemented here. `lowercase` adds a step before its own ones,
/// which special tokens do not pass, as in sentence-transformers.
fn load(text: &str, lowercase: bool) -> Result<tokenizers::Tokenizer, String> {
    let mut file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    for part in ["truncation", "padding", "post_processor", "decoder"] {
        file[part] = Value::Null;
    }
    if lowercase {
        file["normalizer"] = json!({"type": "Sequence", "normalizers": [{"type": "Lowercase"}, file["normalizer"]]});
    }
    file.to_string().parse().map_err(|error: tokenizers::Error| format!("cannot be loaded: {error}"))
}

#[cfg(test)]
pub(crate) mod tests;
