#!/usr/bin/env bash
# ./dev bench linear: training and asking the kind `linear`, beside scikit-learn's LinearSVC on the same texts. They take turns.
# Ours chooses the strength of its penalty and scores every training text out of fold, with calibrated probabilities; the peer fits once.
# Ours is built as the product is developed: profile dev, in which what computes is optimised.
#
# LINEAR_TRAIN and LINEAR_TEST name files of lines {"id", "text", "label"}, gzip; LINEAR_ROUNDS (5); LINEAR_ACCURACY (0), which ours must
# reach. Exits with 1 when it does not, or when ours trains longer or answers fewer texts a second than the peer.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
for part in say state packages postgres redis s3 services build; do
    # shellcheck source=/dev/null
    source "$root/deploy/local/$part.sh"
done

rounds=${LINEAR_ROUNDS:-5}
venv=$root/.dev/scikit-learn
here=$root/deploy/bench

main() {
    if [[ -z ${LINEAR_TRAIN:-} || -z ${LINEAR_TEST:-} ]]; then
        say "bench linear: LINEAR_TRAIN and LINEAR_TEST name the texts, for example those of banking77; nothing was measured"
        return 0
    fi
    build_workspace --bins --examples
    if [[ ! -x $venv/bin/python ]]; then
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet scikit-learn
    fi
    local ours peer
    ours=$(mktemp) peer=$(mktemp)
    for _ in $(seq "$rounds"); do
        "$venv/bin/python" "$here/linear_peer.py" "$LINEAR_TRAIN" "$LINEAR_TEST" >>"$peer"
        "$(target_folder)/debug/examples/score" "$LINEAR_TRAIN" "$LINEAR_TEST" 2>/dev/null | tail -1 >>"$ours"
    done
    say "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores; medians of $rounds rounds in turns"
    "$venv/bin/python" - "$ours" "$peer" "${LINEAR_ACCURACY:-0}" <<'PYTHON'
import json
import statistics
import sys

rows = [[json.loads(line) for line in open(path)] for path in sys.argv[1:3]]
keys = ["accuracy", "train_s", "train_cpu_s", "predictions_per_s", "peak_mb"]
ours, peer = [{key: statistics.median(row[key] for row in side) for key in keys} for side in rows]
print(f"{'':22}" + "".join(f"{key:>20}" for key in keys))
for name, row in [("ours", ours), (rows[1][0]["who"], peer)]:
    print(f"{name:22}" + "".join(f"{row[key]:>20.5g}" for key in keys))
missed = [reason for reason, bad in [
    (f"accuracy {ours['accuracy']} under {sys.argv[3]}", ours["accuracy"] < float(sys.argv[3])),
    (f"training takes {ours['train_s'] / peer['train_s']:.2f} times as long", ours["train_s"] > peer["train_s"]),
    (f"answers {ours['predictions_per_s'] / peer['predictions_per_s']:.2f} times as many texts a second",
     ours["predictions_per_s"] < peer["predictions_per_s"]),
] if bad]
print("missed: " + "; ".join(missed) if missed else "no bar is missed")
sys.exit(bool(missed))
PYTHON
}

main "$@"
