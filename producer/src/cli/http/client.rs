//! HTTP client of the API: base URL, authentication, error decoding.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::connection::{Connection, LOCAL_URL};
use crate::cli::error::CliError;
use crate::cli::error::rejection::{Rejection, record_rejection};
use crate::cli::http::decode::VERSION_HINT;
use crate::cli::http::proxy_answer::explain;
use crate::cli::http::retry::Retry;
use crate::cli::http::trace::{Trace, request_id};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time between two reads of a response. Event streams send a keep-alive every 15 s.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// How to have an API key.
const KEY_HINT: &str = "store one with `aprendiz login`, set APRENDIZ_API_KEY or APRENDIZ_API_KEY_FILE, or give --api-key-file FILE (`aprendiz api-key create`, \
                        on the host of the server, creates keys)";

/// A client of one API server.
pub(crate) struct Client {
    http: reqwest::Client,
    /// Has no read timeout: the response to an upload arrives only once everything is stored.
    http_without_timeout: reqwest::Client,
    base: Url,
    key: Option<SecretString>,
}

/// Body of an error response (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    detail: String,
    code: String,
    /// Servers of an older version send none.
    #[serde(default)]
    hint: Option<Hint>,
}

/// The way out, in the words of the command line.
#[derive(Deserialize)]
struct Hint {
    command: String,
}

impl Problem {
    /// Detail, way out and code.
    fn text(&self) -> String {
        let hint = self.hint.as_ref().map(|hint| format!("; use: {}", hint.command)).unwrap_or_default();
        format!("{}{hint} ({})", self.detail, self.code)
    }
}

impl Client {
    pub(crate) fn new(connection: &Connection) -> Result<Self, CliError> {
        let usage = || {
            let (url, from) = (&connection.url, &connection.url_from);
            CliError::Usage(format!("invalid URL `{url}` ({from}): expected a URL such as {LOCAL_URL}"))
        };
        let mut base = Url::parse(&connection.url).map_err(|_| usage())?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(usage());
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let builder =
            || reqwest::Client::builder().user_agent(concat!("aprendiz/", env!("CARGO_PKG_VERSION"))).connect_timeout(CONNECT_TIMEOUT);
        let http = builder().read_timeout(READ_TIMEOUT).build().context("cannot create an HTTP client")?;
        let http_without_timeout = builder().build().context("cannot create an HTTP client")?;
        Ok(Self { http, http_without_timeout, base, key: connection.key.clone() })
    }

    /// Base URL of the API, for messages.
    pub(crate) fn base_url(&self) -> &Url {
        &self.base
    }

    /// A request. Every element of `path` is one path segment and is escaped as needed.
    pub(crate) fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.build(&self.http, method, path)
    }

    /// A request with a large body, without a read timeout.
    pub(crate) fn upload(&self, path: &[&str]) -> RequestBuilder {
        self.build(&self.http_without_timeout, Method::POST, path)
    }

    /// A request that takes long to compute, without a read timeout.
    pub(crate) fn long_request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.build(&self.http_without_timeout, method, path)
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

    /// Sends a request. An error response becomes a [`CliError`].
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, CliError> {
        let response = self.execute(request).await?;
        if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        Err(self.response_error(response).await)
    }

    async fn execute(&self, request: RequestBuilder) -> Result<Response, CliError> {
        let (http, request) = request.build_split();
        let request = request.map_err(|error| self.connection_error(&error))?;
        let trace = Trace::start(&request);
        let outcome = http.execute(request).await;
        trace.end(&outcome);
        outcome.map_err(|error| self.connection_error(&error))
    }

    /// Sends a request and decodes the JSON response.
    pub(crate) async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CliError> {
        let response = self.send(request).await?;
        let url = response.url().clone();
        let body = response.bytes().await.map_err(|error| self.connection_error(&error))?;
        serde_json::from_slice(&body).map_err(|error| {
            if error.is_eof() && !body.is_empty() {
                return CliError::cut_off(&format!("the response of {url}"));
            }
            CliError::Failed(anyhow::Error::new(error).context(format!("unexpected response from {url}: {VERSION_HINT}")))
        })
    }

    /// Like [`Client::get`]; repeats the request while the API cannot be reached, for commands that wait for something.
    pub(crate) async fn get_with_retry(&self, path: &[&str]) -> Result<Value, CliError> {
        let mut retry = Retry::default();
        loop {
            match self.get(path).await {
                Ok(value) => return Ok(value),
                Err(error) => retry.pause(error).await?,
            }
        }
    }

    pub(crate) async fn get(&self, path: &[&str]) -> Result<Value, CliError> {
        self.json(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &[&str]) -> Result<Value, CliError> {
        self.json(self.request(Method::POST, path)).await
    }

    /// Requests a health probe. A failed probe has a JSON body too, so its status is not an error here.
    pub(crate) async fn probe(&self, path: &str) -> Result<(StatusCode, Value), CliError> {
        let response = self.execute(self.request(Method::GET, &[path])).await?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| self.connection_error(&error))?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// Converts a connection error, naming its root cause. A response that began to arrive was cut off.
    pub(crate) fn connection_error(&self, error: &reqwest::Error) -> CliError {
        if error.is_body() || error.is_decode() {
            return CliError::cut_off(&match error.url() {
                Some(url) => format!("the response of {url}"),
                None => "the response".to_owned(),
            });
        }
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        if error.is_request() && !error.is_connect() && !error.is_timeout() {
            return CliError::Unreachable(format!(
                "the connection to the API at {} was cut off before the response: {cause}; the request may have been executed, check that \
                 before you send it again",
                self.base
            ));
        }
        CliError::Unreachable(format!(
            "cannot reach the API at {}: {cause} (is `aprendiz serve` running? Set --url or APRENDIZ_URL)",
            self.base
        ))
    }

    async fn response_error(&self, response: Response) -> CliError {
        let status = response.status();
        let is_problem =
            response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"));
        let request_id = request_id(&response);
        let body = response.bytes().await.unwrap_or_default();
        let problem = if is_problem { serde_json::from_slice::<Problem>(&body).ok() } else { None };
        let code = problem.as_ref().map(|problem| problem.code.clone());
        let text = match (problem, status) {
            (Some(_), StatusCode::UNAUTHORIZED) if self.key.is_none() => {
                format!("the API at {} requires an API key: {KEY_HINT}", self.base)
            }
            (Some(problem), _) => problem.text(),
            (None, _) => return explain(status, &self.base),
        };
        record_rejection(Rejection { status: status.as_u16(), code, message: text.clone(), request_id });
        match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => CliError::Unavailable(text),
            _ if status.is_server_error() => CliError::Failed(anyhow::anyhow!(text)),
            _ => CliError::Refused(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// The error of a GET if the server answers with these bytes and closes the connection.
    async fn error_of(response: &'static [u8]) -> String {
        // another test may have installed it before
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            socket.write_all(response).await.unwrap();
        });
        let connection = Connection { url, key: None, url_from: String::new(), key_from: String::new() };
        let client = Client::new(&connection).unwrap_or_else(|error| panic!("{}", error.text()));
        let error = client.get(&["v1", "models"]).await.expect_err("the response is not complete");
        server.await.unwrap();
        assert!(matches!(error, CliError::Unreachable(_)), "{}", error.text());
        error.text()
    }

    #[tokio::test]
    async fn a_response_that_is_cut_off_is_no_unreachable_server() {
        for response in [
            &b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"items\":"[..],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n{\"a\":",
        ] {
            let text = error_of(response).await;
            assert!(text.contains("/v1/models was cut off"), "{text}");
        }
        let text = error_of(b"").await;
        assert!(text.contains("was cut off before the response"), "{text}");
    }

    #[test]
    fn the_hint_of_a_problem_is_the_command() {
        let parse = |json: &str| serde_json::from_str::<Problem>(json).unwrap().text();
        assert_eq!(parse(r#"{"detail":"no run","code":"unknown_run"}"#), "no run (unknown_run)");
        let hint = r#"{"detail":"no field `law`: declare it first","code":"unknown_field",
            "hint":{"request":"PUT /v1/fields/law","command":"aprendiz field declare law --kind categorical"}}"#;
        assert_eq!(parse(hint), "no field `law`: declare it first; use: aprendiz field declare law --kind categorical (unknown_field)");
    }
}
