//! Caddy in front of a server, with a configuration file of the project.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tokio::net::TcpStream;

use super::allocation::free_port;
use super::process::Process;
use super::programs::find_or_skip;
use crate::wait::wait_until;

/// The site in the configuration file of the project.
const SITE: &str = "aprendiz.example.org {";
/// The server in that file.
const UPSTREAM: &str = "reverse_proxy 127.0.0.1:8080 {";

const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// A running Caddy, stopped on drop.
#[derive(Debug)]
pub struct TestCaddy {
    process: Process,
    port: u16,
    _folder: tempfile::TempDir,
}

impl TestCaddy {
    /// Starts Caddy with a configuration file, of which only the addresses are replaced. Returns `None`, and reports the test as skipped,
    /// if Caddy is not installed. `upstream` is `HOST:PORT`.
    pub async fn start(site: &Path, upstream: &str) -> Option<Self> {
        let program = find_or_skip("caddy")?;
        let site = std::fs::read_to_string(site).unwrap_or_else(|error| panic!("{}: {error}", site.display()));
        assert!(site.contains(SITE) && site.contains(UPSTREAM), "the configuration has `{SITE}` and `{UPSTREAM}`");
        let folder = tempfile::tempdir().expect("a temporary folder can be created");
        let port = free_port();
        let site = site.replace(SITE, &format!("http://127.0.0.1:{port} {{")).replace(UPSTREAM, &format!("reverse_proxy {upstream} {{"));
        let config = folder.path().join("Caddyfile");
        // global options come first
        std::fs::write(&config, format!("{{\n\tadmin off\n\tauto_https off\n}}\n{site}")).expect("the folder can be written");
        let mut command = Command::new(program);
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&config);
        for variable in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            command.env(variable, folder.path());
        }
        let mut caddy = Self { process: Process::start("caddy", &mut command, folder.path()), port, _folder: folder };
        wait_until("Caddy", READY_TIMEOUT, async || {
            assert!(caddy.process.is_running(), "caddy ended: {}", caddy.process.log());
            TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        Some(caddy)
    }

    /// Its URL, for `APRENDIZ_URL`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
