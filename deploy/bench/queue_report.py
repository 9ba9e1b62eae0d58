"""Prints the medians over the rounds of `./dev bench queue` as a table, and writes them to queue.json."""

import importlib.metadata
import json
import os
import platform
import statistics
import sys
from pathlib import Path

ROWS = [
    ("publish to start, p50", "latency", ("announce_to_start_ms", "p50")),
    ("publish to start, p99", "latency", ("announce_to_start_ms", "p99")),
    ("create to start, p50", "latency", ("create_to_start_ms", "p50")),
    ("create to start, p99", "latency", ("create_to_start_ms", "p99")),
    ("queue drained, per run", "burst", ("ms_per_run",)),
    ("claim to end of a run", "burst", ("claim_to_end_ms",)),
]


def values(folder, rounds, side, kind, workers, path):
    found = []
    for number in range(1, rounds + 1):
        value = json.loads((folder / f"{side}-{kind}-{workers}-{number}.json").read_text())
        for key in path:
            value = value[key]
        found.append(value)
    return found


def format_range(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main(folder, rounds, postgres, redis):
    folder, rounds = Path(folder), int(rounds)
    about = {
        "machine": {"processor": processor(), "cores": os.cpu_count(), "load": os.getloadavg()},
        "versions": {"postgres": postgres, "redis": redis, "python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in ("celery", "kombu", "psycopg")},
        "profile": "dev; PostgreSQL without fsync",
        "rounds": rounds,
    }
    about["versions"]["redis-py"] = importlib.metadata.version("redis")
    about["versions"]["redis"] = redis
    print(json.dumps(about, indent=2))
    print(f"\nmedian of {rounds} rounds (minimum to maximum), ms\n")
    print(f"{'':24} {'workers':>7} {'Aprendiz':>24} {'Celery':>24} {'Celery/Aprendiz':>15}")
    results = []
    for title, kind, path in ROWS:
        for workers in (1, 4):
            aprendiz, celery = (values(folder, rounds, side, kind, workers, path) for side in ("aprendiz", "celery"))
            ratio = statistics.median(celery) / statistics.median(aprendiz)
            print(f"{title:24} {workers:>7} {format_range(aprendiz):>24} {format_range(celery):>24} {ratio:>15.2f}")
            results.append({"metric": title, "workers": workers, "aprendiz_ms": aprendiz, "celery_ms": celery, "ratio": ratio})
    (folder / "queue.json").write_text(json.dumps(about | {"results": results}, indent=2))
    print(f"\n{folder / 'queue.json'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
