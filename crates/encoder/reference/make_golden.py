"""Writes tests/golden/all-MiniLM-L6-v2.jsonl: token ids and vectors as sentence-transformers computes them, one text at a time.

    python -m venv /tmp/reference && /tmp/reference/bin/pip install sentence-transformers==6.2.*
    /tmp/reference/bin/python make_golden.py MODEL_DIRECTORY > ../tests/golden/all-MiniLM-L6-v2.jsonl

The texts were written for this test. Vectors have six decimals.
"""

import json
import sys

from sentence_transformers import SentenceTransformer

CLAUSE = (
    "Either party may terminate this Agreement upon thirty (30) days' prior written notice if the other party materially breaches any of "
    "its obligations hereunder and fails to cure such breach within the notice period. "
)
TEXTS = [
    "This Agreement shall be governed by the laws of the State of New York.",
    "Este contrato rege-se pelas leis da República Federativa do Brasil.",
    "Non-Compete",
    "EXCLUSIVITY; most favoured nation",
    "a",
    "",
    "   \t\n ",
    "Payment of US$ 1,250,000.00 is due on 31/12/2024 (net 30).",
    "Müller & Söhne GmbH, Straße 5, 80331 München",
    "東京都で契約を締結する。",
    "Договор аренды нежилого помещения",
    "naïve façade — coöperate, ﬁnance ½ № 5",
    "supercalifragilisticexpialidociousandthensomemorelettersthatgoonandonandonuntilthewordislongerthanonehundredletters",
    "emoji 🙂 and \u200b zero-width and \u00ad soft hyphen",
    "text with [SEP] and [MASK] in it",
    "don't can't won't it's l'État",
    CLAUSE,
    CLAUSE * 3,
    CLAUSE * 12,
    "ALL CAPITALS\r\nTHREE LINES\r\nOF TEXT",
]

model = SentenceTransformer(sys.argv[1], device="cpu")
for text in TEXTS:
    ids = model.tokenizer(text, truncation=True, max_length=model.max_seq_length)["input_ids"]
    vector = model.encode([text])[0]
    print(json.dumps({"text": text, "input_ids": ids, "embedding": [round(float(x), 6) for x in vector]}))
