#!/usr/bin/env bash
# ./dev bench inference: sentences a second of `aprendiz-worker embed` beside sentence-transformers, at 16, 64 and 256 word pieces, 32 at a time;
# inference_bench.py says what is timed.
#
#   INFERENCE_EXPORT=EXPORT.json.gz ./dev bench inference    tasks of Label Studio, whose texts are cut into sentences;
#                                                            INFERENCE_ROUNDS (5), INFERENCE_CORES ("1 2"), INFERENCE_PIECES (65536)
#
# Needs the base weights (./dev weights). INFERENCE_PYTHON names a Python that has sentence-transformers; without it one is made in .dev.
# .dev/inference-bench/inference.json keeps every run. Exits with 1 when ours encodes less than 1.8 times as many on the most cores, or
# other vectors.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
for part in say state packages postgres redis s3 services build weights; do
    # shellcheck source=/dev/null
    source "$root/deploy/local/$part.sh"
done
# shellcheck source=/dev/null
source "$root/deploy/bench/peer_python.sh"

main() {
    has_weights || { say "bench inference: no base weights, ./dev weights fetches them; nothing was measured"; return 0; }
    [[ -s ${INFERENCE_EXPORT:-} ]] || { say "bench inference: INFERENCE_EXPORT names no export of Label Studio; nothing was measured"; return 0; }
    local folder=$root/.dev/inference-bench python
    mkdir -p "$folder"
    python=$(peer_python "${INFERENCE_PYTHON:-}")
    build_workspace --bins --examples
    "$python" "$root/deploy/bench/inference_bench.py" run "$(target_folder)/debug/aprendiz-worker" "$base_model" "$INFERENCE_EXPORT" "$folder"
}

main "$@"
