"""Which type llama.cpp's quantizer gives every tensor, for real and for made-up models, with all of its options.

    recipe_types.py OUT.json [--scratch DIR] [NAME=F16.gguf ...]

The named files are quantized for real in the common recipes and read back with the package `gguf`; everything else is
planned by the quantizer's dry run, of made-up models that are headers over holes.

{"about", "needs_imatrix": [RECIPE], "options": {VARIANT: {...}}, "models": {NAME: {"hparams": {...},
 "tensors": [[name, shape, source type], ...],
 VARIANT: {"Q4_K_M": {"*": "Q4_K", "Q6_K": ["output", "blk.0-3,6.attn_v", ...]}}}}}
"""

import argparse
import json
import os
import re
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import gguf
import numpy as np

import llama_quantizer

ABOUT = (
    "llama.cpp of llama-cpp-python 0.3.36. tensors: [name, shape with the row length first, type in the source]; "
    "a name with blk.* stands for every layer from 0 to n_layer - 1. Under a variant, by recipe: the tensors of each "
    "type, without .weight, blk.0-3,6 being layers; one not named keeps its type if that is F32, else gets the type of '*'. "
    "null where llama.cpp refuses; a recipe that is not there is as under plain. needs_imatrix: the recipes that "
    "llama.cpp refuses without one."
)

PATTERNS = [["attn_(k|output)", "Q3_K"], ["ffn_down", "IQ4_NL"], ["per_layer", "Q4_0"]]
# What is asked of the quantizer beyond a recipe, and the models it is asked of. It dies where a type that was named for
# the output or the token embedding does not divide its rows; and some options say little about the larger models.
VARIANTS = {
    "plain": ({}, lambda h: True),
    "imatrix": ({"imatrix": True}, lambda h: True),
    "pure": ({"pure": True}, lambda h: True),
    "output": ({"output": "Q5_K"}, lambda h: h["tied"] or (h["n_embd"] % 256 == 0 and h["n_layer"] < 30)),
    "pure output": ({"pure": True, "output": "Q5_0"}, lambda h: h["n_embd"] % 32 == 0 and h["n_layer"] < 20),
    "leave": ({"leave": True}, lambda h: h["n_layer"] < 20),
    "embedding": ({"embedding": "Q5_0"}, lambda h: h["n_embd"] % 32 == 0 and h["n_layer"] < 20),
    "patterns": ({"patterns": PATTERNS}, lambda h: h["n_layer"] < 30),
    "everything": (
        {"imatrix": True, "output": "Q4_1", "embedding": "Q5_0", "patterns": PATTERNS},
        lambda h: h["n_embd"] % 32 == 0 and h["n_layer"] < 30,
    ),
    "prune": ({"prune": [1, 2, 5]}, lambda h: h["n_layer"] > 15),
}


def dense(arch, layers, hidden, inner, heads, kv_heads, vocab, tied, head_dim=None, biases=False, qk_norm=False,
          rope_freqs=False, fused=False, experts=0, shared=False, more=()):
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
            if shared:
                block += [["ffn_gate_shexp.weight", [hidden, inner]], ["ffn_up_shexp.weight", [hidden, inner]],
                          ["ffn_down_shexp.weight", [inner, hidden]]]
        elif arch == "falcon":
            block += [["ffn_up.weight", [hidden, inner]], ["ffn_down.weight", [inner, hidden]]]
        else:
            block += [["ffn_gate.weight", [hidden, inner]], ["ffn_up.weight", [hidden, inner]],
                      ["ffn_down.weight", [inner, hidden]]]
        tensors += [[f"blk.{n}.{name}", shape] for name, shape in block + [[name, [hidden, kv]] for name in more]]
    tensors.append(["output_norm.weight", [hidden]])
    if not tied:
        tensors.append(["output.weight", [hidden, vocab]])
    if more:
        tensors += [["per_layer_token_embd.weight", [hidden, vocab]], ["position_embd.weight", [hidden, 512]],
                    ["token_types.weight", [hidden, 2]], ["v.position_embd.weight", [hidden, 64]]]
    if rope_freqs:
        tensors.append(["rope_freqs.weight", [dim // 2]])
    source = lambda name, shape: "F32" if len(shape) == 1 or "ffn_gate_inp" in name else "F16"
    hparams = {"arch": arch, "n_layer": layers, "n_embd": hidden, "n_ff": inner, "n_head": heads,
               "n_head_kv": kv_heads, "head_dim": dim, "n_vocab": vocab, "n_expert": experts, "tied": tied}
    return hparams, [[name, shape, source(name, shape)] for name, shape in tensors]


# Matrices of other families, and those that the quantizer leaves alone. It goes by names alone.
NAMES = (
    "attn_kv_b.weight", "attn_q_a.weight", "ssm_in.weight", "ssm_conv1d.weight", "shortconv.conv.weight", "altup_router.weight",
    "laurel_l.weight", "per_layer_model_proj.weight", "indexer.k_proj.weight", "ffn_gate_tid2eid.weight",
    "time_mix_w1.weight", "time_mix_key.weight", "time_mix_lerp_fused.weight", "attn_rel_b.weight", "attn_q_norm.weight",
    "v.patch_embd.weight",
)

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
    "falcon-tied": dense("falcon", 60, 512, 2048, 8, 8, 1000, True),
    "falcon-rows-of-64": dense("falcon", 20, 320, 640, 5, 1, 1000, False),
    "gqa-1": dense("llama", 20, 256, 512, 8, 8, 512, False),
    "gqa-2": dense("llama", 20, 256, 512, 8, 4, 512, True),
    "gqa-4": dense("llama", 20, 256, 512, 8, 2, 512, False),
    "gqa-8": dense("llama", 20, 256, 512, 8, 1, 512, True),
    "rows-of-64": dense("llama", 10, 192, 320, 3, 1, 300, False),
    "rows-of-128-tied": dense("llama", 10, 384, 640, 6, 2, 300, True),
    "moe-8-gqa-1": dense("llama", 18, 256, 512, 4, 4, 512, True, experts=8),
    "moe-8-rows-of-32": dense("llama", 9, 96, 160, 3, 1, 300, False, experts=8),
    "moe-4": dense("llama", 16, 256, 512, 4, 4, 512, False, experts=4),
    "moe-2": dense("llama", 16, 256, 512, 4, 4, 512, False, experts=2),
    "moe-8-70b-shape": dense("llama", 80, 256, 256, 8, 2, 512, False, experts=8),
    "moe-8-shared": dense("llama", 24, 256, 512, 4, 4, 512, False, experts=8, shared=True),
    "moe-60-shared": dense("qwen2moe", 24, 256, 256, 4, 4, 512, False, experts=60, shared=True),
    "olmo-70b-shape": dense("olmo", 80, 256, 512, 4, 4, 512, True),
    "deci-70b-shape": dense("deci", 80, 256, 512, 8, 2, 512, False),
    "jais2-70b-shape": dense("jais2", 68, 256, 512, 4, 4, 512, False),
    "names": dense("llama", 1, 256, 512, 4, 2, 512, False, more=NAMES),
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
    """The most frequent type of what is not F32 in the source is the rule, everything else is listed by type."""
    missing = [name for name, _, _ in tensors if name not in types]
    if missing or len(types) != len(tensors):
        raise SystemExit(f"the quantizer named other tensors: {missing[:3]}")
    counts = Counter(types[name] for name, _, source in tensors if source != "F32")
    rule = counts.most_common(1)[0][0]
    odd = defaultdict(list)
    for name, _, source in tensors:
        if types[name] != ("F32" if source == "F32" else rule):
            odd[types[name]].append(name.removesuffix(".weight"))
    return {"*": rule} | {kind: by_layers(names) for kind, names in odd.items()}


def by_layers(names) -> list:
    """blk.0.x, blk.1.x and blk.2.x are blk.0-2.x."""
    layers, outside = defaultdict(list), []
    for name in names:
        match = re.match(r"blk\.(\d+)\.(.*)", name)
        layers[match[2]].append(int(match[1])) if match else outside.append(name)
    return outside + [f"blk.{ranges(found)}.{rest}" for rest, found in layers.items()]


def ranges(numbers) -> str:
    runs = []
    for n in sorted(numbers):
        if runs and runs[-1][1] == n - 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def pruned(tensors, layers) -> list:
    """The tensors that remain, their layers counted anew."""
    found = sorted({int(m[1]) for name, _, _ in tensors if (m := re.match(r"blk\.(\d+)\.", name))} - set(layers))
    kept = []
    for name, shape, source in tensors:
        match = re.match(r"blk\.(\d+)\.(.*)", name)
        if match and int(match[1]) not in found:
            continue
        kept.append([f"blk.{found.index(int(match[1]))}.{match[2]}" if match else name, shape, source])
    return kept


def fold(tensors, layers: int):
    """Every layer alike is written once, as blk.*; anything else stays as it is."""
    first = [[re.sub(r"^blk\.0\.", "blk.*.", name), shape, source] for name, shape, source in tensors
             if not re.match(r"blk\.(?!0\.)", name)]
    unfolded = [[name.replace("*", str(n)), shape, source] for name, shape, source in first
                for n in range(layers if "*" in name else 1)]
    return first if sorted(unfolded) == sorted(map(list, tensors)) else tensors


def dump(needs_imatrix, models: dict) -> str:
    line = lambda value: json.dumps(value, separators=(",", ":"))
    blocks = []
    for name, model in models.items():
        fields = [f'   "hparams":{line(model["hparams"])}',
                  f'   "tensors":{line(fold(model["tensors"], model["hparams"]["n_layer"]))}']
        for variant, recipes in model["variants"].items():
            rows = ",\n".join(f"    {line(r)}:{line(t)}" for r, t in recipes.items())
            fields.append(f"   {line(variant)}:{{\n{rows}\n   }}")
        blocks.append(f"  {line(name)}:{{\n" + ",\n".join(fields) + "\n  }")
    options = {variant: options for variant, (options, _) in VARIANTS.items()}
    return (f'{{\n "about":{line(ABOUT)},\n "needs_imatrix":{line(needs_imatrix)},\n "options":{line(options)},\n'
            ' "models":{\n' + ",\n".join(blocks) + "\n }\n}\n")


def plan_all(quantizer, path: str, hparams: dict, tensors, needs_imatrix: set) -> dict:
    """By variant, then by recipe; what is as without options is left out."""
    found = {}
    for variant, (options, applies) in VARIANTS.items():
        if not applies(hparams):
            continue
        listed = pruned(tensors, options["prune"]) if "prune" in options else tensors
        types = {recipe: plan(quantizer, path, recipe, listed, options, needs_imatrix)
                 for recipe in llama_quantizer.ALL_RECIPES}
        plain = found.get("plain", {})
        found[variant] = {recipe: t for recipe, t in types.items() if variant == "plain" or t != plain[recipe]}
    return found


def plan(quantizer, path: str, recipe: str, tensors, options, needs_imatrix: set):
    """None where llama.cpp itself refuses: no fallback is defined for some types."""
    try:
        types = compact(tensors, quantizer.planned_types(path, recipe, **options))
    except RuntimeError as refused:
        if recipe in llama_quantizer.RECIPES and "no tensor type fallback" not in str(refused):
            raise
        return None
    if not options and quantizer.wants_imatrix():
        needs_imatrix.add(recipe)
    return types


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("files", nargs="*", metavar="NAME=F16.gguf")
    parser.add_argument("--scratch", type=Path)
    args = parser.parse_intermixed_args()
    quantizer = llama_quantizer.Quantizer()
    models, needs_imatrix = {}, set()
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        target = Path(scratch) / "model.gguf"
        for entry in args.files:
            name, path = entry.split("=", 1)
            reader, source = read_types(Path(path))
            hparams, tensors = hparams_of(reader), [[t.name, [int(n) for n in t.shape], source[t.name]] for t in reader.tensors]
            variants = plan_all(quantizer, path, hparams, tensors, needs_imatrix)
            for recipe in llama_quantizer.RECIPES:
                quantizer.run(path, str(target), recipe)
                if compact(tensors, read_types(target)[1]) != variants["plain"][recipe]:
                    raise SystemExit(f"{name} {recipe}: the dry run says otherwise")
            models[name] = {"hparams": hparams, "tensors": tensors, "variants": variants}
        for name, (hparams, tensors) in SYNTHETIC.items():
            write_header(target, hparams, tensors)
            variants = plan_all(quantizer, str(target), hparams, tensors, needs_imatrix)
            models[name] = {"hparams": hparams, "tensors": tensors, "variants": variants}
            target.unlink()
    args.out.write_text(dump(sorted(needs_imatrix), models), encoding="utf-8")


if __name__ == "__main__":
    main()
