//! A gate holds a test build and never a release build, even with the feature `hold`.

#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Time limit of a wait, even on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Builds the program `stand` with the feature in the given profile, and starts it at a closed gate.
fn stand_at_closed_gate(profile: &str, folder: &Path) -> Child {
    let target = folder.join("target");
    let built = Command::new(env!("CARGO"))
        .args(["rustc", "--quiet", "--offline", "--features", "hold", "--bin", "stand", "--profile", profile])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "--target-dir"])
        .arg(&target)
        .status();
    assert!(built.unwrap().success(), "the program cannot be built");
    fs::write(folder.join("gate"), "step 1\n").unwrap();
    let output = if profile == "dev" { "debug" } else { profile };
    let program = target.join(output).join("stand");
    Command::new(program).arg(folder).stdout(Stdio::piped()).spawn().unwrap()
}

fn wait_until(what: &str, mut is_reached: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_reached() {
        assert!(started.elapsed() < TIMEOUT, "waited {TIMEOUT:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_release_build_passes_a_closed_gate() {
    let folder = tempfile::tempdir().unwrap();
    let child = stand_at_closed_gate("release", folder.path());
    let held = folder.path().join(format!("held-{}", child.id()));
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.stdout, held.exists()), (b"passed\n".to_vec(), false));
}

#[test]
fn a_test_build_waits_at_a_closed_gate() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = stand_at_closed_gate("dev", folder.path());
    let held = folder.path().join(format!("held-{}", child.id()));
    wait_until("the process at the gate", || held.exists());
    assert!(child.try_wait().unwrap().is_none());
    fs::remove_file(folder.path().join("gate")).unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"passed\n");
}
