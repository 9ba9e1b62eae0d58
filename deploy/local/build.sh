# Cargo commands. They always select the whole workspace and something with dev-dependencies (examples, tests), so that all of them
# resolve the same features: a different set would build Burn, sqlx and the S3 client a second time.

# Cargo's target folder: from the variable, the user's cargo configuration, or ./target.
target_folder() {
    local folder=${CARGO_TARGET_DIR:-}
    [[ -n $folder ]] || folder=$(cd "$root" && cargo metadata --no-deps --offline --format-version 1 2>/dev/null | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    printf '%s' "${folder:-$root/target}"
}

# Queries are checked against .sqlx, so a build needs no database, and an outdated one at DATABASE_URL cannot break it.
build_workspace() { SQLX_OFFLINE=true cargo build --locked --workspace "$@"; }

# Checks that the other backends of Burn for this machine train the same models. Rebuilds Burn, which takes many minutes.
test_backends() {
    need_rust
    say "── backends: flex, ndarray"
    local runner=(nextest run --no-fail-fast)
    cargo nextest --version >/dev/null 2>&1 || runner=(test)
    SQLX_OFFLINE=true cargo "${runner[@]}" --locked --workspace --features aprendiz-training/ndarray \
        --test linear --test sentence_transformer "$@"
}

run_tests() {
    if [[ ${1:-} == --backends ]]; then
        shift
        test_backends "$@"
        return
    fi
    need_rust
    # a selection of tests is one of the Rust tests
    local with_browser=yes status=0 in_browser=0
    [[ $# -eq 0 ]] || with_browser=no
    # the binaries embed the page
    [[ $with_browser == no ]] || web_if_possible
    # the tests start the real binaries
    step "build" build_workspace --bins --examples
    services_up
    # the tests of sign-in need a provider from npm; they report whether they ran
    oidc_packages_if_possible
    # the parity test of the encoder needs its weights; it reports whether it ran
    if has_weights; then export APRENDIZ_TEST_ENCODER=$base_model; else say "── no base weights: the test that needs them is skipped; download them with ./dev weights"; fi
    say "── tests"
    if [[ $with_browser == no ]]; then
        run_logged tests test --locked --workspace -- "$@"
        return
    fi
    # both parts run, whatever fails
    set +e
    (set -e; run_logged tests test --locked --workspace --)
    status=$?
    (set -e; browser_tests)
    in_browser=$?
    set -e
    return $((status > in_browser ? status : in_browser))
}

# run_logged TITLE LOG CARGO_OPTIONS... -- NEXTEST_OPTIONS...: runs tests, all of them even after a failure, then prints a summary.
run_logged() {
    local title=$1 log=$logs/$2.log started status=0
    local -a options=()
    shift 2
    while [[ $# -gt 0 && $1 != -- ]]; do options+=("$1"); shift; done
    [[ $# -eq 0 ]] || shift
    started=$(now_ms)
    # tests without the program or the data that they need add a line to this file
    APRENDIZ_SKIPPED_FILE=$logs/$(basename "$log" .log).skipped
    export APRENDIZ_SKIPPED_FILE
    rm -f "$APRENDIZ_SKIPPED_FILE"
    [[ ! -t 1 ]] || export CARGO_TERM_COLOR=always
    # tests of services mostly wait
    export NEXTEST_TEST_THREADS=${NEXTEST_TEST_THREADS:-$(($(nproc) * 3))} RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) * 3))}
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --no-fail-fast "${options[@]}" "$@" 2>&1 | tee "$log" || status=$?
    else
        cargo test --no-fail-fast "${options[@]}" "$@" 2>&1 | tee "$log" || status=$?
    fi
    took "$title" "$started"
    list_skipped "$APRENDIZ_SKIPPED_FILE"
    test_summary "$log" "$status"
    return "$status"
}

# list_skipped FILE: the tests that counted as passed and tested nothing.
list_skipped() {
    [[ -s $1 ]] || return 0
    say "── $(wc -l <"$1") tests counted as passed and tested nothing"
    sed 's/^SKIPPED: /  /' "$1" | sort
}

# test_summary LOG STATUS: the slowest tests, the failed ones with the line of the log where their output begins, and as the last
# line one summary of all test programs, in the words of the runner. Only nextest reports the time of each test.
test_summary() {
    sed 's/\x1b\[[0-9;]*m//g' "$1" | awk -v log_file="$1" -v status="$2" '
        # "    PASS [   1.234s] ( 12/910) package::program module::test"; a failure is listed twice, the first time with its output
        match($0, /^ *(PASS|FAIL|LEAK|TIMEOUT|SIG[A-Z]+|ABORT) \[ *[0-9.]+s\]/) {
            kind = $1
            seconds = substr($0, RSTART, RLENGTH); sub(/.*\[ */, "", seconds); sub(/s\]/, "", seconds)
            name = substr($0, RSTART + RLENGTH); sub(/^ *\([^)]*\)/, "", name); sub(/^ */, "", name)
            if (name in seen) next
            seen[name] = 1; time[name] = seconds + 0
            if (kind != "PASS" && kind != "LEAK") failed_at[++failures] = sprintf("  %s (%s:%d)", name, log_file, NR)
        }
        /^test .* \.\.\. FAILED$/ { failed_at[++failures] = sprintf("  %s (%s:%d)", $2, log_file, NR) }
        /^ *Summary \[/ { nextest = $0 }
        /^test result: / { passed += $4; failed += $6; ignored += $8 }
        END {
            for (rank = 1; rank <= 10; rank++) {
                slowest = ""
                for (name in time) if (slowest == "" || time[name] > time[slowest]) slowest = name
                if (slowest == "") break
                if (rank == 1) print "── slowest tests"
                printf "  %8.3f s  %s\n", time[slowest], slowest
                delete time[slowest]
            }
            if (failures) print "── failed tests, and where the log has their output"
            for (number = 1; number <= failures; number++) print failed_at[number]
            if (status != 0 && !failures) printf "── no test failed, and yet the run did: see the end of %s\n", log_file
            if (nextest != "") print nextest
            else printf "test result: %s. %d passed; %d failed; %d ignored\n", status == 0 ? "ok" : "FAILED", passed, failed, ignored
        }'
}

# Runs all fault tests, including those that take minutes or need root.
faults() {
    need_rust
    step "build" build_workspace --bins --examples
    command -v ip >/dev/null || install_packages iproute2
    need_programs "${test_services[@]}"
    [[ -e /usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 ]] || install_packages faketime
    services_up
    say "── faults"
    if cargo nextest --version >/dev/null 2>&1; then
        run_logged faults faults --locked --workspace -- --run-ignored all -E 'package(e2e) & test(faults::)' "$@"
    else
        run_logged faults faults --locked --workspace --test e2e -- -- --include-ignored faults:: "$@"
    fi
}

chaos() {
    need_rust
    [[ " $* " != *" --pooler "* ]] || need_programs pgbouncer
    step "build" build_workspace --bins --examples
    services_up
    "$(target_folder)/debug/aprendiz-chaos" "$@"
}

# bench [NAME]: runs all benchmarks, or those of a crate or script. If a crate and a script have the same name, the name selects the script
# and the path selects the crate.
bench() {
    local only=${1:-} folder path script found=no
    need_rust
    services_up
    for folder in "$root"/crates/* "$root"/producer "$root"/worker; do
        path=${folder#"$root"/}
        [[ -d $folder/benches ]] || continue
        [[ -z $only || $only == "$path" || ($only == "${path##*/}" && ! -x $root/deploy/bench/$only.sh) ]] || continue
        found=yes
        step "bench $path" env SQLX_OFFLINE=true cargo bench --locked --manifest-path "$folder/Cargo.toml" --bench '*'
    done
    for script in "$root"/deploy/bench/*.sh; do
        [[ -x $script && (-z $only || $(basename "$script" .sh) == "$only") ]] || continue
        found=yes
        step "bench $(basename "$script" .sh)" "$script"
    done
    [[ $found == yes ]] || die "no benchmark${only:+ named $only}: expected a crate with benches/, or a script in deploy/bench/"
}

tools() {
    need_rust
    local tool
    for tool in cargo-deny cargo-machete; do
        if command -v "$tool" >/dev/null; then
            say "$tool: $("$tool" --version)"
        else
            step "install $tool" cargo install --locked "$tool"
        fi
    done
    install_mdbook
}
