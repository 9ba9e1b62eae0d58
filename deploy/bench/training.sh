#!/usr/bin/env bash
# ./dev bench training: pairs per second and peak memory of encoder training, compared with sentence-transformers. training_bench.py
# describes the data.
#
#   TRAINING_EXPORT=EXPORT.json.gz ./dev bench training      a Label Studio export of reviewed tasks; TRAINING_ROUNDS (5),
#                                                            TRAINING_CORES ("1 2"), TRAINING_VALUE_PAIRS (2000), TRAINING_TEXT_PAIRS (320),
#                                                            TRAINING_FIELD
#
# Requires the base weights (./dev weights). TRAINING_PYTHON: a Python with sentence-transformers (default: a virtual environment in .dev).
# .dev/training-bench/training.json holds all runs. Exits with 1 if a bar is missed on the highest number of cores: 5 times the pairs/s on
# label values, twice on texts, half the memory.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
for part in say state packages postgres redis s3 services build weights; do
    # shellcheck source=/dev/null
    source "$root/deploy/local/$part.sh"
done
# shellcheck source=/dev/null
source "$root/deploy/bench/peer_python.sh"

main() {
    has_weights || { say "bench training: skipped, no base weights; run ./dev weights to download them"; return 0; }
    [[ -s ${TRAINING_EXPORT:-} ]] || { say "bench training: skipped, TRAINING_EXPORT is not set to a Label Studio export"; return 0; }
    local folder=$root/.dev/training-bench python
    mkdir -p "$folder"
    python=$(peer_python "${TRAINING_PYTHON:-}")
    build_workspace --bins --examples
    "$python" "$root/deploy/bench/training_bench.py" "$(target_folder)/debug/examples/train_encoder" "$base_model" "$TRAINING_EXPORT" "$folder"
}

main "$@"
