//! Finds the tensors of the encoder among those of its files, whatever they are called there.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{config::NetworkConfig, parts::tensor_shapes};

/// Prefixes of tensor names that wrappers add. That of the family, of files with a head, may follow.
const PREFIXES: [&str; 5] = ["", "model.", "module.", "auto_model.", "0.auto_model."];

/// A tensor that every encoder has.
const WORD_EMBEDDINGS: &str = "embeddings.word_embeddings.weight";

/// Constants, which some files have.
const CONSTANTS: [&str; 2] = ["embeddings.position_ids", "embeddings.token_type_ids"];

/// The tensors of a model.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct WeightNames {
    /// Current name and name in the file of each tensor that is read.
    pub(crate) names: BTreeMap<String, String>,
    /// Tensors outside of the encoder by the first part of their names, such as heads of pre-training.
    pub(crate) outside: BTreeMap<String, usize>,
    /// The prefix of the names, if it is unusual.
    pub(crate) prefix: Option<String>,
}

impl WeightNames {
    /// Resolves the names of all tensors of the files. `shapes` has their shapes by their names.
    pub(crate) fn resolve(shapes: &BTreeMap<String, Vec<usize>>, config: &NetworkConfig) -> Result<Self, String> {
        let family = config.family;
        let prefixes = PREFIXES.into_iter().flat_map(|prefix| [prefix.to_owned(), format!("{prefix}{}", family.prefix())]);
        let found: Vec<String> = prefixes.filter(|prefix| shapes.contains_key(&format!("{prefix}{WORD_EMBEDDINGS}"))).collect();
        let prefix = match found.as_slice() {
            [prefix] => prefix.as_str(),
            [] => return Err(missing(shapes, config)),
            [one, other, ..] => return Err(format!("has two encoders, `{one}{WORD_EMBEDDINGS}` and `{other}{WORD_EMBEDDINGS}`")),
        };
        // those that transformers removes are not worth a note
        let unusual = Some(prefix).filter(|prefix| !["", family.prefix()].contains(prefix)).map(str::to_owned);
        let mut resolved = Self { prefix: unusual, ..Self::default() };
        for stored in shapes.keys() {
            match stored.strip_prefix(prefix).filter(|name| family.is_encoder_part(name)) {
                Some(name) if CONSTANTS.contains(&name) => {}
                Some(name) => {
                    let name = family.current_name(name);
                    if let Some(other) = resolved.names.insert(name.clone(), stored.clone()) {
                        return Err(format!("tensors `{other}` and `{stored}` are both `{name}`"));
                    }
                }
                None => {
                    let parts: BTreeSet<&str> = stored.split('.').collect();
                    if parts.contains("encoder") || parts.contains("embeddings") || parts.iter().any(|part| part.starts_with("lora_")) {
                        return Err(format!("has an unexpected tensor `{stored}`"));
                    }
                    let group = stored.split('.').next().unwrap_or(stored);
                    *resolved.outside.entry(group.to_owned()).or_default() += 1;
                }
            }
        }
        resolved.check_shapes(shapes, config)?;
        Ok(resolved)
    }

    /// Checks that the network has all of its tensors, in their shapes, and no others.
    fn check_shapes(&self, shapes: &BTreeMap<String, Vec<usize>>, config: &NetworkConfig) -> Result<(), String> {
        let expected = tensor_shapes(config);
        for (name, shape) in &expected {
            let stored = self.names.get(name).ok_or_else(|| format!("has no tensor `{name}`"))?;
            if shapes[stored] != *shape {
                return Err(format!("tensor `{stored}` has the shape {:?}, expected {shape:?}", shapes[stored]));
            }
        }
        let expected: BTreeSet<&String> = expected.iter().map(|(name, _)| name).collect();
        match self.names.keys().find(|name| !expected.contains(name) && !name.starts_with("pooler.")) {
            Some(name) => Err(format!("has an unexpected tensor `{name}`")),
            None => Ok(()),
        }
    }

    /// What a reader of the model should know about its tensors.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(prefix) = &self.prefix {
            notes.push(format!("tensor names begin with `{prefix}`, which is removed"));
        }
        if !self.outside.is_empty() {
            let groups: Vec<String> = self.outside.iter().map(|(group, count)| format!("`{group}` ({count})")).collect();
            notes.push(format!("tensors outside of the encoder are ignored: {}", groups.join(", ")));
        }
        notes
    }
}

fn missing(shapes: &BTreeMap<String, Vec<usize>>, config: &NetworkConfig) -> String {
    let similar = shapes.keys().find(|name| name.ends_with("word_embeddings.weight")).or_else(|| shapes.keys().next());
    let similar = similar.map_or_else(String::new, |name| format!("; it has `{name}`"));
    format!("has no tensor `{WORD_EMBEDDINGS}` of a model of the type {}{similar}", config.model_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Shapes = BTreeMap<String, Vec<usize>>;

    fn config() -> NetworkConfig {
        let config = serde_json::json!({
            "model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
            "vocab_size": 10, "max_position_embeddings": 16, "type_vocab_size": 2, "layer_norm_eps": 1e-5, "hidden_act": "gelu",
        });
        NetworkConfig::parse(config.as_object().unwrap().clone()).unwrap().0
    }

    fn shapes(rename: impl Fn(&str) -> String) -> Shapes {
        tensor_shapes(&config()).into_iter().map(|(name, shape)| (rename(&name), shape)).collect()
    }

    #[test]
    fn every_prefix_and_the_old_names_of_layer_norms_are_resolved() {
        let expected: BTreeSet<String> = shapes(str::to_owned).into_keys().collect();
        for prefix in PREFIXES.into_iter().flat_map(|prefix| [prefix.to_owned(), format!("{prefix}bert.")]) {
            let old = shapes(|name| {
                let name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
                format!("{prefix}{name}")
            });
            let resolved = WeightNames::resolve(&old, &config()).unwrap();
            assert_eq!(resolved.names.keys().cloned().collect::<BTreeSet<_>>(), expected, "{prefix}");
            assert!(resolved.outside.is_empty());
            assert_eq!(resolved.notes().len(), usize::from(!["", "bert."].contains(&prefix.as_str())));
        }
    }

    #[test]
    fn heads_are_ignored_and_noted_but_parts_of_another_encoder_are_not() {
        let mut with_heads = shapes(|name| format!("bert.{name}"));
        for name in ["cls.predictions.bias", "cls.predictions.decoder.weight", "classifier.bias", "qa_outputs.weight"] {
            with_heads.insert(name.to_owned(), vec![1]);
        }
        with_heads.insert("bert.embeddings.position_ids".to_owned(), vec![1, 16]);
        with_heads.insert("bert.pooler.dense.weight".to_owned(), vec![8, 8]);
        let resolved = WeightNames::resolve(&with_heads, &config()).unwrap();
        assert_eq!(resolved.notes(), ["tensors outside of the encoder are ignored: `classifier` (1), `cls` (2), `qa_outputs` (1)"]);
        assert!(resolved.names.contains_key("pooler.dense.weight"));
        for extra in
            ["encoder.layer.0.output.dense.bias", "bert.encoder.layer.1.output.dense.bias", "decoder.embeddings.x", "x.lora_A.weight"]
        {
            let mut shapes = with_heads.clone();
            shapes.insert(extra.to_owned(), vec![8]);
            let error = WeightNames::resolve(&shapes, &config()).unwrap_err();
            assert!(error.contains("unexpected tensor"), "{error}");
        }
    }

    #[test]
    fn what_is_missing_doubled_or_of_another_shape_is_named() {
        let error = |change: fn(&mut Shapes)| {
            let mut shapes = shapes(str::to_owned);
            change(&mut shapes);
            WeightNames::resolve(&shapes, &config()).unwrap_err()
        };
        assert!(error(|shapes| drop(shapes.insert("embeddings.LayerNorm.gamma".to_owned(), vec![8]))).contains("are both"));
        assert!(error(|shapes| drop(shapes.remove("embeddings.LayerNorm.bias"))).contains("has no tensor `embeddings.LayerNorm.bias`"));
        assert!(error(|shapes| drop(shapes.insert("embeddings.LayerNorm.bias".to_owned(), vec![9]))).contains("[9], expected [8]"));
        assert!(error(|shapes| drop(shapes.insert(format!("bert.{WORD_EMBEDDINGS}"), vec![9]))).contains("two encoders"));
        let other = BTreeMap::from([("transformer.word_embeddings.weight".to_owned(), vec![10, 8])]);
        assert!(WeightNames::resolve(&other, &config()).unwrap_err().contains("it has `transformer.word_embeddings.weight`"));
    }
}
