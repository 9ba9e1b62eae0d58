#!/usr/bin/env bash
# ./dev bench inference: sentences per second of `aprendiz-worker embed`, compared with sentence-transformers, for sentences of 16, 64 and
# 256 tokens in batches of 32. inference_bench.py describes what is timed.
#
#   INFERENCE_EXPORT=EXPORT.json.gz ./dev bench inference    a Label Studio export, whose texts are split into sentences;
#                                                            INFERENCE_ROUNDS (5), INFERENCE_CORES ("1 2"), INFERENCE_TOKENS (65536)
#
# Requires the base weights (./dev weights). INFERENCE_PYTHON: a Python with sentence-transformers (default: a virtual environment in .dev).
# .dev/inference-bench/inference.json holds all runs. Exits with 1 if Aprendiz encodes less than 1.8 times as many sentences on the highest
# number of cores, or if the vectors differ.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
for part in say state packages postgres redis s3 services build weights; do
    # shellcheck source=/dev/null
    source "$root/deploy/local/$part.sh"
done
# shellcheck source=/dev/null
source "$root/deploy/bench/peer_python.sh"

main() {
    has_weights || { say "bench inference: skipped, no base weights; run ./dev weights to download them"; return 0; }
    [[ -s ${INFERENCE_EXPORT:-} ]] || { say "bench inference: skipped, INFERENCE_EXPORT is not set to a Label Studio export"; return 0; }
    local folder=$root/.dev/inference-bench python
    mkdir -p "$folder"
    python=$(peer_python "${INFERENCE_PYTHON:-}")
    build_workspace --bins --examples
    "$python" "$root/deploy/bench/inference_bench.py" run "$(target_folder)/debug/aprendiz-worker" "$base_model" "$INFERENCE_EXPORT" "$folder"
}

main "$@"
