//! Builds `tokenizer.json` from `vocab.txt`, the word list of older models, with the settings of `tokenizer_config.json`: what transformers
//! does when it reads such a directory.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Classes of transformers whose vocabulary is such a list.
const CLASSES: [&str; 2] = ["BertTokenizer", "BertTokenizerFast"];
/// Longest word that is split into pieces; a longer one is unknown.
const MAX_WORD_CHARS: usize = 100;

/// The special tokens of BERT by their settings.
const SPECIAL: [(&str, &str); 5] =
    [("pad_token", "[PAD]"), ("unk_token", "[UNK]"), ("cls_token", "[CLS]"), ("sep_token", "[SEP]"), ("mask_token", "[MASK]")];

/// Builds the tokenizer of a word list: a token per line, whose number is its id. `settings` are those of `tokenizer_config.json` and
/// `special_tokens_map.json`.
pub(super) fn build(list: &str, settings: &Map<String, Value>) -> Result<String, String> {
    check(settings)?;
    let mut vocab: BTreeMap<&str, u32> = BTreeMap::new();
    for (id, line) in (0_u32..).zip(list.lines()) {
        // of a repeated token the last line counts; an empty line is a token that no text has
        if !line.is_empty() {
            vocab.insert(line, id);
        }
    }
    let flag = |key: &str| settings.get(key).and_then(Value::as_bool);
    let mut special = Vec::new();
    for (key, usual) in SPECIAL {
        let token = token(settings.get(key)).unwrap_or(usual);
        match vocab.get(token) {
            Some(id) => special.push((token, *id)),
            // only training of language models masks tokens
            None if key == "mask_token" => {}
            None => return Err(format!("has no token `{token}`, the {key}")),
        }
    }
    let [_, (unknown, _), cls, sep, ..] = special.as_slice() else { return Err("has too few special tokens".to_owned()) };
    let (unknown, cls, sep) = (*unknown, *cls, *sep);
    let mut added: Vec<Value> = special.iter().map(|(token, id)| added_token(token, *id, &Value::Null)).collect();
    for (id, token) in settings.get("added_tokens_decoder").and_then(Value::as_object).into_iter().flatten() {
        let content = token["content"].as_str().unwrap_or_default();
        if let (false, Ok(id)) = (vocab.contains_key(content), id.parse()) {
            added.push(added_token(content, id, token));
        }
    }
    let part = |token: &str| json!({"SpecialToken": {"id": token, "type_id": 0}});
    let known = |(token, id): (&str, u32)| json!({"id": token, "ids": [id], "tokens": [token]});
    let file = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": flag("tokenize_chinese_chars").unwrap_or(true),
            "strip_accents": flag("strip_accents"),
            "lowercase": flag("do_lower_case").unwrap_or(true),
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [part(cls.0), {"Sequence": {"id": "A", "type_id": 0}}, part(sep.0)],
            "pair": [part(cls.0), {"Sequence": {"id": "A", "type_id": 0}}, part(sep.0), {"Sequence": {"id": "B", "type_id": 1}}, part(sep.0)],
            "special_tokens": Map::from_iter([(cls.0.to_owned(), known(cls)), (sep.0.to_owned(), known(sep))]),
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece",
            "unk_token": unknown,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": MAX_WORD_CHARS,
            "vocab": vocab,
        },
    });
    Ok(format!("{file:#}\n"))
}

/// Rejects settings that ask for another tokenizer.
fn check(settings: &Map<String, Value>) -> Result<(), String> {
    if let Some(class) = settings.get("tokenizer_class").filter(|class| !class.is_null())
        && !class.as_str().is_some_and(|class| CLASSES.contains(&class))
    {
        return Err(format!("belongs to the tokenizer_class {class}; without tokenizer.json only `BertTokenizer` is supported"));
    }
    if settings.get("do_basic_tokenize") == Some(&Value::Bool(false)) {
        return Err("do_basic_tokenize is false, which is not supported".to_owned());
    }
    match settings.get("never_split") {
        Some(Value::Array(words)) if !words.is_empty() => Err("never_split names words, which is not supported".to_owned()),
        _ => Ok(()),
    }
}

/// A token, which may be an object with options.
fn token(setting: Option<&Value>) -> Option<&str> {
    let setting = setting?;
    setting.as_str().or_else(|| setting.get("content")?.as_str())
}

fn added_token(content: &str, id: u32, options: &Value) -> Value {
    let option = |key: &str| options[key].as_bool().unwrap_or_default();
    json!({
        "id": id, "content": content, "special": true, "single_word": option("single_word"), "lstrip": option("lstrip"),
        "rstrip": option("rstrip"), "normalized": option("normalized"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::{Tokenizer, tests::file};

    const TOKENS: [&str; 9] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##aff", "cafe", "Law", "中"];

    fn settings(settings: &Value) -> Map<String, Value> {
        settings.as_object().unwrap().clone()
    }

    #[test]
    fn a_word_list_gives_the_same_ids_as_its_tokenizer() {
        for line_end in ["\n", "\r\n"] {
            let list = TOKENS.join(line_end) + line_end;
            let built = build(&list, &settings(&json!({"tokenizer_class": "BertTokenizer", "unk_token": {"content": "[UNK]"}}))).unwrap();
            let built = Tokenizer::parse(&built, false).unwrap();
            let reference = Tokenizer::parse(&file(&TOKENS).to_string(), false).unwrap();
            for text in ["unaff CAFÉ[SEP] 中x Law", "", "un [MASK] cafe"] {
                assert_eq!(built.encode(text, 99), reference.encode(text, 99), "{text}");
            }
        }
    }

    #[test]
    fn settings_change_the_tokenizer() {
        let list = TOKENS.join("\n").replace("[UNK]", "<unk>");
        let cased = json!({"do_lower_case": false, "unk_token": "<unk>", "added_tokens_decoder": {"9": {"content": "[NEW]"}}});
        let built = Tokenizer::parse(&build(&list, &settings(&cased)).unwrap(), false).unwrap();
        assert_eq!(built.encode("Law law[NEW]", 99), [2, 7, 1, 9, 3]);
        // a repeated token has the number of its last line
        let built = build(&(TOKENS.join("\n") + "\n\nun\n"), &Map::new()).unwrap();
        assert_eq!(Tokenizer::parse(&built, false).unwrap().encode("un", 99), [2, 10, 3]);
    }

    #[test]
    fn lists_of_other_tokenizers_are_refused_by_name() {
        let list = TOKENS.join("\n");
        for (config, reason) in [
            (json!({"tokenizer_class": "BertJapaneseTokenizer"}), "BertJapaneseTokenizer"),
            (json!({"do_basic_tokenize": false}), "do_basic_tokenize"),
            (json!({"never_split": ["law"]}), "never_split"),
            (json!({"cls_token": "<s>"}), "has no token `<s>`, the cls_token"),
        ] {
            let error = build(&list, &settings(&config)).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        assert!(build("", &Map::new()).unwrap_err().contains("has no token `[PAD]`"));
    }
}
