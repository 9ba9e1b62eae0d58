//! Requests to a provider: bounded in time and size, without redirects.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode, Url, header, redirect};
use serde_json::Value;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(8);
/// Maximum size of a response, in bytes.
const MAX_RESPONSE_BYTES: usize = 1 << 20;

/// A client. It trusts the certificate authorities of the system, or those of `SSL_CERT_FILE`.
pub(super) fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(concat!("aprendiz/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .redirect(redirect::Policy::none())
        .build()
}

/// Sends a request and reads its response as JSON. The reason of a failure contains neither request nor response.
pub(super) async fn fetch_json(request: RequestBuilder) -> Result<(StatusCode, Value), String> {
    let request = request.header(header::ACCEPT, "application/json");
    let mut response = request.send().await.map_err(|error| describe(&error))?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| describe(&error))? {
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            return Err(format!("its response has more than {MAX_RESPONSE_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    match serde_json::from_slice(&body) {
        Ok(value) => Ok((status, value)),
        Err(_) if !status.is_success() => Ok((status, Value::Null)),
        Err(_) => Err("its response is not JSON".to_owned()),
    }
}

/// The cause of a failure with its sources, without the URL, which may contain secrets.
fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no response within {} s", REQUEST_TIMEOUT.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// The pairs as the body of a form.
pub(super) fn form(pairs: &[(&str, &str)]) -> String {
    let mut url = Url::parse("http://localhost/").expect("the URL is valid");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

/// A text as in a form.
pub(super) fn form_encoded(text: &str) -> String {
    form(&[("", text)]).trim_start_matches('=').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded() {
        assert_eq!(form(&[("a", "b c"), ("d", "é&=")]), "a=b+c&d=%C3%A9%26%3D");
        assert_eq!((form_encoded("a:b"), form_encoded("=x")), ("a%3Ab".to_owned(), "%3Dx".to_owned()));
    }
}
