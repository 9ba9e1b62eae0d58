#!/usr/bin/env python3
"""Checks the Helm chart: lint, rendered manifests against their schemas and golden files, refusals, and links between manifests.

`--update` writes the golden files. Run by `./dev helm`, which provides the packages of requirements.txt.
"""

import copy
import difflib
import json
import pathlib
import re
import shutil
import sys
import tempfile

import jsonschema
import kubernetes_validate
import yaml
from helm_python.chart import Chart, lint

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
# a copy without links, because Helm reports each link it follows
CHART = pathlib.Path(tempfile.mkdtemp(prefix="aprendiz-chart-")) / "aprendiz"
SETS = sorted((HERE / "tests/values").glob("*.yaml"))
CUSTOM = json.loads((HERE / "tests/custom_resources.json").read_text(encoding="utf-8"))
KUBERNETES = ["1.27.0", "1.37.0"]
failures = []


def fail(text):
    failures.append(text)
    print(f"FAILED {text}")


def merge(base, changes):
    base = copy.deepcopy(base)
    for key, value in changes.items():
        base[key] = merge(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else copy.deepcopy(value)
    return base


def render(values):
    """The manifests of a release, in the order of their files, and the notes."""
    with Chart.load(CHART) as chart:
        chart.validate_schema(values)
        files = chart.render(values=values, name="demo", namespace="ml")
    notes = next((text for path, text in files.items() if path.endswith("NOTES.txt")), "")
    texts = [f"# {path}\n{text.strip()}\n" for path, text in sorted(files.items()) if path.endswith(".yaml") and text.strip()]
    documents = [document for text in texts for document in yaml.safe_load_all(text) if document]
    return "---\n".join(texts), documents, notes


def check_schema(name, manifest):
    label = f"{name}: {manifest['kind']} {manifest['metadata']['name']}"
    kind = f"{manifest['apiVersion']}/{manifest['kind']}"
    if kind in CUSTOM:
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": CUSTOM["$defs"], "type": "object", **CUSTOM[kind]}
        for error in jsonschema.Draft202012Validator(schema).iter_errors(manifest["spec"]):
            fail(f"{label}: {error.json_path}: {error.message}")
        return
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            fail(f"{label}: Kubernetes {version}: {error.message} at {list(error.path)}")
        except (kubernetes_validate.SchemaNotFoundError, kubernetes_validate.InvalidSchemaError) as error:
            fail(f"{label}: Kubernetes {version}: no schema: {error}")


def pod_templates(manifests):
    for manifest in manifests:
        if manifest["kind"] in ("Deployment", "Job"):
            yield manifest, manifest["spec"]["template"]
        elif manifest["kind"] == "ScaledJob":
            yield manifest, manifest["spec"]["jobTargetRef"]["template"]
            # KEDA creates Jobs of this template, so it has to be one of Kubernetes too
            job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"}, "spec": manifest["spec"]["jobTargetRef"]}
            check_schema("the job of " + manifest["metadata"]["name"], job)


def known_variables():
    """Variables that the sources read; those of the AWS SDK and of the system are known too."""
    known = {"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CA_BUNDLE", "TMPDIR", "RUST_LOG", "MIMALLOC_PURGE_DELAY"}
    for folder in ("producer/src", "worker/src", "crates"):
        for path in (ROOT / folder).rglob("*.rs"):
            known |= set(re.findall(r'"((?:APRENDIZ|AWS|REDIS|DATABASE|HF|PG)_?[A-Z0-9_]*)"', path.read_text(encoding="utf-8")))
    known |= {f"{name}_FILE" for name in known}
    # of the script that ends an idle worker
    known.add("APRENDIZ_IDLE_EXIT_SECONDS")
    return known


def check_pod(name, owner, template, variables):
    label = f"{name}: {owner['kind']} {owner['metadata']['name']}"
    spec = template["spec"]
    if not spec["securityContext"].get("runAsNonRoot") or spec.get("automountServiceAccountToken") is not False:
        fail(f"{label}: runs as root, or mounts a token that it does not need")
    volumes = {volume["name"] for volume in spec["volumes"]}
    for container in spec["containers"]:
        security = container["securityContext"]
        if not security["readOnlyRootFilesystem"] or security["allowPrivilegeEscalation"] or security["capabilities"]["drop"] != ["ALL"]:
            fail(f"{label}: the security context is too wide")
        if not container["resources"].get("requests") or "memory" not in container["resources"].get("limits", {}):
            fail(f"{label}: no resources")
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        if mounts != volumes:
            fail(f"{label}: volumes {volumes} and mounts {mounts} differ")
        environment = {entry["name"]: entry for entry in container["env"]}
        if len(environment) != len(container["env"]):
            fail(f"{label}: a variable is set twice")
        for variable in sorted(environment.keys() - variables):
            fail(f"{label}: no program reads {variable}")
        secret_paths = {item["path"] for volume in spec["volumes"] if volume["name"] == "secrets"
                        for source in volume["projected"]["sources"] for item in source["secret"]["items"]}
        for variable, entry in environment.items():
            value = entry.get("value", "")
            if value.startswith("/etc/aprendiz/secrets/") and value.rsplit("/", 1)[1] not in secret_paths:
                fail(f"{label}: {variable} names a file that is not mounted")
            if "postgres://" in value or "redis://" in value:
                fail(f"{label}: {variable} holds a secret")
        if "APRENDIZ_GRACE_SECONDS" in environment:
            grace, period = float(environment["APRENDIZ_GRACE_SECONDS"]["value"]), spec["terminationGracePeriodSeconds"]
            if period < grace + 10:
                fail(f"{label}: terminationGracePeriodSeconds {period} is less than the grace {grace} + 10")
        if owner["kind"] != "Job":
            missing = {"startupProbe", "livenessProbe", "readinessProbe"} - container.keys()
            if missing:
                fail(f"{label}: no {missing}")


def check_links(name, manifests):
    """Names in one manifest that refer to another one, and selectors that select something."""
    names = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests}
    if len(names) != len(manifests):
        fail(f"{name}: two manifests have the same kind and name")
    pods = [template["metadata"]["labels"] for _, template in pod_templates(manifests)]

    def selects(labels):
        return any(labels.items() <= pod.items() for pod in pods)

    for manifest in manifests:
        kind, spec = manifest["kind"], manifest.get("spec", {})
        label = f"{name}: {kind} {manifest['metadata']['name']}"
        selectors = []
        if kind == "Service" and "selector" in spec:
            selectors = [spec["selector"]]
        elif kind in ("PodDisruptionBudget", "PodMonitor", "Deployment"):
            selectors = [spec["selector"]["matchLabels"]]
        elif kind == "NetworkPolicy":
            selectors = [spec["podSelector"]["matchLabels"]]
        elif kind == "ServiceMonitor":
            services = [other["metadata"]["labels"] for other in manifests if other["kind"] == "Service"]
            if not any(spec["selector"]["matchLabels"].items() <= labels.items() for labels in services):
                fail(f"{label}: selects no service")
        for selector in selectors:
            if not selects(selector):
                fail(f"{label}: selects no pod")
        if kind in ("ScaledObject", "HorizontalPodAutoscaler"):
            target = spec["scaleTargetRef"]
            if (target["kind"], target["name"]) not in names:
                fail(f"{label}: the target {target['name']} does not exist")
            deployment = next(other for other in manifests if other["kind"] == "Deployment" and other["metadata"]["name"] == target["name"])
            if "replicas" in deployment["spec"]:
                fail(f"{label}: the Deployment sets replicas too, so each upgrade would reset them")
        for trigger in spec.get("triggers", []):
            if ("TriggerAuthentication", trigger["authenticationRef"]["name"]) not in names:
                fail(f"{label}: its authentication does not exist")
        if kind == "Ingress":
            for path in spec["rules"][0]["http"]["paths"]:
                if ("Service", path["backend"]["service"]["name"]) not in names:
                    fail(f"{label}: the service of {path['path']} does not exist")
    for owner, template in pod_templates(manifests):
        account = template["spec"].get("serviceAccountName")
        created = any(kind == "ServiceAccount" for kind, _ in names)
        if created and account and ("ServiceAccount", account) not in names:
            fail(f"{name}: {owner['metadata']['name']}: the account {account} does not exist")


def check_ingress(name, manifests):
    """The annotations are those of the tried configuration in deploy/proxy, which docs/PROXIES.md explains."""
    tried = yaml.safe_load((ROOT / "deploy/proxy/ingress.yaml").read_text(encoding="utf-8"))["metadata"]["annotations"]
    for manifest in manifests:
        if manifest["kind"] == "Ingress":
            found = manifest["metadata"]["annotations"]
            wrong = {key: value for key, value in tried.items() if found.get(key) != value}
            if wrong:
                fail(f"{name}: the ingress lacks {wrong}")


def check_golden(name, text, update):
    path = HERE / "tests/golden" / f"{name}.yaml"
    if update:
        path.write_text(text, encoding="utf-8")
        return
    golden = path.read_text(encoding="utf-8") if path.exists() else ""
    if golden != text:
        difference = "".join(list(difflib.unified_diff(golden.splitlines(True), text.splitlines(True), "golden", "rendered"))[:60])
        fail(f"{name}: differs from its golden file (./dev helm --update writes it)\n{difference}")


# Changes of minimal.yaml that must be refused, and a part of the reason.
REFUSED = [
    ({"objectStore": {"bucket": ""}}, "objectStore.bucket"),
    ({"objectStore": {"region": ""}}, "objectStore.region"),
    ({"objectStore": {"prefix": "/team-a"}}, "prefix"),
    ({"secrets": {"databaseUrl": {"name": ""}}}, "databaseUrl"),
    ({"secrets": {"redisUrl": {"name": ""}}}, "redisUrl"),
    ({"secrets": {"redisClientCert": {"name": "x"}}}, "redisClientKey"),
    ({"image": {"worker": ""}}, "image.worker"),
    ({"image": {"server": ""}}, "image.server"),
    ({"worker": {"graceSeconds": 60}}, "terminationGracePeriodSeconds"),
    ({"workerPools": {"gpu": {"type": "ScaledJob"}}}, "autoscaling.enabled"),
    ({"worker": {"autoscaling": {"enabled": True}}}, "keda.databaseUrl"),
    ({"ingress": {"enabled": True}}, "ingress.host"),
    ({"worker": {"slots": 65}}, "slots"),
    ({"workerpools": {}}, "workerpools"),
    ({"workerPools": {"a": {"type": "Deployment", "slot": 1}}}, "slot"),
    ({"server": {"env": {"DATABASE_URL": "postgres://user:secret@host/db"}}}, "DATABASE_URL"),
    ({"worker": {"hub": "http://hub.example.org"}}, "hub"),
]


def check_refused():
    minimal = yaml.safe_load((HERE / "tests/values/minimal.yaml").read_text(encoding="utf-8"))
    for changes, reason in REFUSED:
        try:
            render(merge(minimal, changes))
            fail(f"not refused: {changes}")
        except Exception as error:  # the library has one class for each layer
            if reason not in str(error):
                fail(f"{changes}: the refusal does not name {reason}: {error}")


def main():
    update = sys.argv[1:] == ["--update"]
    shutil.copytree(HERE / "aprendiz", CHART)
    variables = known_variables()
    for path in SETS:
        name, values = path.stem, yaml.safe_load(path.read_text(encoding="utf-8"))
        report = lint(CHART, values, strict=True, kube_version="1.30.0")
        for message in report.get("messages", report.get("Messages", [])):
            severity = message.get("severity", message.get("Severity")) if isinstance(message, dict) else message
            # 1 is information, such as a missing icon
            if isinstance(severity, int) and severity < 2 or str(severity).upper().endswith("INFO"):
                continue
            fail(f"{name}: lint: {message}")
        text, manifests, notes = render(values)
        for manifest in manifests:
            check_schema(name, manifest)
        for owner, template in pod_templates(manifests):
            check_pod(name, owner, template, variables)
        check_links(name, manifests)
        check_ingress(name, manifests)
        check_golden(name, text, update)
        if "doctor --server" not in notes:
            fail(f"{name}: the notes are missing")
        print(f"{name}: {len(manifests)} manifests")
    stale = {path.stem for path in (HERE / "tests/golden").glob("*.yaml")} - {path.stem for path in SETS}
    if stale:
        fail(f"golden files without values: {stale}")
    check_refused()
    if failures:
        sys.exit(f"{len(failures)} failures")
    print(f"the chart passes: {len(SETS)} sets of values, {len(REFUSED)} refusals")


if __name__ == "__main__":
    try:
        main()
    finally:
        shutil.rmtree(CHART.parent, ignore_errors=True)
