#!/usr/bin/env python3
"""Checks the relative links of all Markdown pages of the repository: the file exists, and so does the heading. Also checks that the table
of contents of the documentation site has every page of docs/, once.

    links.py

Run by `./dev check`. Addresses outside of the repository are not fetched.
"""

import os
import pathlib
import re
import subprocess
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SUMMARY = pathlib.Path("docs/SUMMARY.md")
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")


def tracked(pattern):
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", pattern]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted({pathlib.Path(name) for name in names if name and (ROOT / name).exists()})


def prose(text):
    """The lines of a page without code: numbered, with code blanked."""
    fence = None
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r"\s*(```+|~~~+)", line)
        if fence:
            if mark and mark.group(1).startswith(fence):
                fence = None
            continue
        if mark:
            fence = mark.group(1)
            continue
        yield number, line


def links(text):
    """Targets of links, with their lines. A link may be broken over lines; code has none."""
    lines = list(prose(text))
    joined = "\n".join(line for _, line in lines)
    # inline code keeps its length, so that positions still name lines
    joined = re.sub(r"(`+)(?:(?!\1).)+?\1", lambda code: "`" * len(code.group(0)), joined)
    for match in LINK.finditer(joined):
        yield lines[joined.count("\n", 0, match.start())][0], match.group(1)


def anchors(text):
    """The anchors of the headings of a page, as GitHub and mdBook make them."""
    found = {}
    for _, line in prose(text):
        heading = re.match(r"#{1,6}\s+(.*?)\s*#*$", line)
        if heading:
            title = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading.group(1)).lower()
            name = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
            count = found.get(name, 0)
            found[name] = count + 1
            if count:
                found[f"{name}-{count}"] = 1
        found.update((name, 1) for name in re.findall(r'<a (?:id|name)="([^"]+)"', line))
    return found


def check():
    problems, checked = [], 0
    pages = tracked("*.md")
    texts = {page: (ROOT / page).read_text(encoding="utf-8") for page in pages}
    known = {page: anchors(text) for page, text in texts.items()}
    for page, text in texts.items():
        for line, target in links(text):
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            checked += 1
            path, _, fragment = target.partition("#")
            path = urllib.parse.unquote(path)
            if path.startswith("/"):
                problems.append(f"{page}:{line}: {target}: write a relative link")
                continue
            found = page if not path else pathlib.Path((ROOT / page.parent / path).resolve())
            if path:
                if ROOT not in [found, *found.parents] or not found.exists():
                    problems.append(f"{page}:{line}: {target}: there is no such file")
                    continue
                found = found.relative_to(ROOT)
            if fragment and found in known and urllib.parse.unquote(fragment) not in known[found]:
                problems.append(f"{page}:{line}: {target}: {found} has no such heading")
    listed = [pathlib.Path(os.path.normpath(SUMMARY.parent / target)).as_posix() for _, target in links(texts[SUMMARY])]
    for page in pages:
        # book.py lists the decisions
        is_page = page.parts[0] == "docs" and page != SUMMARY and page.parts[1] != "decisions"
        if is_page and page.as_posix() not in listed:
            problems.append(f"{SUMMARY} does not list {page}")
    problems += [f"{SUMMARY} lists {name} twice" for name in sorted(set(listed)) if listed.count(name) > 1]
    return problems, checked, len(pages)


def main():
    problems, checked, pages = check()
    for problem in problems:
        print(problem)
    if problems:
        sys.exit(1)
    print(f"{checked} relative links in {pages} pages lead to a file and a heading")


if __name__ == "__main__":
    main()
