//! Writes an encoder as a directory that every version of sentence-transformers can load.

use std::{fs, path::Path};

use inference::manifest::{self, Manifest};
use serde_json::{Value, json};

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
        write(CONFIG_FILE, &self.config_text)?;
        write(TOKENIZER_FILE, &self.tokenizer_text)?;
        write("vocab.txt", &format!("{}\n", self.tokenizer.tokens().join("\n")))?;
        let special =
            json!({"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"});
        let mut tokenizer_config = special.clone();
        tokenizer_config["tokenizer_class"] = json!("BertTokenizer");
        tokenizer_config["do_lower_case"] = json!(self.tokenizer.lowercases());
        tokenizer_config["model_max_length"] = json!(self.config().max_position_embeddings);
        write_json("special_tokens_map.json", special)?;
        write_json("tokenizer_config.json", tokenizer_config)?;

        // the older format of module types and pooling: old readers would silently ignore the newer one
        let module = |number: usize, path: &str, kind: &str| json!({"idx": number, "name": number.to_string(), "path": path, "type": format!("sentence_transformers.models.{kind}")});
        let mut modules = vec![module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling")];
        if self.modules.normalize {
            modules.push(module(2, "2_Normalize", "Normalize"));
        }
        write_json("modules.json", Value::Array(modules))?;
        write_json("sentence_bert_config.json", json!({"max_seq_length": self.max_length(), "do_lower_case": false}))?;
        write_json(
            "config_sentence_transformers.json",
            json!({"__version__": {"sentence_transformers": "2.0.0", "transformers": "4.6.1", "pytorch": "1.8.1"}}),
        )?;
        write_json(
            "1_Pooling/config.json",
            json!({
                "word_embedding_dimension": size,
                "pooling_mode_cls_token": false,
                "pooling_mode_mean_tokens": true,
                "pooling_mode_max_tokens": false,
                "pooling_mode_mean_sqrt_len_tokens": false,
            }),
        )?;
        write("README.md", card)
    }

    /// Writes the manifest with the hashes of all files of a written directory, which makes it final.
    ///
    /// # Errors
    /// `io` if a file cannot be read or the manifest cannot be written.
    pub fn seal(dir: &Path) -> Result<Manifest, EncoderError> {
        Ok(manifest::write(dir)?)
    }
}
