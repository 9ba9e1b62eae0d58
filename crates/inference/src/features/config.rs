//! Feature extraction settings.

use serde::{Deserialize, Serialize};

/// Maximum distance of the words of a pair, in words.
const MAX_WORD_PAIRS: usize = 100;

/// Maximum number of leading characters.
const MAX_LEAD_CHARS: usize = 1 << 20;

/// Current version of the features: how texts become n-grams.
pub const FEATURES_VERSION: u32 = 2;

/// Feature extraction settings. Ranges are inclusive; `[0, 0]` disables a feature family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureConfig {
    /// Version of the features, see [`FEATURES_VERSION`]. Version 1, which models of format version 1 have, compares texts in any normal
    /// form, and takes a clause without blanks as one word.
    #[serde(default = "first_version")]
    pub version: u32,
    /// Range of word n-gram lengths, in words.
    pub word_ngrams: [usize; 2],
    /// Range of character n-gram lengths, in characters. N-grams stay within words padded with one space on each side.
    pub char_ngrams: [usize; 2],
    /// Maximum distance of unordered word pairs, in words; 0 = no pairs. Missing in the configuration of older models.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub word_pairs: usize,
    /// Number of leading characters whose n-grams form additional feature families; 0 = none. Missing in the configuration of older
    /// models.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lead_chars: usize,
    /// Whether a term frequency `n` is weighted `1 + ln n` instead of `n`.
    pub sublinear_tf: bool,
    /// Minimum document frequency of a feature.
    pub min_df: u32,
    /// Maximum number of features; those with the highest document frequency are kept.
    pub max_features: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

const fn first_version() -> u32 {
    1
}

impl FeatureConfig {
    /// Whether texts are composed, and characters of scripts without blanks are words.
    pub(crate) const fn is_canonical(&self) -> bool {
        self.version >= 2
    }

    /// Validates the settings.
    ///
    /// # Errors
    /// The message names the invalid parameter.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=FEATURES_VERSION).contains(&self.version) {
            return Err(format!("unsupported version {} of the features, expected at most {FEATURES_VERSION}", self.version));
        }
        for (name, [low, high], max) in [("word_ngrams", self.word_ngrams, 5), ("char_ngrams", self.char_ngrams, 10)] {
            let is_off = [low, high] == [0, 0];
            if !is_off && (low == 0 || low > high || high > max) {
                return Err(format!("{name} must be [0, 0] or a range within 1 to {max}, not [{low}, {high}]"));
            }
        }
        if self.word_ngrams == [0, 0] && self.char_ngrams == [0, 0] {
            return Err("word_ngrams and char_ngrams are both disabled, which leaves no feature".to_owned());
        }
        if self.word_pairs > MAX_WORD_PAIRS {
            return Err(format!("word_pairs must be from 0 to {MAX_WORD_PAIRS}, not {}", self.word_pairs));
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
