#!/usr/bin/env python3
"""Checks what installs and monitors Aprendiz elsewhere: metric names, dashboards, alerts, Compose file, container files, variables.

    check.py [--compose-schema FILE]

Without the schema, the Compose file is checked by the rules of this script only. Run by `./dev helm`.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
failures = []


def fail(text):
    failures.append(text)
    print(f"FAILED {text}")


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


# --- metrics ---------------------------------------------------------------------------------------------------------------------------

METRIC_SOURCES = ["producer/src/server/metrics.rs", "producer/src/api/operations/metrics_snapshot.rs", "worker/src/metrics.rs", "worker/src/serve_models/metrics.rs"]


def defined_metrics():
    """Names, kinds and labels: from the descriptions in the sources, and the labels from docs/API.md."""
    kinds = {}
    for path in METRIC_SOURCES:
        source = read(path)
        constants = dict(re.findall(r'const ([A-Z_]+): &str = "(aprendiz_[a-z_]+)";', source))
        for kind, name in re.findall(r'describe_(gauge|counter|histogram)!\(\s*"?([A-Za-z_]+)"?,', source):
            kinds[constants.get(name, name)] = kind
    labels = {name: set() for name in kinds}
    for line in read("docs/API.md").splitlines():
        if line.startswith("| `aprendiz_"):
            for name, listed in re.findall(r"`(aprendiz_[a-z_]+)(?:\{([a-z,_]+)\})?`", line.split("|")[1]):
                labels.setdefault(name, set()).update((listed or "").split(",") if listed else [])
    for name in sorted(labels.keys() ^ kinds.keys()):
        fail(f"the metric {name} is only in {'docs/API.md' if name in labels and name not in kinds else 'the sources'}")
    for name in kinds.keys() - {line_name for line_name in re.findall(r"`(aprendiz_[a-z_]+)", read("docs/API.md"))}:
        fail(f"docs/API.md does not list the metric {name}")
    return kinds, labels


def series(kinds):
    """The names of the series that a scrape shows, and the metric of each."""
    found = {}
    for name, kind in kinds.items():
        if kind == "histogram":
            found |= {name + suffix: name for suffix in ("_bucket", "_sum", "_count")}
        else:
            found[name] = name
    return found


# labels that Prometheus adds, and that of histograms
ADDED_LABELS = {"job", "instance", "le"}
COUNTER_FUNCTIONS = ("rate", "increase", "irate")


def check_expression(where, expression, kinds, labels):
    known = series(kinds)
    balanced = [0, 0, 0]
    for character in re.sub(r'"[^"]*"', '""', expression):
        for index, (left, right) in enumerate(("()", "{}", "[]")):
            balanced[index] += (character == left) - (character == right)
    if any(balanced):
        fail(f"{where}: unbalanced brackets: {expression}")
    used = re.findall(r"\baprendiz_[a-z_]+(?=[\s{\[)=<>,]|$)", re.sub(r'"[^"]*"', '""', expression))
    if not used and "up{" not in expression:
        fail(f"{where}: no metric: {expression}")
    allowed = set(ADDED_LABELS)
    for name in used:
        if name not in known:
            fail(f"{where}: the metric {name} does not exist")
            continue
        metric = known[name]
        allowed |= labels.get(metric, set())
        counter = kinds[metric] in ("counter", "histogram")
        position = r"(?:{})\({}(?:\{{[^}}]*\}})?\[".format("|".join(COUNTER_FUNCTIONS), name)
        if counter and len(re.findall(position, expression)) != len(re.findall(rf"\b{name}\b", expression)):
            fail(f"{where}: {name} is a counter and needs rate() or increase(): {expression}")
        if not counter and re.search(position, expression):
            fail(f"{where}: {name} is a gauge, rate() of it has no meaning: {expression}")
        # selectors of this very metric
        for selector in re.findall(rf"\b{name}\{{([^}}]*)\}}", expression):
            for label in re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', "", selector)):
                if label not in labels.get(metric, set()) | ADDED_LABELS:
                    fail(f"{where}: {metric} has no label {label}")
    for group in re.findall(r"\bby \(([^)]*)\)", expression):
        for label in (part.strip() for part in group.split(",")):
            if label not in allowed:
                fail(f"{where}: no metric of it has the label {label}: {expression}")


def check_dashboards(kinds, labels):
    subprocess.run([sys.executable, str(DEPLOY / "observability/dashboards.py"), "--check"], check=True)
    shown, uids = set(), set()
    files = sorted((DEPLOY / "observability/dashboards").glob("*.json"))
    for path in files:
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        uids.add(dashboard["uid"])
        ids = [panel["id"] for panel in dashboard["panels"]]
        if len(set(ids)) != len(ids):
            fail(f"{path.name}: panels with the same id")
        names = {variable["name"] for variable in dashboard["templating"]["list"]}
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                expression = target["expr"]
                check_expression(f"{path.name}: {panel['title']}", expression, kinds, labels)
                shown |= set(re.findall(r"aprendiz_[a-z_]+", expression))
                for variable in re.findall(r"\$([a-z]+)", expression):
                    if variable not in names:
                        fail(f"{path.name}: {panel['title']}: the variable {variable} is not defined")
    if len(uids) != len(files):
        fail("two dashboards have the same uid")
    hidden = {name for name, metric in series(kinds).items() if name == metric} - shown
    hidden |= {metric for metric in kinds if kinds[metric] == "histogram" and metric + "_bucket" not in shown}
    # the inference process serves its metrics on a socket, which Prometheus cannot scrape
    hidden = {name for name in hidden if not name.startswith("aprendiz_inference_")}
    if hidden:
        fail(f"no dashboard shows {sorted(hidden)}")
    return len(files)


# --- alerts ----------------------------------------------------------------------------------------------------------------------------


def anchors(path):
    """The anchors of the headings of a page, as GitHub makes them."""
    found = set()
    for line in read(path).splitlines():
        if line.startswith("#"):
            title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line.lstrip("#").strip()).lower()
            found.add(re.sub(r"[^\w\- ]", "", title).replace(" ", "-"))
    return found


def check_alerts(kinds, labels):
    rules = [rule for group in yaml.safe_load(read("deploy/observability/alerts.yml"))["groups"] for rule in group["rules"]]
    names = [rule["alert"] for rule in rules]
    if len(set(names)) != len(names):
        fail("two alerts have the same name")
    jobs = {entry["job_name"] for entry in yaml.safe_load(read("deploy/observability/prometheus.yml"))["scrape_configs"]}
    for rule in rules:
        name, annotations = rule["alert"], rule["annotations"]
        check_expression(name, rule["expr"], kinds, labels)
        for job in re.findall(r'job="([^"]*)"', rule["expr"]):
            if job not in jobs:
                fail(f"{name}: no scrape job {job}")
        if rule["labels"].get("severity") not in ("critical", "warning"):
            fail(f"{name}: severity must be critical or warning")
        page, _, anchor = annotations["runbook_url"].partition("#")
        if not (ROOT / page).is_file() or anchor not in anchors(page):
            fail(f"{name}: the runbook {annotations['runbook_url']} does not exist")
        for label in re.findall(r"\$labels\.([a-z_]+)", " ".join(annotations.values())):
            # the labels of the result are those of its outermost aggregation
            if not re.search(rf"\bby \([^)]*\b{label}\b", rule["expr"]):
                fail(f"{name}: the result has no label {label}")
    promtool = shutil.which("promtool")
    if promtool:
        for arguments in (["check", "rules", "deploy/observability/alerts.yml"], ["test", "rules", "deploy/observability/alerts.test.yml"]):
            done = subprocess.run([promtool, *arguments], cwd=ROOT, capture_output=True, text=True)
            if done.returncode:
                fail(f"promtool {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return len(rules), "" if promtool else " (promtool is not installed: checked by a parser only)"


# --- Compose and images ----------------------------------------------------------------------------------------------------------------


def check_compose(schema_path):
    compose = yaml.safe_load(read("deploy/compose.yaml"))
    if schema_path:
        import jsonschema

        schema = json.loads(pathlib.Path(schema_path).read_text(encoding="utf-8"))
        # the published package is older than the name of a project
        for error in jsonschema.Draft7Validator(schema).iter_errors({key: value for key, value in compose.items() if key != "name"}):
            fail(f"compose.yaml: {error.json_path}: {error.message}")
    declared = {kind: set(compose.get(kind, {})) for kind in ("secrets", "configs", "networks", "volumes", "services")}
    written = set(re.findall(r"^write ([a-z_0-9]+) ", read("deploy/compose/secrets.sh"), re.MULTILINE))
    if written != declared["secrets"]:
        fail(f"compose.yaml and secrets.sh differ: {written ^ declared['secrets']}")
    for entry in compose["configs"].values():
        if not (DEPLOY / entry["file"]).is_file():
            fail(f"compose.yaml: {entry['file']} does not exist")
    defaults = dict(line.split("=", 1) for line in read("deploy/compose/example.env").splitlines() if line and not line.startswith("#"))
    for name in set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", read("deploy/compose.yaml"))) - defaults.keys() - {"RUST_LOG"}:
        fail(f"example.env does not list {name}")
    known = known_variables()
    used = set()
    for name, service in compose["services"].items():
        if not service.get("read_only") or service.get("cap_drop") != ["ALL"] or "no-new-privileges:true" not in service["security_opt"]:
            fail(f"compose.yaml: {name}: not confined")
        if "memory" not in service["deploy"]["resources"]["limits"]:
            fail(f"compose.yaml: {name}: no memory limit")
        if "healthcheck" not in service and name != "bucket":
            fail(f"compose.yaml: {name}: no health check")
        if not re.search(r":(\$\{[^}]*:)?v?[0-9][^:]*\}?$", service["image"]):
            fail(f"compose.yaml: {name}: the version of the image is not fixed: {service['image']}")
        for port in service.get("ports", []):
            if not port.startswith("127.0.0.1:"):
                fail(f"compose.yaml: {name}: a port is open to the network: {port}")
        for other, options in service.get("depends_on", {}).items():
            target = compose["services"].get(other)
            if target is None:
                fail(f"compose.yaml: {name}: {other} does not exist")
            elif options["condition"] == "service_healthy" and target.get("healthcheck", {}).get("disable"):
                fail(f"compose.yaml: {name}: {other} has no health")
        for secret in service.get("secrets", []):
            used.add(secret)
            if secret not in declared["secrets"]:
                fail(f"compose.yaml: {name}: the secret {secret} is not declared")
        mounted = service.get("secrets", [])
        for variable, value in service.get("environment", {}).items():
            value = str(value)
            if value.startswith("/run/secrets/") and value.rsplit("/", 1)[1] not in mounted:
                fail(f"compose.yaml: {name}: {variable} names a secret that is not mounted")
            if name in ("server", "worker", "migrate") and variable not in known:
                fail(f"compose.yaml: {name}: no program reads {variable}")
        for config in service.get("configs", []):
            if config["source"] not in declared["configs"]:
                fail(f"compose.yaml: {name}: the config {config['source']} is not declared")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                if not (DEPLOY / source).exists():
                    fail(f"compose.yaml: {name}: {source} does not exist")
            elif ":" in volume and source not in declared["volumes"]:
                fail(f"compose.yaml: {name}: the volume {source} is not declared")
    if used != declared["secrets"]:
        fail(f"compose.yaml: secrets that no service uses: {declared['secrets'] - used}")
    worker = compose["services"]["worker"]
    if int(worker["stop_grace_period"].rstrip("s")) < int(worker["environment"]["APRENDIZ_GRACE_SECONDS"]) + 10:
        fail("compose.yaml: worker: stop_grace_period is shorter than APRENDIZ_GRACE_SECONDS + 10")
    if shutil.which("caddy"):
        done = subprocess.run(["caddy", "adapt", "--config", str(DEPLOY / "compose/Caddyfile"), "--adapter", "caddyfile"], capture_output=True, text=True)
        if done.returncode:
            fail(f"compose/Caddyfile: {done.stderr}")
    check_secrets_script()
    return len(compose["services"])


def check_secrets_script():
    """Twice: the second run keeps every file. The URLs hold the passwords of the services."""
    with tempfile.TemporaryDirectory() as folder:
        run = [str(DEPLOY / "compose/secrets.sh"), folder]
        subprocess.run(run, check=True, capture_output=True)
        first = {path.name: path.read_text(encoding="utf-8") for path in pathlib.Path(folder).iterdir()}
        subprocess.run(run, check=True, capture_output=True)
        if first != {path.name: path.read_text(encoding="utf-8") for path in pathlib.Path(folder).iterdir()}:
            fail("secrets.sh replaces existing secrets")
        for url, password in (("database_url", "postgres_password"), ("redis_url", "redis_password")):
            if f":{first[password]}@" not in first[url] or len(first[password]) < 24:
                fail(f"secrets.sh: {url} does not hold {password}")
        if len(first["garage_rpc_secret"]) != 64 or not re.search(r"aws_access_key_id = GK[0-9a-f]{24}\n", first["s3_credentials"]):
            fail("secrets.sh: the secrets of Garage have another form than it accepts")


def known_variables():
    """Variables that the sources read, with the forms for files; those of the system and of the AWS SDK are known too."""
    known = {"AWS_REGION", "AWS_SHARED_CREDENTIALS_FILE", "TMPDIR", "HOME", "RUST_LOG", "MIMALLOC_PURGE_DELAY", "XDG_CACHE_HOME"}
    for folder in ("producer/src", "worker/src", "crates"):
        for path in (ROOT / folder).rglob("*.rs"):
            known |= set(re.findall(r'"((?:APRENDIZ|AWS|REDIS|DATABASE|HF|PG)_?[A-Z0-9_]*)"', path.read_text(encoding="utf-8")))
    return known | {f"{name}_FILE" for name in known}


def check_images():
    texts = {name: read(f"deploy/images/{name}.Containerfile") for name in ("server", "worker")}
    builds = {name: text[text.index("ARG RUST_IMAGE"):text.index("FROM ${BASE_IMAGE}")] for name, text in texts.items()}
    if builds["server"] != builds["worker"]:
        fail("the first stages of the container files differ, so the images share no layers")
    version = re.search(r'^channel = "([0-9.]+|[a-z]+)"', read("rust-toolchain.toml"), re.MULTILINE)
    required = re.search(r'^rust-version = "([0-9.]+)"', read("Cargo.toml"), re.MULTILINE).group(1)
    if version and version.group(1)[0].isdigit():
        required = version.group(1)
    project = re.search(r'^version = "([^"]+)"', read("Cargo.toml"), re.MULTILINE).group(1)
    known = known_variables()
    for name, text in texts.items():
        label = f"{name}.Containerfile"
        if f"rust:{required}-slim" not in text:
            fail(f"{label}: the image of Rust is not {required}")
        if f"ARG APRENDIZ_VERSION={project}" not in text:
            fail(f"{label}: the version is not {project}")
        for needed in ("USER 10001:10001", "HEALTHCHECK ", "STOPSIGNAL SIGTERM", "org.opencontainers.image.revision", "APRENDIZ_GIT_REVISION"):
            if needed not in text:
                fail(f"{label}: no {needed}")
        environment = re.search(r"^ENV (HOME=.*?[^\\])$", text, re.MULTILINE | re.DOTALL).group(1)
        for variable in re.findall(r"([A-Z_]+)=", environment):
            if variable not in known:
                fail(f"{label}: no program reads {variable}")
        for path in re.findall(r"^COPY (?:--chmod=\S+ )?((?:deploy|LICENSE)\S*(?: LICENSE\S*)*) ", text, re.MULTILINE):
            for part in path.split():
                if not (ROOT / part).exists():
                    fail(f"{label}: {part} does not exist")
    chart = yaml.safe_load(read("deploy/helm/aprendiz/Chart.yaml"))
    if chart["appVersion"] != project:
        fail(f"Chart.yaml: appVersion is not {project}")


PAGES = ["docs/DEPLOYMENT.md", "docs/RUNBOOKS.md", "docs/OPERATIONS.md", "deploy/README.md", "deploy/images/README.md"]


def check_links():
    """Relative links of the pages about operation: the file exists, and so does the heading."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", read(page)):
            if target.startswith(("http://", "https://")):
                continue
            path, _, anchor = target.partition("#")
            file = (ROOT / page).parent / path if path else ROOT / page
            if not file.exists():
                fail(f"{page}: {target} does not exist")
            elif anchor and anchor not in anchors(file.resolve().relative_to(ROOT)):
                fail(f"{page}: {target}: no such heading")


def main():
    schema = sys.argv[2] if len(sys.argv) == 3 and sys.argv[1] == "--compose-schema" else None
    kinds, labels = defined_metrics()
    dashboards = check_dashboards(kinds, labels)
    alerts, note = check_alerts(kinds, labels)
    services = check_compose(schema)
    check_images()
    check_links()
    if failures:
        sys.exit(f"{len(failures)} failures")
    print(f"{len(kinds)} metrics, {dashboards} dashboards, {alerts} alerts{note}, {services} services of Compose"
          f"{'' if schema else ' (without the published schema)'}, 2 images: all pass")


if __name__ == "__main__":
    main()
