//! The HTTP client of every command: one place that knows the address, the key, and what errors look like.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::exit::CliError;
use crate::config::ClientArgs;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An answer whose next byte takes so long is given up. Event streams say something every 15 s.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// A client of one API.
pub(crate) struct Client {
    http: reqwest::Client,
    /// Waits as long as it takes: the answer to an upload comes when everything is stored.
    patient: reqwest::Client,
    base: Url,
    key: Option<SecretString>,
}

/// Body of an error.
#[derive(Deserialize)]
struct Problem {
    detail: String,
    code: String,
}

impl Client {
    pub(crate) fn new(args: &ClientArgs) -> Result<Self, CliError> {
        let usage = || CliError::Usage(format!("--url is `{}`: expected an address such as http://127.0.0.1:8080", args.url));
        let mut base = Url::parse(&args.url).map_err(|_| usage())?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(usage());
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let builder =
            || reqwest::Client::builder().user_agent(concat!("aprendiz/", env!("CARGO_PKG_VERSION"))).connect_timeout(CONNECT_TIMEOUT);
        let http = builder().read_timeout(READ_TIMEOUT).build().context("cannot make an HTTP client")?;
        let patient = builder().build().context("cannot make an HTTP client")?;
        Ok(Self { http, patient, base, key: args.key()? })
    }

    /// Address of the API, for messages.
    pub(crate) fn address(&self) -> &Url {
        &self.base
    }

    /// A request; each of `path` is one segment, escaped as needed.
    pub(crate) fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.build(&self.http, method, path)
    }

    /// A request that sends much and waits for its answer as long as it takes.
    pub(crate) fn upload(&self, path: &[&str]) -> RequestBuilder {
        self.build(&self.patient, Method::POST, path)
    }

    /// A request whose answer is computed: waits for it as long as it takes.
    pub(crate) fn patient_request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.build(&self.patient, method, path)
    }

    fn build(&self, http: &reqwest::Client, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let request = http.request(method, url);
        match &self.key {
            Some(key) => request.bearer_auth(key.expose_secret()),
            None => request,
        }
    }

    /// Sends a request; an error of the API becomes one of ours.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, CliError> {
        let response = request.send().await.map_err(|error| self.explain(&error))?;
        if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        Err(self.refusal(response).await)
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CliError> {
        let response = self.send(request).await?;
        let url = response.url().clone();
        let body = response.bytes().await.map_err(|error| self.explain(&error))?;
        Ok(serde_json::from_slice(&body).with_context(|| format!("{url} answered something that is not from this version of Aprendiz"))?)
    }

    pub(crate) async fn get(&self, path: &[&str]) -> Result<Value, CliError> {
        self.json(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &[&str]) -> Result<Value, CliError> {
        self.json(self.request(Method::POST, path)).await
    }

    /// Asks a probe, whose bad news come in a body of their own.
    pub(crate) async fn probe(&self, path: &str) -> Result<(StatusCode, Value), CliError> {
        let response = self.request(Method::GET, &[path]).send().await.map_err(|error| self.explain(&error))?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| self.explain(&error))?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// What a failed connection means for the caller.
    pub(crate) fn explain(&self, error: &reqwest::Error) -> CliError {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        CliError::Unreachable(format!(
            "cannot reach the API at {}: {cause} (is `aprendiz serve` running? set --url or APRENDIZ_URL)",
            self.base
        ))
    }

    async fn refusal(&self, response: Response) -> CliError {
        let status = response.status();
        let is_problem =
            response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"));
        let body = response.bytes().await.unwrap_or_default();
        let problem = if is_problem { serde_json::from_slice::<Problem>(&body).ok() } else { None };
        let text = match (problem, status) {
            (Some(_), StatusCode::UNAUTHORIZED) if self.key.is_none() => {
                "the API asks for a key: set APRENDIZ_API_KEY (or APRENDIZ_API_KEY_FILE); `aprendiz api-key create` makes one".to_owned()
            }
            (Some(problem), _) => format!("{} ({})", problem.detail, problem.code),
            (None, _) => format!("{} answered {status}, which is not how Aprendiz answers: check --url", self.base),
        };
        if status.is_server_error() { CliError::Failed(anyhow::anyhow!(text)) } else { CliError::Refused(text) }
    }
}
