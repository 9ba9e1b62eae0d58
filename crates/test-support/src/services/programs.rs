//! Programs that some tests need and that need not be installed: nginx, Caddy, PgBouncer and Node.js.

use std::io::Write as _;
use std::path::PathBuf;

/// With the value 1, a missing program fails the test that needs it. `.ci/run` sets it.
const REQUIRE_SERVICES: &str = "APRENDIZ_REQUIRE_SERVICES";
/// File to which skipped tests are appended, one line each, so that `./dev test` can list them.
const SKIPPED_FILE: &str = "APRENDIZ_SKIPPED_FILE";

/// Path of an installed program. Without it, the test fails if services are required; otherwise the test is reported as skipped.
pub(super) fn find_or_skip(program: &str) -> Option<PathBuf> {
    require_or_skip(find(program), &format!("{program} is not installed"), "./dev packages")
}

/// What a test needs. Without it, the test fails if services are required; otherwise the test is reported as skipped.
pub(super) fn require_or_skip<T>(found: Option<T>, missing: &str, way_out: &str) -> Option<T> {
    if found.is_none() {
        let required = std::env::var(REQUIRE_SERVICES).is_ok_and(|value| value == "1");
        assert!(!required, "{missing}, and {REQUIRE_SERVICES} is 1: {way_out}");
        report_skipped(&format!("{missing} ({way_out})"));
    }
    found
}

pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian installs servers where only root looks
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(program)).find(|program| program.exists())
}

/// Reports that the running test does not test anything, and why. `./dev test` lists these tests at its end.
pub fn report_skipped(reason: &str) {
    let thread = std::thread::current();
    // a runner that starts a process for each test passes its name as the last argument
    let name = thread.name().filter(|name| *name != "main").map(str::to_owned).or_else(|| std::env::args().next_back());
    let line = format!("SKIPPED: {}: {reason}", name.unwrap_or_default());
    println!("{line}");
    if let Some(file) = std::env::var_os(SKIPPED_FILE) {
        let mut file = std::fs::File::options().create(true).append(true).open(file).expect("the list of skipped tests can be written");
        // one write, because tests run at the same time
        file.write_all(format!("{line}\n").as_bytes()).expect("the list of skipped tests can be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_programs_are_found_and_others_are_not() {
        assert!(find("sh").is_some_and(|path| path.ends_with("sh")));
        assert_eq!(find("no-such-program"), None);
    }
}
