//! Texts to numbers of word pieces, as `tokenizer.json` says.
//!
//! Only what BERT models of the sentence-transformers use is understood: the normalizer and pre-tokenizer of BERT, word pieces, and one
//! special token before and after. Padding and truncation that are baked into the file are not looked at: whoever encodes decides.

mod file;
mod normalizer;
mod tables;
mod vocabulary;

use std::path::Path;

use crate::error::EncoderError;
use file::TokenizerFile;
use normalizer::Normalizer;
use vocabulary::Vocabulary;

/// Turns texts into numbers of word pieces.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    normalizer: Normalizer,
    vocabulary: Vocabulary,
    /// Tokens that are found in a text as they are written, the longest first.
    verbatim: Vec<(String, u32)>,
    before: Vec<u32>,
    after: Vec<u32>,
    pad: u32,
}

impl Tokenizer {
    /// Reads `tokenizer.json`.
    ///
    /// # Errors
    /// If the file cannot be read, or asks for something that this program does not do.
    pub fn read(path: &Path) -> Result<Self, EncoderError> {
        let text = std::fs::read_to_string(path).map_err(EncoderError::io(path))?;
        Self::parse(&text).map_err(|reason| EncoderError::refused(path, reason))
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let file: TokenizerFile = serde_json::from_str(text).map_err(|error| format!("is no tokenizer of word pieces: {error}"))?;
        let (before, after) = file.special_tokens()?;
        let mut verbatim = file.verbatim()?;
        verbatim.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then(a.cmp(b)));
        let normalizer = file.normalizer()?;
        let vocabulary = Vocabulary::new(file.model)?;
        let pad = vocabulary.id("[PAD]").ok_or("has no token `[PAD]`")?;
        Ok(Self { normalizer, vocabulary, verbatim, before, after, pad })
    }

    /// Numbers of the word pieces of a text with the special tokens around them, at most `most` in all: what is too long loses its end.
    #[must_use]
    pub fn encode(&self, text: &str, most: usize) -> Vec<u32> {
        let room = most.saturating_sub(self.after.len());
        let mut ids = self.before.clone();
        let mut rest = text;
        while !rest.is_empty() && ids.len() < room {
            let (plain, token, next) = self.next_verbatim(rest);
            self.normalizer.words(plain, |word| {
                self.vocabulary.pieces(word, &mut ids);
                ids.len() < room
            });
            ids.extend(token);
            rest = next;
        }
        ids.truncate(room);
        ids.extend(&self.after);
        ids
    }

    /// The number of the token that fills up short texts.
    #[must_use]
    pub fn pad(&self) -> u32 {
        self.pad
    }

    /// Whether it makes no difference between upper and lower case.
    #[must_use]
    pub fn lowercases(&self) -> bool {
        self.normalizer.lowercase
    }

    /// All tokens, by number.
    #[must_use]
    pub fn tokens(&self) -> &[String] {
        self.vocabulary.tokens()
    }

    /// What stands before the first verbatim token, that token, and what follows it.
    fn next_verbatim<'a>(&self, text: &'a str) -> (&'a str, Option<u32>, &'a str) {
        let found = self.verbatim.iter().filter_map(|(token, id)| Some((text.find(token.as_str())?, token.len(), *id)));
        // of those that begin at the same place the longest; they are in that order
        match found.min_by_key(|(place, _, _)| *place) {
            Some((place, length, id)) => (&text[..place], Some(id), &text[place + length..]),
            None => (text, None, ""),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    pub(crate) fn file(tokens: &[&str]) -> serde_json::Value {
        let vocab: serde_json::Map<String, serde_json::Value> =
            tokens.iter().enumerate().map(|(id, token)| ((*token).to_owned(), json!(id))).collect();
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
    fn words_fall_into_the_longest_pieces_that_are_known() {
        assert_eq!(tokenizer().encode("Unaffable a", 99), [2, 11, 6, 7, 3]);
        assert_eq!(tokenizer().encode("Café.a中b", 99), [2, 8, 9, 7, 10, 12, 3]);
    }

    #[test]
    fn a_word_that_is_unknown_in_part_or_too_long_is_unknown_as_a_whole() {
        assert_eq!(tokenizer().encode("unx a", 99), [2, 1, 7, 3]);
        assert_eq!(tokenizer().encode("aaaaaaaaaaa unaffableb", 99), [2, 1, 1, 3]);
    }

    #[test]
    fn the_empty_text_is_the_special_tokens_alone() {
        assert_eq!(tokenizer().encode("", 99), [2, 3]);
        assert_eq!(tokenizer().encode(" \u{200b}\n", 99), [2, 3]);
    }

    #[test]
    fn what_is_too_long_loses_its_end_and_the_limits_of_the_file_do_not_matter() {
        assert_eq!(tokenizer().encode("a a a a a a", 99), [2, 7, 7, 7, 7, 7, 7, 3]);
        assert_eq!(tokenizer().encode("a a unaffable a", 5), [2, 7, 7, 11, 3]);
    }

    #[test]
    fn special_tokens_in_a_text_are_found_as_written() {
        assert_eq!(tokenizer().encode("a[SEP]b [sep", 99), [2, 7, 3, 12, 1, 1, 3]);
    }

    #[test]
    fn a_tokenizer_of_another_kind_is_refused_in_words() {
        let refusal = |pointer: &str, value: serde_json::Value| {
            let mut file = file(&TOKENS);
            *file.pointer_mut(pointer).unwrap() = value;
            Tokenizer::parse(&file.to_string()).unwrap_err()
        };
        assert!(refusal("/model/type", json!("BPE")).contains("BPE"));
        assert!(refusal("/normalizer/type", json!("NFC")).contains("NFC"));
        assert!(refusal("/pre_tokenizer/type", json!("Metaspace")).contains("Metaspace"));
        assert!(refusal("/added_tokens/0/lstrip", json!(true)).contains("[PAD]"));
        assert!(refusal("/model/vocab/a", json!(99)).contains("99"));
    }
}
