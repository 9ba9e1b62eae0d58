#!/usr/bin/env python3
"""Writes the Grafana dashboards in dashboards/ from the short definitions below. `--check` fails if a file differs."""

import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).with_name("dashboards")
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
SERVER = 'job="aprendiz-server"'
WORKER = 'job="aprendiz-worker",instance=~"$instance"'


def panel(title, unit, *queries, kind="timeseries", stack=False, description=""):
    """A panel; each query is (expression, legend)."""
    return {"title": title, "unit": unit, "queries": queries, "kind": kind, "stack": stack, "description": description}


DASHBOARDS = {
    "runs": ("Aprendiz: runs", [
        panel("Runs by status", "short", ('max by (status) (aprendiz_runs{status!~"succeeded|cancelled"})', "{{status}}"), stack=True,
              description="Runs that wait, run or failed"),
        panel("Ended attempts per minute", "short", ("max by (outcome) (rate(aprendiz_attempts_total[5m])) * 60", "{{outcome}}")),
        panel("Succeeded runs", "short", ('max(aprendiz_runs{status="succeeded"})', "succeeded"), kind="stat"),
        panel("Failed runs", "short", ('max(aprendiz_runs{status="failed"})', "failed"), kind="stat"),
        panel("Duration of each phase, 95 %", "s",
              ("histogram_quantile(0.95, sum by (le, phase) (rate(aprendiz_worker_phase_seconds_bucket[1h])))", "{{phase}}")),
        panel("Attempts that workers ended, by kind and outcome", "short",
              ("sum by (kind, outcome) (increase(aprendiz_worker_attempts_total[1h]))", "{{kind}} {{outcome}}")),
        panel("Longest time since a heartbeat of a running attempt", "s", ("max(aprendiz_attempt_heartbeat_age_seconds)", "age")),
        panel("Attempts taken back after their lease", "short", ("sum by (outcome) (increase(aprendiz_reaped_total[1h]))", "{{outcome}}")),
    ]),
    "queue": ("Aprendiz: queue", [
        panel("Oldest run that can be claimed", "s", ("max(aprendiz_oldest_runnable_age_seconds)", "age")),
        panel("Slots", "short", ("max by (state) (aprendiz_slots)", "{{state}}"), stack=True),
        panel("Wake-ups in the outbox", "short", ("max(aprendiz_outbox_waiting)", "outbox")),
        panel("Wake-ups in Redis", "short", ("max(aprendiz_redis_queue_depth)", "queue"), description="The relay pauses at 1,000"),
        panel("Published wake-ups per second", "short", ("sum(rate(aprendiz_wakeups_published_total[5m]))", "published")),
        panel("Interruptions of the relay", "short", ("sum by (instance) (increase(aprendiz_relay_errors_total[5m]))", "{{instance}}")),
        panel("Services", "short", ("min by (service) (aprendiz_up)", "{{service}}"), kind="stat", description="1: works, 0: does not"),
        panel("Overdue background tasks", "short", ("max by (task) (aprendiz_background_task_overdue)", "{{task}}"), kind="stat"),
        panel("Time since a background task last succeeded", "s", ("max by (task) (aprendiz_background_task_success_age_seconds)", "{{task}}")),
    ]),
    "workers": ("Aprendiz: workers", [
        panel("Workers", "short", ("max by (state) (aprendiz_workers)", "{{state}}"), stack=True),
        panel("Busy slots", "short", (f"aprendiz_worker_busy_slots{{{WORKER}}}", "{{instance}}"), stack=True),
        panel("Slots", "short", (f"sum(aprendiz_worker_slots{{{WORKER}}})", "slots"), kind="stat"),
        panel("Workers that receive wake-ups", "short", (f"sum(aprendiz_worker_listening{{{WORKER}}})", "listening"), kind="stat"),
        panel("Training throughput", "short", (f"aprendiz_worker_examples_per_second{{{WORKER}}}", "{{instance}}"),
              description="Examples per second, as last reported"),
        panel("Age of the heartbeat", "s", (f"aprendiz_worker_heartbeat_age_seconds{{{WORKER}}}", "{{instance}}")),
        panel("Lease renewals per minute", "short",
              (f"sum by (outcome) (rate(aprendiz_worker_lease_renewals_total{{{WORKER}}}[5m])) * 60", "{{outcome}}")),
        panel("Checkpoints", "short", (f"sum by (outcome) (increase(aprendiz_worker_checkpoints_total{{{WORKER}}}[15m]))", "{{outcome}}")),
        panel("Embeddings of base models per second", "short",
              (f"sum by (outcome) (rate(aprendiz_worker_embeddings_total{{{WORKER}}}[5m]))", "{{outcome}}")),
    ]),
    "api": ("Aprendiz: API", [
        panel("Requests per second", "reqps", (f"sum by (status) (rate(aprendiz_http_requests_total{{{SERVER}}}[5m]))", "{{status}}"), stack=True),
        panel("Time to the response headers, 95 %", "s",
              (f"histogram_quantile(0.95, sum by (le) (rate(aprendiz_http_request_duration_seconds_bucket{{{SERVER}}}[5m])))", "all routes")),
        panel("Slowest routes, 95 %", "s",
              (f"topk(10, histogram_quantile(0.95, sum by (le, route) (rate(aprendiz_http_request_duration_seconds_bucket{{{SERVER}}}[15m]))))",
               "{{route}}")),
        panel("Failed requests by route", "reqps",
              (f'sum by (route, status) (rate(aprendiz_http_requests_total{{{SERVER},status=~"5.."}}[5m])) > 0', "{{route}} {{status}}")),
        panel("Slots in use", "short", (f"sum by (class) (aprendiz_http_slots_used{{{SERVER}}})", "{{class}}")),
        panel("Rejected requests per second", "reqps", (f"sum by (limit) (rate(aprendiz_http_rejected_total{{{SERVER}}}[5m]))", "{{limit}}")),
        panel("Database connections", "short", (f"sum by (state) (aprendiz_database_connections{{{SERVER}}})", "{{state}}"), stack=True),
        panel("Inputs compared with challengers", "short",
              (f"sum by (outcome) (rate(aprendiz_shadow_inputs_total{{{SERVER}}}[5m]))", "{{outcome}}")),
    ]),
    "storage": ("Aprendiz: storage", [
        panel("Uploaded by workers", "Bps", ("sum(rate(aprendiz_worker_uploaded_bytes_total[5m]))", "uploads")),
        panel("Unreferenced objects deleted", "short", ("sum(increase(aprendiz_swept_objects_total[1h]))", "objects")),
        panel("Checkpoint uploads", "short", ("sum by (outcome) (increase(aprendiz_worker_checkpoints_total[15m]))", "{{outcome}}")),
        panel("Time since the sweeper last succeeded", "s",
              ('max(aprendiz_background_task_success_age_seconds{task="sweeper"})', "sweeper")),
        panel("Duration of uploads, 95 %", "s",
              ('histogram_quantile(0.95, sum by (le) (rate(aprendiz_worker_phase_seconds_bucket{phase="upload"}[1h])))', "upload")),
        panel("Duration of dataset builds, 95 %", "s",
              ('histogram_quantile(0.95, sum by (le) (rate(aprendiz_worker_phase_seconds_bucket{phase="dataset"}[1h])))', "dataset")),
    ]),
}


def render_panel(number, definition, x, y):
    kind = definition["kind"]
    custom = {"drawStyle": "line", "fillOpacity": 10, "stacking": {"mode": "normal" if definition["stack"] else "none"}}
    defaults = {"unit": definition["unit"], "min": 0, **({"custom": custom} if kind == "timeseries" else {})}
    return {
        "id": number,
        "type": kind,
        "title": definition["title"],
        "description": definition["description"],
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": 12, "h": 8},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
            for index, (expression, legend) in enumerate(definition["queries"])
        ],
    }


def render(name, title, panels):
    variables = [{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}]
    if any("$instance" in query for definition in panels for query, _ in definition["queries"]):
        query = 'label_values(aprendiz_worker_slots{job="aprendiz-worker"}, instance)'
        variables.append({"name": "instance", "label": "Worker", "type": "query", "datasource": SOURCE, "query": query, "refresh": 2,
                          "includeAll": True, "multi": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}})
    return {
        "uid": f"aprendiz-{name}",
        "title": title,
        "tags": ["aprendiz"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "links": [{"type": "dashboards", "title": "Aprendiz", "tags": ["aprendiz"], "asDropdown": True}],
        "templating": {"list": variables},
        "panels": [render_panel(index + 1, definition, index % 2 * 12, index // 2 * 8) for index, definition in enumerate(panels)],
    }


def main():
    check = sys.argv[1:] == ["--check"]
    wrong = []
    for name, (title, panels) in DASHBOARDS.items():
        text = json.dumps(render(name, title, panels), indent=1, ensure_ascii=False) + "\n"
        path = FOLDER / f"{name}.json"
        if not check:
            FOLDER.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            wrong.append(path.name)
    wrong += [path.name for path in FOLDER.glob("*.json") if path.stem not in DASHBOARDS]
    if wrong:
        sys.exit(f"differs from dashboards.py, or is unknown: {', '.join(wrong)}: run deploy/observability/dashboards.py")


if __name__ == "__main__":
    main()
