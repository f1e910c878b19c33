"""Asks llama.cpp's own converter for the tokenizer.* keys of small vocabularies, and keeps descriptions of them.

    tokenizer_references.py LLAMA_CPP_TREE

LLAMA_CPP_TREE is the vendor/llama.cpp folder of the unpacked llama-cpp-python 0.3.36 source; the interpreter needs torch,
transformers 4.57, sentencepiece and protobuf. tests/data/tokenizers/cases.json lists the folders to make: a vocabulary of
tests/data/vocab, changes to its files, and the converter's class for a family. Each gives a line of references.json,
in the form of describe.py. `pre` answers for the converter's list of known tokenizers (a hash of one encoded text),
which knows no home-made one.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from unittest import mock

DATA = Path(__file__).resolve().parents[1] / "data"


def merged(old, new):
    """An object changed key by key; null takes a key away."""
    if not isinstance(new, dict) or not isinstance(old, dict):
        return new
    out = dict(old)
    for key, value in new.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merged(out.get(key), value)
    return out


def make(case: dict, folder: Path) -> None:
    shutil.copytree(DATA / "vocab" / case["vocab"], folder)
    for name in case.get("drop", []):
        (folder / name).unlink(missing_ok=True)
    for name, text in case.get("write", {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for name, change in case.get("change", {}).items():
        path = folder / name
        old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        path.write_text(json.dumps(merged(old, change), ensure_ascii=False), encoding="utf-8")


def keys(case: dict, folder: Path) -> list:
    from conversion import base, get_model_class
    import gguf

    cls = get_model_class(case["class"])
    model = cls.__new__(cls)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    model.dir_model, model.hparams = folder, config
    model.is_mistral_format, model.origin_hf_arch, model.vocab_size = False, None, None
    model.gguf_writer = gguf.GGUFWriter(None, "llama")
    with mock.patch.object(base.TextModel, "get_vocab_base_pre", lambda self, tokenizer: case.get("pre", "unknown")):
        model.set_vocab()
    out = folder.parent / "out.gguf"
    model.gguf_writer.add_uint32("end", 0)
    model.gguf_writer.open_output_file(out)
    model.gguf_writer.write_header_to_file(out)
    model.gguf_writer.write_kv_data_to_file()
    model.gguf_writer.close()
    import describe

    listed = describe.describe(out)["metadata"]
    return [entry for entry in listed if entry[0].startswith("tokenizer.")]


def main() -> None:
    tree = Path(sys.argv[1])
    sys.path[:0] = [str(tree / "gguf-py"), str(tree)]
    # The messages that sentencepiece brings want a newer protobuf than transformers does, which brings its own.
    from transformers.utils import sentencepiece_model_pb2_new

    sys.modules["sentencepiece.sentencepiece_model_pb2"] = sentencepiece_model_pb2_new
    import sentencepiece

    sentencepiece.sentencepiece_model_pb2 = sentencepiece_model_pb2_new
    cases = json.loads((DATA / "tokenizers" / "cases.json").read_text(encoding="utf-8"))
    rows = []
    for case in cases:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "model"
            make(case, folder)
            print(case["name"], flush=True)
            try:
                found = {"metadata": keys(case, folder)}
            except Exception as failure:  # what the converter refuses is part of the answer
                found = {"refused": f"{type(failure).__name__}: {failure}".splitlines()[0][:200]}
                print("   refused:", found["refused"], flush=True)
            rows.append(json.dumps({"name": case["name"], **found}, ensure_ascii=False))
    (DATA / "tokenizers" / "references.json").write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
