//! Writes an encoder as a directory that every version of sentence-transformers can load.

use std::{fs, path::Path};

use aprendiz_inference::manifest::{self, Manifest};
use serde_json::{Map, Value, json};

use crate::{
    encoder::Encoder,
    error::EncoderError,
    files::{CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE},
    model::{
        modules::AfterPooling,
        parts::dense_prefix,
        weights::{self, Weights},
    },
    pooling_mode::PoolingMode,
};

impl Encoder {
    /// Writes the encoder to `dir`, which is created if it is missing. `card` becomes `README.md`. The manifest is written separately, by
    /// [`seal`](Self::seal).
    ///
    /// # Errors
    /// `io` if a file cannot be written.
    pub fn write(&self, dir: &Path, card: &str) -> Result<(), EncoderError> {
        fs::create_dir_all(dir.join("1_Pooling")).map_err(EncoderError::io(dir))?;
        let write = |name: &str, text: &str| fs::write(dir.join(name), text).map_err(EncoderError::io(dir.join(name)));
        let write_json = |name: &str, value: Value| write(name, &format!("{value:#}\n"));
        let size = self.config().hidden_size;
        let family = self.config().family;

        let (network, dense) = self.stored_weights()?;
        weights::write(&dir.join(WEIGHTS_FILE), &network)?;
        write(CONFIG_FILE, &self.config_json())?;
        write(TOKENIZER_FILE, &self.tokenizer_text)?;
        let mut tokenizer_config = match self.tokenizer.settings() {
            Some(settings) => {
                write("vocab.txt", &format!("{}\n", self.tokenizer.vocabulary_lines().join("\n")))?;
                settings.clone()
            }
            None => self.tokenizer_config.clone(),
        };
        let special = tokenizer_config.iter().filter(|(key, _)| key.ends_with("_token"));
        let special: Map<String, Value> = special.map(|(key, token)| (key.clone(), token.clone())).collect();
        if self.tokenizer.settings().is_some() || !tokenizer_config.contains_key("tokenizer_class") {
            tokenizer_config.insert("tokenizer_class".to_owned(), json!(family.tokenizer_class()));
        }
        tokenizer_config.insert("model_max_length".to_owned(), json!(self.config().max_positions()));
        write_json("special_tokens_map.json", Value::Object(special))?;
        write_json("tokenizer_config.json", Value::Object(tokenizer_config))?;

        // the older format of module types and pooling: old readers would silently ignore the newer one
        let module = |number: usize, path: &str, kind: &str| json!({"idx": number, "name": number.to_string(), "path": path, "type": format!("sentence_transformers.models.{kind}")});
        let mut modules = vec![module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling")];
        let mut dense = dense.into_iter();
        for (number, after) in (2..).zip(&self.modules.after_pooling) {
            match after {
                AfterPooling::Normalize => modules.push(module(number, &format!("{number}_Normalize"), "Normalize")),
                AfterPooling::Dense(config) => {
                    let folder = format!("{number}_Dense");
                    fs::create_dir_all(dir.join(&folder)).map_err(EncoderError::io(dir))?;
                    write_json(&format!("{folder}/{CONFIG_FILE}"), config.to_json())?;
                    weights::write(&dir.join(&folder).join(WEIGHTS_FILE), &dense.next().unwrap_or_default())?;
                    modules.push(module(number, &folder, "Dense"));
                }
            }
        }
        write_json("modules.json", Value::Array(modules))?;
        write_json("sentence_bert_config.json", json!({"max_seq_length": self.max_length(), "do_lower_case": self.modules.lowercase}))?;
        let mut prompts = self.modules.prompts.to_json();
        let versions = json!({"sentence_transformers": "2.0.0", "transformers": "4.6.1", "pytorch": "1.8.1"});
        prompts.insert("__version__".to_owned(), versions);
        write_json("config_sentence_transformers.json", Value::Object(prompts))?;
        let mut pooling = json!({"word_embedding_dimension": size});
        for mode in PoolingMode::ALL {
            // older versions do not know the key of the weighted mean, so it is written only if it is needed
            if mode != PoolingMode::WeightedMean || mode == self.modules.pooling {
                pooling[mode.key()] = json!(mode == self.modules.pooling);
            }
        }
        if !self.modules.include_prompt {
            // older versions do not know the key, so it is written only if it is needed
            pooling["include_prompt"] = json!(false);
        }
        write_json("1_Pooling/config.json", pooling)?;
        write("README.md", card)
    }

    /// The tensors of the network under the names of its family, and those of each dense module.
    fn stored_weights(&self) -> Result<(Weights, Vec<Weights>), EncoderError> {
        let family = self.config().family;
        let mut network = self.weights()?;
        let dense = (0..self.modules.dense().count()).map(|number| {
            let prefix = dense_prefix(number);
            let names: Vec<String> = network.keys().filter(|name| name.starts_with(&prefix)).cloned().collect();
            let tensors = names.into_iter().filter_map(|name| Some((name[prefix.len()..].to_owned(), network.remove(&name)?)));
            tensors.collect()
        });
        let dense = dense.collect();
        Ok((network.into_iter().map(|(name, tensor)| (family.stored_name(&name), tensor)).collect(), dense))
    }

    /// `config.json` of the weights that are written: readers convert them to the type that it names, and may expect heads.
    fn config_json(&self) -> String {
        let Ok(Value::Object(mut config)) = serde_json::from_str(&self.config_text) else { return self.config_text.clone() };
        let mut changes = Vec::new();
        for key in ["dtype", "torch_dtype"] {
            if config.get(key).is_some_and(|dtype| !dtype.is_null() && dtype != "float32") {
                changes.push((key, json!("float32")));
            }
        }
        if self.has_ignored_tensors {
            changes.push(("architectures", json!([self.config().family.architecture()])));
        }
        if changes.is_empty() {
            return self.config_text.clone();
        }
        config.extend(changes.into_iter().map(|(key, value)| (key.to_owned(), value)));
        format!("{:#}\n", Value::Object(config))
    }

    /// Writes the manifest with the hashes of all files of a written directory, which makes it final.
    ///
    /// # Errors
    /// `io` if a file cannot be read or the manifest cannot be written.
    pub fn seal(dir: &Path) -> Result<Manifest, EncoderError> {
        Ok(manifest::write(dir)?)
    }
}
