#!/usr/bin/env bash
# ./dev bench dataset: how fast a snapshot is built, beside psql, which copies the same rows of the same PostgreSQL into /dev/null.
# Ours reads, checks for leaks, counts, hashes and writes Parquet (zstd); of COPY only the reading is left. They take turns. The
# statement of the peer is in dataset_copy.sql; it sends a text with each of its three fields, ours sends it once.
#
# DATASET_DOCUMENTS (400000; three rows each, five events for every three rows), DATASET_ROUNDS (5), DATASET_BAR (0.9): exits with 1
# when our median rows/s is under that share of COPY's, or memory over 300 MB.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
for part in say state packages postgres redis s3 services build; do
    # shellcheck source=/dev/null
    source "$root/deploy/local/$part.sh"
done

documents=${DATASET_DOCUMENTS:-400000}
rounds=${DATASET_ROUNDS:-5}
bar=${DATASET_BAR:-0.9}
most_kilobytes=300000
rows=$((documents * 3))
database=dataset_bench_$documents
folder=$root/.dev/dataset-bench
here=$root/deploy/bench

prepare() {
    [[ -x /usr/bin/time ]] || install_packages time
    services_up
    # optimised as it ships; without the workspace's other members nothing of Burn is built
    step "build for release" env SQLX_OFFLINE=true cargo build --locked --release -p dataset --bin aprendiz-snapshot
    step "build aprendiz" build_workspace --bins --examples
    ours=$(target_folder)/release/aprendiz-snapshot
    export DATABASE_URL=${DATABASE_URL%/*}/$database
    # the corpus takes minutes: it is kept from run to run, and thrown away when the migrations are others
    local migrated
    migrated=$(cat "$root"/migrations/*.up.sql | sha256sum | cut -d' ' -f1)
    if [[ $(cat "$folder/$database" 2>/dev/null) != "$migrated" ]]; then
        admin_sql "DROP DATABASE IF EXISTS $database WITH (FORCE)"
        admin_sql "CREATE DATABASE $database"
        "$(target_folder)/debug/aprendiz" migrate
        step "corpus of $documents documents" psql -q "$DATABASE_URL" -v documents="$documents" -f "$here/dataset_corpus.sql"
        mkdir -p "$folder"
        printf '%s\n' "$migrated" >"$folder/$database"
    fi
}

# Seconds of wall time and of this side's processor, and the most memory in kB, into the file.
measured() {
    local into=$1
    shift
    /usr/bin/time -a -o "$into" -f '%e %U %S %M' "$@"
}

ours() { measured "$folder/ours" "$ours" "$folder/snapshot" --parquet-only contract_type governing_law renewal >/dev/null; }
copy() { measured "$folder/copy" psql -q "$DATABASE_URL" -f "$here/dataset_copy.sql" >/dev/null; }

median() { sort -n "$1" | awk '{ wall[NR] = $1; cpu[NR] = $2 + $3; if ($4 > most) most = $4 } END { print wall[int((NR + 1) / 2)], cpu[int((NR + 1) / 2)], most }'; }

main() {
    prepare
    rm -f "$folder/ours" "$folder/copy"
    # once unmeasured: what PostgreSQL keeps in memory is the same for both from then on
    copy; ours
    rm -f "$folder/ours" "$folder/copy"
    for _ in $(seq "$rounds"); do
        copy
        ours
    done
    local copy_wall copy_cpu copy_most our_wall our_cpu our_most
    read -r copy_wall copy_cpu copy_most < <(median "$folder/copy")
    read -r our_wall our_cpu our_most < <(median "$folder/ours")
    say "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores; $(psql -At "$DATABASE_URL" -c 'SHOW server_version'); $rows rows of $(psql -At "$DATABASE_URL" -c 'SELECT count(*) FROM annotation_events') events; median of $rounds rounds in turns"
    awk -v rows="$rows" -v cw="$copy_wall" -v cc="$copy_cpu" -v cm="$copy_most" -v ow="$our_wall" -v oc="$our_cpu" -v om="$our_most" -v bar="$bar" -v most="$most_kilobytes" 'BEGIN {
        printf "%-28s %8s %14s %12s %10s\n", "", "s", "rows/s", "client CPU s", "peak MB"
        printf "%-28s %8.2f %14d %12.2f %10d\n", "psql COPY > /dev/null", cw, rows / cw, cc, cm / 1024
        printf "%-28s %8.2f %14d %12.2f %10d\n", "build, Parquet only", ow, rows / ow, oc, om / 1024
        printf "ratio of rows/s: %.2f (bar %.2f); peak memory %d MB (bar %d)\n", cw / ow, bar, om / 1024, most / 1024
        exit (cw / ow < bar || om > most)
    }'
}

main "$@"
