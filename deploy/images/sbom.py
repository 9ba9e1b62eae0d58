#!/usr/bin/env python3
"""Prints a bill of materials (CycloneDX 1.5, JSON): the crates of Cargo.lock that a program links, and the Debian packages of its image.

    sbom.py PACKAGE [ROOT] > sbom.json    PACKAGE: producer or worker; ROOT: the root file system of the image, if it is one
"""

import json
import pathlib
import re
import subprocess
import sys


def crates(package):
    """Normal dependencies of a package on this platform, with their licences."""
    host = re.search(r"host: (.*)", subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout).group(1)
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", host]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    packages = {entry["id"]: entry for entry in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = next(entry["id"] for entry in metadata["packages"] if entry["name"] == package and entry["source"] is None)
    found, waiting = set(), [root]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        # kind null: linked into the program; dev and build dependencies are not
        waiting += [dep["pkg"] for dep in nodes[current]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
    for entry in sorted((packages[key] for key in found), key=lambda entry: (entry["name"], entry["version"])):
        component = {"type": "library", "name": entry["name"], "version": entry["version"]}
        if entry["source"]:
            component["purl"] = f"pkg:cargo/{entry['name']}@{entry['version']}"
        if entry["license"]:
            component["licenses"] = [{"expression": entry["license"].replace("/", " OR ")}]
        yield component


def debian(root):
    """Installed packages, from the status file of dpkg."""
    status = pathlib.Path(root) / "var/lib/dpkg/status"
    for block in status.read_text(encoding="utf-8").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(" "))
        if fields.get("Status") == "install ok installed":
            name, version = fields["Package"], fields["Version"]
            yield {"type": "library", "name": name, "version": version, "purl": f"pkg:deb/debian/{name}@{version}?arch={fields['Architecture']}"}


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    package, *roots = sys.argv[1:]
    components = [*crates(package), *(component for root in roots for component in debian(root))]
    json.dump({"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
