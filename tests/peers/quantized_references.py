"""Remakes tests/data/quantized.json: what llama.cpp's convert_hf_to_gguf.py makes of the models of quantized_models.py.

    quantized_references.py LLAMA_CPP_TREE WORKDIR

{"CARD:WAY": {outtype: hash of tensor_digest.py}}, for the ways that the converter reads. Needs what family_references.py
needs.
"""

import argparse
import json
import logging
import sys
from pathlib import Path

import family_models
import family_references
import quantized_models

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "data/quantized.json"
MODELS = [("llama3", way) for way in (
    "fp8-block", "fp8-e8m0", "fp8-tensor", "fp8-channel", "fp8-alone", "fp8-e5m2", "int8", "int4", "int4-zero", "int5",
    "packed8", "gptq", "gptq-order", "gptq8", "gptq2", "f64")] + [("qwen3-moe", "fp8-block"), ("qwen3-moe", "gptq")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("workdir", type=Path)
    args = parser.parse_args()
    sys.path[:0] = [str(args.tree / "gguf-py"), str(args.tree), str(HERE)]
    logging.basicConfig(level=logging.WARNING)
    import tensor_digest

    found = {}
    for card_name, way in MODELS:
        folder, _ = quantized_models.make(card_name, way, args.workdir)
        card = family_models.cards([card_name])[card_name]
        for outtype in ("auto", "f32"):
            file = args.workdir / f"{folder.name}-{outtype}.gguf"
            file.unlink(missing_ok=True)
            family_references.convert(args.tree, folder, file, outtype, card)
            found.setdefault(f"{card_name}:{way}", {})[outtype] = tensor_digest.digest(file)
            file.unlink()
        print(card_name, way, flush=True)
    OUT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
