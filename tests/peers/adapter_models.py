"""Makes tiny LoRA adapters as PEFT saves them, and what merging gives: a folder with the adapter, one with the model merged.

    adapter_models.py OUTDIR NAME...

NAME is one of ADAPTERS below. OUTDIR/CARD is the base model, OUTDIR/NAME the adapter, OUTDIR/NAME-merged the base with
`scale * B A` added, computed in float64 and stored as F32. Prints a JSON line for each.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np

import family_models
import safetensors_io

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP = ("gate_proj", "up_proj", "down_proj")

# Name -> the card of the base, the modules it changes, what adapter_config.json says beside the usual, further keys:
# whole: tensors that are replaced; magnitudes: DoRA.
ADAPTERS = {
    "llama-lora": ("llama3", ATTENTION + MLP, {}, {}),
    "llama-tied-lora": ("llama3-tied", ATTENTION + MLP, {}, {}),
    "llama-rank-lora": ("llama3", ATTENTION + MLP, {
        "use_rslora": True, "rank_pattern": {"q_proj": 8, "layers.1.mlp.up_proj": 2}, "alpha_pattern": {".*down_proj": 3}}, {}),
    "llama-stabilized-lora": ("llama3", ATTENTION, {"use_rslora": True}, {}),
    "llama-dora": ("llama3", ATTENTION + MLP, {"use_dora": True}, {"magnitudes": True}),
    "llama-embedding-lora": ("llama3", ("q_proj", "embed_tokens"), {}, {}),
    "llama-whole-lora": ("llama3", ("v_proj",), {"modules_to_save": ["lm_head", "embed_tokens"]}, {
        "whole": ("embed_tokens.weight", "lm_head.weight", "layers.0.input_layernorm.weight")}),
    "llama-norm-lora": ("llama3", ("v_proj",), {}, {"whole": ("layers.0.input_layernorm.weight", "model.norm.weight")}),
    "qwen-bias-lora": ("qwen2", ATTENTION, {"bias": "lora_only"}, {"whole": ("q_proj.bias", "k_proj.bias")}),
    "qwen-moe-lora": ("qwen3-moe", ATTENTION + MLP, {}, {}),
    "mixtral-lora": ("mixtral", ("q_proj", "w1", "w2", "w3"), {}, {}),
    "phi-lora": ("phi3", ("qkv_proj", "o_proj", "gate_up_proj", "down_proj"), {}, {}),
    "neox-lora": ("gptneox", ("query_key_value", "dense_h_to_4h"), {}, {}),
    "internlm-lora": ("internlm2", ("wqkv", "wo", "w2"), {}, {}),
    "gpt2-lora": ("gpt2", ("c_attn", "c_proj", "c_fc"), {"fan_in_fan_out": True}, {}),
    "deepseek-lora": ("deepseek-v3", ("q_a_proj", "kv_b_proj", "o_proj"), {}, {}),
}


def matches(key: str, module: str) -> bool:
    import re

    return re.match(rf"(?:.*\.)?(?:{key})$", module) is not None


def pattern(patterns: dict, module: str, otherwise):
    return next((value for key, value in patterns.items() if matches(key, module)), otherwise)


def factor(name: str, shape, spread: float) -> np.ndarray:
    """Random numbers that F16 holds."""
    return family_models.uniform(name, shape, spread).astype(np.float16).astype(np.float32)


def make(name: str, outdir: Path) -> dict:
    card_name, modules, settings, more = ADAPTERS[name]
    card = family_models.cards([card_name])[card_name]
    base = family_models.make(card_name, card, outdir)
    settings = {"r": 4, "lora_alpha": 6, **settings}
    adapter, merged, listed = [], [], family_models.tensors(card_name, card)
    for tensor, dtype, values in listed:
        if dtype not in safetensors_io.FLOATS:
            merged.append((tensor, dtype, values))
            continue
        module = tensor.removesuffix(".weight")
        last = module.rpartition(".")[2]
        # As it is read back from its file.
        stored = safetensors_io.decode(safetensors_io.encode(values, dtype), dtype, values.shape)
        if any(tensor.endswith(end) for end in more.get("whole", ())):
            stored = factor(f"{name}/{tensor}", values.shape, 0.1) + np.float32("norm" in tensor)
            adapter.append((f"base_model.model.{tensor}", "F32", stored))
        elif tensor.endswith(".weight") and last in modules and values.ndim == 2:
            rank = pattern(settings.get("rank_pattern", {}), module, settings["r"])
            alpha = pattern(settings.get("alpha_pattern", {}), module, settings["lora_alpha"])
            scale = alpha / (rank**0.5 if settings.get("use_rslora") else rank)
            turned = settings.get("fan_in_fan_out") or last == "embed_tokens"
            outputs, inputs = values.shape[::-1] if turned else values.shape
            a = factor(f"{name}/{module}/A", [rank, inputs], 0.1)
            b = factor(f"{name}/{module}/B", [outputs, rank], 0.1)
            kind = ("lora_embedding_A", "lora_embedding_B") if last == "embed_tokens" else ("lora_A.weight", "lora_B.weight")
            adapter += [(f"base_model.model.{module}.{part}", "F16", v) for part, v in zip(kind, (a, b))]
            product = b.astype(np.float64) @ a.astype(np.float64)
            weights = stored.astype(np.float64) + scale * (product.T if turned else product)
            if more.get("magnitudes"):
                magnitude = factor(f"{name}/{module}/M", [outputs], 0.1) + np.float32(0.5)
                adapter.append((f"base_model.model.{module}.lora_magnitude_vector", "F32", magnitude))
                weights *= (magnitude / np.linalg.norm(weights, axis=1))[:, None]
            stored = weights.astype(np.float32)
        merged.append((tensor, "F32", stored))
    folder = outdir / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    family_models.save(folder / "adapter_config.json", {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": f"tuck/{card_name}", "bias": "none",
        "fan_in_fan_out": False, "init_lora_weights": True, "target_modules": list(modules), "modules_to_save": None, **settings})
    safetensors_io.write(folder / "adapter_model.safetensors", adapter)
    plain = family_models.make(f"{name}-merged", {**card, "tensors": [], "shards": 1}, outdir)
    safetensors_io.write(plain / "model.safetensors", merged)
    return {"base": str(base), "adapter": str(folder), "merged": str(plain)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("outdir", type=Path)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    for name in args.names or ADAPTERS:
        print(json.dumps({"name": name, **make(name, args.outdir)}))


if __name__ == "__main__":
    main()
