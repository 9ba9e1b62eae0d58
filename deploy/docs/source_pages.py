"""Pages of the reference that are generated from the sources: environment variables and metrics."""

import re
import sys

from openapi_pages import cell

# who reads the variables of a file
CONFIGURATION = [
    ("Both programs", ["crates/config/src/database.rs", "crates/config/src/telemetry.rs", "crates/config/src/variables.rs"]),
    ("Server", ["producer/src/config.rs", "producer/src/limits/settings.rs"]),
    ("Worker", ["worker/src/config.rs"]),
    ("Inference process", ["worker/src/serve_models/config.rs"]),
]
METRICS = [
    ("Server", ["producer/src/server/metrics.rs"]),
    ("Installation", ["producer/src/api/operations/metrics_snapshot.rs"]),
    ("Worker", ["worker/src/metrics.rs"]),
    ("Inference process", ["worker/src/serve_models/metrics.rs"]),
]
# set by build scripts and by tests, and read by no installation
INTERNAL = re.compile(r"APRENDIZ_(BUILD|TEST|GIT|SKIPPED|REQUIRE|PLOTS)_")
# explained by the text of an option instead
ELSEWHERE = {"APRENDIZ_PAGER"}
VARIABLE = r"[A-Z][A-Z0-9_]*_[A-Z0-9_]+"


def doc_comments(source):
    """Comments of fields that begin with a variable, as one line each."""
    for match in re.finditer(r"(?:^[ \t]*///.*\n)+", source, re.M):
        text = " ".join(line.strip()[3:].strip() for line in match.group(0).splitlines())
        if re.match(rf"`{VARIABLE}`", text):
            yield text


def split_comment(text):
    """Variable, default with range, and description of each variable of a comment such as: `NAME`, default 3, 1 to 9: what it is."""
    head, colon, description = text.partition(": ")
    if not colon or ". " in head:
        head, _, description = text.partition(". ")
    description = re.sub(r",? here in (bytes|KiB)", "", description).strip().rstrip(".")
    for part in re.split(rf", and (?=`{VARIABLE}`)", head):
        name = re.match(rf"`({VARIABLE})`", part)
        values = re.sub(r",? here in (bytes|KiB)", "", part[name.end():]).strip(" ,:.")
        # a comment that states no default describes the variable at once
        if values and not re.search(r"\bdefault\b", values):
            yield name.group(1), "", "; ".join(filter(None, [values, description]))
        else:
            yield name.group(1), values, description


def help_variables(text):
    """Variables that a help text lists, with their descriptions."""
    found, names = {}, []
    section = text.partition("Environment variables:\n")[2].partition("\n\nExamples")[0]
    for line in section.splitlines():
        entry = re.match(rf"  ((?:{VARIABLE}|AWS_\*|PG\*)(?:, (?:or )?(?:{VARIABLE}|PG\*))*)(?:\s+(.*))?$", line)
        if entry and not line.startswith("   "):
            names = re.findall(VARIABLE, entry.group(1))
            for name in names:
                found[name] = [entry.group(2) or ""]
        elif line.startswith("    ") and names:
            for name in names:
                found[name].append(line.strip())
        elif line.strip() and not line.startswith(" "):
            names = []
        elif line.strip():
            # a description that is longer than a line continues at the margin
            for name in names:
                found[name].append(line.strip())
    return {name: " ".join(filter(None, parts)) for name, parts in found.items()}


def read_variables(root):
    """Every variable that the programs read."""
    found = set()
    for folder in ("producer/src", "worker/src", "crates"):
        for path in (root / folder).rglob("*.rs"):
            if {"tests", "benches", "test-support", "test-gate", "fuzz", "examples", "build-revision"} & set(path.relative_to(root).parts):
                continue
            code = path.read_text(encoding="utf-8").partition("#[cfg(test)]\nmod tests")[0]
            code = re.sub(r"^\s*//.*$", "", code, flags=re.M)
            found |= set(re.findall(r'"(APRENDIZ_[A-Z0-9_]+)"', code))
    return {name for name in found if not INTERNAL.match(name)}


def client_variables(text):
    """Variables that options of the command line read, with what their help says."""
    section = text.partition("Global options:\n")[2].partition("\n\nExamples")[0]
    for block in re.split(r"\n(?=\s+(?:-\w, )?--)", section):
        found = re.search(rf"\[env:\s+({VARIABLE})\]", block)
        if found:
            option = re.search(r"--[a-z-]+", block).group(0)
            about = re.sub(r"\[[^\]]*\]", "", re.sub(r"\s+", " ", block.strip().partition("\n")[2]))
            default = re.search(r"\[default:\s+([^\]]*)\]", block)
            default = "; default: " + re.sub(r"\s+", " ", default.group(1)) if default else ""
            yield found.group(1), f"`{option}`: {about.strip()}{default}"


def configuration(root, helps):
    listed = dict(client_variables(helps[1]))
    for text in helps:
        listed |= help_variables(text)
    lines = [
        "# Configuration\n",
        "Every environment variable, from the comments of the code that reads them. What to set in which situation: "
        "[configuration](../../README.md#configuration), [worker variables](../OPERATIONS.md#worker-variables), "
        "[limits on clients](../OPERATIONS.md#limits-on-clients). `DATABASE_URL`, `APRENDIZ_DATABASE_DIRECT_URL`, `REDIS_URL`, "
        "`PGPASSWORD` and `HF_TOKEN` can also be read from files that `NAME_FILE` names. Durations are in seconds.\n",
    ]
    described = set()
    for title, files in CONFIGURATION:
        rows = []
        for file in files:
            for text in doc_comments((root / file).read_text(encoding="utf-8")):
                for name, values, description in split_comment(text):
                    described.add(name)
                    if not description:
                        description = re.sub(r"\s*\(default:[^)]*\)", "", listed.get(name, ""))
                    rows.append(f"| `{name}` | {cell(values)} | {cell(description)} |")
        if rows:
            lines += [f"## {title}\n", "| variable | default and range | description |", "| --- | --- | --- |", *rows, ""]
    lines += ["## Connections and command line\n", "As `--help` describes them.\n", "| variable | description |", "| --- | --- |"]
    lines += [f"| `{name}` | {cell(listed[name])} |" for name in sorted(listed.keys() - described)]
    lines.append("")
    missing = sorted(read_variables(root) - described - listed.keys() - ELSEWHERE)
    if missing:
        sys.exit(f"no comment of a field and no help text describes {missing}: begin the comment with the variable, as its neighbours do")
    return "\n".join(lines)


def metrics(root):
    lines = ["# Metrics\n", "What `/metrics` serves, from the sources. Labels and how to read them: [metrics](../API.md#metrics).\n"]
    for title, files in METRICS:
        rows = []
        for file in files:
            path = root / file
            source = path.read_text(encoding="utf-8")
            constants = dict(re.findall(r'const ([A-Z_]+): &str =\s*"(aprendiz_[a-z_]+)";', source))
            pattern = r'describe_(gauge|counter|histogram)!\(\s*"?([A-Za-z_]+)"?,\s*(?:Unit::(\w+),\s*)?"((?:[^"\\]|\\.)*)"'
            for kind, name, unit, about in re.findall(pattern, source):
                about = re.sub(r"\\\n\s*", "", about)
                rows.append(f"| `{constants.get(name, name)}` | {kind} | {unit.lower()} | {cell(about)} |")
            if len(rows) != len(re.findall(r"describe_(?:gauge|counter|histogram)!\(", source)):
                sys.exit(f"{file}: a metric is described in a form that {__file__} does not read")
        lines += [f"## {title}\n", "| metric | type | unit | description |", "| --- | --- | --- | --- |", *sorted(rows), ""]
    return "\n".join(lines)
