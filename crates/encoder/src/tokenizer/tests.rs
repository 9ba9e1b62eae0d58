//! Tests of the tokenizer.

use super::*;
use rand_xoshiro::{
    SplitMix64,
    rand_core::{RngCore, SeedableRng},
};
use serde_json::json;
use sha2::{Digest, Sha256};

pub(crate) fn file(tokens: &[&str]) -> Value {
    let vocab: Map<String, Value> = tokens.iter().enumerate().map(|(id, token)| ((*token).to_owned(), json!(id))).collect();
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
    Tokenizer::parse(&file(&TOKENS).to_string(), false).unwrap()
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
    Tokenizer::parse(&file.to_string(), false).unwrap()
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
        Tokenizer::parse(&file.to_string(), false).unwrap_err()
    };
    assert!(rejection("/model/type", json!("BPE")).contains("BPE"));
    assert!(rejection("/normalizer/type", json!("NFC")).contains("NFC"));
    assert!(rejection("/pre_tokenizer/type", json!("Metaspace")).contains("Metaspace"));
    assert!(rejection("/added_tokens/0/lstrip", json!(true)).contains("[PAD]"));
    assert!(
        rejection("/truncation", json!({"direction": "Left", "max_length": 4, "strategy": "LongestFirst", "stride": 0})).contains("Left")
    );
    assert!(rejection("/post_processor/special_tokens/[SEP]/ids", json!([7])).contains("`[SEP]` the id 7, the vocabulary 3"));
}

#[test]
fn every_id_must_have_a_row_of_embeddings() {
    let with = |pointer: &str, value: Value| {
        let mut file = file(&TOKENS);
        *file.pointer_mut(pointer).unwrap() = value;
        Tokenizer::parse(&file.to_string(), false).unwrap()
    };
    assert!(tokenizer().check_ids(13).is_ok());
    assert!(tokenizer().check_ids(12).unwrap_err().contains("`b` has id 12"));
    let hole = with("/model/vocab/a", json!(15));
    assert_eq!(hole.encode("a b", 99), [2, 15, 12, 3]);
    assert!(hole.check_ids(16).is_ok() && hole.check_ids(15).unwrap_err().contains("`a` has id 15"));
    assert_eq!(hole.vocabulary_lines()[7], "[unused7]");
    let shared = with("/model/vocab/a", json!(12));
    assert_eq!((shared.encode("a b", 99), shared.notes().len()), (vec![2, 12, 12, 3], 1));
    let mut added = file(&TOKENS);
    let last = added["added_tokens"][3].clone();
    added["added_tokens"].as_array_mut().unwrap().push(last);
    added["added_tokens"][4]["id"] = json!(13);
    added["added_tokens"][4]["content"] = json!("[NEW]");
    let added = Tokenizer::parse(&added.to_string(), false).unwrap();
    assert_eq!(added.encode("a[NEW]", 99), [2, 7, 13, 3]);
    assert!(added.check_ids(14).is_ok() && added.check_ids(13).unwrap_err().contains("`[NEW]` has id 13"));
    assert_eq!(added.vocabulary_lines()[13], "[NEW]");
    assert!(added.check_added("[NEW]", &json!(13)).is_ok());
    assert!(added.check_added("[NEW]", &json!(14)).unwrap_err().contains("id 13"));
    assert!(added.check_added("[X]", &json!(14)).unwrap_err().contains("does not have it"));
}

#[test]
fn texts_are_lowercased_before_a_tokenizer_that_does_not_and_special_tokens_are_not() {
    let mut cased = file(&TOKENS);
    cased["normalizer"]["lowercase"] = json!(false);
    let [ignored, lowered] = [false, true].map(|lowercase| Tokenizer::parse(&cased.to_string(), lowercase).unwrap());
    assert_eq!(ignored.encode("UNAFFABLE[SEP]A", 99), [2, 1, 3, 1, 3]);
    assert_eq!(lowered.encode("UNAFFABLE[SEP]A", 99), [2, 11, 6, 3, 7, 3]);
    // accents stay, because the file does not strip them
    assert_eq!(lowered.encode("CAFÉ", 99), [2, 1, 3]);
    let both = Tokenizer::parse(&file(&TOKENS).to_string(), true).unwrap();
    assert_eq!(both.encode("CAFÉ", 99), [2, 8, 3]);
}

#[test]
fn settings_that_contradict_the_file_are_rejected_and_missing_ones_noted() {
    let mut cased = file(&TOKENS);
    cased["normalizer"]["lowercase"] = json!(false);
    let text = cased.to_string();
    let check = |settings: Value| {
        let mut tokenizer = Tokenizer::parse(&text, false).unwrap();
        tokenizer.check_settings(&text, settings.as_object().unwrap()).map(|()| tokenizer.notes().to_vec())
    };
    assert!(check(json!({"do_lower_case": false})).unwrap().is_empty());
    let notes = check(json!({})).unwrap();
    assert!(notes.len() == 1 && notes[0].contains("no do_lower_case") && notes[0].contains("false"), "{notes:?}");
    assert!(check(json!({"do_lower_case": true})).unwrap_err().contains("do_lower_case is true"));
    assert!(check(json!({"do_lower_case": false, "strip_accents": false})).unwrap_err().contains("strip_accents"));
    let token = json!({"do_lower_case": false, "added_tokens_decoder": {"13": {"content": "[NEW]"}}});
    assert!(check(token).unwrap_err().contains("[NEW]"));
    // the settings that are written are those of the file
    let written = Value::Object(Tokenizer::parse(&text, false).unwrap().settings().unwrap().clone());
    assert!(check(written.clone()).unwrap().is_empty() && written["mask_token"].is_null(), "{written}");
}
