#!/usr/bin/env bash
# ./dev bench revert: time, memory and longest wait of a reviewer while an import of many small tasks is reverted. Binaries are those of
# the profile `dev`.
#
# REVERT_TASKS (100000), REVERT_MAX_WAIT (2, in seconds). Exits with 1 if a reviewer waits longer, if the process uses 256 MB or more, or
# if the last batches take more than three times as long as the first ones.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
for part in say state packages postgres redis s3 services build; do
    # shellcheck source=/dev/null
    source "$root/deploy/local/$part.sh"
done

tasks=${REVERT_TASKS:-100000}
database=revert_bench
folder=$root/.dev/revert-bench
bin=$(target_folder)/debug

# Tasks with a prediction and a review of three fields each, and with texts that have no shingle in common.
write_tasks() {
    python3 - "$tasks" "$1" <<'PYTHON'
import json
import random
import sys

random.seed(7)
at = "2025-06-01T12:00:00.000000Z"
with open(sys.argv[2], "w") as file:
    file.write("[")
    for number in range(1, int(sys.argv[1]) + 1):
        text = " ".join(f"w{random.randrange(10**7)}" for _ in range(30))
        result = [{"id": f"c{field}", "from_name": f"field_{field}", "to_name": "text", "type": "choices",
                   "value": {"choices": [random.choice(["red", "green", "blue"])]}} for field in range(3)]
        task = {"id": number, "project": 1, "data": {"text": text}, "created_at": at, "updated_at": at,
                "annotations": [{"id": number, "completed_by": 1, "result": result, "created_at": at, "updated_at": at}],
                "predictions": [{"id": number, "model_version": "extractor-1", "score": 0.9, "result": result, "created_at": at}]}
        file.write((",\n" if number > 1 else "") + json.dumps(task))
    file.write("]\n")
PYTHON
}

main() {
    services_up
    build_workspace --bins --examples
    mkdir -p "$folder"
    if [[ ! -s $folder/$tasks.json ]]; then
        step "$tasks tasks" write_tasks "$folder/$tasks.json.new"
        mv "$folder/$tasks.json.new" "$folder/$tasks.json"
    fi
    export DATABASE_URL=${DATABASE_URL%/*}/$database
    admin_sql "DROP DATABASE IF EXISTS $database WITH (FORCE)"
    admin_sql "CREATE DATABASE $database"
    "$bin/aprendiz" migrate >/dev/null
    step "import" "$bin/examples/import" "$folder/$tasks.json"
    "$bin/examples/revert" 2>"$folder/revert.json" >"$folder/report.json"
    admin_sql "DROP DATABASE IF EXISTS $database WITH (FORCE)"
    say "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores; PostgreSQL $(admin_sql 'SHOW server_version')"
    python3 - "$folder/revert.json" "${REVERT_MAX_WAIT:-2}" <<'PYTHON'
import json
import sys

found = json.loads(open(sys.argv[1]).read().splitlines()[-1])
print(f"{found['documents']:,} documents in {found['seconds']:.1f} s: listed in {found['begin_seconds']:.2f} s, "
      f"then {found['batches']} batches")
print(f"a batch: {found['first_batches_mean_seconds']:.3f} s at the start, {found['last_batches_mean_seconds']:.3f} s at the end, "
      f"{found['longest_batch_seconds']:.3f} s at most")
print(f"{found['reviews']:,} reviews meanwhile; longest wait {found['longest_review_wait_seconds']:.3f} s")
print(f"peak memory {found['peak_bytes'] / 1e6:.0f} MB")
missed = [reason for reason, bad in [
    (f"a reviewer waits {found['longest_review_wait_seconds']:.1f} s", found["longest_review_wait_seconds"] > float(sys.argv[2])),
    (f"peak memory {found['peak_bytes']} bytes", found["peak_bytes"] >= 256e6),
    ("batches become slower", found["last_batches_mean_seconds"] > 3 * found["first_batches_mean_seconds"]),
] if bad]
print("missed: " + "; ".join(missed) if missed else "all bars met")
sys.exit(bool(missed))
PYTHON
}

main "$@"
