//! Review status: the relation of a field's accepted value to its predicted value.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Review status of one field of one document. Values are compared as sets of trimmed strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type))]
#[serde(rename_all = "UPPERCASE")]
#[cfg_attr(feature = "sqlx", sqlx(type_name = "review_status", rename_all = "UPPERCASE"))]
pub enum ReviewStatus {
    /// The prediction equals the accepted value.
    Ok,
    /// The prediction differs from the accepted value.
    Corrected,
    /// A value was accepted and none was predicted.
    New,
    /// A value was predicted and the reviewer decided that there is none.
    Rejected,
    /// No value was predicted and the reviewer decided that there is none.
    Missing,
    /// Not reviewed yet, or the review was undone.
    Unreviewed,
}

impl ReviewStatus {
    /// The name used in the database, the API and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Corrected => "CORRECTED",
            Self::New => "NEW",
            Self::Rejected => "REJECTED",
            Self::Missing => "MISSING",
            Self::Unreviewed => "UNREVIEWED",
        }
    }
}

impl fmt::Display for ReviewStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
