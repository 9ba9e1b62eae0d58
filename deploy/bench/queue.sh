#!/usr/bin/env bash
# ./dev bench queue: overhead and start latency of a run with 1 and 4 workers, compared with Celery with the same database writes
# (queue_celery.py) on the same PostgreSQL and Redis. Runs are dataset-only on an existing snapshot, the shortest runs there are. Aprendiz
# and Celery alternate. Binaries are those of the profile `dev` (dependencies optimised, workspace code not); PostgreSQL runs without fsync.
#
# QUEUE_ROUNDS (3), QUEUE_RUNS (100, sequential), QUEUE_BURST (500, queued before the workers start).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
for part in say state packages postgres redis s3 services build; do
    # shellcheck source=/dev/null
    source "$root/deploy/local/$part.sh"
done

rounds=${QUEUE_ROUNDS:-3}
runs=${QUEUE_RUNS:-100}
burst=${QUEUE_BURST:-500}
database=queue_bench
folder=$root/.dev/queue-bench
venv=$root/.dev/celery
bin=$(target_folder)/debug
here=$root/deploy/bench

prepare_product() {
    build_workspace --bins --examples
    services_up
    admin_sql "DROP DATABASE IF EXISTS $database WITH (FORCE)"
    admin_sql "CREATE DATABASE $database"
    [[ -n ${BENCH_PORT:-} ]] || remember_port BENCH_PORT
    export DATABASE_URL=${DATABASE_URL%/*}/$database
    export APRENDIZ_LISTEN=127.0.0.1:$BENCH_PORT APRENDIZ_URL=http://127.0.0.1:$BENCH_PORT
    export APRENDIZ_QUEUE_PREFIX=queue-bench RUST_LOG=${RUST_LOG:-warn}
    unset APRENDIZ_API_KEY
    "$bin/aprendiz" migrate
    APRENDIZ_API_KEY=$("$bin/aprendiz" -o json api-key create --name bench --role admin | sed -n 's/.*"key": *"\([^"]*\)".*/\1/p')
    export APRENDIZ_API_KEY
    start_process bench-serve "$bin/aprendiz" serve
    wait_for 60 "the API" curl -sf -o /dev/null "$APRENDIZ_URL/readyz"
    "$bin/aprendiz-sample" contracts --documents 60 --seed 7 --out "$folder/sample.json.gz"
    "$bin/aprendiz" import "$folder/sample.json.gz" >/dev/null
    # only a child run can be dataset-only; this one builds the snapshot that all other runs reuse
    local parent
    parent=$("$bin/aprendiz" -o json run create --model contracts --kind linear | sed -n 's/^ *"id": *"\([^"]*\)".*/\1/p')
    curl -sf -o /dev/null -X POST -H "Authorization: Bearer $APRENDIZ_API_KEY" "$APRENDIZ_URL/v1/training-runs/$parent/ingest"
    "$bin/aprendiz" run cancel "$parent" >/dev/null
    start_workers 1
    "$bin/aprendiz-wakeup-latency" --drain --runs 1
    stop_workers 1
}

prepare_celery() {
    if [[ ! -x $venv/bin/celery ]]; then
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet celery redis packaging 'psycopg[binary]'
    fi
    export CELERY_BROKER_URL=$REDIS_URL/1 PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1
    celery tables
}

celery() { "$venv/bin/python" "$here/queue_celery.py" "$@"; }

start_workers() {
    local number
    for ((number = 1; number <= $1; number++)); do start_process "bench-worker-$number" "$bin/aprendiz-worker"; done
}

stop_workers() {
    local number
    for ((number = 1; number <= $1; number++)); do stop_process "$state/bench-worker-$number.pid" aprendiz-worker; done
}

# Starts Celery with its default process pool, with as many processes as Aprendiz has workers.
start_celery() {
    start_process bench-celery "$venv/bin/python" -m celery -A queue_celery worker --concurrency "$1" --loglevel WARNING \
        --without-gossip --without-mingle --without-heartbeat -O fair
}

stop_celery() {
    local pid
    pid=$(<"$state/bench-celery.pid")
    kill -TERM "$pid" 2>/dev/null || true
    for _ in {1..150}; do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    rm -f "$state/bench-celery.pid"
}

# Measures sequential runs on idle workers, after a warm-up, and then a burst.
measure_aprendiz() {
    start_workers "$1"
    "$bin/aprendiz-wakeup-latency" --json --runs "$runs" --warm-up 20 >"$folder/aprendiz-latency-$1-$2.json"
    stop_workers "$1"
    "$bin/aprendiz-wakeup-latency" --fill --runs "$burst"
    start_workers "$1"
    "$bin/aprendiz-wakeup-latency" --drain --json --runs "$burst" >"$folder/aprendiz-burst-$1-$2.json"
    stop_workers "$1"
}

measure_celery() {
    start_celery "$1"
    celery latency "$runs" 20 >"$folder/celery-latency-$1-$2.json"
    stop_celery
    celery fill "$burst"
    start_celery "$1"
    celery drain "$burst" >"$folder/celery-burst-$1-$2.json"
    stop_celery
}

# log_statements on|off: logs the statements of all sessions of the private server.
log_statements() {
    if [[ $1 == on ]]; then
        admin_sql "ALTER SYSTEM SET log_statement = 'all'"
        admin_sql "ALTER SYSTEM SET log_line_prefix = '%d %a '"
    else
        admin_sql "ALTER SYSTEM RESET log_statement"
        admin_sql "ALTER SYSTEM RESET log_line_prefix"
    fi
    admin_sql "SELECT pg_reload_conf()" >/dev/null
}

# Counts the SQL statements per run, including BEGIN and COMMIT; each is a round trip.
count_statements() {
    local from number=50
    from=$(as_postgres wc -l "$POSTGRES_FOLDER/log" | cut -d' ' -f1)
    log_statements on
    "$bin/aprendiz-wakeup-latency" --fill --runs "$number"
    start_workers 1
    "$bin/aprendiz-wakeup-latency" --drain --json --runs "$number" >/dev/null
    stop_workers 1
    celery fill "$number"
    start_celery 1
    celery drain "$number" >/dev/null
    stop_celery
    log_statements off
    say "SQL statements per run, by application"
    as_postgres tail -n "+$((from + 1))" "$POSTGRES_FOLDER/log" | awk -v runs="$number" -v database="$database" '
        $1 == database && / LOG:  (execute|statement)/ { name = $0; sub(database " ", "", name); sub(/ LOG:  .*/, "", name); count[name]++ }
        END { for (name in count) printf "  %-24s %6.1f\n", name, count[name] / runs }' \
        | sort | tee "$folder/statements.txt"
}

cleanup() {
    local status=$?
    trap - EXIT
    set +e
    stop_workers 4
    [[ ! -e $state/bench-celery.pid ]] || stop_celery
    stop_process "$state/bench-serve.pid" aprendiz
    log_statements off
    admin_sql "DROP DATABASE IF EXISTS $database WITH (FORCE)"
    [[ $started_services == no ]] || services_down
    exit "$status"
}

rm -rf "$folder"
mkdir -p "$folder"
need_curl
command -v python3 >/dev/null || die "python3 is required for Celery"
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
step "prepare Aprendiz" prepare_product
step "prepare Celery" prepare_celery
for ((round = 1; round <= rounds; round++)); do
    for workers in 1 4; do
        step "round $round, $workers workers: Aprendiz" measure_aprendiz "$workers" "$round"
        step "round $round, $workers workers: Celery" measure_celery "$workers" "$round"
    done
done
step "count statements" count_statements
"$venv/bin/python" "$here/queue_report.py" "$folder" "$rounds" "$(admin_sql "SHOW server_version")" "$(redis-server --version | sed -E 's/.*v=([^ ]*).*/\1/')"
