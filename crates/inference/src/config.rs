//! `config.json` of a model directory: everything about a model that is not a tensor.

use std::{collections::BTreeMap, fs, io::Write, path::Path};

use serde::{Deserialize, Serialize};

use crate::error::ModelError;

/// Name of the file in a model directory.
pub const CONFIG_FILE: &str = "config.json";

/// The only format version this program reads and writes.
pub const FORMAT_VERSION: u32 = 1;

/// The kind of model this crate serves.
pub const KIND_LINEAR: &str = "linear";

/// Most bytes of a configuration that are read: a hundred fields with thousands of labels fit many times.
const MAX_CONFIG_BYTES: u64 = 64 << 20;

/// Most words that a word is paired with.
const MAX_PAIRED: usize = 100;

/// Longest beginning of a text that is counted by itself, in characters.
const MAX_LEAD_CHARS: usize = 1 << 20;

/// How a text becomes features. Ranges are inclusive; `[0, 0]` turns a family off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureConfig {
    /// Lengths of word n-grams, in words.
    pub word_ngrams: [usize; 2],
    /// Lengths of character n-grams inside words (with one blank on either side), in characters.
    pub char_ngrams: [usize; 2],
    /// A word and each of the next so many make a pair, whichever comes first; 0 = none. Models from before do not name it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub word_pairs: usize,
    /// So many characters at the beginning of a text are counted once more, as families of their own; 0 = none. Models from before there
    /// was such a thing do not name it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lead_chars: usize,
    /// Whether a count `n` weighs `1 + ln n` instead of `n`.
    pub sublinear_tf: bool,
    /// An n-gram in fewer training documents than this is no feature.
    pub min_df: u32,
    /// At most this many features are kept, those in most documents first.
    pub max_features: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Whether a field may answer by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdStatus {
    /// The threshold keeps the target accuracy.
    Ok,
    /// No threshold could be shown to keep it: nothing is answered unasked.
    TargetUnreachable,
    /// Not looked at yet: nothing is answered unasked.
    NotCalibrated,
}

/// One field and its head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldConfig {
    /// The field.
    pub name: String,
    /// Classes in the order of the head's columns: sorted, `null` (`∅`) last.
    pub labels: Vec<Option<String>>,
    /// Training examples per class, in the order of `labels`.
    pub train_counts: Vec<u64>,
    /// Labels of the dataset that no training example has: they can never be predicted.
    pub unlearnable: Vec<Option<String>>,
    /// Strength of the L2 penalty the head was trained with.
    pub l2: f64,
    /// Confidence from which the field answers; `null` unless the status is `ok`.
    pub threshold: Option<f64>,
    /// What the threshold is worth.
    pub threshold_status: ThresholdStatus,
}

impl FieldConfig {
    /// The most frequent class of train (the first of equals): what a baseline always answers.
    #[must_use]
    pub fn majority(&self) -> Option<&Option<String>> {
        let most = self.train_counts.iter().max()?;
        self.labels.get(self.train_counts.iter().position(|count| count == most)?)
    }
}

/// How the model came about, for the reader; nothing is computed from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingInfo {
    /// Documents in the train split.
    pub train_documents: u64,
    /// Documents in the validation split.
    pub validation_documents: u64,
    /// Back end that computed it.
    pub backend: String,
    /// CPU kernel in use, which decides the last bits.
    pub cpu_kernel: String,
    /// Version of the training code.
    pub version: String,
    /// The parameters as asked for.
    pub params: serde_json::Value,
}

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// [`KIND_LINEAR`].
    pub kind: String,
    /// How a text becomes features.
    pub features: FeatureConfig,
    /// Number of features kept.
    pub feature_count: usize,
    /// The fields, sorted by name.
    pub fields: Vec<FieldConfig>,
    /// Accuracy that the thresholds promise.
    pub target_accuracy: f64,
    /// Seed of the run.
    pub seed: u64,
    /// How the model came about.
    pub training: TrainingInfo,
}

impl ModelConfig {
    /// Reads and checks the file of a model directory.
    ///
    /// # Errors
    /// If it is missing, malformed, of another version or kind, or contradicts itself.
    pub fn read(dir: &Path) -> Result<Self, ModelError> {
        let path = dir.join(CONFIG_FILE);
        let bytes = fs::metadata(&path).map_err(ModelError::io(&path))?.len();
        if bytes > MAX_CONFIG_BYTES {
            return Err(ModelError::refused(path, format!("{bytes} bytes are more than {MAX_CONFIG_BYTES}")));
        }
        let text = fs::read_to_string(&path).map_err(ModelError::io(&path))?;
        Self::parse(&text).map_err(|reason| ModelError::refused(path, reason))
    }

    fn parse(text: &str) -> Result<Self, String> {
        // the version is looked at first, so that a newer file is not blamed for an unknown key
        let value: serde_json::Value = serde_json::from_str(text).map_err(|error| format!("not valid JSON: {error}"))?;
        match value.get("format_version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(FORMAT_VERSION) => {}
            Some(version) => return Err(format!("format version {version} is not known, only {FORMAT_VERSION} is")),
            None => return Err("has no format_version".to_owned()),
        }
        let config: Self = serde_json::from_value(value).map_err(|error| error.to_string())?;
        config.check()?;
        Ok(config)
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// If the configuration contradicts itself or the directory cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), ModelError> {
        let path = dir.join(CONFIG_FILE);
        self.check().map_err(|reason| ModelError::refused(&path, reason))?;
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| ModelError::refused(&path, format!("cannot be written as JSON: {error}")))?;
        text.push('\n');
        replace(&path, text.as_bytes())
    }

    fn check(&self) -> Result<(), String> {
        if self.kind != KIND_LINEAR {
            return Err(format!("kind `{}` is not known, only `{KIND_LINEAR}` is", self.kind));
        }
        self.features.check()?;
        if self.fields.is_empty() {
            return Err("has no field".to_owned());
        }
        if !self.fields.windows(2).all(|pair| pair[0].name < pair[1].name) {
            return Err("fields are not sorted by name, or one occurs twice".to_owned());
        }
        self.fields.iter().try_for_each(FieldConfig::check)
    }
}

impl FieldConfig {
    fn check(&self) -> Result<(), String> {
        let name = &self.name;
        if self.labels.len() < 2 {
            return Err(format!("field `{name}` has fewer than two labels"));
        }
        if self.train_counts.len() != self.labels.len() {
            return Err(format!("field `{name}` has {} labels but {} train_counts", self.labels.len(), self.train_counts.len()));
        }
        // None is the greatest for this comparison: `∅` comes last
        let key = |label: &Option<String>| (label.is_none(), label.clone());
        if !self.labels.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])) {
            return Err(format!("labels of field `{name}` are not sorted with null last, or one occurs twice"));
        }
        match (self.threshold_status, self.threshold) {
            (ThresholdStatus::Ok, Some(threshold)) if (0.0..=1.0).contains(&threshold) => Ok(()),
            (ThresholdStatus::Ok, _) => Err(format!("field `{name}` has status ok without a threshold from 0 to 1")),
            (_, None) => Ok(()),
            (_, Some(_)) => Err(format!("field `{name}` has a threshold although its status is not ok")),
        }
    }
}

impl FeatureConfig {
    /// Says what is wrong with the configuration, if anything.
    ///
    /// # Errors
    /// A sentence that names the parameter.
    pub fn check(&self) -> Result<(), String> {
        for (name, [low, high], most) in [("word_ngrams", self.word_ngrams, 5), ("char_ngrams", self.char_ngrams, 10)] {
            let is_off = [low, high] == [0, 0];
            if !is_off && (low == 0 || low > high || high > most) {
                return Err(format!("{name} must be [0, 0] or a range within 1 to {most}, not [{low}, {high}]"));
            }
        }
        if self.word_ngrams == [0, 0] && self.char_ngrams == [0, 0] {
            return Err("word_ngrams and char_ngrams are both off, so there would be no feature".to_owned());
        }
        if self.word_pairs > MAX_PAIRED {
            return Err(format!("word_pairs must be from 0 to {MAX_PAIRED}, not {}", self.word_pairs));
        }
        if self.lead_chars > MAX_LEAD_CHARS {
            return Err(format!("lead_chars must be from 0 to {MAX_LEAD_CHARS}, not {}", self.lead_chars));
        }
        if self.min_df == 0 {
            return Err("min_df must be at least 1".to_owned());
        }
        if self.max_features == 0 || self.max_features > 1 << 24 {
            return Err(format!("max_features must be from 1 to {}, not {}", 1 << 24, self.max_features));
        }
        Ok(())
    }
}

/// What was found for the threshold of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ThresholdDecision {
    /// Answer from this confidence.
    Answer(f64),
    /// The target cannot be promised.
    Unreachable,
}

/// Records the thresholds in `config.json` of an unpublished model directory, before its manifest is written.
///
/// Fields that are not named keep what they have.
///
/// # Errors
/// If a field is unknown, a threshold is not from 0 to 1, a manifest exists already, or the file cannot be replaced.
pub fn set_thresholds(dir: &Path, decisions: &BTreeMap<String, ThresholdDecision>) -> Result<ModelConfig, ModelError> {
    let manifest = dir.join(crate::manifest::MANIFEST_FILE);
    if manifest.exists() {
        return Err(ModelError::refused(manifest, "exists: the files of a published model are not changed"));
    }
    let mut config = ModelConfig::read(dir)?;
    for (name, decision) in decisions {
        let Some(field) = config.fields.iter_mut().find(|field| field.name == *name) else {
            let known = config.fields.iter().map(|field| field.name.clone()).collect();
            return Err(ModelError::UnknownField { field: name.clone(), known });
        };
        (field.threshold, field.threshold_status) = match decision {
            ThresholdDecision::Answer(threshold) => (Some(*threshold), ThresholdStatus::Ok),
            ThresholdDecision::Unreachable => (None, ThresholdStatus::TargetUnreachable),
        };
    }
    config.write(dir)?;
    Ok(config)
}

/// Replaces a file in one step, so that a reader never sees half of it.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    let staged = path.with_extension("partial");
    let mut file = fs::File::create(&staged).map_err(ModelError::io(&staged))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(ModelError::io(&staged))?;
    fs::rename(&staged, path).map_err(ModelError::io(path))
}
