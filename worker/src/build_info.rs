//! The build of this program: its version, and the git revision of its sources.

use aprendiz_inference::manifest::Build;

/// The build, as the build script found it.
pub(crate) fn build() -> Build {
    Build {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        git_revision: env!("APRENDIZ_BUILD_REVISION").to_owned(),
        dirty: match env!("APRENDIZ_BUILD_DIRTY") {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
    }
}

/// One phrase for people.
pub(crate) fn describe_build() -> String {
    let Build { version, git_revision, dirty } = build();
    let changes = if dirty == Some(true) { " with changes that are not committed" } else { "" };
    format!("aprendiz-worker {version} of git revision `{git_revision}`{changes}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_names_its_revision() {
        let build = build();
        assert!(!build.git_revision.is_empty());
        assert!(build.git_revision != "unknown" || build.dirty.is_none(), "{build:?}");
        assert!(describe_build().contains(&build.git_revision));
    }
}
