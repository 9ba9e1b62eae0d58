"""Writes random_cases.json: intervals and tests of SciPy and scikit-learn on random cases.

    python3 -m venv venv && venv/bin/pip install scipy==1.17.1 scikit-learn==1.9.1
    venv/bin/python make_random_cases.py

The paired bootstrap is that of scipy.stats.bootstrap (paired, percentile): the mean of REPETITIONS runs. Both sides draw their own
random numbers, so the bounds agree up to the error of the simulation, which `random_cases.rs` derives from the width.
"""
import json
import pathlib
import warnings

import numpy as np
from scipy.stats import beta, binomtest, bootstrap
from sklearn.metrics import f1_score

CASES, REPETITIONS, RESAMPLES = 24, 5, 20_000
LABELS = ["Delaware", "Ohio", "Texas", "Utah"]
random = np.random.default_rng(20)


def macro_f1(gold, predicted):
    return f1_score(gold, predicted, average="macro", labels=np.union1d(gold, predicted), zero_division=0)


def statistics(gold, baseline, candidate):
    """Differences, candidate minus baseline."""
    return {
        "accuracy": np.mean(candidate == gold) - np.mean(baseline == gold),
        "macro_f1": macro_f1(gold, candidate) - macro_f1(gold, baseline),
    }


def fast_macro_f1(gold, predicted):
    """macro_f1 of every row: the same numbers as scikit-learn, for all resamples at once."""
    total, present = np.zeros(gold.shape[:-1]), np.zeros(gold.shape[:-1])
    for label in range(len(LABELS)):
        hits = ((gold == label) & (predicted == label)).sum(axis=-1)
        either = (gold == label).sum(axis=-1) + (predicted == label).sum(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            total += np.where(either > 0, 2 * hits / either, 0)
        present += either > 0
    return total / present


def difference(name):
    measure = {"accuracy": lambda g, p: (g == p).mean(axis=-1), "macro_f1": fast_macro_f1}[name]
    return lambda gold, baseline, candidate, axis=-1: measure(gold, candidate) - measure(gold, baseline)


def interval(name, data, seed):
    found = bootstrap(data, difference(name), paired=True, vectorized=True, method="percentile", confidence_level=0.95,
                      n_resamples=RESAMPLES, batch=500, rng=np.random.default_rng(seed)).confidence_interval
    return [float(found.low), float(found.high)]


def paired_case():
    n = int(random.integers(60, 401))
    gold = random.choice(len(LABELS), size=n, p=[0.5, 0.25, 0.15, 0.1])
    wrong = lambda rate: np.where(random.random(n) < rate, random.integers(0, len(LABELS), n), gold)
    baseline, candidate = wrong(random.uniform(0.1, 0.5)), wrong(random.uniform(0.1, 0.5))
    metrics = {}
    for name, exact in statistics(gold, baseline, candidate).items():
        fast = float(difference(name)(gold, baseline, candidate))
        assert abs(fast - exact) < 1e-12, (name, fast, exact)
        runs = [interval(name, (gold, baseline, candidate), seed) for seed in range(REPETITIONS)]
        metrics[name] = {"difference": float(exact), "interval": np.mean(runs, axis=0).tolist()}
    wins = int(np.sum((candidate == gold) & (baseline != gold)))
    losses = int(np.sum((candidate != gold) & (baseline == gold)))
    return {"gold": gold.tolist(), "baseline": baseline.tolist(), "candidate": candidate.tolist(), "metrics": metrics,
            "wins": wins, "losses": losses, "p_value": float(binomtest(wins, wins + losses, 0.5).pvalue)}


def proportion():
    n = int(np.exp(random.uniform(0, np.log(20_000)))) + 1
    correct = int(random.binomial(n, random.beta(3, 1)))
    wilson = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    level = float(random.choice([0.9, 0.95, 0.99, 0.995]))
    lower = 0.0 if correct == 0 else float(beta.ppf(1 - level, correct, n - correct + 1))
    exact = binomtest(correct, n, alternative="greater").proportion_ci(level, method="exact")
    assert abs(exact.low - lower) < 1e-9, (correct, n, level)
    return {"correct": correct, "n": n, "wilson": [float(wilson.low), float(wilson.high)], "level": level, "clopper_pearson_lower": lower}


def mcnemar():
    discordant = int(np.exp(random.uniform(0, np.log(3_000))))
    wins = int(random.binomial(discordant, random.uniform(0.3, 0.7)))
    return [wins, discordant - wins, float(binomtest(wins, discordant, 0.5).pvalue)]


warnings.simplefilter("error")
reference = {
    "labels": LABELS,
    "paired": [paired_case() for _ in range(CASES)],
    "proportions": [proportion() for _ in range(200)],
    "mcnemar": [mcnemar() for _ in range(200)],
}
path = pathlib.Path(__file__).with_name("random_cases.json")
path.write_text(json.dumps(reference) + "\n")
