"""Runs Aprendiz and a peer in alternation, on different numbers of cores, and compares their metrics.

Each case defines two commands. A command prints a JSON object of metrics as its last line, to which `wall_s`, `cpu_s` and `peak_mb` of the
process and its children are added. A row compares one metric of a case: the ratio of the medians against a bar. Nothing else should run
on the machine meanwhile. Both programs are pinned to the same cores.

Used by `training_bench.py` and `inference_bench.py`.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field


@dataclass
class Side:
    """A program: its arguments for a number of cores, its environment (`{cores}` is replaced by the number), and the file for its output.
    Without `output`, the last line it prints is parsed as its metrics. `metrics` computes additional ones."""

    command: callable
    environment: dict = field(default_factory=dict)
    output: str | None = None
    metrics: callable = lambda found: {}


@dataclass
class Case:
    name: str
    aprendiz: Side
    peer: Side


@dataclass
class Row:
    """A metric whose ratio to the peer's must be at least `bar`, or at most `bar` if `at_most`. Without a bar it is only reported."""

    case: str
    metric: str
    bar: float | None = None
    at_most: bool = False


def cores(count):
    """The first `count` cores that this process may use."""
    return sorted(os.sched_getaffinity(0))[:count]


def processor():
    with open("/proc/cpuinfo") as file:
        lines = file.read().splitlines()
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return f"{name}, {'AVX-512' if 'avx512f' in flags else 'AVX2' if 'avx2' in flags else 'no AVX2'}"


def measure(side, count):
    """Runs a program on `count` cores and returns its metrics, including those of the process."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(count), OMP_WAIT_POLICY="PASSIVE", RAYON_NUM_THREADS=str(count))
    environment.update({name: value.format(cores=count) for name, value in side.environment.items()})
    command = side.command(count)
    affinity = cores(count)
    with open(side.output, "wb+") if side.output else tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        child = subprocess.Popen(command, stdout=out, stderr=errors, env=environment, preexec_fn=lambda: os.sched_setaffinity(0, affinity))
        # `wait` would not return the resource usage of this process
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, errors):
            file.seek(0)
        if child.returncode:
            sys.exit(f"{' '.join(map(str, command))}\nexited with code {child.returncode}:\n{errors.read().decode(errors='replace')[-4000:]}")
        printed = {} if side.output else json.loads(out.read().decode().strip().splitlines()[-1])
    found = dict(printed, wall_s=wall, cpu_s=usage.ru_utime + usage.ru_stime, peak_mb=usage.ru_maxrss / 1024)
    return found | side.metrics(found)


def run_alternating(cases, counts, rounds):
    """Returns the metrics of all runs, `[{case, cores, side, round, ...}]`. The side that starts alternates between rounds."""
    runs = []
    for number in range(rounds):
        for case in cases:
            for count in counts:
                for name in ("aprendiz", "peer") if number % 2 else ("peer", "aprendiz"):
                    metrics = measure(getattr(case, name), count)
                    runs.append({"case": case.name, "cores": count, "side": name, "round": number, **metrics})
                    shown = ", ".join(f"{key} {value:.5g}" for key, value in metrics.items() if isinstance(value, (int, float)))
                    print(f"round {number + 1} of {rounds}, {case.name}, {count} core(s), {name}: {shown}", file=sys.stderr, flush=True)
    return runs


def report(title, runs, rows, out):
    """Prints the table, writes everything to `out`, and reports which bars were missed."""
    table, missed = [], []
    counts = sorted({run["cores"] for run in runs})
    for row in rows:
        for count in counts:
            sides = {
                side: [run[row.metric] for run in runs if (run["case"], run["cores"], run["side"]) == (row.case, count, side)]
                for side in ("aprendiz", "peer")
            }
            aprendiz, peer = (statistics.median(values) for values in sides.values())
            ratio = aprendiz / peer
            # bars apply to the highest number of cores; for fewer cores the metric is only reported
            binding = row.bar is not None and count == max(counts)
            bad = binding and (ratio > row.bar if row.at_most else ratio < row.bar)
            table.append({"case": row.case, "cores": count, "metric": row.metric, "aprendiz": aprendiz, "peer": peer, "ratio": ratio,
                          "bar": row.bar if binding else None, "at_most": row.at_most, "missed": bad, **{f"all_{s}": v for s, v in sides.items()}})
            if bad:
                missed.append(f"{row.case}, {row.metric}: {ratio:.2f} times the peer's, the bar is {'at most' if row.at_most else 'at least'} {row.bar}")
    rounds = max(run["round"] for run in runs) + 1
    where = f"{processor()}, {os.cpu_count()} cores; medians of {rounds} alternating rounds"
    with open(out, "w") as file:
        json.dump({"title": title, "machine": where, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "rows": table, "runs": runs,
                   "missed": missed}, file, indent=1)
    print(f"{title}\n{where}")
    print(f"{'':34}{'cores':>6}{'Aprendiz (min to max)':>32}{'peer (min to max)':>32}{'ratio':>8}{'bar':>8}")
    for row in table:
        shown = [f"{row[side]:.4g} ({min(row['all_' + side]):.4g} to {max(row['all_' + side]):.4g})" for side in ("aprendiz", "peer")]
        bar = "" if row["bar"] is None else f"{'<=' if row['at_most'] else '>='} {row['bar']}"
        print(f"{row['case'] + ' ' + row['metric']:34}{row['cores']:>6}{shown[0]:>32}{shown[1]:>32}{row['ratio']:>8.2f}{bar:>8}")
    print(f"all runs: {out}")
    print("missed: " + "; ".join(missed) if missed else "all bars met")
    return not missed
