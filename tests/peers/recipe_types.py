"""Which type llama.cpp's quantizer gives every tensor, for real and for made-up models.

    recipe_types.py OUT.json [--all] [--scratch DIR] [NAME=F16.gguf ...]

The named files are quantized for real and read back with the package `gguf`; the made-up models are
headers over holes, planned by the quantizer's dry run. --all adds the recipes that issue 2 does not ask for.

{"about", "models": {NAME: {"hparams": {...}, "tensors": [[name, shape, source type], ...],
 "recipes": {"Q4_K_M": {"*": "Q4_K", "output.weight": "Q6_K", ...}}}}}
"""

import argparse
import json
import os
import re
import tempfile
from collections import Counter
from pathlib import Path

import gguf
import numpy as np

import llama_quantizer

ABOUT = (
    "llama.cpp of llama-cpp-python 0.3.36. tensors: [name, shape with the row length first, type in the source]; "
    "a name with blk.* stands for every layer from 0 to n_layer - 1. "
    "recipes: a tensor named there gets that type; one not named keeps its type if that is F32, else gets the "
    "type of '*'. No importance matrix."
)


def dense(arch, layers, hidden, inner, heads, kv_heads, vocab, tied, head_dim=None, biases=False, qk_norm=False,
          rope_freqs=False, fused=False, experts=0, embedding=None):
    """A model's hyper-parameters and its tensors as a converter writes them: matrices F16, the rest F32."""
    dim = head_dim or hidden // heads
    q, kv = heads * dim, kv_heads * dim
    tensors = [["token_embd.weight", [hidden, vocab]]]
    for n in range(layers):
        block = [["attn_norm.weight", [hidden]]]
        if fused:
            block += [["attn_qkv.weight", [hidden, q + 2 * kv]]]
        else:
            block += [["attn_q.weight", [hidden, q]], ["attn_k.weight", [hidden, kv]], ["attn_v.weight", [hidden, kv]]]
        if biases:
            block += [["attn_q.bias", [q]], ["attn_k.bias", [kv]], ["attn_v.bias", [kv]]]
        if qk_norm:
            block += [["attn_q_norm.weight", [dim]], ["attn_k_norm.weight", [dim]]]
        block += [["attn_output.weight", [q, hidden]], ["ffn_norm.weight", [hidden]]]
        if experts:
            block += [["ffn_gate_inp.weight", [hidden, experts]], ["ffn_gate_exps.weight", [hidden, inner, experts]],
                      ["ffn_up_exps.weight", [hidden, inner, experts]],
                      ["ffn_down_exps.weight", [inner, hidden, experts]]]
        elif arch == "falcon":
            block += [["ffn_up.weight", [hidden, inner]], ["ffn_down.weight", [inner, hidden]]]
        else:
            block += [["ffn_gate.weight", [hidden, inner]], ["ffn_up.weight", [hidden, inner]],
                      ["ffn_down.weight", [inner, hidden]]]
        tensors += [[f"blk.{n}.{name}", shape] for name, shape in block]
    tensors.append(["output_norm.weight", [hidden]])
    if not tied:
        tensors.append(["output.weight", [hidden, vocab]])
    if rope_freqs:
        tensors.append(["rope_freqs.weight", [dim // 2]])
    source = lambda name, shape: "F32" if len(shape) == 1 or "ffn_gate_inp" in name else "F16"
    hparams = {"arch": arch, "n_layer": layers, "n_embd": hidden, "n_ff": inner, "n_head": heads,
               "n_head_kv": kv_heads, "head_dim": dim, "n_vocab": vocab, "n_expert": experts, "tied": tied}
    return hparams, [[name, shape, source(name, shape)] for name, shape in tensors]


SYNTHETIC = {
    "llama-3-70b": dense("llama", 80, 8192, 28672, 64, 8, 128256, False, rope_freqs=True),
    "llama-65b-shape": dense("llama", 80, 256, 512, 4, 4, 512, False),
    "llama-3.2-1b": dense("llama", 16, 2048, 8192, 32, 8, 128256, True, rope_freqs=True),
    "llama-2-7b": dense("llama", 32, 4096, 11008, 32, 32, 32000, False),
    "qwen2.5-0.5b": dense("qwen2", 24, 896, 4864, 14, 2, 151936, True, biases=True),
    "qwen2.5-7b": dense("qwen2", 28, 3584, 18944, 28, 4, 152064, False, biases=True),
    "qwen2.5-72b-shape": dense("qwen2", 80, 256, 512, 8, 1, 512, False, biases=True),
    "qwen3-0.6b": dense("qwen3", 28, 1024, 3072, 16, 8, 151936, True, head_dim=128, qk_norm=True),
    "qwen3-14b": dense("qwen3", 40, 5120, 17408, 40, 8, 151936, False, head_dim=128, qk_norm=True),
    "rows-of-32": dense("llama", 5, 96, 160, 3, 1, 300, False),
    "rows-of-32-tied": dense("llama", 5, 96, 160, 3, 1, 300, True),
    "rows-of-4": dense("llama", 9, 100, 144, 5, 5, 300, False),
    "rows-of-4-tied": dense("llama", 9, 100, 144, 5, 5, 300, True),
    "one-layer": dense("llama", 1, 256, 512, 4, 2, 512, False),
    "seven-layers-mixed-rows": dense("llama", 7, 256, 400, 4, 2, 512, True),
    "moe-8": dense("llama", 12, 512, 1024, 8, 2, 1000, False, experts=8),
    "qwen3moe-128": dense("qwen3moe", 10, 512, 256, 8, 2, 1000, False, head_dim=128, qk_norm=True, experts=128),
    "phi3": dense("phi3", 16, 512, 1024, 8, 8, 1000, False, fused=True),
    "falcon": dense("falcon", 32, 512, 2048, 8, 1, 1000, False, fused=True),
}


def write_header(path: Path, hparams: dict, tensors) -> None:
    """The header of an F16 GGUF, and as many zero bytes as its tensors need, none of them stored."""
    arch = hparams["arch"]
    writer = gguf.GGUFWriter(path, arch)
    writer.add_block_count(hparams["n_layer"])
    writer.add_context_length(2048)
    writer.add_embedding_length(hparams["n_embd"])
    writer.add_feed_forward_length(hparams["n_ff"])
    writer.add_head_count(hparams["n_head"])
    writer.add_head_count_kv(hparams["n_head_kv"])
    writer.add_key_length(hparams["head_dim"])
    writer.add_value_length(hparams["head_dim"])
    writer.add_rope_dimension_count(hparams["head_dim"])
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_layer_norm_eps(1e-5)
    writer.add_vocab_size(hparams["n_vocab"])
    if hparams["n_expert"]:
        writer.add_expert_count(hparams["n_expert"])
        writer.add_expert_used_count(2)
        writer.add_expert_feed_forward_length(hparams["n_ff"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    total = 0
    for name, shape, source in tensors:
        kind = gguf.GGMLQuantizationType[source]
        size = gguf.GGML_QUANT_SIZES[kind][1]
        for n in shape:
            size *= n
        writer.add_tensor_info(name, list(reversed(shape)), np.dtype(np.float32 if source == "F32" else np.float16), size)
        total += -(-size // 32) * 32
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    header = -(-os.path.getsize(path) // 32) * 32
    os.truncate(path, header + total)


def read_types(path: Path):
    reader = gguf.GGUFReader(path)
    return reader, {t.name: t.tensor_type.name for t in reader.tensors}


def hparams_of(reader) -> dict:
    field = lambda key: reader.fields[key].contents()
    arch = field("general.architecture")
    return {
        "arch": arch, "n_layer": field(f"{arch}.block_count"), "n_embd": field(f"{arch}.embedding_length"),
        "n_ff": field(f"{arch}.feed_forward_length"), "n_head": field(f"{arch}.attention.head_count"),
        "n_head_kv": field(f"{arch}.attention.head_count_kv"),
        "head_dim": field(f"{arch}.rope.dimension_count"), "n_vocab": len(field("tokenizer.ggml.tokens")),
        "n_expert": 0, "tied": not any(t.name == "output.weight" for t in reader.tensors),
    }


def compact(tensors, types: dict) -> dict:
    """The most frequent type of what is not F32 in the source is the rule, everything else an exception."""
    missing = [name for name, _, _ in tensors if name not in types]
    if missing or len(types) != len(tensors):
        raise SystemExit(f"the quantizer named other tensors: {missing[:3]}")
    counts = Counter(types[name] for name, _, source in tensors if source != "F32")
    rule = counts.most_common(1)[0][0]
    odd = {n: types[n] for n, _, source in tensors if types[n] != ("F32" if source == "F32" else rule)}
    return {"*": rule, **odd}


def fold(tensors, layers: int):
    """Every layer alike is written once, as blk.*; anything else stays as it is."""
    first = [[re.sub(r"^blk\.0\.", "blk.*.", name), shape, source] for name, shape, source in tensors
             if not re.match(r"blk\.(?!0\.)", name)]
    unfolded = [[name.replace("*", str(n)), shape, source] for name, shape, source in first
                for n in range(layers if "*" in name else 1)]
    return first if sorted(unfolded) == sorted(map(list, tensors)) else tensors


def dump(models: dict) -> str:
    line = lambda value: json.dumps(value, separators=(",", ":"))
    blocks = []
    for name, model in models.items():
        recipes = ",\n".join(f"    {line(r)}:{line(t)}" for r, t in model["recipes"].items())
        blocks.append(f'  {line(name)}:{{\n   "hparams":{line(model["hparams"])},\n   "tensors":'
                      f'{line(fold(model["tensors"], model["hparams"]["n_layer"]))},\n   "recipes":{{\n{recipes}\n   }}\n  }}')
    return f'{{\n "about":{line(ABOUT)},\n "models":{{\n' + ",\n".join(blocks) + "\n }\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("files", nargs="*", metavar="NAME=F16.gguf")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--scratch", type=Path)
    args = parser.parse_intermixed_args()
    quantizer = llama_quantizer.Quantizer()
    recipes = llama_quantizer.ALL_RECIPES if args.all else llama_quantizer.RECIPES
    models = {}
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        target = Path(scratch) / "model.gguf"
        for entry in args.files:
            name, path = entry.split("=", 1)
            reader, source = read_types(Path(path))
            tensors = [[t.name, [int(n) for n in t.shape], source[t.name]] for t in reader.tensors]
            found = {}
            for recipe in recipes:
                planned = quantizer.planned_types(path, recipe)
                if recipe in llama_quantizer.RECIPES:
                    quantizer.run(path, str(target), recipe)
                    types = read_types(target)[1]
                    if types != planned:
                        raise SystemExit(f"{name} {recipe}: the dry run says otherwise")
                found[recipe] = compact(tensors, planned)
            models[name] = {"hparams": hparams_of(reader), "tensors": tensors, "recipes": found}
        for name, (hparams, tensors) in SYNTHETIC.items():
            write_header(target, hparams, tensors)
            found = {recipe: plan(quantizer, target, recipe, tensors) for recipe in recipes}
            models[name] = {"hparams": hparams, "tensors": tensors, "recipes": {r: f for r, f in found.items() if f}}
            target.unlink()
    args.out.write_text(dump(models), encoding="utf-8")


def plan(quantizer, target: Path, recipe: str, tensors):
    """None where llama.cpp itself refuses (no fallback is defined for some types)."""
    try:
        return compact(tensors, quantizer.planned_types(str(target), recipe))
    except RuntimeError as refused:
        if recipe in llama_quantizer.RECIPES:
            raise
        print(refused)
        return None


if __name__ == "__main__":
    main()
