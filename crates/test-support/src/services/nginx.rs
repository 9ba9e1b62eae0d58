//! nginx in front of a server, with a configuration file of the project.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tokio::net::TcpStream;

use super::allocation::free_port;
use super::process::Process;
use super::programs::find_or_skip;
use crate::wait::wait_until;

/// What the configuration file of the project listens on.
const LISTEN: &str = "listen 80;";
/// The server in that file.
const UPSTREAM: &str = "server 127.0.0.1:8080;";

/// A running nginx, stopped on drop.
#[derive(Debug)]
pub struct TestNginx {
    process: Process,
    port: u16,
    /// The part of its configuration that the test gives.
    site: String,
    folder: tempfile::TempDir,
}

impl TestNginx {
    /// Starts nginx with a configuration file, of which only the addresses are replaced. Returns `None`, and reports the test as skipped,
    /// if nginx is not installed. `upstream` is `HOST:PORT`.
    pub async fn start(site: &Path, upstream: &str) -> Option<Self> {
        let site = std::fs::read_to_string(site).unwrap_or_else(|error| panic!("{}: {error}", site.display()));
        Self::start_with(site, upstream).await
    }

    /// Like [`TestNginx::start`], with the settings that nginx has by itself.
    pub async fn start_with_defaults(upstream: &str) -> Option<Self> {
        Self::start_with(
            format!("upstream aprendiz {{ {UPSTREAM} }} server {{ {LISTEN} location / {{ proxy_pass http://aprendiz; }} }}"),
            upstream,
        )
        .await
    }

    async fn start_with(site: String, upstream: &str) -> Option<Self> {
        let program = find_or_skip("nginx")?;
        let folder = tempfile::tempdir().expect("a temporary folder can be created");
        // as root, nginx gives its files to another user
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("the folder is ours");
        let port = free_port();
        write_config(folder.path(), &site, port, upstream);
        let mut command = Command::new(program);
        command.arg("-p").arg(folder.path()).arg("-c").arg(folder.path().join("nginx.conf")).args(["-e", "stderr"]);
        let process = Process::start("nginx", &mut command, folder.path());
        let mut nginx = Self { process, port, site, folder };
        wait_until("nginx", Duration::from_secs(20), async || {
            assert!(nginx.process.is_running(), "nginx ended: {}", nginx.process.log());
            TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        Some(nginx)
    }

    /// Its URL, for `APRENDIZ_URL`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sends new requests to another server.
    pub fn set_upstream(&self, upstream: &str) {
        write_config(self.folder.path(), &self.site, self.port, upstream);
        self.process.signal(Signal::HUP);
    }

    /// Lines of the access log: status and request.
    pub fn access_log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default()
    }
}

fn write_config(folder: &Path, site: &str, port: u16, upstream: &str) {
    assert!(site.contains(LISTEN) && site.contains(UPSTREAM), "the configuration has `{LISTEN}` and `{UPSTREAM}`");
    let site = site.replace(LISTEN, &format!("listen 127.0.0.1:{port};")).replace(UPSTREAM, &format!("server {upstream};"));
    std::fs::write(folder.join("site.conf"), site).expect("the folder can be written");
    let main = "daemon off; worker_processes 1; user root; pid nginx.pid; events {}
        http {
            log_format short '$status $request'; access_log access.log short;
            client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
            include site.conf;
        }";
    std::fs::write(folder.join("nginx.conf"), main).expect("the folder can be written");
}
