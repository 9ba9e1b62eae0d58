//! Why a provider cannot be used, or a token of it is not accepted.

/// Failure of a sign-in, of a bearer token or of the provider.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum OidcError {
    /// The provider does not respond, or not as its specification demands. The user cannot do anything about it.
    #[error("the provider {issuer} is unavailable: {reason}")]
    Unavailable { issuer: String, reason: String },
    /// The token is not accepted.
    #[error("{0}")]
    InvalidToken(String),
    /// The token was valid.
    #[error("the token has expired")]
    Expired,
    /// The provider does not accept the code of a sign-in.
    #[error("the provider rejected the sign-in ({0}): start again")]
    CodeRejected(String),
    /// Nothing in the claims gives a role.
    #[error("{0}")]
    NoRole(String),
}
