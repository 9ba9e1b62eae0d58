//! What a provider says about an identity.

use serde_json::{Map, Value};

use crate::oidc::error::OidcError;
use crate::oidc::roles::find;

/// Maximum length of a subject; the specification allows no more.
const MAX_SUBJECT_CHARS: usize = 255;
/// Maximum length of an address.
const MAX_EMAIL_CHARS: usize = 320;

/// The claims of a valid token, possibly with those of the user information.
#[derive(Debug, Clone)]
pub(crate) struct ProviderClaims {
    subject: String,
    claims: Map<String, Value>,
}

impl ProviderClaims {
    pub(super) fn new(claims: Map<String, Value>) -> Result<Self, OidcError> {
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned();
        if subject.is_empty() || subject.chars().count() > MAX_SUBJECT_CHARS || subject.contains(char::is_control) {
            let reason = format!("the claim `sub` must have 1 to {MAX_SUBJECT_CHARS} characters, none of them control characters");
            return Err(OidcError::InvalidToken(reason));
        }
        Ok(Self { subject, claims })
    }

    /// What the provider calls the identity, forever.
    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    pub(super) fn issuer(&self) -> &str {
        self.text("iss").unwrap_or_default()
    }

    /// Address, unless the provider says that it is not verified.
    pub(crate) fn email(&self) -> Option<&str> {
        let is_unverified = matches!(self.claims.get("email_verified"), Some(Value::Bool(false)))
            || self.text("email_verified").is_some_and(|text| text.eq_ignore_ascii_case("false"));
        let is_usable = |email: &&str| email.chars().count() <= MAX_EMAIL_CHARS && !email.contains(char::is_control);
        self.text("email").filter(|_| !is_unverified).filter(is_usable)
    }

    /// How people call the identity.
    pub(crate) fn label(&self) -> &str {
        self.email().or_else(|| self.text("preferred_username")).unwrap_or(&self.subject)
    }

    pub(super) fn all(&self) -> &Map<String, Value> {
        &self.claims
    }

    pub(super) fn has(&self, name: &str) -> bool {
        find(&self.claims, name).is_some()
    }

    /// A text that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str().filter(|text| !text.trim().is_empty())
    }

    /// Adds claims that the token does not have. Those of the token are signed and stay.
    pub(super) fn complete(&mut self, more: Map<String, Value>) {
        for (name, value) in more {
            self.claims.entry(name).or_insert(value);
        }
    }

    /// Checks the parties of an ID token: of several audiences, one must be the party that asked for it.
    pub(super) fn check_authorized_party(&self, client_id: &str) -> Result<(), OidcError> {
        let has_several = self.claims.get("aud").and_then(Value::as_array).is_some_and(|audiences| audiences.len() > 1);
        match self.text("azp") {
            Some(party) if party == client_id => Ok(()),
            None if !has_several => Ok(()),
            _ => Err(OidcError::InvalidToken("the token was issued to another client".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Result<ProviderClaims, OidcError> {
        let Value::Object(map) = value else { panic!("an object") };
        ProviderClaims::new(map)
    }

    #[test]
    fn an_address_that_is_not_verified_is_not_taken() {
        let verified = claims(json!({ "sub": "1", "email": "ada@example.org", "preferred_username": "ada" })).unwrap();
        assert_eq!((verified.email(), verified.label()), (Some("ada@example.org"), "ada@example.org"));
        for unverified in [json!(false), json!("false")] {
            let claims = claims(json!({ "sub": "1", "email": "a@example.org", "email_verified": unverified, "preferred_username": "ada" }));
            let claims = claims.unwrap();
            assert_eq!((claims.email(), claims.label()), (None, "ada"));
        }
        assert_eq!(claims(json!({ "sub": "1", "email": " " })).unwrap().label(), "1");
    }

    #[test]
    fn a_subject_is_a_short_line() {
        for subject in [json!(null), json!(""), json!(1), json!("a\nb"), json!("x".repeat(256))] {
            assert!(claims(json!({ "sub": subject })).is_err(), "{subject}");
        }
    }

    #[test]
    fn user_information_does_not_change_signed_claims() {
        let mut claims = claims(json!({ "sub": "1", "groups": ["staff"] })).unwrap();
        let Value::Object(more) = json!({ "groups": ["root"], "email": "ada@example.org" }) else { panic!("an object") };
        claims.complete(more);
        assert_eq!((claims.all()["groups"].clone(), claims.email()), (json!(["staff"]), Some("ada@example.org")));
    }

    #[test]
    fn a_token_of_several_audiences_names_the_client_it_was_issued_to() {
        for (value, accepted) in [
            (json!({ "sub": "1", "aud": "me" }), true),
            (json!({ "sub": "1", "aud": ["me"] }), true),
            (json!({ "sub": "1", "aud": ["me", "you"] }), false),
            (json!({ "sub": "1", "aud": ["me", "you"], "azp": "me" }), true),
            (json!({ "sub": "1", "aud": "me", "azp": "you" }), false),
        ] {
            assert_eq!(claims(value.clone()).unwrap().check_authorized_party("me").is_ok(), accepted, "{value}");
        }
    }
}
