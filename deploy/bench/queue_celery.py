"""The peer of `./dev bench queue`: the life cycle of a dataset-only run, implemented with Celery on a Redis broker.

The tables have the columns that Aprendiz writes, in a separate schema on the same PostgreSQL. A run takes the same transactions and writes
the same rows:

    producer   create    run, event, audit row; commit                       (Aprendiz: also an outbox row, later deleted)
               publish   UPDATE runs.announced_at; commit; then apply_async
    worker     claim     UPDATE run, INSERT attempt, event, read the run; commit
               phase     lock the run, UPDATE its phase, event; commit
               attach    lock the run, UPDATE its dataset; commit
               log       lock the run, event; commit
               finish    lock the run, UPDATE attempt, UPDATE run, two events; commit

An event is an UPDATE of the run's counter with an INSERT, and a NOTIFY. These features of Aprendiz have no counterpart here: the outbox that
survives a crash between commit and publishing, lease renewal, priorities that apply to queued runs, checking for cancellation,
the lookup of the snapshot, and polling for more work after each run.
"""

import json
import math
import os
import sys
import time
import uuid

import psycopg
from celery import Celery
from celery.signals import worker_process_init

SCHEMA = "celery_bench"
DATABASE_URL = os.environ["DATABASE_URL"]
CHANNEL = "celery_bench_events"

app = Celery("queue_celery", broker=os.environ["CELERY_BROKER_URL"])
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)

TABLES = f"""
DROP SCHEMA IF EXISTS {SCHEMA} CASCADE;
CREATE SCHEMA {SCHEMA};
CREATE TABLE {SCHEMA}.runs (
    id uuid PRIMARY KEY, kind text NOT NULL, model text NOT NULL, spec jsonb NOT NULL, status text NOT NULL DEFAULT 'queued',
    phase text, progress jsonb, priority int NOT NULL DEFAULT 0, attempt_number int NOT NULL DEFAULT 0, attempts_used int NOT NULL DEFAULT 0,
    dataset_id uuid, last_event_sequence bigint NOT NULL DEFAULT 0, created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    announced_at timestamptz, started_at timestamptz, finished_at timestamptz);
CREATE INDEX ON {SCHEMA}.runs (priority DESC, created_at, id) WHERE status IN ('queued', 'retrying');
CREATE INDEX ON {SCHEMA}.runs (created_at DESC, id DESC);
CREATE TABLE {SCHEMA}.attempts (
    run_id uuid NOT NULL REFERENCES {SCHEMA}.runs, number int NOT NULL, status text NOT NULL DEFAULT 'running',
    lease_expires_at timestamptz NOT NULL, heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(), finished_at timestamptz, PRIMARY KEY (run_id, number));
CREATE UNIQUE INDEX ON {SCHEMA}.attempts (run_id) WHERE status = 'running';
CREATE INDEX ON {SCHEMA}.attempts (lease_expires_at) WHERE status = 'running';
CREATE TABLE {SCHEMA}.run_events (
    run_id uuid NOT NULL REFERENCES {SCHEMA}.runs, sequence bigint NOT NULL, attempt_number int, kind text NOT NULL, payload jsonb NOT NULL,
    occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (run_id, sequence));
CREATE TABLE {SCHEMA}.audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), actor text NOT NULL,
    action text NOT NULL, subject text NOT NULL, details jsonb NOT NULL DEFAULT '{{}}');
"""


def connect(**options):
    # statements are prepared on first use, as in Aprendiz
    return psycopg.connect(DATABASE_URL, options=f"-c search_path={SCHEMA}", prepare_threshold=0, application_name="celery", **options)


def event(conn, run, attempt, kind, payload):
    conn.execute(
        """
        WITH run AS (UPDATE runs SET last_event_sequence = last_event_sequence + 1 WHERE id = %s RETURNING last_event_sequence),
        event AS (
            INSERT INTO run_events (run_id, sequence, attempt_number, kind, payload) SELECT %s, last_event_sequence, %s, %s, %s FROM run
            RETURNING run_id)
        SELECT pg_notify(%s, run_id || ' ' || %s) FROM event
        """,
        (run, run, attempt, kind, json.dumps(payload), CHANNEL, kind),
    )


def fence(conn, run, attempt):
    row = conn.execute(
        """
        SELECT r.status FROM runs r JOIN attempts a ON a.run_id = r.id AND a.number = r.attempt_number
        WHERE r.id = %s AND r.attempt_number = %s AND r.status = 'running' AND a.status = 'running' FOR UPDATE OF r
        """,
        (run, attempt),
    ).fetchone()
    if row is None:
        raise RuntimeError(f"run {run} is not held by attempt {attempt}")


database = None


@worker_process_init.connect
def open_database(**_):
    global database
    database = connect()


@app.task
def execute(run):
    conn = database
    with conn.transaction():
        attempt = conn.execute(
            """
            UPDATE runs SET status = 'running', phase = 'dataset', progress = NULL, attempt_number = attempt_number + 1,
                attempts_used = attempts_used + 1, started_at = coalesce(started_at, clock_timestamp())
            WHERE id = %s AND status = 'queued' RETURNING attempt_number
            """,
            (run,),
        ).fetchone()
        if attempt is None:
            return
        attempt = attempt[0]
        conn.execute(
            "INSERT INTO attempts (run_id, number, lease_expires_at) VALUES (%s, %s, clock_timestamp() + make_interval(secs => 30))",
            (run, attempt),
        )
        event(conn, run, attempt, "state", {"status": "running"})
        conn.execute("SELECT * FROM runs WHERE id = %s", (run,)).fetchone()
    with conn.transaction():
        fence(conn, run, attempt)
        conn.execute("UPDATE runs SET phase = 'dataset', progress = NULL WHERE id = %s", (run,))
        event(conn, run, attempt, "phase", {"phase": "dataset"})
    with conn.transaction():
        fence(conn, run, attempt)
        conn.execute("UPDATE runs SET dataset_id = %s WHERE id = %s", (uuid.UUID(int=1), run))
    with conn.transaction():
        fence(conn, run, attempt)
        event(conn, run, attempt, "log", {"text": "dataset snapshot reused"})
    with conn.transaction():
        fence(conn, run, attempt)
        conn.execute(
            "UPDATE attempts SET status = 'succeeded', finished_at = clock_timestamp() WHERE run_id = %s AND number = %s AND status = 'running'",
            (run, attempt),
        )
        conn.execute(
            """
            UPDATE runs SET status = 'succeeded', phase = NULL, progress = NULL, finished_at = clock_timestamp()
            WHERE id = %s AND attempt_number = %s AND status = 'running'
            """,
            (run, attempt),
        )
        event(conn, run, attempt, "state", {"status": "succeeded"})
        event(conn, run, attempt, "end", {"status": "succeeded"})


def create(conn):
    run = uuid.uuid4()
    with conn.transaction():
        conn.execute(
            "INSERT INTO runs (id, kind, model, spec) VALUES (%s, 'linear', 'contracts', %s)", (run, json.dumps({"model": "contracts"}))
        )
        event(conn, run, None, "state", {"status": "queued"})
        conn.execute("INSERT INTO audit_log (actor, action, subject) VALUES ('ana', 'training_run.create', %s)", (str(run),))
        conn.execute("SELECT * FROM runs WHERE id = %s", (run,)).fetchone()
    with conn.transaction():
        conn.execute("UPDATE runs SET announced_at = clock_timestamp() WHERE id = %s", (run,))
    execute.apply_async((str(run),))
    return run


def follow(listener, run):
    for notification in listener.notifies(timeout=60):
        if notification.payload == f"{run} end":
            return
    raise SystemExit(f"run {run} did not end within a minute")


def percentiles(values):
    values = sorted(values)

    def at(quantile):
        return values[max(math.ceil(len(values) * quantile), 1) - 1]

    return {"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1.0)}


def start_delays(conn, column, runs):
    rows = conn.execute(
        f"""SELECT (extract(epoch FROM a.started_at - r.{column}) * 1000)::float8
            FROM runs r JOIN attempts a ON a.run_id = r.id AND a.number = 1 WHERE r.id = ANY(%s)""",
        (runs,),
    ).fetchall()
    return [row[0] for row in rows]


def latency(number, warm_up):
    conn, listener = connect(), connect(autocommit=True)
    listener.execute(f"LISTEN {CHANNEL}")
    runs = []
    for count in range(warm_up + number):
        time.sleep(0.05)
        run = create(conn)
        follow(listener, run)
        if count >= warm_up:
            runs.append(run)
    return {
        "runs": number,
        "announce_to_start_ms": percentiles(start_delays(conn, "announced_at", runs)),
        "create_to_start_ms": percentiles(start_delays(conn, "created_at", runs)),
    }


def drain(number):
    conn = connect(autocommit=True)
    while conn.execute("SELECT count(*) FROM runs WHERE finished_at IS NULL").fetchone()[0] > 0:
        time.sleep(0.05)
    seconds, claim_to_end = conn.execute(
        """SELECT extract(epoch FROM max(r.finished_at) - min(a.started_at))::float8,
               (avg(extract(epoch FROM r.finished_at - a.started_at)) * 1000)::float8
           FROM (SELECT * FROM runs ORDER BY created_at DESC LIMIT %s) r JOIN attempts a ON a.run_id = r.id AND a.number = 1""",
        (number,),
    ).fetchone()
    return {"runs": number, "seconds": seconds, "ms_per_run": seconds * 1000 / number, "claim_to_end_ms": claim_to_end}


def main(command, *numbers):
    numbers = [int(number) for number in numbers]
    if command == "tables":
        with psycopg.connect(DATABASE_URL) as conn:
            conn.execute(TABLES)
    elif command == "latency":
        print(json.dumps(latency(*numbers)))
    elif command == "fill":
        conn = connect()
        for _ in range(numbers[0]):
            create(conn)
    elif command == "drain":
        print(json.dumps(drain(*numbers)))
    else:
        raise SystemExit(f"unknown command {command}")


if __name__ == "__main__":
    main(*sys.argv[1:])
