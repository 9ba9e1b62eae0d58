//! The tokenizer of an encoder, as configured by `tokenizer.json`.
//!
//! The crate `tokenizers` does the work, but only BERT WordPiece is accepted: other kinds have no reference vectors yet. Padding and
//! truncation settings of the file are ignored: the caller decides.

mod file;

use std::path::Path;

use serde_json::Value;

use crate::error::EncoderError;
use file::TokenizerFile;

/// Bytes per requested token in the first prefix of a text that is tokenized. English texts have about 5 bytes per token.
const BYTES_PER_TOKEN: usize = 6;

/// Characters before which a text can be split without changing its tokens. Other whitespace is a control character to the normalizer,
/// which removes it instead of splitting words.
const SPLIT_POINTS: [char; 6] = [' ', '\n', '\t', '\r', '\u{a0}', '\u{3000}'];

/// Turns texts into token ids.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    tokenizer: tokenizers::Tokenizer,
    tokens: Vec<String>,
    /// Special tokens before and after a text.
    before: Vec<u32>,
    after: Vec<u32>,
    pad: u32,
    lowercases: bool,
    /// Whether no added token contains a split point.
    can_split: bool,
}

impl Tokenizer {
    /// Reads `tokenizer.json`.
    ///
    /// # Errors
    /// `io` if the file cannot be read, `bad_base_model` if it requires something that is not supported.
    pub fn read(path: &Path) -> Result<Self, EncoderError> {
        let text = std::fs::read_to_string(path).map_err(EncoderError::io(path))?;
        Self::parse(&text).map_err(|reason| EncoderError::rejected(path, reason))
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let file: TokenizerFile = serde_json::from_str(text).map_err(|error| format!("not a WordPiece tokenizer: {error}"))?;
        file.check()?;
        let (before, after) = file.special_tokens()?;
        let tokens = file.tokens()?;
        let pad = tokens.iter().position(|token| token == "[PAD]").ok_or("has no token `[PAD]`")? as u32;
        let tokenizer = load(text)?;
        for token in &file.added_tokens {
            let id = tokenizer.token_to_id(&token.content);
            if id != Some(token.id) {
                return Err(format!("added token `{}` has id {}, expected {id:?}", token.content, token.id));
            }
        }
        let can_split = !file.added_tokens.iter().any(|token| token.content.contains(SPLIT_POINTS));
        Ok(Self { tokenizer, tokens, before, after, pad, lowercases: file.lowercases(), can_split })
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
        if !self.can_split || length >= text.len() {
            return text;
        }
        let start = text.ceil_char_boundary(length);
        text[start..].find(SPLIT_POINTS).map_or(text, |offset| &text[..start + offset])
    }

    fn tokenize(&self, text: &str) -> Vec<u32> {
        let encoding = self.tokenizer.encode_fast(text, false);
        encoding.expect("WordPiece only fails without a token for unknown words").get_ids().to_vec()
    }

    /// Id of the padding token.
    #[must_use]
    pub fn pad(&self) -> u32 {
        self.pad
    }

    /// Whether texts are lowercased.
    #[must_use]
    pub fn lowercases(&self) -> bool {
        self.lowercases
    }

    /// All tokens, by id.
    #[must_use]
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }
}

/// Builds the tokenizer without the parts of the file that are ignored or implemented here.
fn load(text: &str) -> Result<tokenizers::Tokenizer, String> {
    let mut file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    for part in ["truncation", "padding", "post_processor", "decoder"] {
        file[part] = Value::Null;
    }
    file.to_string().parse().map_err(|error: tokenizers::Error| format!("cannot be loaded: {error}"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rand_xoshiro::{
        SplitMix64,
        rand_core::{RngCore, SeedableRng},
    };
    use serde_json::json;
    use sha2::{Digest, Sha256};

    pub(crate) fn file(tokens: &[&str]) -> Value {
        let vocab: serde_json::Map<String, Value> = tokens.iter().enumerate().map(|(id, token)| ((*token).to_owned(), json!(id))).collect();
        let special = |id: usize, content: &str| json!({"id": id, "content": content, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false});
        json!({
            "version": "1.0",
            "truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 0},
            "padding": {"strategy": {"Fixed": 128}},
            "added_tokens": [special(0, "[PAD]"), special(1, "[UNK]"), special(2, "[CLS]"), special(3, "[SEP]")],
            "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
                "pair": [],
                "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}, "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}},
            },
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 10, "vocab": vocab},
        })
    }

    const TOKENS: [&str; 13] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "a", "cafe", ".", "中", "unaff", "b"];

    fn tokenizer() -> Tokenizer {
        Tokenizer::parse(&file(&TOKENS).to_string()).unwrap()
    }

    #[test]
    fn words_are_split_into_the_longest_matching_tokens() {
        assert_eq!(tokenizer().encode("Unaffable a", 99), [2, 11, 6, 7, 3]);
        assert_eq!(tokenizer().encode("Café.a中b", 99), [2, 8, 9, 7, 10, 12, 3]);
    }

    #[test]
    fn a_word_that_does_not_match_completely_or_is_too_long_is_unknown() {
        assert_eq!(tokenizer().encode("unx a", 99), [2, 1, 7, 3]);
        assert_eq!(tokenizer().encode("aaaaaaaaaaa unaffableb", 99), [2, 1, 1, 3]);
    }

    #[test]
    fn an_empty_text_has_only_special_tokens() {
        assert_eq!(tokenizer().encode("", 99), [2, 3]);
        assert_eq!(tokenizer().encode(" \u{200b}\n", 99), [2, 3]);
    }

    #[test]
    fn long_texts_are_truncated_and_the_truncation_settings_of_the_file_are_ignored() {
        assert_eq!(tokenizer().encode("a a a a a a", 99), [2, 7, 7, 7, 7, 7, 7, 3]);
        assert_eq!(tokenizer().encode("a a unaffable a", 5), [2, 7, 7, 11, 3]);
    }

    #[test]
    fn special_tokens_in_a_text_are_matched() {
        assert_eq!(tokenizer().encode("a[SEP]b [sep", 99), [2, 7, 3, 12, 1, 1, 3]);
    }

    /// A tokenizer with some options of the normalizer set to `value`.
    fn with_options(tokens: &[&str], options: &[&str], value: bool) -> Tokenizer {
        let mut file = file(tokens);
        for option in options {
            file["normalizer"][option] = json!(value);
        }
        Tokenizer::parse(&file.to_string()).unwrap()
    }

    const OPTIONS: [&str; 4] = ["clean_text", "handle_chinese_chars", "strip_accents", "lowercase"];

    #[test]
    fn accents_case_control_characters_and_unusual_spaces_are_normalized() {
        let tokenizer = with_options(&["[PAD]", "[UNK]", "[CLS]", "[SEP]", "ete", "x", "i"], &OPTIONS, true);
        assert_eq!(tokenizer.encode("É\u{0}te\u{301}\u{ad}\u{a0}X\u{2028}İ", 99), [2, 4, 5, 6, 3]);
    }

    #[test]
    fn punctuation_and_ideographs_are_separate_words() {
        let tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", ".", "b", "—", "c", "中", "文", "d"];
        assert_eq!(with_options(&tokens, &OPTIONS, true).encode("a.b—c中文d", 99), [2, 4, 5, 6, 7, 8, 9, 10, 11, 3]);
    }

    #[test]
    fn disabled_options_have_no_effect() {
        let tokenizer = with_options(&["[PAD]", "[UNK]", "[CLS]", "[SEP]", "É\u{ad}中A"], &OPTIONS, false);
        assert_eq!(tokenizer.encode("É\u{ad}中A", 99), [2, 4, 3]);
    }

    fn letters() -> Vec<String> {
        let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map(str::to_owned);
        let letters = || ('a'..='z').chain(['中', '。', '.']);
        special.into_iter().chain(letters().map(String::from)).chain(letters().map(|c| format!("##{c}"))).collect()
    }

    fn letter_tokenizer() -> Tokenizer {
        let letters = letters();
        with_options(&letters.iter().map(String::as_str).collect::<Vec<_>>(), &[], true)
    }

    /// The digest is that of the normalization with which the supported models were trained.
    #[test]
    fn every_character_is_normalized_as_in_the_reference() {
        let tokenizer = letter_tokenizer();
        let characters: Vec<char> = (0..=0x10_ffff).filter_map(char::from_u32).collect();
        let mut hash = Sha256::new();
        for characters in characters.chunks(4096) {
            let text: String = characters.iter().map(|c| format!("a{c}b {c} ")).collect();
            for id in tokenizer.encode(&text, usize::MAX) {
                hash.update(id.to_le_bytes());
            }
        }
        assert_eq!(hex::encode(hash.finalize()), "b72da79fee71eae04ce6b8e9278a84a292ae238ff458aa1d2e9c552a545b4a3b");
    }

    #[test]
    fn truncated_texts_have_the_first_tokens_of_the_whole_text() {
        const PARTS: [&str; 26] = [
            "a",
            "word",
            "termination",
            "É",
            "e\u{301}",
            "\u{301}",
            "中",
            "。",
            ".",
            "[SEP]",
            "[",
            "]",
            " ",
            " ",
            " ",
            "  ",
            "\n",
            "\t",
            "\r\n",
            "\u{a0}",
            "\u{3000}",
            "\u{2028}",
            "\u{85}",
            "\u{b}",
            "\u{200b}",
            "🙂",
        ];
        let tokenizer = letter_tokenizer();
        let mut random = SplitMix64::seed_from_u64(1);
        let mut below = |bound: usize| (random.next_u64() % bound as u64) as usize;
        for _ in 0..2000 {
            let text: String = (0..below(200)).map(|_| PARTS[below(PARTS.len())]).collect();
            let whole = tokenizer.tokenize(&text);
            for max_length in [0, 1, 2, 3, 4, 7, 16, 64, 1000] {
                let limit = max_length.max(1) - 1;
                let mut expected: Vec<u32> = [2].into_iter().chain(whole.iter().copied()).take(limit).collect();
                expected.push(3);
                assert_eq!(tokenizer.encode(&text, max_length), expected, "{text:?} {max_length}");
            }
        }
    }

    #[test]
    fn long_texts_are_not_tokenized_as_a_whole() {
        let tokenizer = letter_tokenizer();
        let text = "some words of a contract ".repeat(1000);
        let prefix = tokenizer.prefix(&text, 100);
        assert!((100..110).contains(&prefix.len()) && text[prefix.len()..].starts_with(' '), "{}", prefix.len());
        assert_eq!(tokenizer.prefix("nowhere-to-split", 5), "nowhere-to-split");
    }

    #[test]
    fn a_tokenizer_of_another_kind_is_rejected_with_a_reason() {
        let rejection = |pointer: &str, value: Value| {
            let mut file = file(&TOKENS);
            *file.pointer_mut(pointer).unwrap() = value;
            Tokenizer::parse(&file.to_string()).unwrap_err()
        };
        assert!(rejection("/model/type", json!("BPE")).contains("BPE"));
        assert!(rejection("/normalizer/type", json!("NFC")).contains("NFC"));
        assert!(rejection("/pre_tokenizer/type", json!("Metaspace")).contains("Metaspace"));
        assert!(rejection("/added_tokens/0/lstrip", json!(true)).contains("[PAD]"));
        assert!(rejection("/model/vocab/a", json!(99)).contains("99"));
    }
}
