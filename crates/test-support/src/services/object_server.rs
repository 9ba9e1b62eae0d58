//! S3 server of one test, which can be as strict as other stores.

use std::process::Command;
use std::time::Duration;

use super::env::binary_path;
use super::process::Process;
use crate::wait::wait_until;

/// Generous, for a busy machine.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// A dedicated `aprendiz-local-s3` with the credentials of the environment and one bucket.
#[derive(Debug)]
pub struct ObjectServer {
    address: String,
    // before the folder that it uses
    _process: Process,
    _folder: tempfile::TempDir,
}

impl ObjectServer {
    /// Name of its bucket.
    pub const BUCKET: &str = "models";

    /// Starts it on a free port with additional arguments, such as `--deny DeleteObject`.
    pub async fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be created");
        let mut command = Command::new(binary_path("aprendiz-local-s3"));
        command.arg("--root").arg(folder.path().join("buckets")).args(["--bucket", Self::BUCKET]).args(arguments);
        let process = Process::start("local-s3", &mut command, folder.path());
        let address = wait_until("the address of the S3 server", READY_TIMEOUT, async || {
            process.log().lines().find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned))
        })
        .await;
        Self { address, _process: process, _folder: folder }
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its endpoint, for `AWS_ENDPOINT_URL_S3`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}
