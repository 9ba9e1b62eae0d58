"""Writes thresholds.json: the answers that the fallback procedure accepts on random cases, with the binomial distribution of SciPy.

    python3 -m venv venv && venv/bin/pip install scipy
    venv/bin/python make_thresholds.py
"""
import json
import pathlib
import random

from scipy.stats import binom

LEVEL, STRICT, WIDE_START, WIDE_ERRORS = 0.05, 0.3, 0.5, 3


def grid(n, target, level):
    """The numbers of answers at which one more error is tolerated."""
    points, errors, answered = [], 0, 1
    while answered <= n:
        if binom.cdf(errors, answered, 1 - target) <= level and errors < answered:
            points.append(answered)
            errors += 1 + (errors // 100 if errors > 100 else 0)
        else:
            answered += 1
    return points


def plan(n, target):
    """Numbers of answers with the share of the level that each adds."""
    strict, wide = grid(n, target, LEVEL * STRICT), grid(n, target, LEVEL * (1 - STRICT))
    if len(wide) > WIDE_ERRORS:
        least = max(wide[WIDE_ERRORS], -(-n // 2))
        start = next((point for point in wide if point >= least), n)
        if strict and strict[0] < start:
            after = [point for point in wide + grid(n, target, LEVEL) + [n] if point >= start]
            points = sorted(set([point for point in strict if point < start] + after))
            return [(point, STRICT if point == strict[0] else 1 - STRICT if point == start else 0) for point in points]
    points = grid(n, target, LEVEL)
    if points and points[-1] != n:
        points.append(n)
    return [(point, 1 if index == 0 else 0) for index, point in enumerate(points)]


def accepted(n, target, wrong):
    level, best = 0, 0
    for answered, share in plan(n, target):
        level += share * LEVEL
        if level > 0:
            errors = sum(rank <= answered for rank in wrong)
            if binom.cdf(errors, answered, 1 - target) <= level:
                best = answered
            else:
                level = 0
    return best


random.seed(11)
cases = []
for _ in range(120):
    n, target = random.choice([40, 80, 150, 270, 400, 900]), random.choice([0.8, 0.9, 0.95, 0.97])
    slope = random.choice([0.5, 1.5, 3]) * (1 - target)
    wrong = [rank for rank in range(1, n + 1) if random.random() < slope * rank / n]
    cases.append({"n": n, "target": target, "wrong": wrong, "accepted": accepted(n, target, wrong)})
tails = []
while len(tails) < 40:
    answered, target = random.randrange(1, 5000), random.choice([0.8, 0.9, 0.95, 0.99])
    errors = min(answered - 1, int(answered * (1 - target) * random.uniform(0.5, 1.2)))
    tail = float(binom.cdf(errors, answered, 1 - target))
    if 1e-6 < tail < 1 - 1e-6:
        tails.append([errors, answered, target, tail])
path = pathlib.Path(__file__).with_name("thresholds.json")
path.write_text(json.dumps({"cases": cases, "tails": tails}) + "\n")
