#!/usr/bin/env bash
# ./dev bench models: quality and cost of the kinds that predict fields. models_bench.py describes the data.
#
#   MODELS_DATA=FOLDER ./dev bench models      banking77/train.jsonl.gz, test.jsonl.gz, hwu64/train.jsonl.gz, test.jsonl.gz: lines of
#                                              {"id","text","label"}; cuad/export.json.gz: a Label Studio export. MODELS_ROUNDS (3)
#
# Requires the base weights (./dev weights). MODELS_PYTHON: a Python with sentence-transformers (default: a virtual environment in .dev).
# .dev/models-bench/ holds all runs, and the vectors of the texts: delete it to measure everything again. Exits with 1 if a bar is missed.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
for part in say state packages postgres redis s3 services build weights; do
    # shellcheck source=/dev/null
    source "$root/deploy/local/$part.sh"
done
# shellcheck source=/dev/null
source "$root/deploy/bench/peer_python.sh"

main() {
    has_weights || { say "bench models: skipped, no base weights; run ./dev weights to download them"; return 0; }
    [[ -d ${MODELS_DATA:-} ]] || { say "bench models: skipped, MODELS_DATA is not set to a folder of texts"; return 0; }
    local folder=$root/.dev/models-bench python
    mkdir -p "$folder"
    python=$(peer_python "${MODELS_PYTHON:-}")
    build_workspace --bins --examples
    "$python" "$root/deploy/bench/models_bench.py" "$(target_folder)/debug/examples/classifier" "$base_model" "$MODELS_DATA" "$folder"
}

main "$@"
