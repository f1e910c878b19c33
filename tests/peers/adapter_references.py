"""Remakes tests/data/adapters.json: what llama.cpp's convert_lora_to_gguf.py makes of the adapters of adapter_models.py.

    adapter_references.py LLAMA_CPP_TREE WORKDIR

{name: {type: {"metadata": as describe.py says, "tensors": hash of tensor_digest.py}}}, for the adapters that it converts
rightly: it takes no notice of use_rslora, alpha_pattern and fan_in_fan_out (GPT-2), with which llama.cpp would run another
adapter than PEFT does.
Needs what family_references.py needs.
"""

import argparse
import json
import logging
import sys
from pathlib import Path

import adapter_models
import family_references

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "data/adapters.json"
ADAPTERS = {"llama-lora": ("F32", "F16", "Q8_0"), "llama-norm-lora": ("F32",), "llama-embedding-lora": ("F16",),
            "phi-lora": ("F32",), "qwen-moe-lora": ("F32", "Q8_0"), "neox-lora": ("F32",), "internlm-lora": ("F32",),
            "mixtral-lora": ("F32",)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("workdir", type=Path)
    args = parser.parse_args()
    sys.path[:0] = [str(args.tree / "gguf-py"), str(args.tree), str(HERE)]
    logging.basicConfig(level=logging.WARNING)
    import describe
    import tensor_digest

    found = {}
    for name, types in ADAPTERS.items():
        made = adapter_models.make(name, args.workdir)
        for kind in types:
            file = args.workdir / f"{name}-{kind}.gguf"
            file.unlink(missing_ok=True)
            try:
                family_references.convert_adapter(
                    args.tree, Path(made["adapter"]), Path(made["base"]), file, kind.lower())
            except (Exception, SystemExit) as failure:
                print(f"{name} as {kind}: the converter fails: {failure!r}", flush=True)
                continue
            metadata = describe.describe(file)["metadata"]
            found.setdefault(name, {})[kind] = {"metadata": metadata, "tensors": tensor_digest.digest(file)}
            print(name, kind, flush=True)
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
