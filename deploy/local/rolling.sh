# ./dev rolling: replaces the previous version by this one while runs are queued and running, and checks that nothing is lost
# (docs/RUNBOOKS.md#upgrade-without-downtime). By hand: it builds the previous version.

# Time for all runs together, in seconds.
rolling_limit=${ROLLING_LIMIT:-300}

# rolling_trial [--from REVISION | --binaries FOLDER] [--new-binaries FOLDER]
rolling_trial() {
    local from="" old="" new=""
    while [[ $# -gt 0 ]]; do
        case $1 in
            --from) from=${2:?--from needs a revision} ;;
            --binaries) old=$(cd "${2:?--binaries needs a folder}" && pwd -P) ;;
            --new-binaries) new=$(cd "${2:?--new-binaries needs a folder}" && pwd -P) ;;
            *) die "unknown argument of rolling: $1 (expected --from REVISION, --binaries FOLDER or --new-binaries FOLDER)" ;;
        esac
        shift 2
    done
    [[ -z $from || -z $old ]] || die "--from and --binaries exclude each other"
    rolling=$state/rolling
    mkdir -p "$rolling"
    if [[ -z $new ]]; then
        step "build this version" build_workspace --bins --examples
        new=$(target_folder)/debug
    fi
    if [[ -z $old ]]; then
        [[ -n $from ]] || from=$(git -C "$root" describe --tags --abbrev=0 --match 'v*' 2>/dev/null) ||
            die "no tag v* names a previous version: give --from REVISION or --binaries FOLDER"
        step "build $from" rolling_build "$from"
        old=$rolling/source/target/debug
    fi
    rolling_old=$old rolling_new=$new
    need_curl
    command -v jq >/dev/null || install_packages jq
    services_up
    trap rolling_stop EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    lock_state
    for port in OLD OLD_WORKER NEW NEW_WORKER; do remember_port "ROLLING_${port}_PORT"; done
    unlock_state
    scratch_database rolling
    export DATABASE_URL=${DATABASE_URL%/*}/rolling
    export APRENDIZ_BUCKET_PREFIX=rolling-$$/ APRENDIZ_QUEUE_PREFIX=rolling-$$ APRENDIZ_POLL_SECONDS=1 APRENDIZ_CHECKPOINT_SECONDS=1
    rolling_runs=$rolling/runs
    : >"$rolling_runs"
    step "previous version: schema, import, runs" rolling_begin
    step "migrations of this version, while the previous one runs" rolling_migrate
    step "this version beside the previous one" rolling_both
    step "the previous version ends" rolling_end_old
    step "all runs end" rolling_wait
    rolling_check
    say "$(wc -l <"$rolling_runs") runs, each executed to its end once"
}

# rolling_build REVISION: builds a revision in a checkout of its own, whose target folder is kept for the next time.
rolling_build() {
    if [[ -e $rolling/source/.git ]]; then
        git -C "$rolling/source" checkout --quiet --detach "$1"
    else
        git -C "$root" worktree prune
        git -C "$root" worktree add --quiet --detach "$rolling/source" "$1"
    fi
    (cd "$rolling/source" && CARGO_TARGET_DIR=$rolling/source/target SQLX_OFFLINE=true cargo build --locked --workspace --bins --examples)
}

# rolling_start old|new: a server and a worker of that version.
rolling_start() {
    local folder port worker_port
    case $1 in
        old) folder=$rolling_old port=$ROLLING_OLD_PORT worker_port=$ROLLING_OLD_WORKER_PORT ;;
        new) folder=$rolling_new port=$ROLLING_NEW_PORT worker_port=$ROLLING_NEW_WORKER_PORT ;;
    esac
    APRENDIZ_LISTEN=127.0.0.1:$port start_process "rolling-serve-$1" "$folder/aprendiz" serve
    APRENDIZ_PROBE_LISTEN=127.0.0.1:$worker_port start_process "rolling-worker-$1" "$folder/aprendiz-worker"
    rolling_ready "$1" "$port" serve
    rolling_ready "$1" "$worker_port" worker
}

# rolling_ready old|new PORT serve|worker
rolling_ready() {
    wait_for 60 "$3 of the $1 version" curl -sf -o /dev/null --max-time 5 "http://127.0.0.1:$2/readyz" ||
        { show_log "$logs/rolling-$3-$1.log"; die "$3 of the $1 version is not ready"; }
}

rolling_stop() {
    local version
    for version in old new; do
        stop_process "$state/rolling-worker-$version.pid" aprendiz-worker
        stop_process "$state/rolling-serve-$version.pid" aprendiz
    done
}

# rolling_create PORT: an evaluation and a training through the server at this port.
rolling_create() {
    local spec
    for spec in '{"model":"rolling","kind":"evaluate"}' '{"model":"rolling","data":{"fields":["contract_type"]}}'; do
        curl -sf --max-time 30 -H "Authorization: Bearer $APRENDIZ_API_KEY" -H 'Content-Type: application/json' -d "$spec" \
            "http://127.0.0.1:$1/v1/training-runs" | jq -er .id >>"$rolling_runs" || die "the server at port $1 does not create a run"
    done
}

rolling_begin() {
    "$rolling_old/aprendiz" migrate >/dev/null
    APRENDIZ_API_KEY=$("$rolling_old/aprendiz" -o json api-key create --name rolling --role admin | jq -er .key)
    export APRENDIZ_API_KEY
    rolling_start old
    "$rolling_old/aprendiz-sample" contracts --documents 120 --seed 3 --out "$rolling/sample.json.gz" >/dev/null
    APRENDIZ_URL=http://127.0.0.1:$ROLLING_OLD_PORT "$rolling_old/aprendiz" import "$rolling/sample.json.gz" >/dev/null 2>&1
    for _ in {1..6}; do rolling_create "$ROLLING_OLD_PORT"; done
    wait_for 60 "a running run" rolling_is "SELECT count(*) > 0 FROM training_runs WHERE status = 'running'" || die "no run starts"
}

rolling_migrate() {
    local status=0
    "$rolling_new/aprendiz" migrate --check || status=$?
    [[ $status -eq 0 || $status -eq 6 ]] || die "migrate --check ends with $status"
    "$rolling_new/aprendiz" migrate
    rolling_ready old "$ROLLING_OLD_PORT" serve
}

rolling_both() {
    rolling_start new
    for _ in {1..3}; do
        rolling_create "$ROLLING_OLD_PORT"
        rolling_create "$ROLLING_NEW_PORT"
    done
    wait_for 60 "runs of the new worker" rolling_is "SELECT count(DISTINCT worker_id) > 1 FROM attempts" || die "the new worker claims no run"
}

rolling_end_old() {
    stop_process "$state/rolling-serve-old.pid" aprendiz
    stop_process "$state/rolling-worker-old.pid" aprendiz-worker
    for _ in {1..3}; do rolling_create "$ROLLING_NEW_PORT"; done
}

rolling_sql() { "$(postgres_bin)/psql" -X -At "$DATABASE_URL" -c "$1"; }

rolling_is() { [[ $(rolling_sql "$1") == t ]]; }

rolling_wait() {
    wait_for "$rolling_limit" "the end of all runs" rolling_is "SELECT count(*) = 0 FROM training_runs WHERE finished_at IS NULL" || {
        rolling_sql "SELECT id, kind, status, error_code FROM training_runs WHERE finished_at IS NULL"
        die "runs have not ended within $rolling_limit s"
    }
}

rolling_check() {
    local expected
    expected=$(wc -l <"$rolling_runs")
    rolling_equal "$expected" "SELECT count(*) FROM training_runs WHERE id IN ($(sed "s/.*/'&'/" "$rolling_runs" | paste -sd,))" "runs that were accepted"
    rolling_equal "$expected" "SELECT count(*) FROM training_runs WHERE status = 'succeeded'" "succeeded runs"
    rolling_equal "$expected" "SELECT count(*) FROM attempts WHERE status = 'succeeded'" "succeeded attempts"
    rolling_equal 0 "SELECT count(*) FROM attempts WHERE status NOT IN ('succeeded', 'released')" "failed or lost attempts"
    rolling_equal "$expected" "SELECT count(*) FROM run_events WHERE kind = 'end'" "end events"
    rolling_equal $((expected / 2)) "SELECT count(*) FROM model_versions" "model versions"
    wait_for 30 "the outbox" rolling_is "SELECT count(*) = 0 FROM outbox" || die "wake-ups are left in the outbox"
}

# rolling_equal NUMBER SQL WHAT
rolling_equal() {
    local found
    found=$(rolling_sql "$2")
    [[ $found == "$1" ]] || die "$found $3 instead of $1"
}
