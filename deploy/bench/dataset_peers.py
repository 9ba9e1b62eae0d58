#!/usr/bin/env python3
"""Throughput of other tools that write the rows of ./dev bench dataset to a Parquet file (zstd): ConnectorX, ADBC, pandas with SQLAlchemy.

Run manually, in a virtual environment:
    python3 -m venv V && V/bin/pip install connectorx adbc-driver-postgresql pyarrow pandas sqlalchemy 'psycopg[binary]'
    V/bin/python deploy/bench/dataset_peers.py postgres://...  [connectorx|adbc|pandas]...
Each tool runs in its own process, so that peak memory is measured per tool. The statement is that of dataset/copy.sql.
"""
import json
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version

PACKAGES = {"connectorx": "connectorx", "adbc": "adbc-driver-postgresql", "pandas": "pandas"}


def statement():
    text = (pathlib.Path(__file__).with_name("dataset") / "copy.sql").read_text()
    inner = re.search(r"COPY \((.*)\) TO STDOUT", text, re.S).group(1)
    # not all of the tools support arrays and enums
    return inner.replace("SELECT e.document_id,", "SELECT e.document_id::text,", 1).replace(
        "e.value, e.review_status,", "array_to_string(e.value, '|') AS value, e.review_status::text,", 1
    ).replace("s.split,", "s.split::text,", 1)


def run(peer, url, path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    if peer == "connectorx":
        import connectorx

        table = connectorx.read_sql(url.replace("postgres://", "postgresql://"), statement(), return_type="arrow", protocol="binary")
        pq.write_table(table, path, compression="zstd")
        rows = table.num_rows
    elif peer == "adbc":
        import adbc_driver_postgresql.dbapi as adbc

        rows = 0
        with adbc.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute(statement())
            reader = cursor.fetch_record_batch()
            with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
                for batch in reader:
                    writer.write_batch(batch)
                    rows += batch.num_rows
    else:
        import pandas
        import sqlalchemy

        engine = sqlalchemy.create_engine(re.sub("^postgres(ql)?://", "postgresql+psycopg://", url))
        with engine.connect() as connection:
            frame = pandas.read_sql(sqlalchemy.text(statement()), connection)
        pq.write_table(pa.Table.from_pandas(frame), path, compression="zstd")
        rows = len(frame)
    return rows


def main():
    url, *peers = sys.argv[1:]
    if url == "--one":
        peer, url = peers
        with tempfile.TemporaryDirectory() as folder:
            started = time.monotonic()
            rows = run(peer, url, f"{folder}/rows.parquet")
            seconds = time.monotonic() - started
        usage = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps({"peer": f"{peer} {version(PACKAGES[peer])}", "rows": rows, "s": round(seconds, 2), "rows/s": round(rows / seconds),
                          "cpu_s": round(usage.ru_utime + usage.ru_stime, 2), "peak_MB": usage.ru_maxrss // 1024}))
        return
    for peer in peers or list(PACKAGES):
        subprocess.run([sys.executable, __file__, "--one", peer, url], check=True)


if __name__ == "__main__":
    main()
