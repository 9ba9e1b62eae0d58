#!/usr/bin/env bash
# ./dev bench fleet: the database load of many workers without training (docs/SCALING.md). By hand: it takes minutes.
#
# FLEET_RUNS (100000), FLEET_WORKERS (1000), FLEET_PROCESSES (4), FLEET_CONNECTIONS (16, of each process), FLEET_HOLD_MS (0, time for which
# a run is held), FLEET_SECONDS (3600, limit), FLEET_BINARY (built if not set), FLEET_DATABASE_URL (a migrated database; default: a new one
# of ./dev up).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
for part in say state packages postgres redis s3 services build; do
    # shellcheck source=/dev/null
    source "$root/deploy/local/$part.sh"
done

runs=${FLEET_RUNS:-100000}
workers=${FLEET_WORKERS:-1000}
processes=${FLEET_PROCESSES:-4}
connections=${FLEET_CONNECTIONS:-16}
folder=$root/.dev/fleet
binary=${FLEET_BINARY:-}
mkdir -p "$folder"

prepare_database() {
    [[ -z ${FLEET_DATABASE_URL:-} ]] || { export DATABASE_URL=$FLEET_DATABASE_URL; return; }
    services_up
    admin_sql "DROP DATABASE IF EXISTS fleet WITH (FORCE)"
    admin_sql "CREATE DATABASE fleet"
    export DATABASE_URL=${DATABASE_URL%/*}/fleet
    "$(dirname "$binary")/aprendiz" migrate
}

# Samples sessions, waits and the size of tables until the file $folder/running is removed.
sample() {
    local sql="SELECT now()::time(0), count(*) AS sessions, count(*) FILTER (WHERE state = 'active') AS active,
            count(*) FILTER (WHERE wait_event_type = 'Lock') AS row_locks, count(*) FILTER (WHERE wait_event_type = 'LWLock') AS lwlocks,
            count(*) FILTER (WHERE wait_event_type = 'IO') AS io
        FROM pg_stat_activity WHERE application_name = 'aprendiz-fleet'"
    while [[ -e $folder/running ]]; do
        "$(postgres_bin)/psql" -X -At -F ' ' "$DATABASE_URL" -c "$sql" || true
        sleep 5
    done
}

if [[ -z $binary ]]; then
    build_workspace --bins --examples
    binary=$(target_folder)/debug/aprendiz-fleet
fi
prepare_database
say "── $runs runs"
"$binary" fill --runs "$runs" --connections "$connections"
"$(postgres_bin)/psql" -X -q "$DATABASE_URL" -c 'ANALYZE training_runs'
say "── $workers workers in $processes processes with $connections connections each"
touch "$folder/running"
sample >"$folder/samples" &
sampler=$!
pids=()
for ((number = 0; number < processes; number++)); do
    "$binary" work --workers $((workers / processes)) --connections "$connections" --hold-ms "${FLEET_HOLD_MS:-0}" \
        --seconds "${FLEET_SECONDS:-3600}" >"$folder/process-$number.json" &
    pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid"; done
rm -f "$folder/running"
wait "$sampler"
cat "$folder"/process-*.json
say "── time, sessions, active, waiting for row locks, for LWLocks, for I/O"
cat "$folder/samples"
"$(postgres_bin)/psql" -X "$DATABASE_URL" -c "
    SELECT count(*) AS runs, count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
        extract(epoch FROM max(finished_at) - min(started_at))::int AS seconds FROM training_runs" -c "
    SELECT c.relname AS relation, pg_size_pretty(pg_total_relation_size(c.oid)) AS size, s.n_live_tup, s.n_dead_tup, s.autovacuum_count
    FROM pg_class c JOIN pg_stat_user_tables s ON s.relid = c.oid
    WHERE c.relname IN ('training_runs', 'attempts', 'run_events', 'outbox', 'audit_log') ORDER BY c.relname"
