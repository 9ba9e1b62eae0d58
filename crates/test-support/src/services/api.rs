//! HTTP client with an API key.

use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

/// A client for one server and one key.
#[derive(Clone, Debug)]
pub struct Api {
    client: Client,
    url: String,
    key: String,
}

impl Api {
    pub(super) fn new(url: &str, key: &str) -> Self {
        // reqwest is built without a default TLS provider; installing it again has no effect
        rustls::crypto::ring::default_provider().install_default().ok();
        Self { client: Client::new(), url: url.to_owned(), key: key.to_owned() }
    }

    /// A request with the key. `path` starts with a slash.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key)
    }

    /// A GET request.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// A POST request.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    /// Sends a GET request, which must succeed, and returns the JSON body.
    pub async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).send().await.unwrap_or_else(|error| panic!("GET {path}: {error}"));
        let status = answer.status();
        let body = answer.text().await.unwrap_or_default();
        assert!(status.is_success(), "GET {path}: {status} {body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("GET {path}: {error}: {body}"))
    }
}
