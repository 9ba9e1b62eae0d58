"""Runs a program of ours and a peer in turns, on one core and on two, and says how they compare.

Each case names two commands. A command prints a JSON object of figures as its last line; to these come `wall_s`, `cpu_s` and `peak_mb` of the
whole process and what it started. A row compares one figure of a case with the peer's: the ratio of the medians against a bar. Nobody but
the two is to use the machine meanwhile, and both are held to the same cores.

`training_bench.py` and `inference_bench.py` are made of this.
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
    """A program: its arguments for a number of cores, its environment (`{cores}` is their number), and where its output goes. Without
    `output` its last line is read as its figures; `figures` adds to those."""

    command: callable
    environment: dict = field(default_factory=dict)
    output: str | None = None
    figures: callable = lambda found: {}


@dataclass
class Case:
    name: str
    ours: Side
    peer: Side


@dataclass
class Row:
    """A figure that must reach so many times the peer's; `at_most` where less is better. Without a bar it is only told."""

    case: str
    figure: str
    bar: float | None = None
    at_most: bool = False


def cores(count):
    """The first cores that this process may use."""
    return sorted(os.sched_getaffinity(0))[:count]


def processor():
    with open("/proc/cpuinfo") as file:
        lines = file.read().splitlines()
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return f"{name}, {'AVX-512' if 'avx512f' in flags else 'AVX2' if 'avx2' in flags else 'no AVX2'}"


def measured(side, count):
    """Runs a program on `count` cores; its figures, those of the process included."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(count), OMP_WAIT_POLICY="PASSIVE", RAYON_NUM_THREADS=str(count))
    environment.update({name: value.format(cores=count) for name, value in side.environment.items()})
    command = side.command(count)
    chosen = cores(count)
    with open(side.output, "wb+") if side.output else tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        child = subprocess.Popen(command, stdout=out, stderr=errors, env=environment, preexec_fn=lambda: os.sched_setaffinity(0, chosen))
        # not `wait`: only this tells what the one process took
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, errors):
            file.seek(0)
        if child.returncode:
            sys.exit(f"{' '.join(map(str, command))}\nended with {child.returncode}:\n{errors.read().decode(errors='replace')[-4000:]}")
        told = {} if side.output else json.loads(out.read().decode().strip().splitlines()[-1])
    found = dict(told, wall_s=wall, cpu_s=usage.ru_utime + usage.ru_stime, peak_mb=usage.ru_maxrss / 1024)
    return found | side.figures(found)


def take_turns(cases, counts, rounds):
    """All figures, `[{case, cores, side, round, ...}]`; who begins changes from round to round."""
    runs = []
    for number in range(rounds):
        for case in cases:
            for count in counts:
                for name in ("ours", "peer") if number % 2 else ("peer", "ours"):
                    figures = measured(getattr(case, name), count)
                    runs.append({"case": case.name, "cores": count, "side": name, "round": number, **figures})
                    shown = ", ".join(f"{key} {value:.5g}" for key, value in figures.items() if isinstance(value, (int, float)))
                    print(f"round {number + 1} of {rounds}, {case.name}, {count} core(s), {name}: {shown}", file=sys.stderr, flush=True)
    return runs


def report(title, runs, rows, out):
    """Prints the table, writes everything to `out`, and says which bars were missed."""
    table, missed = [], []
    counts = sorted({run["cores"] for run in runs})
    for row in rows:
        for count in counts:
            sides = {
                side: [run[row.figure] for run in runs if (run["case"], run["cores"], run["side"]) == (row.case, count, side)]
                for side in ("ours", "peer")
            }
            ours, peer = (statistics.median(values) for values in sides.values())
            ratio = ours / peer
            # the bars are those of the most cores; on fewer the figure is told
            binding = row.bar is not None and count == max(counts)
            bad = binding and (ratio > row.bar if row.at_most else ratio < row.bar)
            table.append({"case": row.case, "cores": count, "figure": row.figure, "ours": ours, "peer": peer, "ratio": ratio,
                          "bar": row.bar if binding else None, "at_most": row.at_most, "missed": bad, **{f"all_{s}": v for s, v in sides.items()}})
            if bad:
                missed.append(f"{row.case}, {row.figure}: {ratio:.2f} times the peer's, {'at most' if row.at_most else 'at least'} {row.bar} is the bar")
    rounds = max(run["round"] for run in runs) + 1
    where = f"{processor()}, {os.cpu_count()} cores; medians of {rounds} rounds in turns"
    with open(out, "w") as file:
        json.dump({"title": title, "machine": where, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "rows": table, "runs": runs,
                   "missed": missed}, file, indent=1)
    print(f"{title}\n{where}")
    print(f"{'':34}{'cores':>6}{'ours (least to greatest)':>32}{'peer (least to greatest)':>32}{'ratio':>8}{'bar':>8}")
    for row in table:
        shown = [f"{row[side]:.4g} ({min(row['all_' + side]):.4g} to {max(row['all_' + side]):.4g})" for side in ("ours", "peer")]
        bar = "" if row["bar"] is None else f"{'<=' if row['at_most'] else '>='} {row['bar']}"
        print(f"{row['case'] + ' ' + row['figure']:34}{row['cores']:>6}{shown[0]:>32}{shown[1]:>32}{row['ratio']:>8.2f}{bar:>8}")
    print(f"all runs: {out}")
    print("missed: " + "; ".join(missed) if missed else "no bar is missed")
    return not missed
