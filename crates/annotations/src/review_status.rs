//! How the accepted value of a field relates to the predicted one.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Review status of one field of one document. Values are compared as sets of trimmed strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[sqlx(type_name = "review_status", rename_all = "UPPERCASE")]
pub enum ReviewStatus {
    /// The prediction equals the accepted value.
    Ok,
    /// The prediction differs from the accepted value.
    Corrected,
    /// A value was accepted where none was predicted.
    New,
    /// Something was predicted and the reviewer says there is no value.
    Rejected,
    /// Nothing was predicted and the reviewer says there is no value.
    Missing,
    /// Nobody has answered, or the answer was undone.
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
