//! Watching a run that no worker claims.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::fixture::TestApp;
use crate::fixture::exports::contracts;

#[tokio::test]
async fn watching_a_run_without_a_worker_says_so() {
    let app = TestApp::with_import(contracts()).await;
    let mut command = app.env.command("aprendiz");
    command.args(["run", "create", "--model", "contracts", "--watch"]);
    command.env("APRENDIZ_URL", app.server.url()).env("APRENDIZ_API_KEY", app.server.admin_key());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let errors = BufReader::new(child.stderr.take().unwrap());
    let (reason, next_step) = tokio::task::spawn_blocking(move || {
        let mut lines = errors.lines().map_while(Result::ok).skip_while(|line| !line.starts_with("queued: no worker is alive"));
        (lines.next(), lines.next())
    })
    .await
    .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(reason.as_deref(), Some("queued: no worker is alive"));
    assert!(next_step.is_some_and(|step| step.contains("start a worker: aprendiz-worker")));
}
