#!/usr/bin/env bash
# The training of an encoder beside that of sentence-transformers: the same pairs in the same order on the same schedule, three seeds.
#
#   ENCODER_TEXTS=TEXTS.jsonl.gz ./dev bench encoder      lines of {"id","text","label"}; ENCODER_PAIRS (160), ENCODER_LENGTH (64)
#
# Needs the base weights (./dev weights) and Python, which gets sentence-transformers into a virtual environment of .dev.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

weights=${XDG_CACHE_HOME:-$HOME/.cache}/aprendiz/weights/all-MiniLM-L6-v2
out=.dev/encoder-bench
pairs=${ENCODER_PAIRS:-160} length=${ENCODER_LENGTH:-64}
program=${CARGO_TARGET_DIR:-target}/debug/examples/train_encoder

[[ -s $weights/model.safetensors ]] || { echo "skipped: no base weights, ./dev weights fetches them"; exit 0; }
[[ -s ${ENCODER_TEXTS:-} ]] || { echo "skipped: ENCODER_TEXTS names no file of labelled texts"; exit 0; }
mkdir -p "$out"
python=${ENCODER_PYTHON:-$out/venv/bin/python}
if [[ ! -x $python ]]; then
    python3 -m venv "$out/venv"
    "$out/venv/bin/pip" install --quiet 'sentence-transformers==6.2.*'
fi
[[ -x $program ]] || SQLX_OFFLINE=true cargo build --locked --workspace --bins --examples

python3 deploy/bench/encoder_peer.py pairs "$ENCODER_TEXTS" "$pairs" 100 >"$out/pairs.jsonl"
for seed in 1 2 3; do
    SEED=$seed THREADS=1 "$program" "$weights" "$out/pairs.jsonl" "$out/ours-$seed" "{\"max_length\": $length}" 2>/dev/null | tail -n 1 >"$out/ours-$seed.json"
    OMP_WAIT_POLICY=PASSIVE "$python" deploy/bench/encoder_peer.py train "$weights" "$out/pairs.jsonl" "$length" 1 "$seed" 2>/dev/null |
        tail -n 1 >"$out/peer-$seed.json"
    "$python" - "$out/ours-$seed.json" "$out/peer-$seed.json" <<'PYTHON'
import json
import sys

ours, peer = (json.load(open(path)) for path in sys.argv[1:])
apart = max(abs(a - b) for a, b in zip(ours["losses"], peer["losses"]))
precision = lambda found: "{base:.4f} -> {trained:.4f}".format(**found["average_precision"])
print(f"seed {ours['seed']}: {len(ours['losses'])} and {len(peer['losses'])} steps, losses at most {apart:.4f} apart, the last "
      f"{ours['losses'][-1]:.4f} and {peer['losses'][-1]:.4f}; average precision ours {precision(ours)}, theirs {precision(peer)}")
PYTHON
done
