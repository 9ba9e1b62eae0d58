//! Records the git revision of the sources for `--version`. The migrations and the bundle of the web interface are compiled into the binary:
//! build again when one of them changes.

use std::fs::create_dir_all;

/// What `./dev web` builds, and `src/api/web/bundle.rs` embeds.
const WEB_BUNDLE: &str = "../web/dist";

fn main() {
    // Cargo repeats a build script on every build while one of its paths is missing. If the folder cannot be created, only that happens.
    let _ = create_dir_all(WEB_BUNDLE);
    println!("cargo:rerun-if-changed=../migrations");
    println!("cargo:rerun-if-changed={WEB_BUNDLE}");
    aprendiz_build_revision::record(env!("CARGO_PKG_VERSION"), &["producer", "migrations", "web"]);
}
