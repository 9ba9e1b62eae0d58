#!/usr/bin/env bash
# ./dev bench import: throughput and peak memory of importing a Label Studio export into an empty database, compared with COPY: of the
# same rows into the same tables with indexes and triggers, and of the texts alone into a bare table. Binaries are those of the
# profile `dev`.
#
# IMPORT_BYTES (150MB), IMPORT_ROUNDS (1), IMPORT_MIN_RATE (20, in MB/s). Exits with 1 if the importer uses 256 MB or more, or if it is
# slower than IMPORT_MIN_RATE and takes more than twice the server CPU time of COPY into the same tables.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
for part in say state packages postgres redis s3 services build; do
    # shellcheck source=/dev/null
    source "$root/deploy/local/$part.sh"
done

bytes=${IMPORT_BYTES:-150MB}
rounds=${IMPORT_ROUNDS:-1}
database=import_bench
folder=$root/.dev/import-bench
bin=$(target_folder)/debug
# in foreign-key order
tables=(fields field_definitions documents document_texts document_details document_splits text_sketches document_sketches sketch_hashes
    near_duplicates extractions annotation_events annotations)

prepare() {
    services_up
    build_workspace --bins --examples
    mkdir -p "$folder"
    if [[ ! -s $folder/$bytes.json ]]; then
        step "sample of $bytes" "$bin/aprendiz-sample" contracts --bytes "$bytes" --seed 7 --out "$folder/$bytes.json.new"
        mv "$folder/$bytes.json.new" "$folder/$bytes.json"
    fi
    export DATABASE_URL=${DATABASE_URL%/*}/$database
}

empty_database() {
    admin_sql "DROP DATABASE IF EXISTS $database WITH (FORCE)"
    admin_sql "CREATE DATABASE $database"
    "$bin/aprendiz" migrate >/dev/null
    admin_sql CHECKPOINT
}

# CPU time of all server processes that have exited, in hundredths of a second.
server_ticks() {
    local stat
    stat=$(<"/proc/$(head -1 "$POSTGRES_FOLDER/data/postmaster.pid")/stat")
    read -ra stat <<<"${stat##*) }"
    printf '%s' $((stat[13] + stat[14]))
}

# Waits until the server process has exited, which happens shortly after its client.
wait_for_server() {
    while [[ -n $(admin_sql "SELECT 1 FROM pg_stat_activity WHERE datname = '$database' AND backend_type = 'client backend'") ]]; do :; done
    # its CPU time is added to that of the exited processes a moment later
    sleep 0.3
}

# Runs the commands of a file in one transaction. Prints its wall time and the CPU time of the server, in seconds.
timed() {
    local started before
    before=$(server_ticks)
    started=$(now_ms)
    psql -X -q -v ON_ERROR_STOP=1 "$DATABASE_URL" -1 -f "$1" >/dev/null
    started=$(($(now_ms) - started))
    wait_for_server
    awk -v ms="$started" -v ticks=$(($(server_ticks) - before)) 'BEGIN { printf "{\"seconds\": %s, \"server_cpu_seconds\": %s}", ms / 1000, ticks / 100 }'
}

import_once() {
    empty_database
    local before
    before=$(server_ticks)
    "$bin/examples/import" "$folder/$bytes.json" 2>"$folder/timing" >"$folder/report.json"
    wait_for_server
    printf '{"import": %s, "server_cpu_seconds": %s}\n' "$(tail -1 "$folder/timing")" "$(awk -v ticks=$(($(server_ticks) - before)) 'BEGIN { print ticks / 100 }')"
}

copy_once() {
    local table rows
    rm -rf "$folder/rows"
    mkdir -p "$folder/rows"
    for table in "${tables[@]}"; do
        psql -X -q "$DATABASE_URL" -c "\\copy $table TO '$folder/rows/$table' (FORMAT binary)"
        printf "\\\\copy %s FROM '%s' (FORMAT binary)\n" "$table" "$folder/rows/$table"
    done >"$folder/copy.sql"
    psql -X -q "$DATABASE_URL" -c "\\copy (SELECT text FROM document_texts) TO '$folder/rows/texts' (FORMAT binary)"
    rows=$(psql -X -At "$DATABASE_URL" -c "SELECT json_build_object('documents', (SELECT count(*) FROM documents), 'events', (SELECT count(*) FROM annotation_events),
        'states', (SELECT count(*) FROM annotations), 'predictions', (SELECT count(*) FROM extractions), 'hashes', (SELECT count(*) FROM sketch_hashes))")
    empty_database
    local same bare
    same=$(timed "$folder/copy.sql")
    printf "CREATE TABLE bare (text text);\n\\\\copy bare FROM '%s' (FORMAT binary)\n" "$folder/rows/texts" >"$folder/bare.sql"
    bare=$(timed "$folder/bare.sql")
    printf '{"rows": %s, "same_tables": %s, "texts": %s}\n' "$rows" "$same" "$bare"
    rm -rf "$folder/rows"
}

main() {
    prepare
    for _ in $(seq "$rounds"); do import_once; done | tee "$folder/rounds.jsonl"
    copy_once | tee "$folder/copy.json"
    admin_sql "DROP DATABASE IF EXISTS $database WITH (FORCE)"
    say "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores; PostgreSQL $(admin_sql 'SHOW server_version')"
    python3 - "$folder/rounds.jsonl" "$folder/copy.json" "${IMPORT_MIN_RATE:-20}" "$folder/import.json" <<'PYTHON'
import json
import statistics
import sys

rounds = [json.loads(line) for line in open(sys.argv[1])]
copy = json.load(open(sys.argv[2]))
median = lambda value: statistics.median(value(row) for row in rounds)
size = rounds[0]["import"]["bytes"]
results = {
    "bytes": size,
    "rows": copy["rows"],
    "seconds": median(lambda row: row["import"]["seconds"]),
    "reading_seconds": median(lambda row: row["import"]["reading_seconds"]),
    "client_cpu_seconds": median(lambda row: row["import"]["cpu_seconds"]),
    "server_cpu_seconds": median(lambda row: row["server_cpu_seconds"]),
    "peak_bytes": max(row["import"]["peak_bytes"] for row in rounds),
    "copy_same_tables": copy["same_tables"],
    "copy_texts": copy["texts"],
}
json.dump(results, open(sys.argv[4], "w"), indent=1)
print("; ".join(f"{count:,} {what}" for what, count in copy["rows"].items()))
print(f"{'':34}{'seconds':>10}{'MB/s':>10}{'server CPU s':>14}")
for name, seconds, processor in [
    ("import", results["seconds"], f"{results['server_cpu_seconds']:.2f}"),
    ("  reading only", results["reading_seconds"], ""),
    ("COPY of its rows, same tables", copy["same_tables"]["seconds"], f"{copy['same_tables']['server_cpu_seconds']:.2f}"),
    ("COPY of its texts, bare table", copy["texts"]["seconds"], f"{copy['texts']['server_cpu_seconds']:.2f}"),
]:
    print(f"{name:34}{seconds:>10.2f}{size / 1e6 / seconds:>10.1f}{processor:>14}")
print(f"client: {results['client_cpu_seconds']:.1f} s of CPU time, peak memory {results['peak_bytes'] / 1e6:.0f} MB")
# compare CPU time, because other load on the machine affects it less than wall time
ratio = results["server_cpu_seconds"] / copy["same_tables"]["server_cpu_seconds"]
missed = [reason for reason, bad in [
    (f"{size / 1e6 / results['seconds']:.1f} MB/s is below {sys.argv[3]}, and the server CPU time is {ratio:.2f} times that of COPY",
     size / 1e6 / results["seconds"] < float(sys.argv[3]) and ratio > 2),
    (f"peak memory {results['peak_bytes']} bytes", results["peak_bytes"] >= 256e6),
] if bad]
print("missed: " + "; ".join(missed) if missed else f"all bars met (server CPU time is {ratio:.2f} times that of COPY)")
sys.exit(bool(missed))
PYTHON
}

main "$@"
