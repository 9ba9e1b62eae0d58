//! Kinds of labelled fields.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The kind of a field's values. Only categorical fields can be learned by classifiers; the others are kept and exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type))]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "sqlx", sqlx(type_name = "field_kind", rename_all = "lowercase"))]
pub enum FieldKind {
    /// One of a set of classes.
    Categorical,
    /// Free text.
    Text,
    /// ISO dates, `YYYY-MM-DD`.
    Date,
    /// Decimal numbers.
    Number,
}

impl FieldKind {
    /// The name used in the database, the API and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Categorical => "categorical",
            Self::Text => "text",
            Self::Date => "date",
            Self::Number => "number",
        }
    }
}
