//! Revisions of aliases and settings that requests name, and the reasons of changes.

use aprendiz_annotations::reviews::Expected;

use crate::api::http::error::ApiError;
use crate::api::http::precondition::Precondition;

const MAX_REASON: usize = 2000;

/// The revision that the precondition of a request names: 0 = there must be nothing yet.
pub(super) fn expected_revision(precondition: Precondition) -> Option<i64> {
    match precondition.0? {
        Expected::Nothing => Some(0),
        Expected::Version(version) => Some(i64::from(version)),
        Expected::Anything => None,
    }
}

/// Checks the length of a reason. An empty one is none.
pub(in crate::api) fn checked_reason(reason: Option<String>) -> Result<Option<String>, ApiError> {
    let reason = reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    match reason {
        Some(reason) if reason.chars().count() > MAX_REASON => {
            Err(ApiError::unprocessable("invalid_body", format!("reason has more than {MAX_REASON} characters")))
        }
        reason => Ok(reason),
    }
}
