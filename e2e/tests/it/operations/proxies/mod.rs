//! Aprendiz behind a proxy.

mod caddy;
mod nginx;

use std::process::{Command, Output};

use crate::fixture::TestApp;

/// HOST:PORT of a URL.
fn address(url: &str) -> &str {
    url.strip_prefix("http://").unwrap()
}

/// The command line with another URL than that of the server.
fn command_at(app: &TestApp, url: &str, arguments: &[&str]) -> Command {
    let mut command = app.env.command("aprendiz");
    command.args(arguments).env("APRENDIZ_URL", url).env("APRENDIZ_API_KEY", app.server.admin_key());
    command
}

fn cli_at(app: &TestApp, url: &str, arguments: &[&str]) -> Output {
    command_at(app, url, arguments).output().unwrap()
}

fn check(output: &Output) {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}

/// Exit code and standard error of a failed command.
fn failure(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}
