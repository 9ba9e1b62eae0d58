"""Writes tests/fixtures/variants: tiny random models in the layouts in which people publish them, and what sentence-transformers reads from them.

    python -m venv /tmp/reference && /tmp/reference/bin/pip install sentence-transformers==6.2.*
    /tmp/reference/bin/python make_variants.py ../tests/fixtures/variants

Each folder is a model. `expected.jsonl` in it has the token ids and the vector of each text, as sentence-transformers computes them
in F32. Vectors have six decimals.
"""

import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from transformers import BertConfig, BertModel

TEXTS = ["law of texas", "Law of TEXAS", "", "fee, fee: the fee.", "Fée of [SEP] 法 law", "unknown! " + "law " * 40]
WORDS = ["law", "of", "texas", "query", "fee", "法", "Law", "##s"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = list("abcdefghijklmnopqrstuvwxyzé")
MARKS = list(".,:!")
SIZE, POSITIONS = 16, 24

root = pathlib.Path(sys.argv[1])
shutil.rmtree(root, ignore_errors=True)


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def vocabulary(holes=(), shared=()):
    """Ids by token. `holes` are ids that no token has, `shared` pairs of a new token and one whose id it has, too."""
    tokens = SPECIAL + MARKS + LETTERS + ["##" + letter for letter in LETTERS] + WORDS
    vocab, number = {}, 0
    for token in tokens:
        while number in holes:
            number += 1
        vocab[token] = number
        number += 1
    for new, known in shared:
        vocab[new] = vocab[known]
    return vocab


def tokenizer(vocab, lowercase=True, strip_accents=None, handle_chinese_chars=True, added=()):
    def special(token, number):
        return {"id": number, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}

    part = lambda token: {"SpecialToken": {"id": token, "type_id": 0}}
    known = lambda token: {"id": token, "ids": [vocab[token]], "tokens": [token]}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [special(token, vocab[token]) for token in SPECIAL] + [special(*token) for token in added],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": handle_chinese_chars,
                       "strip_accents": strip_accents, "lowercase": lowercase},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing", "pair": [part("[CLS]"), {"Sequence": {"id": "A", "type_id": 0}}, part("[SEP]")],
                           "single": [part("[CLS]"), {"Sequence": {"id": "A", "type_id": 0}}, part("[SEP]")],
                           "special_tokens": {"[CLS]": known("[CLS]"), "[SEP]": known("[SEP]")}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": vocab},
    }


def model(name, *, vocab=None, tokens=None, rename=lambda name: name, extra=None, dtype=torch.float32, shards=1, folder="", bare=False,
          normalize=True, bert=None, prompts=None, pooling=None, tokenizer_config=None, config=None, word_list=False):
    """Writes a model and the vectors of sentence-transformers."""
    torch.manual_seed(sum(name.encode()))
    vocab = vocab or vocabulary()
    tokens = tokens or tokenizer(vocab)
    rows = max(max(vocab.values()), *[token["id"] for token in tokens["added_tokens"]]) + 1
    network = BertModel(BertConfig(vocab_size=rows, hidden_size=SIZE, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24,
                                   max_position_embeddings=POSITIONS, type_vocab_size=2, initializer_range=0.2))
    dir, weights = root / name, {}
    for key, value in network.state_dict().items():
        if key != "embeddings.position_ids":
            noise = 0.1 * torch.randn_like(value)
            weights[rename(key)] = (value + noise).to(dtype).contiguous()
    for key in extra or []:
        weights[key] = torch.zeros(3)
    place = dir / folder
    place.mkdir(parents=True)
    if shards == 1:
        save_file(weights, place / "model.safetensors", {"format": "pt"})
    else:
        keys, files = sorted(weights), {}
        for number in range(shards):
            file = f"model-{number + 1:05}-of-{shards:05}.safetensors"
            part = {key: weights[key] for key in keys[number::shards]}
            save_file(part, place / file, {"format": "pt"})
            files |= {key: file for key in part}
        write(place / "model.safetensors.index.json", {"metadata": {}, "weight_map": files})
    described = {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": SIZE, "num_hidden_layers": 1,
                 "num_attention_heads": 2, "intermediate_size": 24, "vocab_size": rows, "max_position_embeddings": POSITIONS,
                 "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu", "pad_token_id": 0}
    described.update(config or {})
    write(place / "config.json", {key: value for key, value in described.items() if value is not None})
    if word_list:
        tokens_by_id = {number: token for token, number in vocab.items()}
        (place / "vocab.txt").write_text("".join(tokens_by_id.get(number, f"[unused{number}]") + "\n" for number in range(rows)))
    else:
        write(place / "tokenizer.json", tokens)
    normalizer = tokens["normalizer"]
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": normalizer["lowercase"], "strip_accents": normalizer["strip_accents"],
                "tokenize_chinese_chars": normalizer["handle_chinese_chars"]}
    if tokenizer_config is not None:
        write(place / "tokenizer_config.json", settings | tokenizer_config)
    if bert is not None:
        write(place / "sentence_bert_config.json", bert)
    if not bare:
        kinds = [("Transformer", folder), ("Pooling", "1_Pooling")] + ([("Normalize", "2_Normalize")] if normalize else [])
        modules = [{"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
                   for number, (kind, path) in enumerate(kinds)]
        write(dir / "modules.json", modules)
        write(dir / "1_Pooling/config.json", pooling or {"word_embedding_dimension": SIZE, "pooling_mode_mean_tokens": True})
    if prompts is not None:
        write(dir / "config_sentence_transformers.json", prompts)

    python = SentenceTransformer(str(dir), device="cpu", model_kwargs={"torch_dtype": torch.float32})
    lines = []
    for text in TEXTS:
        features = python.preprocess([text], prompt=python._resolve_prompt(None, None))
        vector = python.encode([text])[0]
        line = {"text": text, "input_ids": features["input_ids"][0].tolist(), "embedding": [round(float(x), 6) for x in vector]}
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    (root / name / "expected.jsonl").write_text("".join(lines))
    print(name, python.max_seq_length, python.default_prompt_name)


old = lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
heads = ["cls.predictions.bias", "cls.seq_relationship.weight", "classifier.bias", "dropout.x"]
lower = {"max_seq_length": 20, "do_lower_case": True}
cased = lambda **options: tokenizer(vocabulary(), lowercase=False, **options)

model("old-names-in-f16-shards", rename=lambda name: old("bert." + name), extra=heads, dtype=torch.float16, shards=3, tokenizer_config={},
      config={"torch_dtype": "float16"})
model("old-names-without-prefix", rename=old, extra=heads, bert={"max_seq_length": 20, "do_lower_case": False}, tokenizer_config={})
model("bf16-and-classifier", rename=lambda name: "bert." + name, extra=["classifier.weight", "classifier.bias"], dtype=torch.bfloat16,
      tokenizer_config={}, config={"dtype": "bfloat16"})
model("f64", dtype=torch.float64, tokenizer_config={})
model("lowercase-and-accents", tokens=cased(), bert=lower, tokenizer_config={})
model("cased", tokens=cased(), tokenizer_config={"model_max_length": 12})
model("accents-kept", tokens=tokenizer(vocabulary(), strip_accents=False, handle_chinese_chars=False), tokenizer_config={})
model("lowercase-and-prompt", tokens=cased(), bert=lower, tokenizer_config={},
      prompts={"prompts": {"query": "QUERY: ", "document": "fee: "}, "default_prompt_name": "query", "similarity_fn_name": "dot"})
model("prompt-of-old-layout", folder="0_Transformer", bert={"max_seq_length": 10}, tokenizer_config={"model_max_length": 512},
      prompts={"prompts": {"": "", "document": "fee: "}, "default_prompt_name": "document"}, normalize=False)
model("prompts-without-default", tokenizer_config={}, prompts={"prompts": {"query": "query: "}, "default_prompt_name": None},
      pooling={"word_embedding_dimension": SIZE, "pooling_mode_mean_tokens": True, "include_prompt": False})
model("bare", bare=True, tokenizer_config={"model_max_length": 1000000000000000019884624838656})
model("bare-and-short", bare=True, tokenizer_config={"model_max_length": 9}, config={"hidden_act": None, "layer_norm_eps": None})
model("newer-layout", bert={"transformer_task": "feature-extraction", "module_output_name": "token_embeddings",
                            "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}},
      tokenizer_config={"model_max_length": 14}, pooling={"embedding_dimension": SIZE, "pooling_mode": "mean", "include_prompt": True},
      prompts={"model_type": "SentenceTransformer", "prompts": {"query": "", "document": ""}, "default_prompt_name": None})
model("holes", vocab=(holes := vocabulary(holes=(9, 10, 40))), tokens=tokenizer(holes), tokenizer_config={})
model("shared-ids", vocab=(shared := vocabulary(shared=[("the", "of"), ("unknown", "law")])), tokens=tokenizer(shared), tokenizer_config={})
model("added-token", tokens=tokenizer(vocabulary(), added=[("unknown!", len(vocabulary()))]), tokenizer_config={})
model("prompt-left-out", bert={"max_seq_length": 14}, tokenizer_config={},
      prompts={"prompts": {"query": "Law, query: "}, "default_prompt_name": "query"},
      pooling={"word_embedding_dimension": SIZE, "pooling_mode_mean_tokens": True, "include_prompt": False})
model("word-list", word_list=True, tokenizer_config={})
model("word-list-cased", word_list=True, tokens=cased(), tokenizer_config={"model_max_length": 12})
model("word-list-without-settings", word_list=True, bare=True)
