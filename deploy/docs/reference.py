#!/usr/bin/env python3
"""Writes docs/reference from the code: API, schemas, problem codes and states from the OpenAPI document, command lines from `--help`,
configuration and metrics from the sources.

    reference.py --bin FOLDER [--openapi FILE] [--check]

FOLDER has the programs `aprendiz` and `aprendiz-worker`. FILE replaces the output of `aprendiz openapi`. With --check, nothing is written:
the exit code is 1 if a page differs from the code. Run by `./dev docs`.
"""

import argparse
import difflib
import json
import os
import pathlib
import re
import subprocess
import sys

import openapi_pages
import source_pages

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "docs/reference"
NOTE = "<!-- Generated from the code by `./dev docs --update`. Do not edit. -->\n\n"


def output(*command):
    """The output of a program, for a width that does not depend on the terminal."""
    env = {"PATH": os.environ["PATH"], "COLUMNS": "100", "HOME": os.environ.get("HOME", "/")}
    result = subprocess.run(command, capture_output=True, text=True, env=env)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed: {result.stderr.strip()}")
    return result.stdout


def split_help(text):
    """The parts of a help text, by heading; the first one has no heading."""
    parts, name = {"": []}, ""
    for line in text.splitlines():
        heading = re.fullmatch(r"([A-Z][\w ]*):", line)
        if heading:
            name = heading.group(1)
            parts[name] = []
        else:
            parts[name].append(line)
    return {name: "\n".join(lines).strip("\n") for name, lines in parts.items()}


def children(parts):
    return [line.split()[0] for line in parts.get("Commands", "").splitlines() if re.match(r"  [a-z]", line) and line.split()[0] != "help"]


def program_pages(program, name, level=2, path=()):
    """One section for each command of a program: its help, without the global options, which the page shows once."""
    text = output(program, *path, "--help")
    parts = split_help(text)
    found = children(parts)
    title = " ".join((name, *path))
    heading = "#" * min(level, 4)
    yield f"{heading} {title}\n"
    shown, skipped = [], {"Commands"} if path else set()
    if path:
        skipped.add("Global options")
    for part, content in parts.items():
        if part in skipped or not content.strip():
            continue
        if part == "Options":
            content = without_help_and_version(content)
            if not content.strip():
                continue
        shown.append(f"{part}:\n{content}" if part else content)
    yield "```text\n" + "\n\n".join(shown) + "\n```\n"
    for child in found:
        yield from program_pages(program, name, level + 1, (*path, child))


def without_help_and_version(options):
    """The options without `--help` and `--version`, which every command has."""
    blocks = re.split(r"\n(?=\s+-)", options)
    return "\n".join(block for block in blocks if not re.match(r"\s+-[hV], --(help|version)", block)).rstrip()


def command_lines(binaries):
    page = ["# Command line\n"]
    page.append(
        "All commands of both programs, as `--help` prints them. `aprendiz man --dir DIR` writes the same as manual pages, "
        "`aprendiz completions SHELL` prints a completion script. How to use them: [user guide](../USER_GUIDE.md#the-command-line).\n"
    )
    for name in ("aprendiz", "aprendiz-worker"):
        page += program_pages(binaries / name, name)
    return "\n".join(page)


def index(pages):
    lines = ["# Reference\n", "These pages are generated from the code of this version.\n", "| page | contents |", "| --- | --- |"]
    texts = {
        "api.md": "every route: role, parameters, bodies, statuses and problem codes",
        "schemas.md": "every object of the API",
        "problems.md": "the codes of errors of the API, and the routes that return them",
        "states.md": "statuses, kinds of events and all other fixed values",
        "cli.md": "every command with its options and examples",
        "configuration.md": "every environment variable",
        "metrics.md": "every Prometheus metric",
    }
    assert texts.keys() == pages.keys(), texts.keys() ^ pages.keys()
    lines += [f"| [{re.search('^# (.*)', pages[name], re.M).group(1)}]({name}) | {text} |" for name, text in texts.items()]
    lines.append("\nWhat lists cannot explain: [HTTP API](../API.md), [states and failure codes](../STATES.md), [operations](../OPERATIONS.md).\n")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    parser.add_argument("--openapi", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    document = arguments.openapi.read_text(encoding="utf-8") if arguments.openapi else output(arguments.bin / "aprendiz", "openapi")
    pages = openapi_pages.pages(json.loads(document))
    pages["cli.md"] = command_lines(arguments.bin)
    helps = [output(arguments.bin / "aprendiz", "serve", "--help"), output(arguments.bin / "aprendiz", "--help")]
    helps += [output(arguments.bin / "aprendiz-worker", "--help"), output(arguments.bin / "aprendiz-worker", "serve-models", "--help")]
    pages["configuration.md"] = source_pages.configuration(ROOT, helps)
    pages["metrics.md"] = source_pages.metrics(ROOT)
    pages["README.md"] = index(pages)
    stale = []
    for name, text in pages.items():
        path, text = FOLDER / name, NOTE + text.rstrip() + "\n"
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if old == text:
            continue
        stale.append(name)
        if arguments.check:
            changes = difflib.unified_diff(old.splitlines(), text.splitlines(), f"docs/reference/{name}", "the code", n=1, lineterm="")
            print("\n".join(list(changes)[:40]))
        else:
            FOLDER.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    unknown = sorted(path.name for path in FOLDER.glob("*") if path.name not in pages)
    if unknown:
        sys.exit(f"docs/reference has files that are not generated: {unknown}")
    if stale and arguments.check:
        sys.exit(f"docs/reference differs from the code in {', '.join(sorted(stale))}: run ./dev docs --update")
    print(f"docs/reference: {len(pages)} pages, {'all current' if not stale else 'updated: ' + ', '.join(sorted(stale))}")


if __name__ == "__main__":
    main()
