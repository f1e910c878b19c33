"""Writes an F16 GGUF of a Hugging Face folder with the Python package `gguf` alone.

    f16_reference.py HF_FOLDER OUT.gguf

Independent of Tuck and of llama.cpp's converter: what a hand-made conversion of a Llama, Qwen2 or
Qwen3 folder with a byte-level BPE tokenizer looks like, to compare generated text with.
"""

import argparse
import json
import math
from pathlib import Path

import gguf
import numpy as np

import safetensors_io

ARCHITECTURES = {
    "LlamaForCausalLM": gguf.MODEL_ARCH.LLAMA,
    "Qwen2ForCausalLM": gguf.MODEL_ARCH.QWEN2,
    "Qwen3ForCausalLM": gguf.MODEL_ARCH.QWEN3,
}


def permute(rows: np.ndarray, heads: int) -> np.ndarray:
    """Hugging Face rotates the two halves of a head, GGUF's llama rotates neighbours."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(rows.shape)


def pre_tokenizer(tokenizer: dict) -> str:
    node = tokenizer["pre_tokenizer"]
    nodes = node.get("pretokenizers", [node])
    kinds = [n["type"] for n in nodes]
    if kinds == ["ByteLevel"]:
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"]:
        return "smollm"
    if kinds == ["Split", "ByteLevel"]:
        return "llama-bpe" if r"\p{N}{1,3}" in nodes[0]["pattern"]["Regex"] else "qwen2"
    raise SystemExit(f"unknown pre-tokenizer {kinds}")


def rope_factors(scaling: dict, base: float, dim: int) -> np.ndarray:
    low, high, factor = scaling["low_freq_factor"], scaling["high_freq_factor"], scaling["factor"]
    context = scaling["original_max_position_embeddings"]
    out = []
    for i in range(0, dim, 2):
        wavelength = 2 * math.pi * base ** (i / dim)
        if wavelength < context / high:
            out.append(1.0)
        elif wavelength > context / low:
            out.append(factor)
        else:
            smooth = (context / wavelength - low) / (high - low)
            out.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(out, dtype=np.float32)


def add_tokenizer(writer, folder: Path, vocab_size: int) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    tokens = {i: t for t, i in tokenizer["model"]["vocab"].items()}
    added = {t["id"]: t for t in tokenizer["added_tokens"]}
    tokens.update({i: t["content"] for i, t in added.items()})
    kinds = []
    for i in range(vocab_size):
        if i in added:
            kinds.append(gguf.TokenType.CONTROL if added[i]["special"] else gguf.TokenType.USER_DEFINED)
        else:
            kinds.append(gguf.TokenType.NORMAL if i in tokens else gguf.TokenType.UNUSED)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre_tokenizer(tokenizer))
    writer.add_token_list([tokens.get(i, f"[PAD{i}]") for i in range(vocab_size)])
    writer.add_token_types(kinds)
    merges = tokenizer["model"]["merges"]
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    ids = {t["content"]: i for i, t in added.items()}
    for kind in ("bos", "eos", "unk", "pad"):
        value = settings.get(f"{kind}_token")
        value = value.get("content") if isinstance(value, dict) else value
        if value in ids:
            getattr(writer, f"add_{kind}_token_id")(ids[value])
    processor = tokenizer.get("post_processor") or {}
    starts = json.dumps(processor).find('"TemplateProcessing"') >= 0
    writer.add_add_bos_token(starts or bool(settings.get("add_bos_token", False)))
    template = folder / "chat_template.jinja"
    text = settings.get("chat_template") or (template.read_text(encoding="utf-8") if template.is_file() else None)
    if text:
        writer.add_chat_template(text)


def convert(folder: Path, out: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    arch = ARCHITECTURES[config["architectures"][0]]
    llama = arch == gguf.MODEL_ARCH.LLAMA
    heads = config["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads", heads)
    dim = config.get("head_dim") or config["hidden_size"] // heads
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    base = rope.get("rope_theta", config.get("rope_theta", 10000.0))
    kind = rope.get("rope_type", rope.get("type", "default"))

    writer = gguf.GGUFWriter(out, gguf.MODEL_ARCH_NAMES[arch])
    writer.add_name(folder.name)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_freq_base(base)
    writer.add_rope_dimension_count(dim)
    writer.add_key_length(dim)
    writer.add_value_length(dim)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    if kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    elif kind == "llama3":
        writer.add_tensor("rope_freqs.weight", rope_factors(rope, base, dim))
    elif kind != "default":
        raise SystemExit(f"unknown rope scaling {kind}")
    add_tokenizer(writer, folder, config["vocab_size"])

    names = gguf.get_tensor_name_map(arch, config["num_hidden_layers"])
    for name, _, values in safetensors_io.read_folder(folder):
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if target is None:
            raise SystemExit(f"unknown tensor {name}")
        if llama and ".q_proj." in name:
            values = permute(values, heads)
        elif llama and ".k_proj." in name:
            values = permute(values, kv_heads)
        if values.ndim > 1 and not target.endswith("_norm.weight"):
            values = values.astype(np.float16)
        writer.add_tensor(target, np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    convert(args.folder, args.out)


if __name__ == "__main__":
    main()
