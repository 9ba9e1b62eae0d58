//! A model directory: what its files say, before the values of the weights are read.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    error::EncoderError,
    files::{ADAPTER_FILE, ADDED_TOKENS_FILE, CONFIG_FILE, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE},
    model::{
        config::BertConfig,
        modules::{ModuleList, Modules},
        reader::{DirectoryReader, join},
        transformer_module::TransformerModule,
        weight_files::WeightFiles,
    },
    tokenizer::Tokenizer,
};

/// A directory in the layout of sentence-transformers, or a model of transformers. Everything that is not supported was rejected.
#[derive(Debug)]
pub(crate) struct ModelDirectory {
    pub(crate) config: BertConfig,
    /// The unmodified contents of `config.json` and `tokenizer.json`.
    pub(crate) config_text: String,
    pub(crate) tokenizer_text: String,
    pub(crate) modules: Modules,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) weights: WeightFiles,
    /// Assumptions and conversions, a sentence each.
    pub(crate) notes: Vec<String>,
    root: PathBuf,
    files: BTreeSet<String>,
}

impl ModelDirectory {
    /// Reads and checks all files of the directory, except the values of the weights.
    pub(crate) fn read(dir: &Path) -> Result<Self, EncoderError> {
        let mut reader = DirectoryReader::new(dir);
        let list = ModuleList::read(&mut reader)?;
        let folder = list.folder.clone();
        for folder in ["", folder.as_str()] {
            let adapter = join(folder, ADAPTER_FILE);
            if reader.exists(&adapter) {
                return Err(reader.reject(&adapter, "adapters are not supported: merge the adapter into the weights"));
            }
        }
        let config_name = join(&folder, CONFIG_FILE);
        let missing = |reader: &DirectoryReader, name: &str, advice: &str| reader.reject(name, format!("is missing: {advice}"));
        let config_text = reader.find_text(&config_name)?;
        let config_text = config_text.ok_or_else(|| missing(&reader, &config_name, "copy the whole directory of the model"))?;
        let object = serde_json::from_str(&config_text).map_err(|error| reader.reject(&config_name, format!("not valid JSON: {error}")))?;
        let (config, mut notes) = BertConfig::parse(object).map_err(|reason| reader.reject(&config_name, reason))?;

        let transformer = TransformerModule::read(&mut reader, &folder, list.is_bare, config.max_position_embeddings)?;
        let tokenizer_name = join(&folder, TOKENIZER_FILE);
        let advice = "write it with `AutoTokenizer.from_pretrained(DIRECTORY).save_pretrained(DIRECTORY)` of transformers";
        let tokenizer_text = reader.find_text(&tokenizer_name)?;
        let tokenizer_text = tokenizer_text.ok_or_else(|| missing(&reader, &tokenizer_name, advice))?;
        let mut tokenizer =
            Tokenizer::parse(&tokenizer_text, transformer.lowercase).map_err(|reason| reader.reject(&tokenizer_name, reason))?;
        tokenizer.check_ids(config.vocab_size).map_err(|reason| reader.reject(&tokenizer_name, reason))?;
        let settings = tokenizer.check_settings(&tokenizer_text, &transformer.tokenizer_config);
        settings.map_err(|reason| reader.reject(&join(&folder, TOKENIZER_CONFIG_FILE), reason))?;
        let added_name = join(&folder, ADDED_TOKENS_FILE);
        for (token, id) in reader.find_object(&added_name)?.unwrap_or_default() {
            tokenizer.check_added(&token, &id).map_err(|reason| reader.reject(&added_name, reason))?;
        }

        let weights = WeightFiles::read(&mut reader, &folder, &config)?;
        let (modules, assumptions) = list.complete(transformer);
        notes.splice(0..0, assumptions);
        if modules.lowercase && tokenizer.settings()["do_lower_case"] == false {
            notes.push("texts are lowercased before the tokenizer, which does not do that, because do_lower_case is true".to_owned());
        }
        notes.extend(tokenizer.notes().iter().chain(&weights.notes).cloned());
        Ok(Self {
            config,
            config_text,
            tokenizer_text,
            modules,
            tokenizer,
            weights,
            notes,
            root: dir.to_owned(),
            files: reader.files().clone(),
        })
    }

    /// All files that were read, or whose values are, by their paths in the directory.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, PathBuf)> {
        self.files.iter().map(|name| (name.as_str(), self.root.join(name)))
    }
}
