"""LinearSVC on TF-IDF of word 1-2-grams and character 2-5-grams within words: the peer of `examples/score`.

    linear_peer.py TRAIN.jsonl.gz TEST.jsonl.gz      lines of {"text", "label"}; prints one line of JSON
"""

import gzip
import json
import resource
import sys
import time

import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion
from sklearn.svm import LinearSVC


def read(path):
    lines = [json.loads(line) for line in gzip.open(path, "rt")]
    return [line["text"] for line in lines], [line["label"] for line in lines]


def main():
    texts, labels = read(sys.argv[1])
    test_texts, test_labels = read(sys.argv[2])
    started, cpu = time.perf_counter(), time.process_time()
    features = FeatureUnion([
        ("words", TfidfVectorizer(ngram_range=(1, 2))),
        ("characters", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5))),
    ])
    head = LinearSVC(C=1).fit(features.fit_transform(texts), labels)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    started = time.perf_counter()
    predicted = head.predict(features.transform(test_texts))
    predict_seconds = time.perf_counter() - started
    correct = sum(a == b for a, b in zip(predicted, test_labels))
    print(json.dumps({
        "who": f"scikit-learn {sklearn.__version__}", "accuracy": round(correct / len(test_labels), 4), "train_s": round(seconds, 2),
        "train_cpu_s": round(cpu, 2), "predictions_per_s": round(len(test_labels) / predict_seconds),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }))


if __name__ == "__main__":
    main()
