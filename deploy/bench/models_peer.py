"""A frozen sentence-transformers encoder and scikit-learn's logistic regression: the peer of `examples/classifier`.

    models_peer.py BASE_MODEL TRAIN.jsonl.gz TEST.jsonl.gz      lines of {"text", "label"}; prints one line of JSON

The penalty is the best of 1, 10 and 30 by five-fold cross-validation on the training texts of banking77.
"""

import gzip
import json
import os
import sys
import time

import sentence_transformers
import sklearn
import torch
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

C = 10


def read(path):
    lines = [json.loads(line) for line in gzip.open(path, "rt")]
    return [line["text"] for line in lines], [line["label"] for line in lines]


def main():
    base, train, test = sys.argv[1:]
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    texts, labels = read(train)
    test_texts, test_labels = read(test)
    model = SentenceTransformer(base, device="cpu")
    started = time.perf_counter()
    vectors = model.encode(texts, batch_size=32, show_progress_bar=False)
    embed_s = time.perf_counter() - started
    head = LogisticRegression(C=C, max_iter=300).fit(vectors, labels)
    train_s = time.perf_counter() - started
    predicted = head.predict(model.encode(test_texts, batch_size=32, show_progress_bar=False))
    correct = sum(one == other for one, other in zip(predicted, test_labels))
    print(json.dumps({
        "who": f"sentence-transformers {sentence_transformers.__version__}, scikit-learn {sklearn.__version__}, torch {torch.__version__}",
        "accuracy": round(correct / len(test_labels), 4), "macro_f1": round(f1_score(test_labels, predicted, average="macro"), 4),
        "embed_s": round(embed_s, 2), "train_s": round(train_s, 2),
    }))


if __name__ == "__main__":
    main()
