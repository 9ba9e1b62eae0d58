#!/usr/bin/env python3
"""Prints the licences of everything that a program contains: the crates that it links, and the packages of the web interface.

    licences.py PACKAGE [--web] > THIRD-PARTY.txt      PACKAGE: producer or worker; --web: with the packages of web/package-lock.json

Each text is printed once, with all packages that it belongs to. A package without a licence is an error.
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FILE = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)", re.I)


def crates(package):
    """Name with version, licence and folder of the linked crates that are not of this repository."""
    host = re.search(r"host: (.*)", subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout).group(1)
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", host]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)
    packages = {entry["id"]: entry for entry in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    found, waiting = set(), [next(entry["id"] for entry in packages.values() if entry["name"] == package and entry["source"] is None)]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += [dep["pkg"] for dep in nodes[current]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
    for entry in (packages[key] for key in found):
        if entry["source"]:
            yield f"{entry['name']} {entry['version']}", entry["license"], pathlib.Path(entry["manifest_path"]).parent, entry["license_file"]


def web_packages():
    """The same for the packages that the bundle of the web interface can contain."""
    if not (ROOT / "web/node_modules").is_dir():
        sys.exit("the packages of the web interface are not installed: run ./dev web")
    for path, entry in json.loads((ROOT / "web/package-lock.json").read_text(encoding="utf-8"))["packages"].items():
        if path and not entry.get("dev") and not entry.get("optional"):
            yield f"{path.rpartition('node_modules/')[2]} {entry['version']}", entry.get("license"), ROOT / "web" / path, None


def texts(folder, named):
    if named and (folder / named).is_file():
        yield folder / named
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if path.is_file() and FILE.match(path.name) and path.name != named)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("package", choices=["producer", "worker"])
    parser.add_argument("--web", action="store_true")
    arguments = parser.parse_args()
    packages = sorted([*crates(arguments.package), *(web_packages() if arguments.web else [])], key=lambda entry: entry[0].lower())
    owners = collections.OrderedDict()
    without_text, without_licence = [], []
    print("Aprendiz contains the following packages, each under its licence.\n")
    for name, licence, folder, named in packages:
        found = False
        for path in texts(folder, named):
            text = path.read_text(encoding="utf-8", errors="replace").strip()
            found = found or bool(text)
            owners.setdefault(re.sub(r"\s+", " ", text), (text, []))[1].append(name)
        if not found:
            (without_text if licence else without_licence).append(name)
        print(f"  {name}  ({licence or 'see its text'})")
    if without_licence:
        sys.exit(f"no licence: {', '.join(without_licence)}")
    for text, names in owners.values():
        print(f"\n{'-' * 78}\n{', '.join(dict.fromkeys(names))}\n\n{text}")
    print(f"\n{'-' * 78}\nThese packages name their licence and contain no text of it: {', '.join(without_text) or 'none'}.")
    print(f"{len(packages)} packages, {len(owners)} texts, {len(without_text)} without a text of their own", file=sys.stderr)


if __name__ == "__main__":
    main()
