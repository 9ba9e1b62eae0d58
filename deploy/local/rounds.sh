# ./dev rounds: repeats the end-to-end tests under conditions that reorder what processes do.

round_settings=(plain one-core busy instant slow pauses)

# rounds [N] [SETTING...]
rounds() {
    local count=1 setting round failed=0 status started
    if [[ ${1:-} =~ ^[0-9]+$ ]]; then
        count=$1
        shift
    fi
    local -a settings=("${@:-}")
    [[ -n ${settings[0]} ]] || settings=("${round_settings[@]}")
    for setting in "${settings[@]}"; do
        [[ " ${round_settings[*]} " == *" $setting "* ]] || die "unknown setting: $setting (known: ${round_settings[*]})"
    done
    need_rust
    step "build" build_workspace --bins --examples
    SQLX_OFFLINE=true cargo nextest run --locked --workspace --no-run
    services_up
    for ((round = 1; round <= count; round++)); do
        for setting in "${settings[@]}"; do
            started=$(now_ms)
            status=passed
            one_round "$setting" >"$logs/round-$setting-$round.log" 2>&1 || { status="FAILED: $logs/round-$setting-$round.log"; failed=$((failed + 1)); }
            took "round $round, $setting: $(grep -E '^ *Summary' "$logs/round-$setting-$round.log" | sed 's/.*\] *//'), $status" "$started"
        done
    done
    return $((failed > 0))
}

# one_round SETTING: all end-to-end tests once. Background processes of the setting end with it.
one_round() (
    local -a wrapper=()
    trap 'kill $(jobs -p) 2>/dev/null' EXIT
    case $1 in
        one-core) wrapper=(taskset -c 0) ;;
        busy) for _ in 1 2 3 4 5 6 7 8; do (while :; do :; done) & done ;;
        instant | slow) export APRENDIZ_TEST_PACE=$1 ;;
        pauses) pause_processes & ;;
    esac
    export SQLX_OFFLINE=true CARGO_TERM_COLOR=never
    "${wrapper[@]}" cargo nextest run --locked --workspace --no-fail-fast -E 'package(e2e)'
)

# Stops a random process of the tests for some milliseconds, again and again. Processes that a test has stopped stay stopped.
pause_processes() {
    local binaries stopped=''
    local -a pids
    binaries=$(target_folder)/debug
    trap '[[ -z $stopped ]] || kill -CONT "$stopped" 2>/dev/null; exit' TERM
    while :; do
        mapfile -t pids < <(pgrep --runstates R,S,D -f "^$binaries/(aprendiz( |\$)|aprendiz-worker|deps/e2e-)")
        if ((${#pids[@]} > 0)); then
            stopped=${pids[RANDOM % ${#pids[@]}]}
            kill -STOP "$stopped" 2>/dev/null || true
            sleep "0.$(printf '%03d' $((RANDOM % 300)))"
            kill -CONT "$stopped" 2>/dev/null || true
            stopped=''
        fi
        sleep 0.01
    done
}
