"""Opens a snapshot folder with the tools of its users and compares the content: python open_snapshot.py FOLDER

Requires duckdb, pytz, pandas, polars, pyarrow and datasets. Run it manually, because these download 300 MB (see docs/CONTRIBUTING.md).
"""

import json
import sys
from pathlib import Path

import datasets
import duckdb
import pandas
import polars

folder = Path(sys.argv[1])
lines = {
    split: [json.loads(line) for line in (folder / f"jsonl/{split}.jsonl").read_text().splitlines()]
    for split in ("train", "validation", "test")
}
loaded = datasets.load_dataset(str(folder), name="default")
for split, expected in lines.items():
    path = str(folder / f"data/{split}-00000-of-00001.parquet")
    ids = [row["document_id"] for row in expected]
    reviewed = sum(value is not None for row in expected for value in row["fields"].values())
    field = next(iter(expected[0]["fields"])) if expected else None

    frame = pandas.read_parquet(path)
    assert list(frame["document_id"]) == ids, "pandas: documents differ"
    assert sum(value is not None for row in frame["fields"] for value in row.values()) == reviewed, "pandas: values differ"

    assert polars.read_parquet(path)["document_id"].to_list() == ids, "polars: documents differ"

    found = duckdb.sql(f"SELECT document_id, text FROM '{path}'").fetchall()
    assert found == [(row["document_id"], row["text"]) for row in expected], "duckdb: documents differ"
    if field is not None:
        values = duckdb.sql(f"""SELECT fields."{field}".value, fields."{field}".occurred_at FROM '{path}'""").fetchall()
        assert [value for value, _ in values] == [(row["fields"][field] or {}).get("value") for row in expected], "duckdb: values differ"

    rows = loaded[split]
    assert rows["document_id"][:] == ids, "datasets: documents differ"
    assert all(row["text"] == other["text"] for row, other in zip(rows, expected, strict=True)), "datasets: texts differ"
    print(f"{split}: {len(ids)} documents, {reviewed} values")
if (folder / "pairs").is_dir():
    pairs = datasets.load_dataset(str(folder), name="pairs")
    for split in lines:
        expected = (folder / f"pairs/{split}.jsonl").read_text().splitlines()
        assert len(pairs[split]) == len(expected), "datasets: pairs differ"
        print(f"{split}: {len(expected)} pairs")
print("duckdb", duckdb.__version__, "pandas", pandas.__version__, "polars", polars.__version__, "datasets", datasets.__version__)
