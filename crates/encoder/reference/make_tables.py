"""Writes src/tokenizer/tables.rs: the classes of characters as the Hugging Face tokenizers see them.

They follow an old version of Unicode, and models were trained with them, so they are taken from the library by trying every
character, not from a newer Unicode. Needs the Python package tokenizers.

    python make_tables.py > ../src/tokenizer/tables.rs
"""

from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

clean = BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
chinese = BertNormalizer(clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False)
strip = BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
split = BertPreTokenizer()

TABLES = [
    ("REMOVED", "What cleaning removes: control, format and private characters, and the replacement character.",
     lambda c: clean.normalize_str(f"a{c}b") == "ab"),
    ("IDEOGRAPHS", "What stands alone as a word.", lambda c: chinese.normalize_str(c) == f" {c} "),
    ("MARKS", "What stripping accents removes from decomposed text.", lambda c: strip.normalize_str(f"a{c}b") == "ab"),
    ("PUNCTUATION", "What is a word of its own.", lambda c: [t for t, _ in split.pre_tokenize_str(f"a{c}b")] == ["a", c, "b"]),
]


def ranges(belongs):
    found, start = [], None
    for point in range(0x110001):
        inside = point < 0x110000 and not 0xD800 <= point < 0xE000 and belongs(chr(point))
        if inside and start is None:
            start = point
        elif not inside and start is not None:
            found.append((start, point - 1))
            start = None
    return found


print("//! Classes of characters, as inclusive ranges in ascending order. Written by `reference/make_tables.py`.")
for name, meaning, belongs in TABLES:
    found = ranges(belongs)
    print(f"\n/// {meaning}\n#[rustfmt::skip]\npub(super) const {name}: [(u32, u32); {len(found)}] = [")
    line = "   "
    for first, last in found:
        item = f" (0x{first:x}, 0x{last:x}),"
        if len(line) + len(item) > 138:
            print(line)
            line = "   "
        line += item
    print(f"{line}\n];")
