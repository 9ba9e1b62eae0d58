"""Writes reference.json: the metrics of scikit-learn and SciPy for a fixed set of scored examples.

    python3 -m venv venv && venv/bin/pip install scikit-learn==1.9.1
    venv/bin/python make_reference.py
"""
import json
import pathlib
import random

import numpy as np
from scipy.stats import beta, binomtest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, precision_recall_fscore_support

random.seed(7)
CLASSES = ["California", "Delaware", "New York", "Utah", "~none"]  # sorts last, as ∅ does

examples, probabilities = [], []
for _ in range(120):
    gold = random.choices(range(4), weights=[5, 3, 2, 1])[0] if random.random() > 0.2 else 4
    scores = np.array([random.gauss(1.2 if c == gold and c != 3 else 0, 1) for c in range(5)])
    p = np.exp(scores * 1.5)
    p /= p.sum()
    best = int(p.argmax())
    name = lambda c: None if c == 4 else CLASSES[c]
    examples.append({"gold": name(gold), "predicted": name(best), "confidence": float(p[best]),
                     "gold_probability": float(p[gold])})
    probabilities.append(p)

text = lambda label: "~none" if label is None else label
gold = [text(e["gold"]) for e in examples]
predicted = [text(e["predicted"]) for e in examples]
improved = [g if i % 5 == 0 else p for i, (g, p) in enumerate(zip(gold, predicted))]
precision, recall, f1, support = precision_recall_fscore_support(gold, predicted, labels=CLASSES, zero_division=0)
reference = {
    "examples": examples,
    "accuracy": accuracy_score(gold, predicted),
    "macro_f1": f1_score(gold, predicted, average="macro", zero_division=0),
    "weighted_f1": f1_score(gold, predicted, average="weighted", zero_division=0),
    "log_loss": log_loss(gold, np.array(probabilities), labels=CLASSES),
    "confusion": confusion_matrix(gold, predicted, labels=CLASSES).tolist(),
    "classes": [dict(precision=p, recall=r, f1=f, support=int(s)) for p, r, f, s in zip(precision, recall, f1, support)],
    # one-sided 95 % lower bounds of `correct` out of `n`
    "clopper_pearson": [[k, n, float(beta.ppf(0.05, k, n - k + 1))]
                        for k, n in [(1, 2), (9, 10), (57, 60), (92, 93), (380, 400), (9990, 10003)]],
    # two-sided p-values of the exact McNemar test of `wins` against `losses`
    "mcnemar": [[wins, losses, float(binomtest(wins, wins + losses, 0.5).pvalue)]
                for wins, losses in [(1, 0), (0, 6), (3, 9), (12, 12), (40, 61), (500, 421)]],
    # F1 of two models on the same examples: the second one is the first with every fifth prediction replaced by the accepted value
    "improved": {
        "accuracy": accuracy_score(gold, improved),
        "macro_f1": f1_score(gold, improved, average="macro", zero_division=0),
        "weighted_f1": f1_score(gold, improved, average="weighted", zero_division=0),
    },
}
pathlib.Path(__file__).with_name("reference.json").write_text(json.dumps(reference, indent=1) + "\n")
