#!/usr/bin/env bash
# ./dev bench linear: training and prediction of the kind `linear`, compared with scikit-learn's LinearSVC on the same texts. The two
# alternate. Aprendiz selects its L2 penalty and scores every training text out of fold, with calibrated probabilities; the peer fits once.
# Aprendiz is built with the profile `dev`, in which compute-intensive crates are optimised.
#
# LINEAR_TRAIN and LINEAR_TEST: gzip files with lines {"id", "text", "label"}. LINEAR_ROUNDS (5). LINEAR_ACCURACY (0): required accuracy.
# Exits with 1 if the accuracy is lower, or if Aprendiz trains longer or predicts fewer texts per second than the peer.
#
# LINEAR_EXPORT: a Label Studio export of reviewed tasks. Classifies the full texts by the single-choice field LINEAR_FIELD (contract_type),
# out of fold; LINEAR_EXPORT_ACCURACY (0) is the required accuracy. LINEAR_PYTHON: a Python with scikit-learn (default: a virtual
# environment in .dev). .dev/linear-bench/linear.json holds all rounds.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
for part in say state packages postgres redis s3 services build; do
    # shellcheck source=/dev/null
    source "$root/deploy/local/$part.sh"
done

rounds=${LINEAR_ROUNDS:-5}
python=${LINEAR_PYTHON:-$root/.dev/scikit-learn/bin/python}
here=$root/deploy/bench
folder=$root/.dev/linear-bench

main() {
    if [[ -z ${LINEAR_EXPORT:-} && (-z ${LINEAR_TRAIN:-} || -z ${LINEAR_TEST:-}) ]]; then
        say "bench linear: skipped, set LINEAR_TRAIN and LINEAR_TEST to files of texts, for example banking77"
        return 0
    fi
    build_workspace --bins --examples
    if [[ ! -x $python ]]; then
        python3 -m venv "$root/.dev/scikit-learn"
        "$root/.dev/scikit-learn/bin/pip" install --quiet scikit-learn
    fi
    mkdir -p "$folder"
    local status=0
    [[ -z ${LINEAR_TRAIN:-} ]] || compare_with_peer || status=1
    [[ -z ${LINEAR_EXPORT:-} ]] || score_full_texts || status=1
    return "$status"
}

# Scores the full texts of an export out of fold.
score_full_texts() {
    "$python" - "$LINEAR_EXPORT" "${LINEAR_FIELD:-contract_type}" "$folder/whole.jsonl.gz" <<'PYTHON'
import gzip
import json
import sys

export, field, out = sys.argv[1:]
with gzip.open(out, "wt") as out:
    for task in json.load(gzip.open(export)):
        for item in task["annotations"][0]["result"]:
            if item["from_name"] == field and item["type"] == "choices" and len(item["value"]["choices"]) == 1:
                out.write(json.dumps({"id": str(task["id"]), "text": task["data"]["text"], "label": item["value"]["choices"][0]}) + "\n")
PYTHON
    # wall and CPU seconds of the whole program
    local TIMEFORMAT='%R %U %S' found
    { time "$(target_folder)/debug/examples/score" "$folder/whole.jsonl.gz" >"$folder/whole.out" 2>/dev/null; } 2>"$folder/whole.time"
    found=$(grep '^out of fold' "$folder/whole.out")
    say "full texts by ${LINEAR_FIELD:-contract_type}, $found"
    awk '{ printf "in %.1f s, %.1f CPU s\n", $1, $2 + $3 }' "$folder/whole.time"
    awk -v bar="${LINEAR_EXPORT_ACCURACY:-0}" '{ for (word = 1; word < NF; word++) if ($word == "accuracy") { gsub(/[^0-9.]/, "", $(word + 1)); found = $(word + 1) } }
        END { if (found < bar) { print "missed: accuracy " found " is below " bar; exit 1 } }' <<<"$found"
}

compare_with_peer() {
    local aprendiz=$folder/aprendiz.jsonl peer=$folder/peer.jsonl
    rm -f "$aprendiz" "$peer"
    for _ in $(seq "$rounds"); do
        "$python" "$here/linear_peer.py" "$LINEAR_TRAIN" "$LINEAR_TEST" >>"$peer"
        "$(target_folder)/debug/examples/score" "$LINEAR_TRAIN" "$LINEAR_TEST" 2>/dev/null | tail -1 >>"$aprendiz"
    done
    say "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores; medians of $rounds alternating rounds"
    "$python" - "$aprendiz" "$peer" "${LINEAR_ACCURACY:-0}" "$folder/linear.json" <<'PYTHON'
import json
import statistics
import sys

rows = [[json.loads(line) for line in open(path)] for path in sys.argv[1:3]]
keys = ["accuracy", "train_s", "train_cpu_s", "predictions_per_s", "peak_mb"]
aprendiz, peer = [{key: statistics.median(row[key] for row in side) for key in keys} for side in rows]
print(f"{'':22}" + "".join(f"{key:>20}" for key in keys))
for name, row in [("aprendiz", aprendiz), (rows[1][0]["who"], peer)]:
    print(f"{name:22}" + "".join(f"{row[key]:>20.5g}" for key in keys))
missed = [reason for reason, bad in [
    (f"accuracy {aprendiz['accuracy']} is below {sys.argv[3]}", aprendiz["accuracy"] < float(sys.argv[3])),
    (f"training takes {aprendiz['train_s'] / peer['train_s']:.2f} times as long as the peer", aprendiz["train_s"] > peer["train_s"]),
    (f"predicts {aprendiz['predictions_per_s'] / peer['predictions_per_s']:.2f} times as many texts per second as the peer",
     aprendiz["predictions_per_s"] < peer["predictions_per_s"]),
] if bad]
with open(sys.argv[4], "w") as out:
    json.dump({"aprendiz": rows[0], "peer": rows[1], "medians": {"aprendiz": aprendiz, "peer": peer}, "missed": missed}, out, indent=1)
print("missed: " + "; ".join(missed) if missed else "all bars met")
sys.exit(bool(missed))
PYTHON
}

main "$@"
