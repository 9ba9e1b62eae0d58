#!/usr/bin/env bash
# ./dev bench training: pairs a second and memory of training an encoder, beside sentence-transformers; training_bench.py says of what.
#
#   TRAINING_EXPORT=EXPORT.json.gz ./dev bench training      reviewed tasks of Label Studio; TRAINING_ROUNDS (5), TRAINING_CORES ("1 2"),
#                                                            TRAINING_VALUE_PAIRS (2000), TRAINING_TEXT_PAIRS (320), TRAINING_FIELD
#
# Needs the base weights (./dev weights). TRAINING_PYTHON names a Python that has sentence-transformers; without it one is made in .dev.
# .dev/training-bench/training.json keeps every run. Exits with 1 when a bar is missed on the most cores: 5 times the pairs/s on label
# values, twice on texts, half the memory.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
for part in say state packages postgres redis s3 services build weights; do
    # shellcheck source=/dev/null
    source "$root/deploy/local/$part.sh"
done
# shellcheck source=/dev/null
source "$root/deploy/bench/peer_python.sh"

main() {
    has_weights || { say "bench training: no base weights, ./dev weights fetches them; nothing was measured"; return 0; }
    [[ -s ${TRAINING_EXPORT:-} ]] || { say "bench training: TRAINING_EXPORT names no export of Label Studio; nothing was measured"; return 0; }
    local folder=$root/.dev/training-bench python
    mkdir -p "$folder"
    python=$(peer_python "${TRAINING_PYTHON:-}")
    build_workspace --bins --examples
    "$python" "$root/deploy/bench/training_bench.py" "$(target_folder)/debug/examples/train_encoder" "$base_model" "$TRAINING_EXPORT" "$folder"
}

main "$@"
