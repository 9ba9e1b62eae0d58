//! Records the git revision of the sources in the worker, for `--version` and for the provenance of models.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
    aprendiz_build_revision::record(env!("CARGO_PKG_VERSION"), &["worker", "migrations"]);
}
