# ./dev check: runs all checks, even after a failure, and reports the failed ones at the end.

failed_checks=()

# check_step TITLE COMMAND...: runs in a subshell, where an error ends the command and not this script.
check_step() {
    local title=$1 started status
    shift
    started=$(now_ms)
    say "── $title"
    set +e
    (set -e; "$@")
    status=$?
    set -e
    if ((status != 0)); then
        failed_checks+=("$title")
        title="$title: FAILED"
    fi
    took "$title" "$started"
}

check_docs() { RUSTDOCFLAGS="-D warnings" SQLX_OFFLINE=true cargo doc --locked --workspace --no-deps --document-private-items; }
check_lints() { SQLX_OFFLINE=true cargo clippy --locked --workspace --all-targets -- -D warnings; }

check_scripts() {
    local file
    for file in "$root/dev" "$root/.ci/run" "$root"/deploy/local/*.sh; do bash -n "$file"; done
    if command -v shellcheck >/dev/null; then
        shellcheck -s bash -e SC2034,SC2154 "$root/dev" "$root/.ci/run" "$root"/deploy/local/*.sh "$root"/deploy/bench/*.sh
    fi
}

# check_tool TOOL COMMAND...: runs a check if its tool is installed.
check_tool() {
    local tool=$1
    shift
    if command -v "$tool" >/dev/null; then
        check_step "$tool" "$@"
    else
        say "── $tool: skipped, because it is not installed (./dev tools installs it)"
    fi
}

check() {
    local started
    started=$(now_ms)
    database_up
    check_step "format" cargo fmt --all --check
    check_step "scripts" check_scripts
    check_step "migrations up, down, up" check_migrations
    check_step "lints" check_lints
    check_step "sqlx cache" check_queries
    check_step "docs" check_docs
    check_tool cargo-deny cargo deny --locked check
    check_tool cargo-machete cargo machete
    took "check" "$started"
    ((${#failed_checks[@]} == 0)) || die "failed: $(printf '%s; ' "${failed_checks[@]}")"
    say "all checks passed"
}
