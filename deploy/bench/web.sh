#!/usr/bin/env bash
# ./dev bench web: every view of the web interface with 1,000,000 documents, 100,000 runs and a text of 10 MB (web/fill.sql): the
# slowest request of a view, the time until it shows its data, and the longest frame while it scrolls (web/scripts/scale.ts). The data is
# created in two minutes, takes 6 GB in .dev, and stays until `./dev down --wipe`, or until the migrations change. Server of the profile
# `dev`, PostgreSQL without fsync. WEB_VIEW=NAME measures only views whose name contains NAME. Exits with 1 if a request takes more than
# 300 ms (median of three).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
for part in say state packages postgres redis s3 services build web browser; do
    # shellcheck source=/dev/null
    source "$root/deploy/local/$part.sh"
done

database=web_bench
folder=$root/.dev/web-bench
bin=$(target_folder)/debug

prepare() {
    local migrated role
    services_up
    mkdir -p "$folder"
    [[ -n ${BENCH_PORT:-} ]] || remember_port BENCH_PORT
    export DATABASE_URL=${DATABASE_URL%/*}/$database
    export APRENDIZ_LISTEN=127.0.0.1:$BENCH_PORT APRENDIZ_URL=http://127.0.0.1:$BENCH_PORT APRENDIZ_SITE=http://127.0.0.1:$BENCH_PORT
    export APRENDIZ_BUCKET_PREFIX=web-bench/ APRENDIZ_QUEUE_PREFIX=web-bench RUST_LOG=${RUST_LOG:-warn}
    export SCALE_DATA=$folder/data.json CHROMIUM
    export APRENDIZ_MAX_AUTH_FAILURES_PER_MINUTE=0
    CHROMIUM=$(chromium_program)
    unset APRENDIZ_API_KEY
    migrated=$(cat "$root"/migrations/*.up.sql "$root/deploy/bench/web/fill.sql" | sha256sum | cut -d' ' -f1)
    if [[ $(cat "$folder/filled" 2>/dev/null) != "$migrated" ]]; then
        rm -f "$folder/filled"
        admin_sql "DROP DATABASE IF EXISTS $database WITH (FORCE)"
        admin_sql "CREATE DATABASE $database TEMPLATE template0"
        "$bin/aprendiz" migrate >/dev/null
    fi
    start_process bench-serve "$bin/aprendiz" serve
    wait_for 60 "the API" curl -sf -o /dev/null "$APRENDIZ_URL/readyz"
    for role in viewer reviewer operator admin; do create_key "$role" "$role" "APRENDIZ_${role^^}_KEY"; done
    create_key second operator APRENDIZ_SECOND_KEY
    export APRENDIZ_API_KEY=$APRENDIZ_ADMIN_KEY
    [[ -e $folder/filled ]] || fill "$migrated"
}

# create_key NAME ROLE VARIABLE
create_key() {
    local key
    key=$("$bin/aprendiz" -o json api-key create --name "$1-$(date +%s%N)" --role "$2" | sed -n 's/.*"key": *"\([^"]*\)".*/\1/p')
    [[ -n $key ]] || die "aprendiz api-key create printed no key"
    export "$3=$key"
}

# A real import and real runs, which the many rows copy.
fill() {
    "$bin/aprendiz-sample" contracts --documents 240 --seed 7 --out "$folder/sample.json.gz" >/dev/null
    "$bin/aprendiz" import "$folder/sample.json.gz" >/dev/null
    curl -sf -o /dev/null -H "Authorization: Bearer $APRENDIZ_API_KEY" \
        --data-binary '[null, 0, {"id": 1, "data": {}}]' "$APRENDIZ_URL/v1/imports"
    start_process bench-worker "$bin/aprendiz-worker"
    scale --create >"$SCALE_DATA"
    stop_process "$state/bench-worker.pid" aprendiz-worker
    psql -X -q -v ON_ERROR_STOP=1 -o /dev/null -f "$root/deploy/bench/web/fill.sql" "$DATABASE_URL"
    printf '%s\n' "$1" >"$folder/filled"
}

scale() { (cd "$web_folder" && npx --no-install tsx scripts/scale.ts "$@"); }

cleanup() {
    local status=$?
    trap - EXIT
    set +e
    stop_process "$state/bench-worker.pid" aprendiz-worker
    stop_process "$state/bench-serve.pid" aprendiz
    [[ $started_services == no ]] || services_down
    exit "$status"
}

missing=$(browser_missing)
[[ -z $missing ]] || { say "bench web: skipped, because this machine lacks $missing (./dev packages installs it)"; exit 0; }
need_rust
need_curl
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
browser_bundle
step "build" build_workspace --bins --examples
step "packages of the web interface" web_packages
step "prepare the data" prepare
scale "${WEB_VIEW:-}"
