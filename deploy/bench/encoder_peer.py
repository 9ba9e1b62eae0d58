"""Encoder training with sentence-transformers, the peer of `examples/train_encoder`.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install 'sentence-transformers==6.2.*'
    python encoder_peer.py pairs TEXTS.jsonl.gz 200 100 > pairs.jsonl     # pairs of labelled texts, half of them positive: train, validation
    OMP_WAIT_POLICY=PASSIVE /tmp/peer/bin/python encoder_peer.py train BASE_MODEL pairs.jsonl [MAX_LENGTH] [THREADS] [SEED]
    /tmp/peer/bin/python encoder_peer.py check MODEL vectors.jsonl        # compares SentenceTransformer with `examples/encode`

Both use the same data in the same order on the same schedule: cosine-similarity loss, the batches of Aprendiz for the seed, AdamW with a
learning rate of 2e-5, 10 % warm-up, gradient clipping to norm 1 and no dropout. Losses are reported as an exponential moving average with
factor 0.1, as Aprendiz does. `encoder.sh` compares quality; `training_bench.py` compares speed and memory.
"""

import gzip
import json
import random
import resource
import sys
import time


def pairs(texts, count, held_out):
    rng = random.Random(7)
    lines = [json.loads(line) for line in gzip.open(texts, "rt")]
    rng.shuffle(lines)
    # no text is in both splits
    cut = len(lines) * 7 // 10
    draw(rng, lines[:cut], count, "train")
    draw(rng, lines[cut:], held_out, "validation")


def draw(rng, lines, count, split):
    classes = {}
    for text in lines:
        classes.setdefault(text["label"], []).append(text["text"])
    several = [label for label, members in classes.items() if len(members) > 1]
    for number in range(count):
        if number % 2:
            a, b = rng.sample(sorted(classes), 2)
            pair = rng.choice(classes[a]), rng.choice(classes[b])
        else:
            pair = rng.sample(classes[rng.choice(several)], 2)
        print(json.dumps({"text_a": pair[0], "text_b": pair[1], "label": float(number % 2 == 0), "field": "label", "split": split}))


def random_stream(seed, purpose):
    """SplitMix64, the generator used by Aprendiz."""
    mask = 2**64 - 1
    state = (seed ^ (purpose * 0xD605BBB58C8ABC37 & mask)) & mask
    first = True
    while True:
        state = state + 0x9E3779B97F4A7C15 & mask
        mixed = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & mask
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & mask
        if not first:
            yield mixed ^ mixed >> 31
        first = False


def shuffle(items, random_numbers):
    for last in range(len(items) - 1, 0, -1):
        other = next(random_numbers) % (last + 1)
        items[last], items[other] = items[other], items[last]


def batches(lengths, seed, size=16):
    """The batches of the first epoch, identical to those of `batches.rs`."""
    random_numbers = random_stream(seed, 2)
    order = list(range(len(lengths)))
    shuffle(order, random_numbers)
    batches = []
    for first in range(0, len(order), size * 32):
        bucket = sorted(order[first : first + size * 32], key=lambda pair: lengths[pair])
        batches += [bucket[start : start + size] for start in range(0, len(bucket), size)]
    shuffle(batches, random_numbers)
    return batches


def train(base, path, length, threads, seed):
    import sentence_transformers
    import torch
    from sentence_transformers import SentenceTransformer
    from sklearn.metrics import average_precision_score

    torch.set_num_threads(threads)
    model = SentenceTransformer(base, device="cpu")
    model.max_seq_length = length
    model.eval()  # no dropout
    all_lines = [json.loads(line) for line in open(path)]
    lines, held_out = ([line for line in all_lines if line.get("split", "train") == split] for split in ("train", "validation"))
    count_tokens = lambda text: len(model.tokenizer(text, truncation=True, max_length=length)["input_ids"])
    lengths = [max(count_tokens(line["text_a"]), count_tokens(line["text_b"])) for line in lines]

    def precision():
        if not held_out:
            return None
        with torch.no_grad():
            a, b = (model.encode([line[side] for line in held_out], convert_to_tensor=True) for side in ("text_a", "text_b"))
        return average_precision_score([line["label"] for line in held_out], torch.cosine_similarity(a, b).numpy())

    before = precision()
    decayed = [p for p in model.parameters() if p.dim() > 1]
    not_decayed = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": not_decayed, "weight_decay": 0.0}], lr=2e-5, fused=True)
    steps = -(-len(lines) // 16)
    warmup = -(-steps // 10)
    lr_factor = lambda step: step / warmup if step < warmup else (steps - step) / max(1, steps - warmup)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_factor)
    tokenize = getattr(model, "preprocess", None) or model.tokenize
    encode = lambda texts: model(tokenize(texts))["sentence_embedding"]
    started, cpu, losses = time.time(), time.process_time(), []
    for indexes in batches(lengths, seed):
        batch = [lines[index] for index in indexes]
        a, b = encode([line["text_a"] for line in batch]), encode([line["text_b"] for line in batch])
        loss = torch.nn.functional.mse_loss(torch.cosine_similarity(a, b), torch.tensor([line["label"] for line in batch]))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(losses[-1] * 0.9 + loss.item() * 0.1 if losses else loss.item())
    seconds = time.time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cpu = time.process_time() - cpu
    print(f"{len(lines)} pairs, {length} tokens, {threads} threads: {len(lines) / seconds:.2f} pairs/s, {cpu:.1f} CPU s, peak {peak:.0f} MB")
    after = precision()
    print(json.dumps({
        "who": f"sentence-transformers {sentence_transformers.__version__}, torch {torch.__version__}", "seed": seed,
        "pairs_per_s": len(lines) / seconds, "pairs_per_cpu_s": len(lines) / cpu, "last_loss": losses[-1],
        "average_precision": {"base": before, "trained": after}, "losses": [round(loss, 4) for loss in losses],
    }))


def check(model, vectors):
    import numpy
    from sentence_transformers import SentenceTransformer

    lines = [json.loads(line) for line in open(vectors)]
    peer = SentenceTransformer(model, device="cpu").encode([line["text"] for line in lines])
    embeddings = numpy.array([line["embedding"] for line in lines])
    cosines = (peer * embeddings).sum(1) / numpy.linalg.norm(peer, axis=1) / numpy.linalg.norm(embeddings, axis=1)
    print(f"{len(lines)} texts: minimum cosine {cosines.min():.9f}, maximum difference {abs(peer - embeddings).max():.2e}")
    if cosines.min() < 1 - 1e-5:
        sys.exit(1)


match sys.argv[1:]:
    case ["pairs", texts, count, *rest]:
        pairs(texts, int(count), int(rest[0]) if rest else 0)
    case ["train", base, path, *rest]:
        train(base, path, *(int(number) for number in rest + ["256", "1", "42"][len(rest) :]))
    case ["check", model, vectors]:
        check(model, vectors)
    case _:
        sys.exit(__doc__)
