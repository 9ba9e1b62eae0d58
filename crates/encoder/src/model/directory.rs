//! A model directory: what its files say, before the values of the weights are read.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use crate::{
    error::EncoderError,
    files::{
        ADAPTER_FILE, ADDED_TOKENS_FILE, CONFIG_FILE, MODULES_FILE, OTHER_TOKENIZER_FILES, SPECIAL_TOKENS_FILE, TOKENIZER_CONFIG_FILE,
        TOKENIZER_FILE, WORD_LIST_FILE,
    },
    model::{
        config::NetworkConfig,
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
    pub(crate) config: NetworkConfig,
    /// The unmodified contents of `config.json` and `tokenizer.json`.
    pub(crate) config_text: String,
    pub(crate) tokenizer_text: String,
    /// Contents of `tokenizer_config.json`.
    pub(crate) tokenizer_config: Map<String, Value>,
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
        let (config, mut notes) = NetworkConfig::parse(object).map_err(|reason| reader.reject(&config_name, reason))?;

        let transformer = TransformerModule::read(&mut reader, &folder, list.is_bare, config.max_positions())?;
        let mut tokenizer_name = join(&folder, TOKENIZER_FILE);
        let tokenizer_text = if let Some(text) = reader.find_text(&tokenizer_name)? {
            text
        } else {
            tokenizer_name = join(&folder, WORD_LIST_FILE);
            notes.push(format!("there is no {TOKENIZER_FILE}: a WordPiece tokenizer is built from {WORD_LIST_FILE}, as transformers does"));
            build_tokenizer(&mut reader, &folder, &transformer.tokenizer_config)?
        };
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
        let settings = transformer.tokenizer_config.clone();
        let (modules, assumptions) = list.complete(transformer);
        modules.check_sizes(config.hidden_size).map_err(|reason| reader.reject(MODULES_FILE, reason))?;
        notes.splice(0..0, assumptions);
        if modules.lowercase && !tokenizer.lowercases() {
            notes.push("texts are lowercased before the tokenizer, which does not do that, because do_lower_case is true".to_owned());
        }
        notes.extend(tokenizer.notes().iter().chain(&weights.notes).cloned());
        Ok(Self {
            config,
            config_text,
            tokenizer_text,
            tokenizer_config: settings,
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

/// Builds the `tokenizer.json` of a directory that has only `vocab.txt`.
fn build_tokenizer(reader: &mut DirectoryReader, folder: &str, settings: &Map<String, Value>) -> Result<String, EncoderError> {
    let name = join(folder, TOKENIZER_FILE);
    let Some(list) = reader.find_text(&join(folder, WORD_LIST_FILE))? else {
        let other = OTHER_TOKENIZER_FILES.iter().find(|file| reader.exists(&join(folder, file)));
        let reason = match other {
            Some(file) => format!(
                "is missing, and {file} is not read: write tokenizer.json with `AutoTokenizer.from_pretrained(DIRECTORY).save_pretrained(DIRECTORY)` of transformers"
            ),
            None => {
                "is missing, and so is vocab.txt: write it with `AutoTokenizer.from_pretrained(DIRECTORY).save_pretrained(DIRECTORY)` of \
                     transformers"
                    .to_owned()
            }
        };
        return Err(reader.reject(&name, reason));
    };
    let mut all = reader.find_object(&join(folder, SPECIAL_TOKENS_FILE))?.unwrap_or_default();
    all.extend(settings.clone());
    Tokenizer::build_file(&list, &all).map_err(|reason| reader.reject(&join(folder, WORD_LIST_FILE), reason))
}
