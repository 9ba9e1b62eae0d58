//! Reads `modules.json` and the modules it lists: how token vectors become the vector of a text.
//!
//! sentence-transformers has two formats for these files. Both are read; the older one is written, because every version can read it.

use serde::Deserialize;

use crate::{
    error::EncoderError,
    files::{CONFIG_FILE, MODULES_FILE, PROMPTS_FILE},
    model::{
        dense::DenseConfig,
        dense_module::read_dense,
        pooling::Pooling,
        prompts::Prompts,
        reader::{DirectoryReader, join},
        transformer_module::TransformerModule,
    },
    pooling_mode::PoolingMode,
};

/// Python package of the modules; those of other packages are code of the model.
const PACKAGE: &str = "sentence_transformers.";

/// Files that only a directory with `modules.json` has.
const MODULE_FILES: [&str; 4] = ["1_Pooling", "2_Normalize", PROMPTS_FILE, "sentence_bert_config.json"];

/// A module after the pooling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AfterPooling {
    Dense(DenseConfig),
    /// Vectors are normalized to length 1.
    Normalize,
}

/// The processing of a text around the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Modules {
    /// Maximum length of a text in tokens, special tokens included. Longer texts are truncated.
    pub(crate) max_length: usize,
    pub(crate) pooling: PoolingMode,
    /// What follows the pooling, in order.
    pub(crate) after_pooling: Vec<AfterPooling>,
    /// Whether texts are lowercased before the tokenizer.
    pub(crate) lowercase: bool,
    pub(crate) prompts: Prompts,
    /// Whether the tokens of a prompt count in the mean.
    pub(crate) include_prompt: bool,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// The modules of a directory, before the files of the first one are read.
#[derive(Debug)]
pub(crate) struct ModuleList {
    /// Folder of the network; empty = the directory itself.
    pub(crate) folder: String,
    /// Whether the directory is a model of transformers, without modules.
    pub(crate) is_bare: bool,
    after_pooling: Vec<AfterPooling>,
    pooling: Pooling,
    prompts: Prompts,
    notes: Vec<String>,
}

impl ModuleList {
    /// Reads the list and every module but the first.
    pub(crate) fn read(reader: &mut DirectoryReader) -> Result<Self, EncoderError> {
        let Some(modules) = reader.find_json(MODULES_FILE)? else { return Self::bare(reader) };
        let modules: Vec<Module> =
            serde_json::from_value(modules).map_err(|error| reader.reject(MODULES_FILE, format!("not a list of modules: {error}")))?;
        let (mut folder, mut pooling, mut after_pooling) = (String::new(), None, Vec::new());
        for (position, module) in modules.into_iter().enumerate() {
            let kind = module.kind.strip_prefix(PACKAGE).and_then(|kind| kind.rsplit('.').next()).unwrap_or_default();
            match (position, kind) {
                (0, "Transformer") if module.path.is_empty() || is_plain(&module.path) => folder = module.path,
                (1, "Pooling") if is_plain(&module.path) => {
                    let name = join(&module.path, CONFIG_FILE);
                    let config = reader.find_object(&name)?;
                    let missing = || reader.reject(&name, format!("is missing, although {MODULES_FILE} lists its folder"));
                    let config = config.ok_or_else(missing)?;
                    pooling = Some(Pooling::parse(&config).map_err(|reason| reader.reject(&name, reason))?);
                }
                (2.., "Dense") if is_plain(&module.path) => {
                    after_pooling.push(AfterPooling::Dense(read_dense(reader, &module.path)?));
                }
                (2.., "Normalize") if module.path.is_empty() || is_plain(&module.path) => {
                    check_normalize(reader, &join(&module.path, CONFIG_FILE))?;
                    after_pooling.push(AfterPooling::Normalize);
                }
                _ => {
                    let reason = format!(
                        "module {position} is a `{}` at `{}`; supported are Transformer, Pooling, and then Dense and Normalize of \
                         sentence_transformers",
                        module.kind, module.path
                    );
                    return Err(reader.reject(MODULES_FILE, reason));
                }
            }
        }
        let pooling = pooling.ok_or_else(|| reader.reject(MODULES_FILE, "has no Pooling module"))?;
        let prompts = match reader.find_object(PROMPTS_FILE)? {
            Some(config) => Prompts::parse(&config).map_err(|reason| reader.reject(PROMPTS_FILE, reason))?,
            None => Prompts::default(),
        };
        let mut notes = prompts.notes();
        if !pooling.include_prompt && !prompts.default_text().is_empty() {
            notes.push("the tokens of the default prompt do not count in the mean of a text, because include_prompt is false".to_owned());
        }
        Ok(Self { folder, is_bare: false, after_pooling, pooling, prompts, notes })
    }

    /// A model of transformers. sentence-transformers takes the mean of its tokens and does not normalize it.
    fn bare(reader: &DirectoryReader) -> Result<Self, EncoderError> {
        if let Some(file) = MODULE_FILES.iter().find(|file| reader.exists(file)) {
            let reason = format!("is missing, although there is {file}: copy the whole directory of the model");
            return Err(reader.reject(MODULES_FILE, reason));
        }
        let mut notes = vec![format!(
            "there is no {MODULES_FILE}: the vector of a text is the mean of its tokens, not normalized, as sentence-transformers assumes"
        )];
        if has_sentence_transformers_card(reader) {
            notes.push(format!(
                "README.md describes a model of sentence-transformers, whose {MODULES_FILE} is missing: if its pooling is not the mean, copy \
                 the whole directory of the model"
            ));
        }
        let pooling = Pooling { mode: PoolingMode::Mean, include_prompt: true };
        Ok(Self { folder: String::new(), is_bare: true, after_pooling: Vec::new(), pooling, prompts: Prompts::default(), notes })
    }

    /// Completes the modules with the settings of the first one. Returns the assumptions, too.
    pub(crate) fn complete(self, transformer: TransformerModule) -> (Modules, Vec<String>) {
        let modules = Modules {
            max_length: transformer.max_length,
            pooling: self.pooling.mode,
            after_pooling: self.after_pooling,
            lowercase: transformer.lowercase,
            prompts: self.prompts,
            include_prompt: self.pooling.include_prompt,
        };
        (modules, self.notes.into_iter().chain(transformer.notes).collect())
    }
}

impl Modules {
    /// Mean pooling and normalization, without prompts.
    pub(crate) fn normalized_mean(max_length: usize) -> Self {
        Self {
            max_length,
            pooling: PoolingMode::Mean,
            after_pooling: vec![AfterPooling::Normalize],
            lowercase: false,
            prompts: Prompts::default(),
            include_prompt: true,
        }
    }

    /// The dense modules, in order.
    pub(crate) fn dense(&self) -> impl Iterator<Item = &DenseConfig> {
        self.after_pooling.iter().filter_map(|module| match module {
            AfterPooling::Dense(dense) => Some(dense),
            AfterPooling::Normalize => None,
        })
    }

    /// Dimension of the vectors of texts, if those of tokens have `size`.
    pub(crate) fn vector_size(&self, size: usize) -> usize {
        self.dense().last().map_or(size, |dense| dense.to)
    }

    /// Checks that each dense module takes vectors of the dimension that comes before it.
    pub(crate) fn check_sizes(&self, size: usize) -> Result<(), String> {
        let mut before = size;
        for dense in self.dense() {
            if dense.from != before {
                return Err(format!("the module at `{}` takes {} features, but there are {before}", dense.folder, dense.from));
            }
            before = dense.to;
        }
        Ok(())
    }
}

/// The folder of the network of a directory whose modules may be malformed.
pub(crate) fn find_network_folder(reader: &mut DirectoryReader) -> Option<String> {
    let modules: Vec<Module> = serde_json::from_value(reader.find_json(MODULES_FILE).ok()??).ok()?;
    modules.into_iter().next().map(|module| module.path).filter(|path| is_plain(path))
}

/// Newer versions can normalize other vectors than that of the text.
fn check_normalize(reader: &mut DirectoryReader, name: &str) -> Result<(), EncoderError> {
    // at the directory itself, it is the configuration of the network
    if name == CONFIG_FILE {
        return Ok(());
    }
    for (key, value) in reader.find_object(name)?.unwrap_or_default() {
        let is_supported = match key.as_str() {
            "module_input_name" | "module_output_name" => value == "sentence_embedding",
            _ => value.is_null(),
        };
        if !is_supported {
            return Err(reader.reject(name, format!("`{key}` is {value}, which is not supported")));
        }
    }
    Ok(())
}

/// Whether the front matter of the model card names sentence-transformers. The card does not change vectors, so it is no part of the model.
pub(crate) fn has_sentence_transformers_card(reader: &DirectoryReader) -> bool {
    let text = std::fs::read_to_string(reader.path("README.md")).unwrap_or_default();
    let front_matter = text.strip_prefix("---").and_then(|rest| rest.split_once("\n---")).map(|(front_matter, _)| front_matter);
    front_matter.is_some_and(|front_matter| front_matter.contains("sentence-transformers"))
}

fn is_plain(path: &str) -> bool {
    !path.is_empty() && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use serde_json::{Value, json};

    fn directory(modules: &Value, pooling: &Value) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("1_Pooling")).unwrap();
        fs::write(dir.path().join("modules.json"), modules.to_string()).unwrap();
        fs::write(dir.path().join("1_Pooling/config.json"), pooling.to_string()).unwrap();
        dir
    }

    fn modules(prefix: &str) -> Value {
        json!([
            {"idx": 0, "name": "0", "path": "", "type": format!("{prefix}Transformer")},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": format!("{prefix}Pooling")},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": format!("{prefix}Normalize")},
        ])
    }

    const PREFIX: &str = "sentence_transformers.models.";

    fn read(dir: &tempfile::TempDir, positions: usize) -> Result<(Modules, Vec<String>), EncoderError> {
        let mut reader = DirectoryReader::new(dir.path());
        let list = ModuleList::read(&mut reader)?;
        let transformer = TransformerModule::read(&mut reader, &list.folder, list.is_bare, positions)?;
        Ok(list.complete(transformer))
    }

    fn write(dir: &tempfile::TempDir, name: &str, value: &Value) {
        fs::write(dir.path().join(name), value.to_string()).unwrap();
    }

    #[test]
    fn both_formats_give_the_same_modules() {
        let older = directory(&modules(PREFIX), &json!({"pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true}));
        assert_eq!(read(&older, 512).unwrap().0, Modules::normalized_mean(512));
        let newer = directory(
            &modules("sentence_transformers.sentence_transformer.modules."),
            &json!({"embedding_dimension": 32, "pooling_mode": "mean", "include_prompt": true}),
        );
        fs::create_dir(newer.path().join("2_Normalize")).unwrap();
        let names = json!({"module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding"});
        write(&newer, "2_Normalize/config.json", &names);
        let task = json!({
            "transformer_task": "feature-extraction", "module_output_name": "token_embeddings",
            "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
        });
        write(&newer, "sentence_bert_config.json", &task);
        write(&newer, "tokenizer_config.json", &json!({"model_max_length": 512}));
        assert_eq!(read(&newer, 512).unwrap(), (Modules::normalized_mean(512), vec![]));
        write(&newer, "2_Normalize/config.json", &json!({"module_input_name": "token_embeddings"}));
        assert!(read(&newer, 512).unwrap_err().to_string().contains("module_input_name"));
    }

    #[test]
    fn any_other_pooling_or_module_is_rejected_by_name() {
        let pooled = |pooling: Value| read(&directory(&modules(PREFIX), &pooling), 512).unwrap_err().to_string();
        assert!(pooled(json!({"pooling_mode": "lasttoken"})).contains("lasttoken"));
        assert!(pooled(json!({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true})).contains("cls_token"));
        assert!(pooled(json!({})).contains("pooling mode is []"));
        assert!(pooled(json!({"pooling_mode": "mean", "pooling_temperature": 2})).contains("pooling_temperature"));
        let mut dense = modules(PREFIX);
        dense[2]["type"] = json!("sentence_transformers.models.LSTM");
        let error = read(&directory(&dense, &json!({"pooling_mode": "mean"})), 512).unwrap_err().to_string();
        assert!(error.contains("LSTM") && error.contains("modules.json"), "{error}");
        dense[2]["type"] = json!("sentence_transformers.models.Dense");
        let error = read(&directory(&dense, &json!({"pooling_mode": "mean"})), 512).unwrap_err().to_string();
        assert!(error.contains("2_Normalize/config.json: is missing"), "{error}");
        let own_code = directory(&modules("custom_st."), &json!({"pooling_mode": "mean"}));
        assert!(read(&own_code, 512).unwrap_err().to_string().contains("custom_st.Transformer"));
        let mut outside = modules(PREFIX);
        outside[1]["path"] = json!("../elsewhere");
        assert!(read(&directory(&outside, &json!({"pooling_mode": "mean"})), 512).is_err());
    }

    #[test]
    fn a_list_of_modules_that_is_missing_beside_its_modules_is_rejected() {
        for file in MODULE_FILES {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(file), "{}").unwrap();
            let error = read(&dir, 512).unwrap_err().to_string();
            assert!(error.contains("modules.json: is missing") && error.contains(file), "{error}");
        }
    }

    #[test]
    fn the_maximum_length_is_limited_by_directory_tokenizer_and_network() {
        let dir = directory(&modules(PREFIX), &json!({"pooling_mode": "mean"}));
        let length = |positions| read(&dir, positions).map(|(modules, notes)| (modules.max_length, notes.len()));
        assert_eq!(length(512).unwrap(), (512, 1), "an assumption");
        write(&dir, "tokenizer_config.json", &json!({"model_max_length": 1_000_000_000_000_000_019_884_624_838_656_u128 as f64}));
        assert_eq!(length(512).unwrap(), (512, 1), "no limit");
        write(&dir, "tokenizer_config.json", &json!({"model_max_length": 100}));
        assert_eq!(length(512).unwrap(), (100, 0));
        write(&dir, "sentence_bert_config.json", &json!({"max_seq_length": null, "do_lower_case": false}));
        assert_eq!(length(512).unwrap(), (100, 0));
        write(&dir, "sentence_bert_config.json", &json!({"max_seq_length": 128, "do_lower_case": false}));
        assert_eq!(length(512).unwrap(), (128, 0));
        assert_eq!(length(64).unwrap(), (64, 1), "fewer positions than the directory says");
        for (config, reason) in [
            (json!({"max_seq_length": 2}), "max_seq_length is 2"),
            (json!({"max_seq_length": "many"}), "max_seq_length is \"many\""),
            (json!({"do_lower_case": "yes"}), "do_lower_case is \"yes\""),
            (json!({"processor_kwargs": {"use_fast": false}}), "processor_kwargs"),
            (json!({"transformer_task": "fill-mask"}), "fill-mask"),
        ] {
            write(&dir, "sentence_bert_config.json", &config);
            let error = length(512).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        write(&dir, "sentence_bert_config.json", &json!({"model_args": {}, "unpad_inputs": true}));
        write(&dir, "tokenizer_config.json", &json!({"truncation_side": "left"}));
        assert!(length(512).unwrap_err().to_string().contains("truncation_side"));
    }

    #[test]
    fn a_default_prompt_that_pooling_leaves_out_is_noted() {
        let dir = directory(&modules(PREFIX), &json!({"pooling_mode_mean_tokens": true, "include_prompt": false}));
        assert!(!read(&dir, 512).unwrap().0.include_prompt);
        write(&dir, "config_sentence_transformers.json", &json!({"prompts": {"q": "query: "}, "default_prompt_name": "q"}));
        let (modules, notes) = read(&dir, 512).unwrap();
        assert!(!modules.include_prompt && notes.iter().any(|note| note.contains("do not count in the mean")), "{notes:?}");
    }
}
