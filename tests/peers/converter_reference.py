"""Runs llama.cpp's own convert_hf_to_gguf.py and keeps descriptions of what it writes.

    converter_reference.py LLAMA_CPP_TREE HF_FOLDER OUT.gguf [--outtype f16|bf16|f32|auto] [--pre NAME]
                           [--describe OUT.json]

LLAMA_CPP_TREE is the vendor/llama.cpp folder of the unpacked llama-cpp-python 0.3.36 source; the
interpreter needs torch, transformers, sentencepiece and the tree's gguf-py. --pre NAME answers for
the converter's list of known tokenizers (a hash of one encoded text), which knows no home-made one.
"""

import argparse
import runpy
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--outtype", default="f16")
    parser.add_argument("--pre")
    parser.add_argument("--describe", type=Path)
    args = parser.parse_args()

    here = Path(__file__).resolve().parent
    sys.path[:0] = [str(args.tree / "gguf-py"), str(args.tree), str(here)]
    if args.pre:
        from conversion.base import TextModel

        TextModel.get_vocab_base_pre = lambda self, tokenizer: args.pre
    sys.argv = ["convert_hf_to_gguf.py", str(args.folder), "--outfile", str(args.out), "--outtype", args.outtype]
    runpy.run_path(str(args.tree / "convert_hf_to_gguf.py"), run_name="__main__")
    if args.describe:
        import describe

        args.describe.parent.mkdir(parents=True, exist_ok=True)
        args.describe.write_text(describe.pretty(describe.describe(args.out)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
