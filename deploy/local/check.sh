# ./dev check: runs all checks, even after a failure, and reports the failed ones at the end.

failed_checks=()

# check_step TITLE COMMAND...: runs in a subshell, where an error ends the command and not this script.
check_step() {
    local title=$1 started status
    shift
    started=$(now_ms)
    say "── $title"
    set +e
    (set -e; "$@")
    status=$?
    set -e
    if ((status != 0)); then
        failed_checks+=("$title")
        title="$title: FAILED"
    fi
    took "$title" "$started"
}

check_docs() { RUSTDOCFLAGS="-D warnings" SQLX_OFFLINE=true cargo doc --locked --workspace --no-deps --document-private-items; }

check_scripts() {
    local file
    for file in "$root/dev" "$root/.ci/run" "$root"/deploy/{local,images,compose,restore}/*.sh; do bash -n "$file"; done
    if command -v shellcheck >/dev/null; then
        shellcheck -s bash -e SC2016,SC2034,SC2154 "$root/dev" "$root/.ci/run" "$root"/deploy/{local,bench,images,restore}/*.sh "$root/deploy/compose/secrets.sh"
    fi
}

# The text files of the repository, including those that git does not track yet.
text_files() {
    git -C "$root" ls-files --cached --others --exclude-standard -- '*.rs' '*.md' '*.sh' 'migrations/*.sql' | while read -r file; do
        # migrations up to 0020 have shipped and are never edited
        if [[ -f $root/$file && ! $file =~ ^migrations/(00[01][0-9]|0020)_ ]]; then printf '%s\n' "$file"; fi
    done
}

# Reports the words of words.txt. Parts of identifiers are words too, in snake_case and in CamelCase.
check_words() {
    cd "$root"
    # shellcheck disable=SC2046
    awk -F' *[|] *' '
        FILENAME == ARGV[1] {
            if (/^allow /) { sub(/^allow /, "", $1); allowed[$1, $2] = 1 }
            else if (/^[^#]/) instead[$1] = $2
            next
        }
        {
            # the words of the line, with the parts of identifiers separated
            line = $0
            while (match(line, /[a-z][A-Z]/)) line = substr(line, 1, RSTART) " " substr(line, RSTART + 1)
            capitals = line
            gsub(/[^A-Za-z]+/, " ", line)
            line = " " tolower(line) " "
            gsub(/[^A-Z_]+/, " ", capitals)
            capitals = " " capitals
            for (word in instead) {
                found = word ~ /^[A-Z_]+$/ ? index(capitals, " " word) || index(capitals, "_" word) : index(line, " " word " ")
                if (found && !((FILENAME, word) in allowed)) {
                    printf "%s:%d: `%s`: write %s\n", FILENAME, FNR, word, instead[word]
                    hits++
                }
            }
        }
        END { exit hits > 0 }
    ' deploy/local/words.txt $(text_files)
}

# Module cycles, without the services that other tests need.
check_cycles() { SQLX_OFFLINE=true cargo test --quiet --locked --workspace --test module_cycles; }

# The first Python with a YAML parser: the installed one, or that of ./dev contract --install.
python_with_yaml() {
    local python
    for python in python3 "$state/contract/venv/bin/python"; do
        if "$python" -c 'import yaml' 2>/dev/null; then printf '%s' "$python"; return 0; fi
    done
    return 1
}

# The ingress is an Ingress, and its annotations are strings, as Kubernetes demands.
check_ingress() {
    "$1" - "$root/deploy/proxy/ingress.yaml" <<'PYTHON'
import sys, yaml
with open(sys.argv[1]) as file:
    ingress = yaml.safe_load(file)
assert (ingress["apiVersion"], ingress["kind"]) == ("networking.k8s.io/v1", "Ingress"), ingress
wrong = {name: value for name, value in ingress["metadata"]["annotations"].items() if not isinstance(value, str)}
assert not wrong, f"annotations that are not strings: {wrong}"
hosts = {host for entry in ingress["spec"]["tls"] for host in entry["hosts"]}
for rule in ingress["spec"]["rules"]:
    assert rule["host"] in hosts, f"no certificate for {rule['host']}"
    for path in rule["http"]["paths"]:
        assert path["pathType"] in ("Prefix", "Exact") and path["backend"]["service"]["port"]["number"], path
PYTHON
}

# Workflows name what they may do, run nothing of a moving branch, and call scripts of this repository that exist.
check_workflows() {
    "$1" - "$root" <<'PYTHON'
import pathlib, re, sys, yaml
root = pathlib.Path(sys.argv[1])
for path in sorted((root / ".github").rglob("*.y*ml")):
    document = yaml.safe_load(path.read_text())
    if path.parent.name != "workflows":
        continue
    assert "permissions" in document, f"{path.name}: no permissions"
    # YAML reads the key `on` as true
    assert document.get("on", document.get(True)), f"{path.name}: never runs"
    for name, job in document["jobs"].items():
        assert "timeout-minutes" in job or "uses" in job, f"{path.name}: {name} has no time limit"
        for step in job.get("steps", []):
            used = step.get("uses", "")
            assert not used or re.search(r"@(v\d+(\.\d+)*|[0-9a-f]{40})$", used), f"{path.name}: {used} is not pinned"
            for script in re.findall(r"(?:^|\s)(\./dev|\.ci/run|deploy/\S+\.(?:sh|py))", step.get("run", "")):
                assert (root / script).exists(), f"{path.name}: {script} does not exist"
PYTHON
}

# check_tool TOOL COMMAND...: runs a check if its tool is installed.
check_tool() {
    local tool=$1
    shift
    if command -v "$tool" >/dev/null; then
        check_step "$tool" "$@"
    else
        say "── $tool: skipped, because it is not installed (./dev tools installs it)"
    fi
}

check() {
    local started python
    started=$(now_ms)
    database_up
    check_step "format" cargo fmt --all --check
    check_step "scripts" check_scripts
    check_step "words" check_words
    check_step "links" check_links
    if python=$(python_with_yaml); then
        check_step "ingress" check_ingress "$python"
        check_step "workflows" check_workflows "$python"
    else
        say "── ingress and workflows: skipped, because no Python with PyYAML is installed"
    fi
    check_step "migrations up, down, up" check_migrations
    check_step "lints and sqlx cache" check_lints_and_queries
    check_step "module cycles" check_cycles
    check_step "docs" check_docs
    check_tool cargo-deny cargo deny --locked check
    check_tool cargo-machete cargo machete
    took "check" "$started"
    ((${#failed_checks[@]} == 0)) || die "failed: $(printf '%s; ' "${failed_checks[@]}")"
    say "all checks passed"
}
