//! Labelled fields: their definitions, inferred by an import or declared by a person, and the normalization of their values.

mod declare;
mod field;
mod normalize_values;
mod read;

pub use aprendiz_annotation_types::{Cardinality, FieldKind};
pub use declare::declare;
pub use field::{Field, FieldDefinition, FieldVersion};
pub(crate) use normalize_values::load_normalizers;
pub use normalize_values::{NormalizedValues, ValueChange, normalize_values};
pub(crate) use read::load_field_names;
pub use read::{get, history, list};
