//! What is known about fields before a file is read.

use std::collections::BTreeMap;

use aprendiz_annotation_types::{FieldNames, Normalizer};

/// Known fields.
#[derive(Debug, Clone, Default)]
pub struct KnownFields {
    /// Their names, which columns with another spelling belong to.
    pub names: FieldNames,
    /// Normalization rules by field.
    pub normalizers: BTreeMap<String, Normalizer>,
    /// Allowed values by field. A word for a missing value, such as `nan`, is a value only if it is among them.
    pub allowed_values: BTreeMap<String, Vec<String>>,
}
