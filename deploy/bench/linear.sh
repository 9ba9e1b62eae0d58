#!/usr/bin/env bash
# ./dev bench linear: training and asking the kind `linear`, beside scikit-learn's LinearSVC on the same texts. They take turns.
# Ours chooses the strength of its penalty and scores every training text out of fold, with calibrated probabilities; the peer fits once.
# Ours is built as the product is developed: profile dev, in which what computes is optimised.
#
# LINEAR_TRAIN and LINEAR_TEST name files of lines {"id", "text", "label"}, gzip; LINEAR_ROUNDS (5); LINEAR_ACCURACY (0), which ours must
# reach. Exits with 1 when it does not, or when ours trains longer or answers fewer texts a second than the peer.
#
# LINEAR_EXPORT names reviewed tasks of Label Studio: their whole texts are told apart by the single choice LINEAR_FIELD (contract_type), each by
# heads that did not see it; LINEAR_EXPORT_ACCURACY (0) must be reached. LINEAR_PYTHON names a Python that has scikit-learn; without it one is
# made in .dev. .dev/linear-bench/linear.json keeps every round.
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
        say "bench linear: LINEAR_TRAIN and LINEAR_TEST name the texts, for example those of banking77; nothing was measured"
        return 0
    fi
    build_workspace --bins --examples
    if [[ ! -x $python ]]; then
        python3 -m venv "$root/.dev/scikit-learn"
        "$root/.dev/scikit-learn/bin/pip" install --quiet scikit-learn
    fi
    mkdir -p "$folder"
    local status=0
    [[ -z ${LINEAR_TRAIN:-} ]] || beside_peer || status=1
    [[ -z ${LINEAR_EXPORT:-} ]] || whole_texts || status=1
    return "$status"
}

# The whole texts of an export, out of fold.
whole_texts() {
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
    # seconds and processor seconds of the whole program
    local TIMEFORMAT='%R %U %S' found
    { time "$(target_folder)/debug/examples/score" "$folder/whole.jsonl.gz" >"$folder/whole.out" 2>/dev/null; } 2>"$folder/whole.time"
    found=$(grep '^out of fold' "$folder/whole.out")
    say "whole texts by ${LINEAR_FIELD:-contract_type}, $found"
    awk '{ printf "in %.1f s, %.1f CPU s\n", $1, $2 + $3 }' "$folder/whole.time"
    awk -v bar="${LINEAR_EXPORT_ACCURACY:-0}" '{ for (word = 1; word < NF; word++) if ($word == "accuracy") { gsub(/[^0-9.]/, "", $(word + 1)); found = $(word + 1) } }
        END { if (found < bar) { print "missed: accuracy " found " under " bar; exit 1 } }' <<<"$found"
}

beside_peer() {
    local ours=$folder/ours.jsonl peer=$folder/peer.jsonl
    rm -f "$ours" "$peer"
    for _ in $(seq "$rounds"); do
        "$python" "$here/linear_peer.py" "$LINEAR_TRAIN" "$LINEAR_TEST" >>"$peer"
        "$(target_folder)/debug/examples/score" "$LINEAR_TRAIN" "$LINEAR_TEST" 2>/dev/null | tail -1 >>"$ours"
    done
    say "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores; medians of $rounds rounds in turns"
    "$python" - "$ours" "$peer" "${LINEAR_ACCURACY:-0}" "$folder/linear.json" <<'PYTHON'
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
with open(sys.argv[4], "w") as out:
    json.dump({"ours": rows[0], "peer": rows[1], "medians": {"ours": ours, "peer": peer}, "missed": missed}, out, indent=1)
print("missed: " + "; ".join(missed) if missed else "no bar is missed")
sys.exit(bool(missed))
PYTHON
}

main "$@"
