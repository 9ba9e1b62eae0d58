#!/usr/bin/env python3
"""Builds the documentation site with mdBook, from the pages of the repository.

    book.py --mdbook PROGRAM --bin FOLDER --to FOLDER

The pages stay where they are and as they are: they are collected in a folder for mdBook, where links that leave the site lose their target
(folders) or get a copy of their file. The table of contents is docs/SUMMARY.md; the decisions are added to it from their folder. Beside the
pages, the site has the manual pages, the completion scripts and the OpenAPI document of the program. A warning of mdBook is an error.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse

import links

ROOT = links.ROOT
DECISIONS = "decisions/README.md"
SHELLS = {"bash": "aprendiz.bash", "zsh": "_aprendiz", "fish": "aprendiz.fish", "powershell": "aprendiz.ps1"}


def staged(target):
    """The name of a page in the folder for mdBook, which makes `index.html` of `README.md`, but leaves the links to it as they are."""
    return re.sub(r"(^|/)README\.md(?=#|$)", r"\1index.md", target)


def title(page):
    return re.search(r"^# (.*)", (ROOT / page).read_text(encoding="utf-8"), re.M).group(1)


def summary():
    """The table of contents with the decisions, its links relative to the repository."""
    lines = []
    for line in (ROOT / links.SUMMARY).read_text(encoding="utf-8").splitlines():
        found = re.match(r"(\s*)(- )?\[([^\]]*)\]\(([^)]*)\)$", line)
        if not found:
            lines.append(line)
            continue
        indent, dash, name, target = found.groups()
        page = os.path.normpath(links.SUMMARY.parent / target)
        lines.append(f"{indent}{dash or ''}[{name}]({staged(page)})")
        if target == DECISIONS:
            for decision in sorted((ROOT / "docs/decisions").glob("0*.md")):
                lines.append(f"{indent}  - [{title(decision)}](docs/decisions/{decision.name})")
    return "\n".join(lines) + "\n"


def collect(folder):
    """Writes the pages of the table of contents, and copies the files that they show or link to."""
    contents = summary()
    pages = {pathlib.Path(re.sub(r"(^|/)index\.md$", r"\1README.md", target)) for _, target in links.links(contents)}
    (folder / "SUMMARY.md").write_text(contents, encoding="utf-8")
    files = set()
    for page in pages:
        text = (ROOT / page).read_text(encoding="utf-8")
        for target in sorted({target for _, target in links.links(text)}, key=len, reverse=True):
            if re.match(r"[a-z][a-z0-9+.-]*:", target) or target.startswith("#"):
                continue
            path = (ROOT / page.parent / urllib.parse.unquote(target.partition("#")[0])).resolve().relative_to(ROOT)
            if path in pages:
                text = text.replace(f"]({target})", f"]({staged(target)})")
            elif path / "README.md" in pages:
                text = text.replace(f"]({target})", f"]({target.rstrip('/')}/index.md)")
            elif (ROOT / path).is_dir() or path.suffix == ".md":
                # the text of the link stays
                text = re.sub(r"(?<!!)\[([^\[\]]*)\]\(" + re.escape(target) + r"\)", r"\1", text)
            else:
                files.add(path)
        if page.stem.endswith(".pt-BR"):
            text = f'<div lang="pt-BR">\n\n{text}\n\n</div>\n'
        to = folder / staged(page.as_posix())
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(text, encoding="utf-8")
    for path in files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, folder / path)
    return len(pages)


def broken_links(site):
    """Links of the site to files and headings that it does not have."""
    texts = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html") if path.name not in ("print.html", "toc.html", "404.html")}
    known = {path: set(re.findall(r'\bid="([^"]+)"', text)) for path, text in texts.items()}
    for path, text in texts.items():
        for target in sorted(set(re.findall(r'(?:href|src)="([^"]+)"', text))):
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            name, _, fragment = target.partition("#")
            found = (path.parent / urllib.parse.unquote(name)).resolve() if name else path
            if not found.exists() or (fragment and found in known and urllib.parse.unquote(fragment) not in known[found]):
                yield f"{path.relative_to(site)}: {target}"


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, text=True, **options)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mdbook", required=True)
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    parser.add_argument("--openapi", type=pathlib.Path)
    parser.add_argument("--to", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    folder = arguments.to / "book"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "src").mkdir(parents=True)
    count = collect(folder / "src")
    shutil.copyfile(ROOT / "docs/book.toml", folder / "book.toml")
    site = (arguments.to / "site").resolve()
    result = subprocess.run([arguments.mdbook, "build", folder, "--dest-dir", site], capture_output=True, text=True)
    print(result.stdout + result.stderr, end="")
    if result.returncode != 0 or re.search(r"\b(WARN|ERROR)\b", result.stdout + result.stderr):
        sys.exit("mdBook reports a warning or an error")
    broken = list(broken_links(site))
    if broken:
        sys.exit("links of the site that lead nowhere:\n" + "\n".join(broken))
    program = arguments.bin / "aprendiz"
    run(program, "man", "--dir", site / "man", stdout=subprocess.DEVNULL)
    (site / "completions").mkdir(exist_ok=True)
    for shell, name in SHELLS.items():
        (site / "completions" / name).write_text(run(program, "completions", shell, capture_output=True).stdout, encoding="utf-8")
    document = arguments.openapi.read_text(encoding="utf-8") if arguments.openapi else run(program, "openapi", capture_output=True).stdout
    (site / "openapi.json").write_text(document, encoding="utf-8")
    print(f"{count} pages: {site}/index.html")


if __name__ == "__main__":
    main()
