"""Compares `aprendiz-worker embed` with `SentenceTransformer.encode` in alternating runs; started by `inference.sh`.

    inference_bench.py run WORKER MODEL EXPORT.json.gz FOLDER      EXPORT: a Label Studio export, `data.text` is split into sentences
    inference_bench.py encode MODEL TEXTS.jsonl LENGTH BATCH THREADS VECTORS.npy      the peer

Sentences are distinct passages of the contracts, slightly longer than the token limit, so that both sides truncate them to the same length.
For Aprendiz the whole program is timed, from its start to the last vector written as JSON Lines. For the peer only `encode` is timed, after
three warm-up batches. INFERENCE_ROUNDS (5), INFERENCE_CORES ("1 2"), INFERENCE_TOKENS (65536 tokens of each length).
"""

import gzip
import json
import os
import sys
import time
from pathlib import Path

import side_by_side
from side_by_side import Case, Row, Side

LENGTHS = [16, 64, 256]
BATCH = 32
BAR = 1.8


def split_sentences(model, export, length, count):
    """`count` sentences of at least `length` tokens, including [CLS] and [SEP], spread over the texts."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(f"{model}/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    texts = [task["data"]["text"] for task in json.load(gzip.open(export))]
    per_text = -(-count // len(texts)) + 1
    found = {}
    for text in texts:
        # tokenize only as much of the contract as is needed
        offsets = tokenizer.encode(text[: per_text * (length + 8) * 8], add_special_tokens=False).offsets
        for first in range(0, len(offsets) - length - 8, length + 8):
            sentence = text[offsets[first][0] : offsets[first + length + 4][1]]
            if len(tokenizer.encode(sentence).ids) >= length:
                found[sentence] = None
    if len(found) < count:
        sys.exit(f"{export} contains {len(found)} sentences of {length} tokens, but {count} are needed")
    sentences = list(found)
    return [sentences[number * len(sentences) // count] for number in range(count)]


def encode(model, texts, length, batch, threads, vectors):
    import numpy
    import sentence_transformers
    import torch

    torch.set_num_threads(threads)
    encoder = sentence_transformers.SentenceTransformer(model, device="cpu")
    encoder.max_seq_length = length
    sentences = [json.loads(line)["text"] for line in open(texts)]
    encoder.encode(sentences[: 3 * batch], batch_size=batch, show_progress_bar=False)
    started, cpu = time.perf_counter(), time.process_time()
    found = encoder.encode(sentences, batch_size=batch, show_progress_bar=False)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    numpy.save(vectors, found)
    who = f"sentence-transformers {sentence_transformers.__version__}, torch {torch.__version__}"
    print(json.dumps({"who": who, "sentences_per_s": len(sentences) / seconds, "sentences_per_cpu_s": len(sentences) / cpu}))


def min_cosine(aprendiz, peer):
    """Minimum cosine between the two vectors of a sentence."""
    import numpy

    a = numpy.array([json.loads(line)["embedding"] for line in open(aprendiz)])
    b = numpy.load(peer).astype(float)
    return float(((a * b).sum(1) / numpy.linalg.norm(a, axis=1) / numpy.linalg.norm(b, axis=1)).min())


def run(worker, model, export, folder):
    folder = Path(folder)
    tokens = int(os.environ.get("INFERENCE_TOKENS", 65_536))
    cases, rows = [], []
    for length in LENGTHS:
        count = max(BATCH, tokens // length)
        texts, vectors, peer_vectors = (str(folder / f"{length}.{name}") for name in ("jsonl", "vectors.jsonl", "npy"))
        with open(texts, "w") as out:
            out.writelines(json.dumps({"text": text}) + "\n" for text in split_sentences(model, export, length, count))
        aprendiz = [worker, "embed", "--model", model, "--batch", str(BATCH), "--max-length", str(length), texts]
        peer = [sys.executable, __file__, "encode", model, texts, str(length), str(BATCH)]
        cases.append(Case(
            f"{length} tokens",
            Side(
                lambda cores, aprendiz=aprendiz: aprendiz,
                output=vectors,
                metrics=lambda found, count=count: {
                    "sentences_per_s": count / found["wall_s"], "sentences_per_cpu_s": count / found["cpu_s"],
                },
            ),
            Side(lambda cores, peer=peer, out=peer_vectors: [*peer, str(cores), out]),
        ))
        rows += [Row(cases[-1].name, "sentences_per_s", BAR), Row(cases[-1].name, "sentences_per_cpu_s"), Row(cases[-1].name, "peak_mb", at_most=True)]
    runs = side_by_side.run_alternating(cases, core_counts(), int(os.environ.get("INFERENCE_ROUNDS", 5)))
    minimum = min(min_cosine(folder / f"{length}.vectors.jsonl", folder / f"{length}.npy") for length in LENGTHS)
    passed = side_by_side.report(f"Sentence encoding in batches of {BATCH}, compared with {peer_name(runs)}", runs, rows, str(folder / "inference.json"))
    print(f"minimum cosine between the vectors of Aprendiz and the peer: {minimum:.8f}")
    sys.exit(not passed or minimum < 0.99999)


def core_counts():
    return [int(count) for count in os.environ.get("INFERENCE_CORES", "1 2").split()]


def peer_name(runs):
    return next(run["who"] for run in runs if run["side"] == "peer")


match sys.argv[1:]:
    case ["run", *arguments]:
        run(*arguments)
    case ["encode", model, texts, length, batch, threads, vectors]:
        encode(model, texts, int(length), int(batch), int(threads), vectors)
    case _:
        sys.exit(__doc__)
