//! The discovery document of a provider: where its endpoints are.

use serde::Deserialize;
use serde_json::Value;

use crate::oidc::settings::secure_url;

/// What is needed of the document.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct DiscoveryDocument {
    issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) jwks_uri: String,
    pub(super) userinfo_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// Whether the provider names itself when it sends the browser back.
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

impl DiscoveryDocument {
    /// Reads the document of this issuer. Its endpoints must be as secure as the issuer.
    pub(super) fn parse(document: Value, issuer: &str) -> Result<Self, String> {
        let document: Self = serde_json::from_value(document).map_err(|error| format!("its discovery document cannot be read: {error}"))?;
        if document.issuer != issuer {
            return Err(format!(
                "its discovery document is of the issuer `{}`: APRENDIZ_OIDC_ISSUER must be equal to that",
                document.issuer
            ));
        }
        let endpoints = [&document.authorization_endpoint, &document.token_endpoint, &document.jwks_uri];
        for endpoint in endpoints.into_iter().chain(&document.userinfo_endpoint) {
            secure_url(endpoint).map_err(|error| format!("its endpoint `{endpoint}` is not usable: {error:#}"))?;
        }
        Ok(document)
    }

    /// Whether the secret is sent in the body of a request for tokens; the default is a header.
    pub(super) fn has_secret_in_body(&self) -> bool {
        let methods = self.token_endpoint_auth_methods_supported.as_deref().unwrap_or_default();
        let supports = |name: &str| methods.iter().any(|method| method == name);
        supports("client_secret_post") && !supports("client_secret_basic")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://login.example.org";

    fn document() -> Value {
        json!({
            "issuer": ISSUER, "authorization_endpoint": "https://login.example.org/auth", "token_endpoint": "https://login.example.org/token",
            "jwks_uri": "https://login.example.org/jwks"
        })
    }

    #[test]
    fn the_document_must_be_of_the_issuer_and_its_endpoints_secure() {
        assert!(DiscoveryDocument::parse(document(), ISSUER).is_ok());
        let error = DiscoveryDocument::parse(document(), "https://login.example.org/").unwrap_err();
        assert!(error.contains("APRENDIZ_OIDC_ISSUER"), "{error}");
        for name in ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"] {
            let mut insecure = document();
            insecure[name] = json!("http://login.example.org/x");
            assert!(DiscoveryDocument::parse(insecure, ISSUER).unwrap_err().contains("http://login.example.org/x"), "{name}");
        }
        let mut incomplete = document();
        incomplete.as_object_mut().unwrap().remove("jwks_uri");
        assert!(DiscoveryDocument::parse(incomplete, ISSUER).unwrap_err().contains("jwks_uri"));
    }

    #[test]
    fn the_secret_is_sent_as_the_provider_supports_it() {
        let with = |methods: Value| {
            let mut document = document();
            document["token_endpoint_auth_methods_supported"] = methods;
            DiscoveryDocument::parse(document, ISSUER).unwrap().has_secret_in_body()
        };
        assert!(!DiscoveryDocument::parse(document(), ISSUER).unwrap().has_secret_in_body());
        assert!(with(json!(["client_secret_post"])) && !with(json!(["client_secret_post", "client_secret_basic"])));
    }
}
