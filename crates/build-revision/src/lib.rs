//! Build scripts of the binaries: records the git revision of the sources for `--version` and for the provenance of models.
//!
//! `APRENDIZ_GIT_REVISION` replaces it in builds without a repository, such as those of images; the suffix `-dirty` marks changes that are
//! not committed. Without both, the revision is `unknown`. The script runs again only if the revision or a source of the binary changes,
//! and only the binary itself is compiled again then: no library depends on the revision.

use std::path::Path;
use std::process::Command;

/// Replaces the revision that git reports.
const OVERRIDE: &str = "APRENDIZ_GIT_REVISION";
/// Marks a revision whose sources had changes.
const DIRTY_SUFFIX: &str = "-dirty";
/// Revision of a build without git.
const UNKNOWN: &str = "unknown";
/// Digits of a revision in `--version`.
const SHORT_DIGITS: usize = 12;
/// What every binary is built from, relative to the repository.
const SHARED_SOURCES: [&str; 4] = ["crates", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml"];

/// The revision of the sources, and whether they had changes that are not committed; `None` if that is unknown.
type Revision = (String, Option<bool>);

/// Sets `APRENDIZ_BUILD_REVISION`, `APRENDIZ_BUILD_DIRTY` (`true`, `false` or `unknown`) and `APRENDIZ_BUILD_VERSION` (for `--version`) for
/// the package of this build script. `sources` are further folders of the repository from which it is built, its own among them.
///
/// # Panics
///
/// If `APRENDIZ_GIT_REVISION` is no revision.
pub fn record(version: &str, sources: &[&str]) {
    println!("cargo:rerun-if-env-changed={OVERRIDE}");
    watch_sources();
    let given = std::env::var(OVERRIDE).ok().filter(|revision| !revision.is_empty());
    let revision = given.map_or_else(|| read_git(sources), |given| read_override(&given));
    println!("cargo:rustc-env=APRENDIZ_BUILD_VERSION={}", describe(version, &revision));
    let (revision, dirty) = revision;
    println!("cargo:rustc-env=APRENDIZ_BUILD_REVISION={revision}");
    println!("cargo:rustc-env=APRENDIZ_BUILD_DIRTY={}", dirty.map_or(UNKNOWN, |dirty| if dirty { "true" } else { "false" }));
}

/// `0.1.0 (397a600dabcd)`, with `-dirty` if the sources had changes; only `0.1.0` if the revision is unknown.
fn describe(version: &str, (revision, dirty): &Revision) -> String {
    if revision == UNKNOWN {
        return version.to_owned();
    }
    // the name of a release, which is no hash, is not cut
    let is_hash = revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    let short = if is_hash { &revision[..SHORT_DIGITS] } else { revision };
    format!("{version} ({short}{})", if *dirty == Some(true) { DIRTY_SUFFIX } else { "" })
}

fn read_override(given: &str) -> Revision {
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

fn read_git(sources: &[&str]) -> Revision {
    // sources that were unpacked into another repository have no revision of it
    let is_tracked = git(&["ls-files", "--error-unmatch", "build.rs"]).is_some();
    let Some(revision) = git(&["rev-parse", "HEAD"]).filter(|_| is_tracked) else { return (UNKNOWN.to_owned(), None) };
    watch_head();
    // only tracked files: an untracked one that is compiled is named by a tracked one, which has changed
    let sources: Vec<String> = sources.iter().chain(&SHARED_SOURCES).map(|path| format!(":/{path}")).collect();
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

/// Runs again if a source changes: the binary is compiled again then anyway, and the sources may have changes that are not committed.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_names_the_revision_if_it_is_known() {
        let hash = "0123456789abcdef0123456789abcdef01234567";
        let describe = |revision: &str, dirty| describe("0.1.0", &(revision.to_owned(), dirty));
        assert_eq!(describe(hash, Some(false)), "0.1.0 (0123456789ab)");
        assert_eq!(describe(hash, Some(true)), "0.1.0 (0123456789ab-dirty)");
        assert_eq!(describe("v0.1.0-rc.1", None), "0.1.0 (v0.1.0-rc.1)");
        assert_eq!(describe(UNKNOWN, None), "0.1.0");
    }

    #[test]
    fn an_override_may_mark_changes() {
        assert_eq!(read_override("abc-dirty"), ("abc".to_owned(), Some(true)));
        assert_eq!(read_override("abc"), ("abc".to_owned(), Some(false)));
        assert_eq!(read_override("unknown"), ("unknown".to_owned(), None));
    }
}
