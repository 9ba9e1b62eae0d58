#!/usr/bin/env bash
# ./dev bench dataset: throughput of building a snapshot, compared with psql copying the same rows to /dev/null.
# The build reads, checks for leakage, counts, hashes and writes Parquet (zstd); COPY only reads. The two alternate. The peer statement
# is in dataset/copy.sql; it sends each text three times, once per field, while the build sends it once.
#
# DATASET_DOCUMENTS (400000; three rows each, five events per three rows), DATASET_ROUNDS (5), DATASET_BAR (0.9). Exits with 1 if the
# median rows/s of the build is below DATASET_BAR times that of COPY, or if peak memory exceeds 300 MB.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
for part in say state packages postgres redis s3 services build; do
    # shellcheck source=/dev/null
    source "$root/deploy/local/$part.sh"
done

documents=${DATASET_DOCUMENTS:-400000}
rounds=${DATASET_ROUNDS:-5}
bar=${DATASET_BAR:-0.9}
max_kilobytes=300000
rows=$((documents * 3))
database=dataset_bench_$documents
folder=$root/.dev/dataset-bench
here=$root/deploy/bench

prepare() {
    [[ -x /usr/bin/time ]] || install_packages time
    services_up
    # release profile, as shipped; building this package alone avoids building Burn
    step "build for release" env SQLX_OFFLINE=true cargo build --locked --release -p aprendiz-dataset --bin aprendiz-snapshot
    step "build aprendiz" build_workspace --bins --examples
    snapshot_bin=$(target_folder)/release/aprendiz-snapshot
    export DATABASE_URL=${DATABASE_URL%/*}/$database
    # the corpus takes minutes to create: keep it between runs, and recreate it if the migrations change
    local migrated
    migrated=$(cat "$root"/migrations/*.up.sql | sha256sum | cut -d' ' -f1)
    if [[ $(cat "$folder/$database" 2>/dev/null) != "$migrated" ]]; then
        admin_sql "DROP DATABASE IF EXISTS $database WITH (FORCE)"
        admin_sql "CREATE DATABASE $database"
        "$(target_folder)/debug/aprendiz" migrate
        step "corpus of $documents documents" psql -q "$DATABASE_URL" -v documents="$documents" -f "$here/dataset/corpus.sql"
        mkdir -p "$folder"
        printf '%s\n' "$migrated" >"$folder/$database"
    fi
}

# Appends wall time, client CPU time (both in seconds) and peak memory (kB) to the file.
measure() {
    local into=$1
    shift
    /usr/bin/time -a -o "$into" -f '%e %U %S %M' "$@"
}

run_build() { measure "$folder/build" "$snapshot_bin" "$folder/snapshot" --parquet-only contract_type governing_law renewal >/dev/null; }
run_copy() { measure "$folder/copy" psql -q "$DATABASE_URL" -f "$here/dataset/copy.sql" >/dev/null; }

median() { sort -n "$1" | awk '{ wall[NR] = $1; cpu[NR] = $2 + $3; if ($4 > max) max = $4 } END { print wall[int((NR + 1) / 2)], cpu[int((NR + 1) / 2)], max }'; }

main() {
    prepare
    rm -f "$folder/build" "$folder/copy"
    # one unmeasured run each, so that both start with the same PostgreSQL cache
    run_copy; run_build
    rm -f "$folder/build" "$folder/copy"
    for _ in $(seq "$rounds"); do
        run_copy
        run_build
    done
    local copy_wall copy_cpu copy_max our_wall our_cpu our_max
    read -r copy_wall copy_cpu copy_max < <(median "$folder/copy")
    read -r our_wall our_cpu our_max < <(median "$folder/build")
    say "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores; $(psql -At "$DATABASE_URL" -c 'SHOW server_version'); $rows rows of $(psql -At "$DATABASE_URL" -c 'SELECT count(*) FROM annotation_events') events; median of $rounds alternating rounds"
    awk -v rows="$rows" -v cw="$copy_wall" -v cc="$copy_cpu" -v cm="$copy_max" -v ow="$our_wall" -v oc="$our_cpu" -v om="$our_max" -v bar="$bar" -v max="$max_kilobytes" 'BEGIN {
        printf "%-28s %8s %14s %12s %10s\n", "", "s", "rows/s", "client CPU s", "peak MB"
        printf "%-28s %8.2f %14d %12.2f %10d\n", "psql COPY > /dev/null", cw, rows / cw, cc, cm / 1024
        printf "%-28s %8.2f %14d %12.2f %10d\n", "build, Parquet only", ow, rows / ow, oc, om / 1024
        printf "ratio of rows/s: %.2f (bar %.2f); peak memory %d MB (bar %d)\n", cw / ow, bar, om / 1024, max / 1024
        exit (cw / ow < bar || om > max)
    }'
}

main "$@"
