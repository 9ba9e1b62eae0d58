"""Compares encoder training with sentence-transformers in alternating runs; started by `training.sh`.

    training_bench.py TRAIN_ENCODER MODEL EXPORT.json.gz FOLDER      EXPORT: a Label Studio export of reviewed tasks

Two sets of pairs are drawn from the export, half positive and half negative:
  label values     TRAINING_VALUE_PAIRS (2000) pairs of values of the single-choice fields of two documents: a few tokens each
  contract texts   TRAINING_TEXT_PAIRS (320) pairs of documents, drawn by the field TRAINING_FIELD (contract_type) as in a snapshot: each
                   text with the next text of the same value and with a text of another; 2,000 characters, truncated to 128 tokens

Aprendiz runs `crates/training/examples/train_encoder`, the production training. The peer is `encoder_peer.py`, a plain loop over a
SentenceTransformer without dropout, with PyTorch's fused AdamW and the same batches of 16. Only the training steps are timed, not loading;
memory is that of the whole process. TRAINING_ROUNDS (5), TRAINING_CORES ("1 2").
"""

import gzip
import json
import os
import random
import sys
from collections import defaultdict
from pathlib import Path

import side_by_side
from side_by_side import Case, Row, Side

LENGTH = 128
MAX_CHARACTERS = 2_000
MEMORY_BAR = 0.5


def reviewed(export):
    """Returns the texts, and for each single-choice field the values by document."""
    texts, fields = [], defaultdict(dict)
    for number, task in enumerate(json.load(gzip.open(export))):
        texts.append(task["data"]["text"])
        for item in (item for annotation in task["annotations"][:1] for item in annotation["result"]):
            if item["type"] == "choices" and len(item["value"]["choices"]) == 1:
                fields[item["from_name"]][number] = item["value"]["choices"][0]
    return texts, fields


def pair(a, b, positive, field):
    return {"text_a": a, "text_b": b, "label": float(positive), "field": field, "split": "train"}


def value_pairs(fields, count):
    rng, found = random.Random(7), []
    for number in range(count):
        field = rng.choice(sorted(fields))
        values = sorted(fields[field].items())
        positive = number % 2 == 0
        # retry: a value that occurs in one document only has no partner
        while True:
            (one, a), (other, b) = rng.sample(values, 2)
            if (a == b) == positive:
                break
        found.append(pair(a, b, positive, field))
    return found


def text_pairs(texts, field, values, count):
    rng, labels, found = random.Random(7), defaultdict(list), []
    for document, label in sorted(values.items()):
        labels[label].append(texts[document][:MAX_CHARACTERS])
    for label, members in sorted(labels.items()):
        for number, text in enumerate(members):
            next_of_label = members[(number + 1) % len(members)]
            other = rng.choice(labels[rng.choice(sorted(set(labels) - {label}))])
            if text != next_of_label and text != other:
                found += [pair(text, next_of_label, True, field), pair(text, other, False, field)]
    if len(found) < count:
        sys.exit(f"the export contains {len(found)} text pairs for {field}, but {count} are needed")
    rng.shuffle(found)
    return found[:count]


def case(name, program, model, pairs, folder):
    path = folder / f"{name.replace(' ', '-')}.jsonl"
    with open(path, "w") as out:
        out.writelines(json.dumps(line) + "\n" for line in pairs)
    peer = str(Path(__file__).parent / "encoder_peer.py")
    aprendiz = [program, model, str(path), str(folder / "model"), json.dumps({"max_length": LENGTH})]
    return Case(
        name,
        # the worker sets MIMALLOC_PURGE_DELAY for training
        Side(lambda cores: aprendiz, {"THREADS": "{cores}", "SEED": "1", "MIMALLOC_PURGE_DELAY": "-1"}),
        Side(lambda cores: [sys.executable, peer, "train", model, str(path), str(LENGTH), str(cores), "1"]),
    )


def main(program, model, export, folder):
    folder = Path(folder)
    texts, fields = reviewed(export)
    field = os.environ.get("TRAINING_FIELD", "contract_type")
    values = value_pairs(fields, int(os.environ.get("TRAINING_VALUE_PAIRS", 2_000)))
    documents = text_pairs(texts, field, fields[field], int(os.environ.get("TRAINING_TEXT_PAIRS", 320)))
    cases = [
        case("label values", program, model, values, folder),
        case("contract texts", program, model, documents, folder),
    ]
    rows = []
    for name, bar in [("label values", 5.0), ("contract texts", 2.0)]:
        rows += [Row(name, "pairs_per_s", bar), Row(name, "pairs_per_cpu_s"), Row(name, "peak_mb", MEMORY_BAR, at_most=True), Row(name, "last_loss")]
    counts = [int(count) for count in os.environ.get("TRAINING_CORES", "1 2").split()]
    runs = side_by_side.run_alternating(cases, counts, int(os.environ.get("TRAINING_ROUNDS", 5)))
    who = next(run["who"] for run in runs if run["side"] == "peer")
    passed = side_by_side.report(f"Encoder training in batches of 16, compared with {who}", runs, rows, str(folder / "training.json"))
    sys.exit(not passed)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
