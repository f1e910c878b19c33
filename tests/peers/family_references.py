"""Remakes tests/data/families/*.reference.json with llama.cpp's own convert_hf_to_gguf.py.

    family_references.py LLAMA_CPP_TREE WORKDIR [NAME...] [--keep] [--run PYTHON]

LLAMA_CPP_TREE is the vendor/llama.cpp folder of the unpacked llama-cpp-python 0.3.36 source. The interpreter needs
torch, transformers 4.57, sentencepiece 0.2, protobuf 7 and safetensors. --run PYTHON, an interpreter with xllamacpp,
also lets each file write 16 tokens (embedders: one embedding). The GGUFs lie in WORKDIR; --keep leaves them there.

A reference is {outtype: {"metadata", "tensors"}}, as describe.py describes a file, for the outtypes of the card
(`auto` and `f16`, or what its "outtypes" says). Where both are equal `f16` is left out.

What is not as with a plain run of the converter:
- the name of the pre-tokenizer is the card's "pre": the converter knows tokenizers by a hash of one encoded text;
- AWQ, which the converter does not read, is unpacked by `awq` below: eight columns in a word, in the order 0 2 4 6 1 3 5 7;
- the list of the names of several chat templates, whose order is a Python set's, is sorted;
- everything runs in one process, because importing torch and transformers takes longer than converting;
- three faults of the converter, which stop it, are repaired (`repair`): StableLM's stacked q and k norms, the causal masks
  of the published GPT-2, Falcon 7B's single K/V head;
- cards with "peculiar" say what to know about that model.
"""

import argparse
import json
import logging
import runpy
import subprocess
import sys
import traceback
from pathlib import Path

import family_models

HERE = Path(__file__).resolve().parent


def repair() -> None:
    from conversion.base import ModelBase
    from conversion.falcon import FalconModel
    from conversion.gpt2 import GPT2Model
    from conversion.stablelm import StableLMModel

    def stablelm(self, data, name, bid):
        """The stacked norms are returned from a generator, which loses them."""
        stacked = yield from stablelm.original(self, data, name, bid)
        if stacked is not None:
            yield from stacked

    def gpt2(self, data, name, bid):
        """The masks go to the name map, which does not know them."""
        if not name.endswith((".attn.bias", ".attn.masked_bias")):
            yield from gpt2.original(self, data, name, bid)

    def falcon(self, *args, **kwargs):
        """transformers fills in num_kv_heads with the number of heads, whatever multi_query says."""
        falcon.original(self, *args, **kwargs)
        if self.hparams["multi_query"] and not self.hparams["new_decoder_architecture"]:
            self.hparams["num_kv_heads"] = 1

    def dequantize(self):
        quantization = self.hparams.get("quantization_config") or {}
        awq(self) if quantization.get("quant_method") == "awq" else dequantize.original(self)

    repairs = ((StableLMModel, "modify_tensors", stablelm), (GPT2Model, "modify_tensors", gpt2),
               (FalconModel, "__init__", falcon), (ModelBase, "dequant_model", dequantize))
    for cls, method, repaired in repairs:
        repaired.original = getattr(cls, method)
        setattr(cls, method, repaired)


def awq(model) -> None:
    """Puts the numbers of AWQ's packed words in the place of the words: (code - zero) * scale, transposed."""
    import torch

    def unpack(words):
        codes = torch.stack([words >> (4 * [0, 4, 1, 5, 2, 6, 3, 7][i]) & 15 for i in range(8)], dim=-1)
        return codes.reshape(words.shape[0], -1)

    def load(codes, zeros, scales):
        def numbers():
            words, points, steps = (model_tensor() for model_tensor in (codes, zeros, scales))
            group = words.shape[0] // steps.shape[0]
            spread = lambda rows: rows.repeat_interleave(group, 0)
            return ((unpack(words) - spread(unpack(points))).float() * spread(steps).float()).T
        return numbers

    for name in [n for n in model.model_tensors if n.endswith(".qweight")]:
        base = name.removesuffix("qweight")
        parts = [model.model_tensors.pop(base + part) for part in ("qweight", "qzeros", "scales")]
        model.model_tensors[base + "weight"] = load(*parts)


def convert(tree: Path, folder: Path, out: Path, outtype: str, card: dict) -> None:
    from conversion.base import TextModel

    TextModel.get_vocab_base_pre = lambda self, tokenizer: card["pre"]
    sys.argv = ["convert_hf_to_gguf.py", str(folder), "--outfile", str(out), "--outtype", outtype, *card.get("options", [])]
    runpy.run_path(str(tree / "convert_hf_to_gguf.py"), run_name="__main__")


def convert_adapter(tree: Path, folder: Path, base: Path, out: Path, outtype: str) -> None:
    sys.argv = ["convert_lora_to_gguf.py", str(folder), "--base", str(base), "--outfile", str(out), "--outtype", outtype]
    runpy.run_path(str(tree / "convert_lora_to_gguf.py"), run_name="__main__")


def reference(tree: Path, name: str, card: dict, workdir: Path) -> tuple[dict, list[Path]]:
    import describe

    if not card["tensors"]:
        raise ValueError("the card has no tensors; run family_tensors.py")
    folder = family_models.make(name, card, workdir / "models")
    found, files = {}, []
    for outtype in card.get("outtypes", ["auto", "f16"]):
        out = workdir / f"{name}-{outtype}.gguf"
        out.unlink(missing_ok=True)
        if "base" in card:
            base = family_models.make(card["base"], family_models.cards([card["base"]])[card["base"]], workdir / "models")
            convert_adapter(tree, folder, base, out, outtype)
        else:
            convert(tree, folder, out, outtype, card)
        description = describe.describe(out)
        del description["file"]
        for entry in description["metadata"]:
            if entry[0] == "tokenizer.chat_templates":  # a Python set's order
                entry[2].sort()
        if description not in found.values():
            found[outtype] = description
            files.append(out)
    return found, files


def pretty(found: dict) -> str:
    import describe

    parts = [f"{json.dumps(outtype)}: {describe.pretty(description)}" for outtype, description in found.items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def runs(python: str, name: str, card: dict, file: Path) -> str:
    kind = ["--embed"] if card.get("embeds") else ["--tokens", "16", "--prompt", card.get("prompt", "Once upon a time")]
    done = subprocess.run([python, str(HERE / "generate.py"), str(file), *kind], capture_output=True, text=True)
    if done.returncode:
        return "FAILS " + done.stderr.strip()[-900:]
    return done.stdout.strip()[:160]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("workdir", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--run")
    args = parser.parse_intermixed_args()
    sys.path[:0] = [str(args.tree / "gguf-py"), str(args.tree), str(HERE)]
    logging.basicConfig(level=logging.WARNING)
    (args.workdir / "models").mkdir(parents=True, exist_ok=True)
    repair()
    failed = 0
    for name, card in family_models.cards(args.names).items():
        try:
            found, files = reference(args.tree, name, card, args.workdir)
        except (Exception, SystemExit):
            failed += 1
            print(f"{name}: CONVERTER FAILS\n" + traceback.format_exc(limit=-3), flush=True)
            continue
        (family_models.CARDS / f"{name}.reference.json").write_text(pretty(found), encoding="utf-8")
        print(f"{name}: {', '.join(found)}", flush=True)
        for file in files:
            if args.run and not card.get("not_run"):
                answer = runs(args.run, name, card, file)
                failed += answer.startswith("FAILS")
                print(f"    {file.name} {answer}", flush=True)
            if not args.keep:
                file.unlink()
    return failed


if __name__ == "__main__":
    sys.exit(main())
