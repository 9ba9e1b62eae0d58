//! The data of a spec: fields, documents and pairs.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Which annotations a run trains on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// Fields to train; empty = every categorical field.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Documents to train on; null = all documents.
    #[serde(default)]
    pub documents: Option<Vec<Uuid>>,
    /// Conditions that restrict the documents.
    #[serde(default)]
    pub filter: DataFilter,
    /// Use the annotations as of this time; null = now.
    #[serde(default, deserialize_with = "aprendiz_annotation_types::deserialize_time")]
    pub as_of: Option<DateTime<Utc>>,
    /// Minimum number of examples per label; labels with fewer are excluded and reported.
    #[serde(default = "default_min_support")]
    pub min_support: u32,
    /// Pairs of texts in the snapshot, to train an encoder on; null = defaults for `sentence-transformer`, none for other kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairsSpec>,
}

/// Pairs of texts in a snapshot: as many positive pairs (same label) as negative ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PairsSpec {
    /// What a text is paired with: a label (`values`), or the text of another document (`texts`).
    pub of: Vec<PairsOf>,
    /// Number of texts per label and split, 1 to 4,096.
    pub per_label: u32,
    /// Whether negatives are similar texts with another label (hard negatives).
    pub hard_negatives: bool,
    /// Maximum number of characters per text, 1 to 100,000.
    pub max_chars: u32,
}

/// What a text is paired with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PairsOf {
    /// A label.
    Values,
    /// The text of another document.
    Texts,
}

impl Default for PairsSpec {
    fn default() -> Self {
        Self { of: vec![PairsOf::Values, PairsOf::Texts], per_label: 64, hard_negatives: false, max_chars: 2_000 }
    }
}

impl Default for DataSpec {
    fn default() -> Self {
        Self {
            fields: Vec::new(),
            documents: None,
            filter: DataFilter::default(),
            as_of: None,
            min_support: default_min_support(),
            pairs: None,
        }
    }
}

/// Conditions on documents; all of them must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DataFilter {
    /// Only documents of this source, for example `label-studio`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Only documents of this project of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

const fn default_min_support() -> u32 {
    2
}
