//! A running `aprendiz serve`.

use super::{Api, Process};

/// The API with relay and reaper; ends with the value.
#[derive(Debug)]
pub struct Server {
    /// The process, to be stopped or killed.
    pub process: Process,
    url: String,
    admin_key: String,
}

impl Server {
    pub(super) fn new(process: Process, url: String, admin_key: String) -> Self {
        Self { process, url, admin_key }
    }

    /// Where it listens, for `APRENDIZ_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client with an admin key.
    pub fn api(&self) -> Api {
        self.api_as(&self.admin_key)
    }

    /// A client with another key.
    pub fn api_as(&self, key: &str) -> Api {
        Api::new(&self.url, key)
    }

    /// The admin key, for `APRENDIZ_API_KEY`.
    pub fn admin_key(&self) -> &str {
        &self.admin_key
    }
}
