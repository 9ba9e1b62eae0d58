//! `aprendiz login`, `whoami` and `logout`: profiles in the configuration directory of the user.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::fixture::{TestApp, text};

/// A command without a URL or key in its environment.
fn command(app: &TestApp, arguments: &[&str]) -> Command {
    let mut command = app.env.command("aprendiz");
    command.args(arguments);
    command
}

/// Runs a command that reads from standard input.
fn run(app: &TestApp, arguments: &[&str], input: &str) -> Output {
    let mut command = command(app, arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn expect_value(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn a_key_is_verified_stored_privately_used_and_removed() {
    let app = TestApp::start().await;
    let url = app.server.url();
    let keys = app.env.folder().join("config/aprendiz/keys");

    // a wrong key is not stored
    let wrong = run(&app, &["login", "--url", url], "apz_wrong\n");
    assert_eq!(wrong.status.code(), Some(3), "{wrong:?}");
    assert!(!keys.join("default").exists());
    let empty = run(&app, &["login", "--url", url], "\n");
    assert!(empty.status.code() == Some(2) && String::from_utf8_lossy(&empty.stderr).contains("no API key was given"), "{empty:?}");

    let viewer = app.env.create_key("viewer");
    let login = expect_value(&run(&app, &["login", "--url", url, "-o", "json"], &format!("{viewer}\n")));
    assert_eq!((&login["name"], &login["role"]), (&json!("default"), &json!("viewer")));
    assert_eq!(std::fs::metadata(keys.join("default")).unwrap().mode() & 0o777, 0o600);
    let config = std::fs::read_to_string(keys.parent().unwrap().join("config.json")).unwrap();
    assert!(config.contains(url) && !config.contains(&viewer), "the key is in its own file only: {config}");

    let who = expect_value(&run(&app, &["whoami", "-o", "json"], ""));
    assert_eq!((&who["key"]["role"], &who["key_from"], &who["url"]), (&json!("viewer"), &json!("profile default"), &json!(url)));
    assert!(!who.to_string().contains(&viewer));
    expect_value(&run(&app, &["model", "list", "-o", "json"], ""));

    // another profile beside it, from a file; variables win over profiles, and --profile over variables
    let file = app.env.folder().join("key.txt");
    std::fs::write(&file, app.server.admin_key()).unwrap();
    let arguments = ["login", "--profile", "prod", "--url", url, "--api-key-file", file.to_str().unwrap(), "-o", "json"];
    assert_eq!(expect_value(&run(&app, &arguments, ""))["role"], "admin");
    let role = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = command(&app, &[&["whoami", "-o", "json"], arguments].concat());
        text(&expect_value(&command.envs(variables.iter().copied()).output().unwrap())["key"]["role"])
    };
    assert_eq!(role(&[], &[("APRENDIZ_PROFILE", "prod")]), "admin");
    let environment = [("APRENDIZ_URL", url), ("APRENDIZ_API_KEY", viewer.as_str())];
    assert_eq!(role(&[], &[environment[0], environment[1], ("APRENDIZ_PROFILE", "prod")]), "viewer");
    assert_eq!(role(&["--profile", "prod"], &environment), "admin");

    // a key that others can read is not used
    std::fs::set_permissions(keys.join("default"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = run(&app, &["whoami"], "");
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("chmod 600"), "{refused:?}");

    assert!(run(&app, &["logout"], "").status.success());
    assert!(!keys.join("default").exists() && keys.join("prod").exists());
    assert_eq!(run(&app, &["logout"], "").status.code(), Some(3));
    app.finish().await;
}

#[tokio::test]
async fn without_a_key_the_error_names_the_ways_to_give_one() {
    let app = TestApp::start().await;
    let output = run(&app, &["run", "list", "--url", app.server.url()], "");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{error}");
    for way in ["aprendiz login", "APRENDIZ_API_KEY", "--api-key-file"] {
        assert!(error.contains(way), "{way}: {error}");
    }
    // a missing argument does not claim that the global options are required, even if their variables are set
    let mut usage = command(&app, &["run", "create"]);
    let usage = usage.env("APRENDIZ_URL", app.server.url()).env("APRENDIZ_API_KEY", "apz_x").output().unwrap();
    let usage = String::from_utf8_lossy(&usage.stderr).into_owned();
    assert!(usage.contains("Usage: aprendiz run create") && !usage.contains("--url <URL>") && !usage.contains("--api-key"), "{usage}");
    app.finish().await;
}
