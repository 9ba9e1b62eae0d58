//! A provider with its cached documents: where sign-ins start, how codes become claims, and which tokens are valid.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aprendiz_db::Scope;
use aprendiz_runs::Role;
use reqwest::{Client, StatusCode, Url, header};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};
use tracing::warn;

use crate::oidc::claims::ProviderClaims;
use crate::oidc::document::DiscoveryDocument;
use crate::oidc::error::OidcError;
use crate::oidc::flow::SignInFlow;
use crate::oidc::http::{client, fetch_json, form, form_encoded};
use crate::oidc::jwk_set::JwkSet;
use crate::oidc::refresh_limit::RefreshLimit;
use crate::oidc::settings::OidcSettings;
use crate::oidc::token::{Expected, Unverified, printable};

/// Age at which the documents are read again.
const MAX_AGE: Duration = Duration::from_secs(600);
/// Age up to which they are used while the provider does not respond.
const MAX_STALE_AGE: Duration = Duration::from_secs(86_400);
/// Time for which a failure is the answer to further requests.
const FAILURE_TIME: Duration = Duration::from_secs(2);

/// The documents of the provider, as last read.
#[derive(Debug)]
struct Documents {
    discovery: DiscoveryDocument,
    keys: JwkSet,
    read_at: Instant,
}

/// What is known about the provider.
#[derive(Debug, Default)]
struct Known {
    documents: Option<Arc<Documents>>,
    /// When the last attempt failed or began, and why it failed.
    failure: Option<(Instant, String)>,
}

/// What the provider sent back with the browser.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Authorization<'a> {
    pub(crate) code: &'a str,
    pub(crate) redirect_url: &'a str,
}

/// The configured provider.
#[derive(Debug)]
pub(crate) struct Provider {
    settings: OidcSettings,
    http: Client,
    known: Mutex<Known>,
    /// Held while the documents are read, so that one request is enough for all that wait.
    reading: tokio::sync::Mutex<RefreshLimit>,
}

impl Provider {
    /// Makes no connection: a provider that does not respond is no reason not to start.
    pub(crate) fn new(settings: OidcSettings) -> Result<Self, reqwest::Error> {
        let reading = tokio::sync::Mutex::new(RefreshLimit::new(Instant::now()));
        Ok(Self { settings, http: client()?, known: Mutex::default(), reading })
    }

    pub(crate) fn settings(&self) -> &OidcSettings {
        &self.settings
    }

    /// Whether tokens in the place of API keys are accepted.
    pub(crate) fn accepts_bearer_tokens(&self) -> bool {
        !self.settings.audiences.is_empty()
    }

    /// Checks that the provider responds, and returns the number of its keys.
    pub(crate) async fn check(&self) -> Result<usize, OidcError> {
        let documents = self.documents().await?;
        // older ones are used, and are no proof that it responds
        if documents.read_at.elapsed() >= MAX_AGE {
            let reason = self.known().failure.clone().map_or_else(|| "it does not respond".to_owned(), |(_, reason)| reason);
            return Err(self.unavailable(reason));
        }
        match documents.keys.len() {
            0 => Err(self.unavailable("it publishes no key that signs with a supported algorithm".to_owned())),
            number => Ok(number),
        }
    }

    /// Where the browser signs in.
    pub(crate) async fn authorization_url(&self, flow: &SignInFlow, redirect_url: &str) -> Result<Url, OidcError> {
        let documents = self.documents().await?;
        let mut url = Url::parse(&documents.discovery.authorization_endpoint).expect("the discovery document was checked");
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", redirect_url),
            ("scope", &self.settings.scopes),
            ("state", &flow.state()),
            ("nonce", &flow.nonce()),
            ("code_challenge", &flow.challenge()),
            ("code_challenge_method", "S256"),
        ]);
        Ok(url)
    }

    /// Checks that the response to a sign-in names this provider, if it names one or must.
    pub(crate) async fn check_response_issuer(&self, issuer: Option<&str>) -> Result<(), OidcError> {
        let is_own = match issuer {
            Some(issuer) => issuer == self.settings.issuer,
            None => !self.documents().await?.discovery.authorization_response_iss_parameter_supported,
        };
        if is_own { Ok(()) } else { Err(OidcError::InvalidToken("the response is not of the configured provider".to_owned())) }
    }

    /// Exchanges the code of a sign-in for the claims of its ID token, completed from the user information.
    pub(crate) async fn redeem(&self, flow: &SignInFlow, authorization: Authorization<'_>) -> Result<ProviderClaims, OidcError> {
        let documents = self.documents().await?;
        let tokens = self.request_tokens(&documents.discovery, flow, authorization).await?;
        let text = |name: &str| tokens.get(name).and_then(Value::as_str);
        let id_token = text("id_token").ok_or_else(|| self.unavailable("its response has no ID token".to_owned()))?;
        let audience = [self.settings.client_id.clone()];
        let mut claims = self.validate(id_token, &audience).await?;
        claims.check_authorized_party(&self.settings.client_id)?;
        if claims.text("nonce") != Some(&flow.nonce()) {
            return Err(OidcError::InvalidToken("the token belongs to another sign-in".to_owned()));
        }
        let is_complete = claims.text("email").is_some() && self.settings.roles.claim().is_none_or(|claim| claims.has(claim));
        if let (false, Some(endpoint), Some(token)) = (is_complete, &documents.discovery.userinfo_endpoint, text("access_token")) {
            claims.complete(self.user_info(endpoint, token, claims.subject()).await?);
        }
        Ok(claims)
    }

    /// Validates a token that a client sends in the place of an API key.
    pub(crate) async fn validate_bearer(&self, token: &str) -> Result<ProviderClaims, OidcError> {
        self.validate(token, &self.settings.audiences).await
    }

    /// The role and the projects that the claims give.
    pub(crate) fn access(&self, claims: &ProviderClaims) -> Result<(Role, Scope), OidcError> {
        let mapping = &self.settings.roles;
        Ok((mapping.role(claims.all())?, mapping.scope(claims.all())?))
    }

    async fn validate(&self, token: &str, audiences: &[String]) -> Result<ProviderClaims, OidcError> {
        let unverified = Unverified::read(token)?;
        let mut documents = self.documents().await?;
        if !unverified.has_key_in(&documents.keys) {
            documents = self.documents_with_key(documents, &unverified).await?;
        }
        unverified.validate(&documents.keys, Expected { issuer: &self.settings.issuer, audiences })
    }

    /// Requests the tokens of a code.
    async fn request_tokens(
        &self,
        discovery: &DiscoveryDocument,
        flow: &SignInFlow,
        authorization: Authorization<'_>,
    ) -> Result<Value, OidcError> {
        let (client_id, verifier) = (&self.settings.client_id, flow.verifier());
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", authorization.code),
            ("redirect_uri", authorization.redirect_url),
            ("code_verifier", &verifier),
        ];
        let mut request = self.http.post(&discovery.token_endpoint).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        match &self.settings.client_secret {
            Some(secret) if discovery.has_secret_in_body() => {
                pairs.extend([("client_id", client_id.as_str()), ("client_secret", secret.expose_secret())]);
            }
            Some(secret) => request = request.basic_auth(form_encoded(client_id), Some(form_encoded(secret.expose_secret()))),
            None => pairs.push(("client_id", client_id)),
        }
        let (status, response) = fetch_json(request.body(form(&pairs))).await.map_err(|reason| self.unavailable(reason))?;
        let error = printable(response.get("error").and_then(Value::as_str).unwrap_or_default());
        match status {
            StatusCode::OK => Ok(response),
            // the client itself is refused, which no user can change
            _ if ["invalid_client", "unauthorized_client"].contains(&error.as_str()) => Err(self
                .unavailable(format!("it refuses this client ({error}): check APRENDIZ_OIDC_CLIENT_ID and APRENDIZ_OIDC_CLIENT_SECRET"))),
            status if status.is_client_error() => Err(OidcError::CodeRejected(if error.is_empty() { status.to_string() } else { error })),
            status => Err(self.unavailable(format!("its token endpoint responds with {status}"))),
        }
    }

    /// More claims about the identity.
    async fn user_info(&self, endpoint: &str, token: &str, subject: &str) -> Result<Map<String, Value>, OidcError> {
        let (status, response) = fetch_json(self.http.get(endpoint).bearer_auth(token)).await.map_err(|reason| self.unavailable(reason))?;
        if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status) {
            return Err(OidcError::CodeRejected(format!("user information: {status}")));
        }
        if !status.is_success() {
            return Err(self.unavailable(format!("its user information responds with {status}")));
        }
        let Value::Object(claims) = response else {
            return Err(self.unavailable("its user information is not a JSON object".to_owned()));
        };
        // as the specification demands: without the check, the claims could be of somebody else
        if claims.get("sub").and_then(Value::as_str) != Some(subject) {
            return Err(OidcError::InvalidToken("the user information is about somebody else".to_owned()));
        }
        Ok(claims)
    }

    /// The documents. Older ones are used while the provider does not respond.
    async fn documents(&self) -> Result<Arc<Documents>, OidcError> {
        if let Some(documents) = self.fresh() {
            return Ok(documents);
        }
        let stale = self.known().documents.clone().filter(|documents| documents.read_at.elapsed() < MAX_STALE_AGE);
        let _reading = match (self.reading.try_lock(), &stale) {
            (Ok(reading), _) => reading,
            // a provider that does not respond delays one request and not all
            (Err(_), Some(stale)) => return Ok(Arc::clone(stale)),
            (Err(_), None) => self.reading.lock().await,
        };
        if let Some(documents) = self.fresh() {
            return Ok(documents);
        }
        let failure = self.known().failure.clone();
        let reason = match failure.filter(|(at, _)| at.elapsed() < FAILURE_TIME) {
            Some((_, reason)) => reason,
            None => match self.read_documents().await {
                Ok(documents) => return Ok(documents),
                Err(reason) => reason,
            },
        };
        stale.ok_or_else(|| self.unavailable(reason))
    }

    /// Reads the documents again because they lack the key of a token, unless that happened too often.
    async fn documents_with_key(&self, known: Arc<Documents>, unverified: &Unverified<'_>) -> Result<Arc<Documents>, OidcError> {
        let mut limit = self.reading.lock().await;
        let newest = self.fresh().filter(|documents| !Arc::ptr_eq(documents, &known));
        if let Some(documents) = newest
            && unverified.has_key_in(&documents.keys)
        {
            return Ok(documents);
        }
        if !limit.take(Instant::now()) {
            return Ok(known);
        }
        self.read_documents().await.map_err(|reason| self.unavailable(reason))
    }

    fn fresh(&self) -> Option<Arc<Documents>> {
        self.known().documents.clone().filter(|documents| documents.read_at.elapsed() < MAX_AGE)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read_documents(&self) -> Result<Arc<Documents>, String> {
        // a request that is dropped meanwhile, for example a probe that waits no longer, leaves this as the answer
        self.set_failure("it does not respond".to_owned());
        let outcome = self.fetch_documents().await;
        match outcome {
            Ok(documents) => {
                let documents = Arc::new(documents);
                *self.known() = Known { documents: Some(Arc::clone(&documents)), failure: None };
                Ok(documents)
            }
            Err(reason) => {
                warn!(oidc.issuer = %self.settings.issuer, reason, "the provider of sign-ins is unavailable");
                self.set_failure(reason.clone());
                Err(reason)
            }
        }
    }

    fn set_failure(&self, reason: String) {
        self.known().failure = Some((Instant::now(), reason));
    }

    async fn fetch_documents(&self) -> Result<Documents, String> {
        let issuer = &self.settings.issuer;
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let discovery = DiscoveryDocument::parse(self.get(&url, "discovery document").await?, issuer)?;
        let keys = self.get(&discovery.jwks_uri, "list of keys").await?;
        let keys = JwkSet::parse(&keys).ok_or("its list of keys cannot be read")?;
        Ok(Documents { discovery, keys, read_at: Instant::now() })
    }

    async fn get(&self, url: &str, what: &str) -> Result<Value, String> {
        let (status, document) = fetch_json(self.http.get(url)).await?;
        if status == StatusCode::OK { Ok(document) } else { Err(format!("its {what} responds with {status}")) }
    }

    fn unavailable(&self, reason: String) -> OidcError {
        OidcError::Unavailable { issuer: self.settings.issuer.clone(), reason }
    }
}
