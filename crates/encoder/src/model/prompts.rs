//! Prompts of `config_sentence_transformers.json`: texts that sentence-transformers puts before an input.

use serde_json::{Map, Value};

/// The prompts of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Prompts {
    /// Name and text of each prompt.
    pub(crate) texts: Vec<(String, String)>,
    /// Name of the prompt of texts for which none is named.
    pub(crate) default_name: Option<String>,
    /// Function that compares vectors, by name.
    pub(crate) similarity: Option<String>,
}

impl Prompts {
    /// Reads the object of the file.
    pub(crate) fn parse(config: &Map<String, Value>) -> Result<Self, String> {
        match config.get("model_type") {
            None | Some(Value::Null) => {}
            Some(Value::String(kind)) if kind == "SentenceTransformer" => {}
            Some(kind) => return Err(format!("model_type is {kind}, only `SentenceTransformer` is supported")),
        }
        let texts = match config.get("prompts") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Object(prompts)) => {
                let text = |(name, text): (&String, &Value)| match text {
                    Value::String(text) => Ok((name.clone(), text.clone())),
                    Value::Null => Ok((name.clone(), String::new())),
                    other => Err(format!("prompt `{name}` is {other}, expected a text")),
                };
                prompts.iter().map(text).collect::<Result<_, _>>()?
            }
            Some(other) => return Err(format!("prompts is {other}, expected an object of texts")),
        };
        let name = |key: &str| match config.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(name)) => Ok(Some(name.clone())),
            Some(other) => Err(format!("{key} is {other}, expected a name")),
        };
        let prompts = Self { texts, default_name: name("default_prompt_name")?, similarity: name("similarity_fn_name")? };
        match &prompts.default_name {
            Some(name) if prompts.find(name).is_none() => Err(format!("default_prompt_name is `{name}`, which is not one of the prompts")),
            _ => Ok(prompts),
        }
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.texts.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    /// The text before every input; often empty.
    pub(crate) fn default_text(&self) -> &str {
        self.default_name.as_deref().and_then(|name| self.find(name)).unwrap_or_default()
    }

    /// What a reader of the model should know about its prompts.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let prompt = self.default_text();
        let named: Vec<&str> = self.texts.iter().filter(|(_, text)| !text.is_empty()).map(|(name, _)| name.as_str()).collect();
        if let (Some(name), false) = (&self.default_name, prompt.is_empty()) {
            notes.push(format!("the default prompt `{name}`, {prompt:?}, is put before every text"));
        } else if !named.is_empty() {
            notes.push(format!("no prompt is put before texts: none of the prompts ({}) is the default", named.join(", ")));
        }
        if let Some(similarity) = self.similarity.as_deref().filter(|name| *name != "cosine") {
            notes.push(format!("similarity_fn_name is `{similarity}`; training and evaluation compare vectors by their cosine"));
        }
        notes
    }

    /// The keys of `config_sentence_transformers.json` that keep the prompts.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let mut config = Map::new();
        if !self.texts.is_empty() {
            let texts = self.texts.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str())));
            config.insert("prompts".to_owned(), Value::Object(texts.collect()));
            config.insert("default_prompt_name".to_owned(), Value::from(self.default_name.clone()));
        }
        if let Some(similarity) = &self.similarity {
            config.insert("similarity_fn_name".to_owned(), Value::from(similarity.as_str()));
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(config: &Value) -> Result<Prompts, String> {
        Prompts::parse(config.as_object().unwrap())
    }

    #[test]
    fn the_default_prompt_is_used_and_all_prompts_are_kept() {
        let config =
            json!({"prompts": {"query": "query: ", "document": null}, "default_prompt_name": "query", "similarity_fn_name": "dot"});
        let prompts = parse(&config).unwrap();
        assert_eq!(prompts.default_text(), "query: ");
        let notes = prompts.notes();
        assert!(notes.len() == 2 && notes[0].contains("\"query: \"") && notes[1].contains("`dot`"), "{notes:?}");
        assert_eq!(parse(&Value::Object(prompts.to_json())).unwrap(), prompts);
    }

    #[test]
    fn prompts_without_a_default_are_noted_unless_they_are_empty() {
        let prompts = parse(&json!({"prompts": {"query": "q: ", "document": "d: "}, "default_prompt_name": null})).unwrap();
        assert_eq!(prompts.default_text(), "");
        assert!(prompts.notes()[0].contains("query, document") || prompts.notes()[0].contains("document, query"), "{:?}", prompts.notes());
        let empty = parse(&json!({"prompts": {"query": "", "document": ""}, "default_prompt_name": "query"})).unwrap();
        assert!(empty.notes().is_empty() && empty.default_text().is_empty());
        assert_eq!(parse(&json!({"__version__": {}})).unwrap(), Prompts::default());
    }

    #[test]
    fn malformed_prompts_are_rejected_by_name() {
        for (config, reason) in [
            (json!({"prompts": {"a": "x"}, "default_prompt_name": "b"}), "default_prompt_name is `b`"),
            (json!({"prompts": {"a": 7}}), "prompt `a` is 7"),
            (json!({"prompts": ["a"]}), "prompts is [\"a\"]"),
            (json!({"default_prompt_name": 7}), "default_prompt_name is 7"),
            (json!({"model_type": "SparseEncoder"}), "SparseEncoder"),
        ] {
            let error = parse(&config).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
