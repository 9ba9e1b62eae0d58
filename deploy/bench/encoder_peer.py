"""The training of an encoder by sentence-transformers, beside which `examples/train_encoder` is measured.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install 'sentence-transformers==6.2.*'
    python encoder_peer.py pairs TEXTS.jsonl.gz 200 > pairs.jsonl         # pairs of labelled texts, half of one class
    OMP_WAIT_POLICY=PASSIVE /tmp/peer/bin/python encoder_peer.py train BASE_MODEL pairs.jsonl [MAX_LENGTH] [THREADS]
    /tmp/peer/bin/python encoder_peer.py check MODEL vectors.jsonl        # does SentenceTransformer agree with `examples/encode`?

Cosine-similarity loss, batches of 16 in the order of the file, AdamW with a rate of 2e-5, warm-up of 10 %, gradients of length 1 at most,
no dropout: what ours does, but for the order and the buckets of length.
"""

import gzip
import json
import random
import resource
import sys
import time


def pairs(texts, count):
    rng = random.Random(7)
    classes = {}
    for line in gzip.open(texts, "rt"):
        text = json.loads(line)
        classes.setdefault(text["label"], []).append(text["text"])
    several = [label for label, members in classes.items() if len(members) > 1]
    for number in range(count):
        if number % 2:
            a, b = rng.sample(sorted(classes), 2)
            pair = rng.choice(classes[a]), rng.choice(classes[b])
        else:
            pair = rng.sample(classes[rng.choice(several)], 2)
        print(json.dumps({"text_a": pair[0], "text_b": pair[1], "label": float(number % 2 == 0), "field": "label", "split": "train"}))


def train(base, path, length, threads):
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    model = SentenceTransformer(base, device="cpu")
    model.max_seq_length = length
    model.eval()  # no dropout
    lines = [json.loads(line) for line in open(path)]
    decayed = [p for p in model.parameters() if p.dim() > 1]
    kept = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": kept, "weight_decay": 0.0}], lr=2e-5, fused=True)
    steps = -(-len(lines) // 16)
    warmup = -(-steps // 10)
    rate = lambda step: step / warmup if step < warmup else (steps - step) / max(1, steps - warmup)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    tokenize = getattr(model, "preprocess", None) or model.tokenize
    encode = lambda texts: model(tokenize(texts))["sentence_embedding"]
    started, cpu, losses = time.time(), time.process_time(), []
    for first in range(0, len(lines), 16):
        batch = lines[first : first + 16]
        a, b = encode([line["text_a"] for line in batch]), encode([line["text_b"] for line in batch])
        loss = torch.nn.functional.mse_loss(torch.cosine_similarity(a, b), torch.tensor([line["label"] for line in batch]))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    seconds = time.time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cpu = time.process_time() - cpu
    print(f"{len(lines)} pairs, {length} word pieces, {threads} threads: {len(lines) / seconds:.2f} pairs/s, {cpu:.1f} CPU s, peak {peak:.0f} MB")
    print("losses " + " ".join(f"{loss:.4f}" for loss in losses))


def check(model, vectors):
    import numpy
    from sentence_transformers import SentenceTransformer

    lines = [json.loads(line) for line in open(vectors)]
    peer = SentenceTransformer(model, device="cpu").encode([line["text"] for line in lines])
    ours = numpy.array([line["embedding"] for line in lines])
    cosines = (peer * ours).sum(1) / numpy.linalg.norm(peer, axis=1) / numpy.linalg.norm(ours, axis=1)
    print(f"{len(lines)} texts: least cosine {cosines.min():.9f}, greatest difference {abs(peer - ours).max():.2e}")
    if cosines.min() < 1 - 1e-5:
        sys.exit(1)


match sys.argv[1:]:
    case ["pairs", texts, count]:
        pairs(texts, int(count))
    case ["train", base, path, *rest]:
        train(base, path, int(rest[0]) if rest else 256, int(rest[1]) if rest[1:] else 1)
    case ["check", model, vectors]:
        check(model, vectors)
    case _:
        sys.exit(__doc__)
