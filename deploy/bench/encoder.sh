#!/usr/bin/env bash
# ./dev bench encoder: quality of encoder training, compared with sentence-transformers: the same pairs in the same order with the same
# schedule, for three seeds.
#
#   ENCODER_TEXTS=TEXTS.jsonl.gz ./dev bench encoder      lines of {"id","text","label"}; ENCODER_PAIRS (160), ENCODER_LENGTH (64)
#
# Requires the base weights (./dev weights) and Python; installs sentence-transformers in a virtual environment in .dev.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

weights=${XDG_CACHE_HOME:-$HOME/.cache}/aprendiz/weights/all-MiniLM-L6-v2
out=.dev/encoder-bench
pairs=${ENCODER_PAIRS:-160} length=${ENCODER_LENGTH:-64}
program=${CARGO_TARGET_DIR:-target}/debug/examples/train_encoder

[[ -s $weights/model.safetensors ]] || { echo "skipped: no base weights, run ./dev weights to download them"; exit 0; }
[[ -s ${ENCODER_TEXTS:-} ]] || { echo "skipped: ENCODER_TEXTS is not set to a file of labelled texts"; exit 0; }
mkdir -p "$out"
python=${ENCODER_PYTHON:-$out/venv/bin/python}
if [[ ! -x $python ]]; then
    python3 -m venv "$out/venv"
    "$out/venv/bin/pip" install --quiet 'sentence-transformers==6.2.*'
fi
[[ -x $program ]] || SQLX_OFFLINE=true cargo build --locked --workspace --bins --examples

python3 deploy/bench/encoder_peer.py pairs "$ENCODER_TEXTS" "$pairs" 100 >"$out/pairs.jsonl"
for seed in 1 2 3; do
    SEED=$seed THREADS=1 "$program" "$weights" "$out/pairs.jsonl" "$out/aprendiz-$seed" "{\"max_length\": $length}" 2>/dev/null | tail -n 1 >"$out/aprendiz-$seed.json"
    OMP_WAIT_POLICY=PASSIVE "$python" deploy/bench/encoder_peer.py train "$weights" "$out/pairs.jsonl" "$length" 1 "$seed" 2>/dev/null |
        tail -n 1 >"$out/peer-$seed.json"
    "$python" - "$out/aprendiz-$seed.json" "$out/peer-$seed.json" <<'PYTHON'
import json
import sys

aprendiz, peer = (json.load(open(path)) for path in sys.argv[1:])
max_difference = max(abs(a - b) for a, b in zip(aprendiz["losses"], peer["losses"]))
precision = lambda result: "{base:.4f} -> {trained:.4f}".format(**result["average_precision"])
print(f"seed {aprendiz['seed']}: {len(aprendiz['losses'])} and {len(peer['losses'])} steps, losses differ by at most {max_difference:.4f}, last loss "
      f"{aprendiz['losses'][-1]:.4f} and {peer['losses'][-1]:.4f}; average precision {precision(aprendiz)} (Aprendiz), {precision(peer)} (peer)")
PYTHON
done
