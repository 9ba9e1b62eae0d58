# ./dev restore: tries the procedure of docs/OPERATIONS.md#restore-from-a-backup once: dump, work after it, restore, go on.

# restore_trial [--binaries FOLDER]
restore_trial() {
    restore_binaries=$(target_folder)/debug
    if [[ ${1:-} == --binaries && -n ${2:-} ]]; then
        restore_binaries=$2
    else
        [[ $# -eq 0 ]] || die "unknown argument of restore: $1 (expected --binaries FOLDER)"
        step "build" build_workspace --bins --examples
    fi
    need_curl
    command -v jq >/dev/null || install_packages jq
    services_up
    pg_bin=$(postgres_bin)
    PATH=$restore_binaries:$pg_bin:$PATH
    restore=$state/restore
    rm -rf "$restore"
    mkdir -p "$restore"
    trap restore_stop EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    lock_state
    remember_port RESTORE_PORT
    remember_port RESTORE_WORKER_PORT
    unlock_state
    restore_base=${DATABASE_URL%/*}
    export APRENDIZ_BUCKET_PREFIX=restore-$$/ APRENDIZ_QUEUE_PREFIX=restore-$$
    export APRENDIZ_LISTEN=127.0.0.1:$RESTORE_PORT APRENDIZ_URL=http://127.0.0.1:$RESTORE_PORT APRENDIZ_PROBE_LISTEN=127.0.0.1:$RESTORE_WORKER_PORT
    scratch_database restore_before
    scratch_database restore_after
    step "before T: import, training, promotion" restore_before
    step "backup at T" pg_dump --format=custom --file="$restore/aprendiz.dump" "$restore_base/restore_before"
    step "after T: another training; then everything stops" restore_lost
    step "restore" restore_again
    step "everything continues" restore_continue
    say "the restored installation works"
}

restore_start() {
    start_process restore-serve aprendiz serve
    start_process restore-worker aprendiz-worker
    wait_for 60 "the server" curl -sf --max-time 5 "$APRENDIZ_URL/readyz" || { show_log "$logs/restore-serve.log"; die "the server did not start"; }
    wait_for 60 "the worker" curl -sf --max-time 5 "http://$APRENDIZ_PROBE_LISTEN/readyz" || { show_log "$logs/restore-worker.log"; die "the worker did not start"; }
}

restore_stop() {
    stop_process "$state/restore-worker.pid" aprendiz-worker
    stop_process "$state/restore-serve.pid" aprendiz
}

restore_train() { aprendiz run create --model contracts --kind linear --fields "$1" --wait -q 2>>"$logs/restore-train.log" | head -n 1; }

restore_before() {
    export DATABASE_URL=$restore_base/restore_before
    aprendiz migrate >/dev/null
    APRENDIZ_API_KEY=$(aprendiz -o json api-key create --name restore --role admin | jq -r .key)
    export APRENDIZ_API_KEY
    restore_start
    aprendiz-sample contracts --documents 120 --seed 3 --out "$restore/sample.json.gz" >/dev/null
    aprendiz import "$restore/sample.json.gz" >/dev/null 2>&1
    restore_train contract_type >"$restore/before"
    aprendiz model promote contracts 1 >/dev/null
}

restore_lost() {
    restore_train managed_by >"$restore/lost"
    [[ -s $restore/lost ]] || die "the run after T failed"
    restore_stop
}

restore_again() {
    pg_restore --no-owner --no-privileges --single-transaction --exit-on-error --dbname "$restore_base/restore_after" "$restore/aprendiz.dump"
    # Redis empty
    REDISCLI_AUTH=$REDIS_PASSWORD redis-cli -h 127.0.0.1 -p "$REDIS_PORT" --scan --pattern "$APRENDIZ_QUEUE_PREFIX:*" |
        while read -r key; do REDISCLI_AUTH=$REDIS_PASSWORD redis-cli -h 127.0.0.1 -p "$REDIS_PORT" del "$key" >/dev/null; done
    export DATABASE_URL=$restore_base/restore_after
    aprendiz migrate >/dev/null
}

restore_continue() {
    local run dataset
    # the sweeper looks at everything at once: objects of the lost run must stay
    export APRENDIZ_SWEEP_AFTER_SECONDS=0 APRENDIZ_SWEEP_EVERY_SECONDS=1
    restore_start
    wait_for 60 "the report of the sweeper" grep -q 'bucket contains objects of unknown runs' "$logs/restore-serve.log" ||
        die "the objects of the lost run are not reported"
    aprendiz doctor --server >"$restore/doctor" || { cat "$restore/doctor"; die "doctor finds a fault"; }
    find "$state/s3" -type f -path "*restore-$$*" >"$restore/objects"
    "$root/deploy/restore/newer.sh" <"$restore/objects" >"$restore/newer"
    grep -q "$(cat "$restore/lost")" "$restore/newer" || die "the lost run is not reported as newer"
    ! grep -q "$(cat "$restore/before")" "$restore/newer" || die "a run of the backup is reported as newer"
    aprendiz model download contracts -d "$restore/model" >/dev/null 2>&1
    printf 'A rental of office space.\n' >"$restore/contract.txt"
    aprendiz predict --model contracts "$restore/contract.txt" >/dev/null
    run=$(restore_train managed_by)
    [[ -n $run && $run != "$(cat "$restore/lost")" ]] || die "no run succeeds after the restore"
    for dataset in $(aprendiz dataset list -q); do
        aprendiz dataset verify "$dataset" | grep -q '^same' || die "the snapshot $dataset differs"
    done
    cat "$restore/newer"
}
