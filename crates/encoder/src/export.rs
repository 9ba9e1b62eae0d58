//! Writes an encoder as a directory that every version of sentence-transformers can load.

use std::{fs, path::Path};

use aprendiz_inference::manifest::{self, Manifest};
use serde_json::{Map, Value, json};

use crate::{
    encoder::Encoder,
    error::EncoderError,
    files::{CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE},
    model::weights,
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

        weights::write(&dir.join(WEIGHTS_FILE), &self.weights()?)?;
        write(CONFIG_FILE, &self.config_json())?;
        write(TOKENIZER_FILE, &self.tokenizer_text)?;
        write("vocab.txt", &format!("{}\n", self.tokenizer.vocabulary_lines().join("\n")))?;
        let mut tokenizer_config = self.tokenizer.settings().clone();
        let special = tokenizer_config.iter().filter(|(key, _)| key.ends_with("_token"));
        let special: Map<String, Value> = special.map(|(key, token)| (key.clone(), token.clone())).collect();
        tokenizer_config.insert("tokenizer_class".to_owned(), json!("BertTokenizer"));
        tokenizer_config.insert("model_max_length".to_owned(), json!(self.config().max_position_embeddings));
        write_json("special_tokens_map.json", Value::Object(special))?;
        write_json("tokenizer_config.json", Value::Object(tokenizer_config))?;

        // the older format of module types and pooling: old readers would silently ignore the newer one
        let module = |number: usize, path: &str, kind: &str| json!({"idx": number, "name": number.to_string(), "path": path, "type": format!("sentence_transformers.models.{kind}")});
        let mut modules = vec![module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling")];
        if self.modules.normalize {
            modules.push(module(2, "2_Normalize", "Normalize"));
        }
        write_json("modules.json", Value::Array(modules))?;
        write_json("sentence_bert_config.json", json!({"max_seq_length": self.max_length(), "do_lower_case": self.modules.lowercase}))?;
        let mut prompts = self.modules.prompts.to_json();
        let versions = json!({"sentence_transformers": "2.0.0", "transformers": "4.6.1", "pytorch": "1.8.1"});
        prompts.insert("__version__".to_owned(), versions);
        write_json("config_sentence_transformers.json", Value::Object(prompts))?;
        let mut pooling = json!({
            "word_embedding_dimension": size,
            "pooling_mode_cls_token": false,
            "pooling_mode_mean_tokens": true,
            "pooling_mode_max_tokens": false,
            "pooling_mode_mean_sqrt_len_tokens": false,
        });
        if !self.modules.include_prompt {
            // older versions do not know the key, so it is written only if it is needed
            pooling["include_prompt"] = json!(false);
        }
        write_json("1_Pooling/config.json", pooling)?;
        write("README.md", card)
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
            changes.push(("architectures", json!(["BertModel"])));
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
