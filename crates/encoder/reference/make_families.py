"""Writes tests/fixtures/families: tiny random models of every supported family, pooling and module, and what sentence-transformers computes.

    python -m venv /tmp/reference && /tmp/reference/bin/pip install sentence-transformers==6.2.* sentencepiece
    /tmp/reference/bin/python make_families.py ../tests/fixtures/families

Each folder is a model. `expected.jsonl` in it has the token ids and the vector of each text, as sentence-transformers computes them
in F32. Vectors have six decimals.
"""

import io
import json
import pathlib
import shutil
import sys
import tempfile

import sentencepiece
import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, BertConfig, DistilBertConfig, MPNetConfig, XLMRobertaConfig
from transformers.convert_slow_tokenizer import XLMRobertaConverter

TEXTS = ["law of texas", "Lei de São Paulo, artigo 5º", "", "fee, fee: the fee.", "Fée  of   法 law", "unknown! " + "law of the fee " * 12]
SIZE, LONGEST = 16, 40
CORPUS = ["the law of texas governs this agreement", "the fee of the party", "a lei do estado de são paulo", "artigo quinto da lei", "foro de são paulo"] * 20
LETTERS = list("abcdefghijklmnopqrstuvwxyzéãº0123456789")

root = pathlib.Path(sys.argv[1])
shutil.rmtree(root, ignore_errors=True)


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def word_piece(pad, unknown, cls, sep, mask, roberta=False):
    """A WordPiece tokenizer with these special tokens, and its settings of transformers."""
    words = ["law", "of", "texas", "fee", "the", "法", "lei", "de", "sao", "paulo"]
    names = [cls, pad, sep, unknown, mask] if roberta else [pad, unknown, cls, sep, mask]
    tokens = names + list(".,:!") + LETTERS + ["##" + letter for letter in LETTERS] + words
    vocab = {token: number for number, token in enumerate(tokens)}
    added = [{"id": vocab[name], "content": name, "single_word": False, "lstrip": roberta and name == mask, "rstrip": False,
              "normalized": False, "special": True} for name in names]
    part = lambda token: {"SpecialToken": {"id": token, "type_id": 0}}
    known = lambda token: {"id": token, "ids": [vocab[token]], "tokens": [token]}
    template = {"type": "TemplateProcessing", "pair": [part(cls), {"Sequence": {"id": "A", "type_id": 0}}, part(sep)],
                "single": [part(cls), {"Sequence": {"id": "A", "type_id": 0}}, part(sep)], "special_tokens": {cls: known(cls), sep: known(sep)}}
    processing = {"type": "RobertaProcessing", "sep": [sep, vocab[sep]], "cls": [cls, vocab[cls]], "trim_offsets": True, "add_prefix_space": False}
    file = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
            "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": processing if roberta else template,
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
            "model": {"type": "WordPiece", "unk_token": unknown, "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": vocab}}
    settings = {"do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True, "unk_token": unknown, "pad_token": pad,
                "cls_token": cls, "sep_token": sep, "mask_token": mask}
    return file, settings


def unigram():
    """The tokenizer that transformers makes of a sentencepiece model for XLM-RoBERTa, and its settings."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(CORPUS), model_writer=model, vocab_size=60, model_type="unigram",
                                             normalization_rule_name="nmt_nfkc", pad_id=-1, hard_vocab_limit=False, num_threads=1)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "sentencepiece.bpe.model"
        path.write_bytes(model.getvalue())

        class Slow:
            vocab_file = str(path)
            added_tokens_decoder = {}

            def convert_tokens_to_ids(self, token):
                return {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}[token]

        file = json.loads(XLMRobertaConverter(Slow()).converted().to_str())
    tokens = [token for token, _ in file["model"]["vocab"]]
    special = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>",
               "mask_token": "<mask>"}
    file["added_tokens"] = [{"id": tokens.index(token), "content": token, "single_word": False, "lstrip": token == "<mask>", "rstrip": False,
                             "normalized": False, "special": True} for token in dict.fromkeys(special.values())]
    return file, special


def without_table(tokenizer):
    """The same with NFKC instead of the table of sentencepiece, which takes 300 kB."""
    file = json.loads(json.dumps(tokenizer[0]))
    file["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]}
    # the class of XLM-RoBERTa builds a normalizer of its own, whatever the file says
    return file, tokenizer[1] | {"tokenizer_class": "PreTrainedTokenizerFast"}


def model(name, config, tokenizer, *, pooling="mean", after=("Normalize",), prefix="", heads=(), dtype=torch.float32, shards=1, classes=None,
          prompts=None, include_prompt=True, save=lambda name: name, bert=None):
    """Writes a model and the vectors of sentence-transformers."""
    torch.manual_seed(sum(name.encode()))
    file, settings = tokenizer
    vocab = file["model"]["vocab"]
    config.vocab_size = len(vocab)
    network = AutoModel.from_config(config)
    dir, weights = root / name, {}
    dir.mkdir(parents=True)
    for key, value in network.state_dict().items():
        if "position_ids" not in key and "token_type_ids" not in key:
            weights[save(prefix + key)] = (value + 0.1 * torch.randn_like(value)).to(dtype).contiguous()
    weights |= {key: torch.zeros(3) for key in heads}
    if shards == 1:
        save_file(weights, dir / "model.safetensors", {"format": "pt"})
    else:
        keys, files = sorted(weights), {}
        for number in range(shards):
            part = f"model-{number + 1:05}-of-{shards:05}.safetensors"
            save_file({key: weights[key] for key in keys[number::shards]}, dir / part, {"format": "pt"})
            files |= {key: part for key in keys[number::shards]}
        write(dir / "model.safetensors.index.json", {"metadata": {}, "weight_map": files})
    described = config.to_diff_dict() | {"architectures": [classes or type(network).__name__], "vocab_size": len(vocab), "model_type": config.model_type}
    described = {key: value for key, value in described.items() if value is not None}
    write(dir / "config.json", described)
    write(dir / "tokenizer.json", file)
    kind = {"bert": "BertTokenizer", "distilbert": "DistilBertTokenizer", "mpnet": "MPNetTokenizer", "xlm-roberta": "XLMRobertaTokenizer"}
    write(dir / "tokenizer_config.json", {"tokenizer_class": kind[config.model_type]} | settings | {"model_max_length": LONGEST})
    if bert:
        write(dir / "sentence_bert_config.json", bert)
    module = lambda number, path, kind: {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
    modules, size = [module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling")], SIZE
    keys = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens", "weightedmean": "weightedmean_tokens", "sqrt": "mean_sqrt_len_tokens"}
    flags = {f"pooling_mode_{key}": key == keys[pooling] for key in keys.values()}
    write(dir / "1_Pooling/config.json", {"word_embedding_dimension": SIZE, **flags, "include_prompt": include_prompt})
    for number, part in enumerate(after, 2):
        path = f"{number}_{part if isinstance(part, str) else 'Dense'}"
        if isinstance(part, str):
            modules.append(module(number, path, part))
            continue
        to, activation, bias = part
        write(dir / path / "config.json", {"in_features": size, "out_features": to, "bias": bias, "activation_function": activation})
        tensors = {"linear.weight": torch.randn(to, size) * 0.3} | ({"linear.bias": torch.randn(to) * 0.3} if bias else {})
        save_file(tensors, dir / path / "model.safetensors", {"format": "pt"})
        modules.append(module(number, path, "Dense"))
        size = to
    write(dir / "modules.json", modules)
    if prompts:
        write(dir / "config_sentence_transformers.json", prompts)

    python = SentenceTransformer(str(dir), device="cpu", model_kwargs={"torch_dtype": torch.float32})
    lines = []
    for text in TEXTS:
        features = python.preprocess([text], prompt=python._resolve_prompt(None, None))
        vector = python.encode([text])[0]
        line = {"text": text, "input_ids": features["input_ids"][0].tolist(), "embedding": [round(float(x), 6) for x in vector]}
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    (dir / "expected.jsonl").write_text("".join(lines))
    print(name, type(network).__name__, python.max_seq_length, len(vocab))


BERT = word_piece("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MPNET = word_piece("<pad>", "[UNK]", "<s>", "</s>", "<mask>", roberta=True)
XLM = unigram()
SMALL_XLM = without_table(XLM)
common = dict(hidden_size=SIZE, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, initializer_range=0.2)
bert = lambda: BertConfig(**common, max_position_embeddings=LONGEST, type_vocab_size=2)
distilbert = lambda: DistilBertConfig(dim=SIZE, n_layers=2, n_heads=2, hidden_dim=24, initializer_range=0.2, max_position_embeddings=LONGEST)
mpnet = lambda: MPNetConfig(**common, max_position_embeddings=LONGEST + 2, layer_norm_eps=1e-5)
xlm = lambda: XLMRobertaConfig(**common, max_position_embeddings=LONGEST + 2, type_vocab_size=1, layer_norm_eps=1e-5)
old = lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
TANH, IDENTITY = "torch.nn.modules.activation.Tanh", "torch.nn.modules.linear.Identity"

model("distilbert", distilbert(), BERT)
model("distilbert-with-head", distilbert(), BERT, prefix="distilbert.", heads=["vocab_transform.weight", "vocab_layer_norm.bias"], classes="DistilBertForMaskedLM")
model("mpnet", mpnet(), MPNET, bert={"max_seq_length": 30, "do_lower_case": False})
model("mpnet-with-head-in-f16-shards", mpnet(), MPNET, prefix="mpnet.", heads=["lm_head.bias", "lm_head.dense.weight"], dtype=torch.float16, shards=2,
      classes="MPNetForMaskedLM")
model("xlm-roberta", xlm(), XLM)
model("xlm-roberta-with-head-and-prompt", xlm(), SMALL_XLM, prefix="roberta.", heads=["lm_head.bias", "classifier.weight"], classes="XLMRobertaForMaskedLM",
      prompts={"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": "passage"})
model("xlm-roberta-bf16-lowercase", xlm(), SMALL_XLM, dtype=torch.bfloat16, bert={"max_seq_length": 20, "do_lower_case": True}, save=old)
model("bert-cls", bert(), BERT, pooling="cls")
model("bert-max", bert(), BERT, pooling="max", after=())
model("bert-weighted-mean", bert(), BERT, pooling="weightedmean")
model("bert-mean-sqrt", bert(), BERT, pooling="sqrt", after=())
model("bert-weighted-mean-without-prompt", bert(), BERT, pooling="weightedmean", include_prompt=False,
      prompts={"prompts": {"query": "the law: "}, "default_prompt_name": "query"})
model("bert-cls-without-prompt", bert(), BERT, pooling="cls", include_prompt=False,
      prompts={"prompts": {"query": "the law: "}, "default_prompt_name": "query"})
model("distilbert-dense", distilbert(), BERT, after=((8, TANH, True),))
model("xlm-roberta-dense-normalize", xlm(), SMALL_XLM, after=((12, IDENTITY, False), "Normalize"))
model("bert-two-dense", bert(), BERT, pooling="cls", after=((12, TANH, True), (6, IDENTITY, True), "Normalize"))
