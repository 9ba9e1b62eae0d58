//! Running `aprendiz serve`.

use super::api::Api;
use super::process::Process;

/// A server with API and background loops, stopped on drop.
#[derive(Debug)]
pub struct Server {
    /// The process, which tests can stop or kill.
    pub process: Process,
    url: String,
    admin_key: String,
}

impl Server {
    pub(super) fn new(process: Process, url: String, admin_key: String) -> Self {
        Self { process, url, admin_key }
    }

    /// Its URL, for `APRENDIZ_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client with the admin key.
    pub fn api(&self) -> Api {
        self.api_as(&self.admin_key)
    }

    /// A client with the admin key that reaches the server through another URL, for example that of a proxy.
    pub fn api_at(&self, url: &str) -> Api {
        Api::new(url, &self.admin_key)
    }

    /// A client with another key.
    pub fn api_as(&self, key: &str) -> Api {
        Api::new(&self.url, key)
    }

    /// Its admin key, for `APRENDIZ_API_KEY`.
    pub fn admin_key(&self) -> &str {
        &self.admin_key
    }
}
