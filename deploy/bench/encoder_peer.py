"""The training of an encoder by sentence-transformers, beside which `examples/train_encoder` is measured.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install 'sentence-transformers==6.2.*'
    python encoder_peer.py pairs TEXTS.jsonl.gz 200 100 > pairs.jsonl     # pairs of labelled texts, half of one class: train, validation
    OMP_WAIT_POLICY=PASSIVE /tmp/peer/bin/python encoder_peer.py train BASE_MODEL pairs.jsonl [MAX_LENGTH] [THREADS] [SEED]
    /tmp/peer/bin/python encoder_peer.py check MODEL vectors.jsonl        # does SentenceTransformer agree with `examples/encode`?

Cosine-similarity loss, the batches of ours for the seed, AdamW with a rate of 2e-5, warm-up of 10 %, gradients of length 1 at most, no
dropout: the same data in the same order on the same schedule. Losses are printed as ours tells them: a mean that forgets a tenth a step.
`encoder.sh` runs both beside each other; `training_bench.py` compares how fast they are.
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


def numbers(seed, purpose):
    """SplitMix64, as `random.rs` has it."""
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
    """The batches of the first epoch, as `batches.rs` makes them."""
    random_numbers = numbers(seed, 2)
    order = list(range(len(lengths)))
    shuffle(order, random_numbers)
    found = []
    for first in range(0, len(order), size * 32):
        bucket = sorted(order[first : first + size * 32], key=lambda pair: lengths[pair])
        found += [bucket[place : place + size] for place in range(0, len(bucket), size)]
    shuffle(found, random_numbers)
    return found


def train(base, path, length, threads, seed):
    import sentence_transformers
    import torch
    from sentence_transformers import SentenceTransformer
    from sklearn.metrics import average_precision_score

    torch.set_num_threads(threads)
    model = SentenceTransformer(base, device="cpu")
    model.max_seq_length = length
    model.eval()  # no dropout
    every = [json.loads(line) for line in open(path)]
    lines, held_out = ([line for line in every if line.get("split", "train") == split] for split in ("train", "validation"))
    pieces = lambda text: len(model.tokenizer(text, truncation=True, max_length=length)["input_ids"])
    lengths = [max(pieces(line["text_a"]), pieces(line["text_b"])) for line in lines]

    def precision():
        if not held_out:
            return None
        with torch.no_grad():
            a, b = (model.encode([line[side] for line in held_out], convert_to_tensor=True) for side in ("text_a", "text_b"))
        return average_precision_score([line["label"] for line in held_out], torch.cosine_similarity(a, b).numpy())

    before = precision()
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
    for places in batches(lengths, seed):
        batch = [lines[place] for place in places]
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
    print(f"{len(lines)} pairs, {length} word pieces, {threads} threads: {len(lines) / seconds:.2f} pairs/s, {cpu:.1f} CPU s, peak {peak:.0f} MB")
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
    ours = numpy.array([line["embedding"] for line in lines])
    cosines = (peer * ours).sum(1) / numpy.linalg.norm(peer, axis=1) / numpy.linalg.norm(ours, axis=1)
    print(f"{len(lines)} texts: least cosine {cosines.min():.9f}, greatest difference {abs(peer - ours).max():.2e}")
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
