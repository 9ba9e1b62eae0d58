#!/usr/bin/env bash
# ./dev bench export: annotation export: time to first byte, total time and peak memory of the server. Uses the corpus of
# `./dev bench dataset` (three fields per document, five events per three fields) and binaries of the profile `dev`.
#
# EXPORT_DOCUMENTS (333334: a million annotations). Exits with 1 if exporting JSON Lines takes 256 MB or more, or its first byte takes a
# second or more.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
for part in say state packages postgres redis s3 services build; do
    # shellcheck source=/dev/null
    source "$root/deploy/local/$part.sh"
done

documents=${EXPORT_DOCUMENTS:-333334}
max_kilobytes=262144
database=export_bench_$documents
folder=$root/.dev/export-bench
here=$root/deploy/bench
bin=$(target_folder)/debug

prepare() {
    services_up
    build_workspace --bins --examples
    mkdir -p "$folder"
    [[ -n ${BENCH_PORT:-} ]] || remember_port BENCH_PORT
    export DATABASE_URL=${DATABASE_URL%/*}/$database
    export APRENDIZ_LISTEN=127.0.0.1:$BENCH_PORT APRENDIZ_URL=http://127.0.0.1:$BENCH_PORT
    export APRENDIZ_QUEUE_PREFIX=export-bench RUST_LOG=${RUST_LOG:-warn}
    unset APRENDIZ_API_KEY
    # the corpus takes minutes to create: keep it between runs, and recreate it if the migrations change
    local migrated
    migrated=$(cat "$root"/migrations/*.up.sql | sha256sum | cut -d' ' -f1)
    if [[ $(cat "$folder/$database" 2>/dev/null) != "$migrated" ]]; then
        admin_sql "DROP DATABASE IF EXISTS $database WITH (FORCE)"
        admin_sql "CREATE DATABASE $database"
        "$bin/aprendiz" migrate
        step "corpus of $documents documents" psql -q "$DATABASE_URL" -v documents="$documents" -f "$here/dataset/corpus.sql"
        printf '%s\n' "$migrated" >"$folder/$database"
    fi
    APRENDIZ_API_KEY=$("$bin/aprendiz" -o json api-key create --name "bench-$(date +%s%N)" --role admin | sed -n 's/.*"key": *"\([^"]*\)".*/\1/p')
    export APRENDIZ_API_KEY
}

# Prints format, seconds to the first byte, total seconds, bytes, and the peak memory (kB) of a newly started server.
measure() {
    local format=$1 server
    "$bin/aprendiz" serve >"$folder/serve.log" 2>&1 &
    server=$!
    wait_for 60 "the API" curl -sf -o /dev/null "$APRENDIZ_URL/readyz"
    local timing
    timing=$(curl -sf -o "$folder/out.$format" -w '%{time_starttransfer} %{time_total} %{size_download}' \
        -H "Authorization: Bearer $APRENDIZ_API_KEY" "$APRENDIZ_URL/v1/annotations/export?format=$format")
    printf '%s %s %s\n' "$format" "$timing" "$(awk '/^VmHWM/ { print $2 }' "/proc/$server/status")"
    kill "$server"
    wait "$server" || true
}

main() {
    prepare
    rm -f "$folder"/out.*
    for format in jsonl parquet label-studio; do measure "$format"; done | tee "$folder/results"
    say "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores; $(psql -At "$DATABASE_URL" -c 'SHOW server_version'); $(wc -l <"$folder/out.jsonl") annotations of $documents documents with $(psql -At "$DATABASE_URL" -c 'SELECT count(*) FROM annotation_events') events"
    awk -v max="$max_kilobytes" '{
        printf "%-14s first byte %6.3f s, total %7.1f s, %8.1f MB, %6.1f MB/s, memory %4d MB\n", $1, $2, $3, $4 / 1e6, $4 / 1e6 / $3, $5 / 1024
        if ($1 == "jsonl" && ($2 >= 1 || $5 >= max)) missed = 1
    } END { exit missed }' "$folder/results"
}

main "$@"
