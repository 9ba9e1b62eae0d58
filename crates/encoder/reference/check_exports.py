"""Checks that sentence-transformers reads exported directories as Aprendiz does.

    APRENDIZ_TEST_EXPORTS=/tmp/exports cargo nextest run --workspace -E 'binary(sentence_transformers)'
    /tmp/reference/bin/python check_exports.py /tmp/exports
"""

import json
import pathlib
import sys

import numpy
from sentence_transformers import SentenceTransformer

failed = 0
for dir in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    lines = [json.loads(line) for line in (dir / "expected.jsonl").read_text().splitlines()]
    vectors = SentenceTransformer(str(dir), device="cpu").encode([line["text"] for line in lines])
    difference = numpy.abs(vectors - numpy.array([line["embedding"] for line in lines])).max()
    failed += difference > 2e-5
    print(f"{difference:.1e} {dir.name}")
sys.exit(1 if failed else 0)
