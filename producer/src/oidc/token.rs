//! Validation of a signed token: signature, issuer, audience, times and type.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use serde_json::{Map, Value};

use crate::oidc::claims::ProviderClaims;
use crate::oidc::crypto::{self, ALGORITHMS};
use crate::oidc::error::OidcError;
use crate::oidc::jwk_set::JwkSet;

/// Difference of the clocks that is tolerated, in seconds.
const LEEWAY_SECONDS: u64 = 60;
/// Maximum length of a token, in bytes. Headers of requests are limited as well.
const MAX_TOKEN_BYTES: usize = 16 << 10;
/// Types of a token that says who somebody is. A logout token has another one.
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// What a token must be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    /// One of them is enough.
    pub(super) audiences: &'a [String],
}

/// The header of a token whose signature is not verified yet.
#[derive(Debug, Clone)]
pub(super) struct Unverified<'a> {
    token: &'a str,
    algorithm: Algorithm,
    /// Names the key.
    pub(super) key_id: Option<String>,
}

impl<'a> Unverified<'a> {
    /// Reads the header. The algorithm must be one of those with a public key.
    pub(super) fn read(token: &'a str) -> Result<Self, OidcError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(invalid(format!("the token has more than {MAX_TOKEN_BYTES} bytes")));
        }
        // `none` is no algorithm of the crate, so the header is unreadable
        let Header { typ, alg, kid, .. } =
            decode_header(token).map_err(|_| invalid("the token is not signed, or its header cannot be read".to_owned()))?;
        if !ALGORITHMS.contains(&alg) {
            return Err(invalid(format!("the token is signed with {alg:?}, which is not accepted")));
        }
        if let Some(kind) = typ.filter(|kind| !TYPES.contains(&kind.to_ascii_lowercase().as_str())) {
            return Err(invalid(format!("a token of the type `{}` is not accepted", printable(&kind))));
        }
        Ok(Self { token, algorithm: alg, key_id: kid })
    }

    /// Whether the set has a key that may have signed the token.
    pub(super) fn has_key_in(&self, keys: &JwkSet) -> bool {
        !keys.candidates(self.key_id.as_deref(), self.algorithm).is_empty()
    }

    /// Validates everything but what belongs to a sign-in.
    pub(super) fn validate(&self, keys: &JwkSet, expected: Expected<'_>) -> Result<ProviderClaims, OidcError> {
        crypto::install();
        let mut validation = Validation::new(self.algorithm);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_audience(expected.audiences);
        validation.set_issuer(&[expected.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let mut outcome = Err(invalid("the provider has no key that signed the token".to_owned()));
        for key in keys.candidates(self.key_id.as_deref(), self.algorithm) {
            match decode::<Map<String, Value>>(self.token, key, &validation) {
                Ok(data) => {
                    outcome = Ok(data.claims);
                    break;
                }
                // without an id, another key may have signed it
                Err(error) => outcome = Err(explain(error.kind())),
            }
            if !matches!(&outcome, Err(OidcError::InvalidToken(reason)) if reason == WRONG_SIGNATURE) {
                break;
            }
        }
        let claims = ProviderClaims::new(outcome?)?;
        // the crate also accepts a list that contains the issuer
        if claims.issuer() != expected.issuer {
            return Err(explain(&ErrorKind::InvalidIssuer));
        }
        if claims.has("events") {
            return Err(invalid("the token reports an event and is no proof of who somebody is".to_owned()));
        }
        Ok(claims)
    }
}

const WRONG_SIGNATURE: &str = "the signature of the token is wrong";

fn invalid(reason: String) -> OidcError {
    OidcError::InvalidToken(reason)
}

fn explain(kind: &ErrorKind) -> OidcError {
    if matches!(kind, ErrorKind::ExpiredSignature) {
        return OidcError::Expired;
    }
    invalid(match kind {
        ErrorKind::InvalidSignature => WRONG_SIGNATURE.to_owned(),
        ErrorKind::ImmatureSignature => "the token is not valid yet: compare the clocks".to_owned(),
        ErrorKind::InvalidIssuer => "the token is of another issuer".to_owned(),
        ErrorKind::InvalidAudience => "the token is for another audience".to_owned(),
        ErrorKind::MissingRequiredClaim(claim) => format!("the token has no claim `{claim}`"),
        ErrorKind::InvalidClaimFormat(claim) => format!("the claim `{claim}` of the token cannot be read"),
        _ => "the token cannot be read".to_owned(),
    })
}

/// A text of a client for a message: short, and without control characters.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(80).collect()
}
