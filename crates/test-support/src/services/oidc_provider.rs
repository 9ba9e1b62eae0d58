//! An OpenID Connect provider: the npm package `oidc-provider` with the script of the end-to-end tests.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};

use super::allocation::free_port;
use super::process::Process;
use super::programs::{find, require_or_skip};
use crate::wait::wait_until;

const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// A running provider, stopped on drop.
#[derive(Debug)]
pub struct TestOidcProvider {
    process: Option<Process>,
    port: u16,
    client: Client,
    folder: tempfile::TempDir,
}

impl TestOidcProvider {
    /// The client that the provider knows, and its secret.
    pub const CLIENT: (&'static str, &'static str) = ("aprendiz-test", "a secret with spaces & more");

    /// Chooses the address of a provider that does not run yet. Returns `None`, and reports the test as skipped, if Node.js or its packages
    /// are missing.
    pub fn prepare() -> Option<Self> {
        rustls::crypto::ring::default_provider().install_default().ok();
        require_or_skip(find("node"), "Node.js is not installed", "install Node.js 20 or newer with npm")?;
        let packages = script_folder().join("node_modules");
        require_or_skip(packages.exists().then_some(()), "the packages of e2e/oidc are not installed", "npm ci in that folder")?;
        let folder = tempfile::tempdir().expect("a temporary folder can be created");
        Some(Self { process: None, port: free_port(), client: Client::new(), folder })
    }

    /// Starts it.
    pub async fn start(&mut self) {
        let mut command = Command::new(find("node").expect("prepare has found it"));
        command.arg(script_folder().join("provider.mjs")).arg(self.port.to_string());
        let mut process = Process::start("oidc-provider", &mut command, self.folder.path());
        wait_until("the provider", READY_TIMEOUT, async || {
            assert!(process.is_running(), "the provider ended: {}", process.log());
            process.log().contains("provider ready").then_some(())
        })
        .await;
        self.process = Some(process);
    }

    /// Its issuer.
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Publishes new keys instead of the present ones.
    pub async fn rotate_keys(&self) {
        self.control("rotate", &json!({})).await;
    }

    /// A token with these claims, beside the usual ones. `stranger` signs it with a key that the provider does not publish.
    pub async fn token(&self, claims: &Value, stranger: bool) -> String {
        let made = self.control("token", &json!({ "claims": claims, "stranger": stranger })).await;
        made["token"].as_str().expect("the response has a token").to_owned()
    }

    /// Puts these claims into the ID token of the next sign-in.
    pub async fn change_next_token(&self, claims: &Value) {
        self.control("next", &json!({ "claims": claims })).await;
    }

    /// Answers the next code with the tokens of the last one.
    pub async fn repeat_last_tokens(&self) {
        self.control("next", &json!({ "replay": true })).await;
    }

    async fn control(&self, route: &str, body: &Value) -> Value {
        let url = format!("{}/test/{route}", self.issuer());
        let response = self.client.post(url).json(body).send().await.expect("the provider responds");
        assert_eq!(response.status(), 200, "{route}");
        response.json().await.expect("the provider responds with JSON")
    }
}

fn script_folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../e2e/oidc"))
}
