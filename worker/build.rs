//! Records the git revision of the sources in the worker, for the provenance of models.
//!
//! `APRENDIZ_GIT_REVISION` replaces it in builds without a repository, such as those of images; the suffix `-dirty` marks changes that are
//! not committed. Without both, the revision is `unknown`. The script runs again only if the revision or a source of the worker changes.

use std::path::Path;
use std::process::Command;

/// Replaces the revision that git reports.
const OVERRIDE: &str = "APRENDIZ_GIT_REVISION";
/// Marks a revision whose sources had changes.
const DIRTY_SUFFIX: &str = "-dirty";
/// Revision of a build without git.
const UNKNOWN: &str = "unknown";
/// What the worker is built from, relative to the repository.
const SOURCES: [&str; 6] = ["worker", "crates", "migrations", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml"];

fn main() {
    println!("cargo:rerun-if-env-changed={OVERRIDE}");
    watch_sources();
    let given = std::env::var(OVERRIDE).ok().filter(|revision| !revision.is_empty());
    let (revision, dirty) = match given {
        Some(given) => read_override(&given),
        None => read_git(),
    };
    println!("cargo:rustc-env=APRENDIZ_BUILD_REVISION={revision}");
    println!("cargo:rustc-env=APRENDIZ_BUILD_DIRTY={}", dirty.map_or(UNKNOWN, |dirty| if dirty { "true" } else { "false" }));
}

fn read_override(given: &str) -> (String, Option<bool>) {
    let revision = given.strip_suffix(DIRTY_SUFFIX).unwrap_or(given);
    let is_plain = revision.len() <= 64 && revision.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+'));
    assert!(
        is_plain && !revision.is_empty(),
        "{OVERRIDE} must be a revision of at most 64 letters, digits, `.`, `_`, `-` and `+`, not `{given}`"
    );
    // whether the sources of an unknown revision have changes is unknown, too
    let dirty = (revision != UNKNOWN).then_some(given.ends_with(DIRTY_SUFFIX));
    (revision.to_owned(), dirty)
}

fn read_git() -> (String, Option<bool>) {
    // sources that were unpacked into another repository have no revision of it
    let is_tracked = git(&["ls-files", "--error-unmatch", "build.rs"]).is_some();
    let Some(revision) = git(&["rev-parse", "HEAD"]).filter(|_| is_tracked) else { return (UNKNOWN.to_owned(), None) };
    watch_head();
    // only tracked files: an untracked one that is compiled is named by a tracked one, which has changed
    let sources = SOURCES.map(|path| format!(":/{path}"));
    let mut arguments = vec!["status", "--porcelain", "--untracked-files=no", "--"];
    arguments.extend(sources.iter().map(String::as_str));
    (revision, git(&arguments).map(|changes| !changes.is_empty()))
}

/// Runs again if another commit is checked out. Files that do not exist are left out: they would make the script run in every build.
fn watch_head() {
    let branch = git(&["symbolic-ref", "-q", "HEAD"]);
    let names = ["HEAD", "logs/HEAD", "packed-refs"].into_iter().map(str::to_owned).chain(branch);
    for path in names.filter_map(|name| git(&["rev-parse", "--git-path", &name])).filter(|path| Path::new(path).exists()) {
        println!("cargo:rerun-if-changed={path}");
    }
}

/// Runs again if a source changes: the worker is compiled again then anyway, and the sources may have changes that are not committed.
fn watch_sources() {
    for path in ["src", "build.rs", "Cargo.toml", "../Cargo.toml", "../Cargo.lock"] {
        println!("cargo:rerun-if-changed={path}");
    }
    for folder in std::fs::read_dir("../crates").into_iter().flatten().flatten() {
        for name in ["src", "Cargo.toml"] {
            let path = folder.path().join(name);
            if path.exists() {
                println!("cargo:rerun-if-changed={}", path.display());
            }
        }
    }
}

/// The output of git; `None` if it is not installed, this is no repository, or it fails.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
