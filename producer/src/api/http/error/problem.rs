//! Body of an error response.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The way out of an error, as a request and as a command: a client shows the one that its user can send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Hint {
    /// For clients of the API, such as `PUT /v1/fields/law`, or a header of the next request.
    pub(super) request: String,
    /// For the command line, such as `aprendiz field declare law --kind categorical`, or an option of the next command.
    pub(super) command: String,
}

/// Body of every error response (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// `urn:aprendiz:problem:` followed by the code.
    #[serde(rename = "type")]
    pub(super) type_uri: String,
    /// Reason phrase of the HTTP status.
    pub(super) title: &'static str,
    /// HTTP status.
    pub(super) status: u16,
    /// What is wrong, and how to fix it.
    pub(super) detail: String,
    /// Stable error code.
    #[schema(example = "unknown_field")]
    pub(super) code: String,
    /// Current state of the resource, if a precondition failed or a lease is held by another reviewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) current: Option<Value>,
    /// The way out, if it differs between clients of the API and the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<Hint>,
}
