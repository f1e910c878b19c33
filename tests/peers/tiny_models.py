"""Makes tiny Hugging Face folders with seeded random weights, one for each way of writing a model.

    tiny_models.py SAMPLE_FOLDER OUTDIR [NAME...]

SAMPLE_FOLDER lends the start of its byte-level BPE vocabulary. The bytes are the same everywhere:
the numbers come from a counter-based generator below, not from a library.
"""

import argparse
import json
import shutil
import zlib
from pathlib import Path

import numpy as np

import safetensors_io

VOCABULARY = 512
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3_REGEX = CONTRACTIONS + r"\p{N}{1,3}" + REST
QWEN2_REGEX = CONTRACTIONS + r"\p{N}" + REST
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA3_CHAT = (
    "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] }}<|eot_id|>{% endfor %}"
)
LLAMA3_ROPE = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 8192, "rope_type": "llama3"}


def uniform(name: str, shape, spread: float) -> np.ndarray:
    """Uniform f32 in [-spread, spread): splitmix64 of the element's number, seeded by the name."""
    count = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) + np.uint64(zlib.crc32(name.encode()) << 32)
        z *= np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    unit = (z >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)
    return ((unit * 2 - 1) * np.float32(spread)).reshape(shape).astype(np.float32)


def weights(model: dict):
    config = model["config"]
    hidden, inner, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
    kv_heads = config["num_key_value_heads"]
    dim = config.get("head_dim", hidden // heads)
    biases = model.get("biases", ())
    shapes = {"model.embed_tokens.weight": [config["vocab_size"], hidden], "model.norm.weight": [hidden]}
    if model.get("lm_head"):
        shapes["lm_head.weight"] = [config["vocab_size"], hidden]
    for layer in range(config["num_hidden_layers"]):
        linear = {
            "self_attn.q_proj": [heads * dim, hidden], "self_attn.k_proj": [kv_heads * dim, hidden],
            "self_attn.v_proj": [kv_heads * dim, hidden], "self_attn.o_proj": [hidden, heads * dim],
            "mlp.gate_proj": [inner, hidden], "mlp.up_proj": [inner, hidden], "mlp.down_proj": [hidden, inner],
        }
        norms = {"input_layernorm": hidden, "post_attention_layernorm": hidden}
        if model.get("qk_norm"):
            norms |= {"self_attn.q_norm": dim, "self_attn.k_norm": dim}
        prefix = f"model.layers.{layer}."
        for name, shape in linear.items():
            shapes[f"{prefix}{name}.weight"] = shape
            if name.split(".")[1][0] in biases and name.startswith("self_attn"):
                shapes[f"{prefix}{name}.bias"] = shape[:1]
        for name, length in norms.items():
            shapes[f"{prefix}{name}.weight"] = [length]
    out = []
    for name, shape in shapes.items():
        values = uniform(f"{model['folder']}/{name}", shape, 0.5 if len(shape) == 1 else 0.08)
        if name.endswith("norm.weight"):
            values = values + np.float32(1.0)
        out.append((name, model["dtype"], values))
    return out


def tokenizer(sample: dict, model: dict) -> dict:
    """The sample's bytes and first merges, then the model's own added tokens."""
    vocab = {t: i - 1 for t, i in sample["model"]["vocab"].items() if 0 < i <= VOCABULARY}
    merges = [m if isinstance(m, list) else m.split(" ") for m in sample["model"]["merges"]]
    merges = [m for m in merges if m[0] + m[1] in vocab and m[0] in vocab and m[1] in vocab]
    if model.get("merges_as_text"):
        merges = [" ".join(m) for m in merges]
    added = [
        {"id": VOCABULARY + i, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": special}
        for i, (text, special) in enumerate(model["added"])
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    if model["regex"] is None:
        pre = {**byte_level, "use_regex": True}
    else:
        split = {"type": "Split", "pattern": {"Regex": model["regex"]}, "behavior": "Isolated", "invert": False}
        pre = {"type": "Sequence", "pretokenizers": [split, byte_level]}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": model.get("normalizer"), "pre_tokenizer": pre,
        "post_processor": model.get("post_processor"), "decoder": {**byte_level, "use_regex": True},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
            "ignore_merges": model.get("ignore_merges", False), "vocab": vocab, "merges": merges,
        },
    }


def template_processing(text: str, token: int) -> dict:
    first = {"SpecialToken": {"id": text, "type_id": 0}}
    a, b = ({"Sequence": {"id": name, "type_id": kind}} for name, kind in (("A", 0), ("B", 1)))
    return {
        "type": "Sequence",
        "processors": [
            {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
            {"type": "TemplateProcessing", "single": [first, a],
             "pair": [first, a, {"SpecialToken": {"id": text, "type_id": 1}}, b],
             "special_tokens": {text: {"id": text, "ids": [token], "tokens": [text]}}},
        ],
    }


def base_config(kind: str, **more) -> dict:
    names = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}
    return {
        "architectures": [names[kind]], "model_type": kind, "hidden_act": "silu", "hidden_size": 64,
        "intermediate_size": 160, "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 3,
        "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "use_cache": True, "vocab_size": VOCABULARY + 8,
        **more,
    }


QWEN_ADDED = [("<|endoftext|>", True), ("<|im_start|>", True), ("<|im_end|>", True),
              ("<tool_call>", False), ("</tool_call>", False)]

MODELS = [
    {   # Llama 3: untied, llama3 rope, shards, an eos list, BOS by the post-processor.
        "folder": "Tiny-Llama-3.2-200K-Instruct", "pre": "llama-bpe", "dtype": "BF16", "shards": 3,
        "config": base_config(
            "llama", bos_token_id=VOCABULARY, eos_token_id=[VOCABULARY + 1, VOCABULARY + 4],
            rope_theta=500000.0, rope_scaling=LLAMA3_ROPE, max_position_embeddings=131072,
            tie_word_embeddings=False, torch_dtype="bfloat16", head_dim=16, vocab_size=VOCABULARY + 5),
        "lm_head": True, "regex": LLAMA3_REGEX, "ignore_merges": True,
        "added": [("<|begin_of_text|>", True), ("<|end_of_text|>", True), ("<|start_header_id|>", True),
                  ("<|end_header_id|>", True), ("<|eot_id|>", True)],
        "post_processor": template_processing("<|begin_of_text|>", VOCABULARY),
        "tokenizer_config": {
            "bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "chat_template": LLAMA3_CHAT,
            "clean_up_tokenization_spaces": True, "model_max_length": 131072,
            "tokenizer_class": "PreTrainedTokenizerFast"},
        "generation_config": {"bos_token_id": VOCABULARY, "do_sample": True, "temperature": 0.6, "top_p": 0.9,
                              "eos_token_id": [VOCABULARY + 1, VOCABULARY + 4]},
    },
    {   # Llama, linear rope by its old name, q/k/v/o biases, tied, template in a file of its own, a model card.
        "folder": "tiny-linear-v0.1", "pre": "gpt-2", "dtype": "F16",
        "config": base_config(
            "llama", bos_token_id=VOCABULARY, eos_token_id=VOCABULARY, rope_theta=10000.0,
            rope_scaling={"type": "linear", "factor": 2.5}, tie_word_embeddings=True, attention_bias=True,
            torch_dtype="float16"),
        "biases": "qkvo", "regex": None, "added": [("<|endoftext|>", True), ("<note>", False)],
        "tokenizer_config": {
            "add_bos_token": True, "add_eos_token": False, "add_prefix_space": False,
            "bos_token": {"content": "<|endoftext|>", "lstrip": False, "normalized": False, "rstrip": False,
                          "single_word": False},
            "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "model_max_length": 2048,
            "tokenizer_class": "PreTrainedTokenizerFast"},
        "special_tokens_map": {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>",
                               "unk_token": "<|endoftext|>", "pad_token": "<note>"},
        "chat_template": CHATML.replace("im_start", "from").replace("im_end", "to"),
        "generation_config": {"bos_token_id": VOCABULARY, "eos_token_id": VOCABULARY},
        "readme": (
            "---\nlicense: apache-2.0\nlanguage:\n- en\n- no\nbase_model: example-org/Base-Model-7B-v0.3\n"
            "datasets:\n- example-org/some-text\ntags:\n- tiny\n- test\npipeline_tag: text-generation\n---\n\n"
            "# A tiny model\n"),
    },
    {   # Qwen2: tied, biases on q, k and v, f32, no bos, padded vocabulary.
        "folder": "Tiny-Qwen2.5-0.1M", "pre": "qwen2", "dtype": "F32", "biases": "qkv",
        "config": base_config(
            "qwen2", bos_token_id=VOCABULARY, eos_token_id=VOCABULARY + 2, rope_theta=1000000.0,
            rms_norm_eps=1e-6, tie_word_embeddings=True, torch_dtype="float32", max_window_layers=3,
            sliding_window=32768, use_sliding_window=False),
        "regex": QWEN2_REGEX, "normalizer": {"type": "NFC"}, "added": QWEN_ADDED, "merges_as_text": True,
        "post_processor": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False,
                           "use_regex": False},
        "tokenizer_config": {
            "add_bos_token": False, "add_prefix_space": False, "bos_token": None, "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>", "unk_token": None, "chat_template": CHATML, "errors": "replace",
            "model_max_length": 131072, "split_special_tokens": False, "tokenizer_class": "Qwen2Tokenizer"},
        "generation_config": {"bos_token_id": VOCABULARY, "pad_token_id": VOCABULARY, "do_sample": True,
                              "eos_token_id": [VOCABULARY + 2, VOCABULARY], "repetition_penalty": 1.1,
                              "temperature": 0.7, "top_p": 0.8, "top_k": 20},
    },
    {   # Qwen3: norms on q and k, a head size of its own, two shards, template file.
        "folder": "Tiny-Qwen3-100K-Base", "pre": "qwen2", "dtype": "BF16", "shards": 2, "qk_norm": True,
        "config": base_config(
            "qwen3", bos_token_id=VOCABULARY, eos_token_id=VOCABULARY + 2, rope_theta=1000000, head_dim=32,
            rms_norm_eps=1e-6, rope_scaling=None, tie_word_embeddings=False, attention_bias=False,
            torch_dtype="bfloat16"),
        "lm_head": True, "regex": QWEN2_REGEX, "normalizer": {"type": "NFC"},
        "added": QWEN_ADDED + [("<think>", False), ("</think>", False)],
        "post_processor": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False,
                           "use_regex": False},
        "tokenizer_config": {
            "add_bos_token": False, "add_prefix_space": False, "bos_token": None, "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>", "unk_token": None, "errors": "replace", "model_max_length": 131072,
            "additional_special_tokens": ["<|im_start|>", "<|im_end|>"], "split_special_tokens": False,
            "tokenizer_class": "Qwen2Tokenizer"},
        "chat_template": CHATML,
        "generation_config": {"temperature": 0.6, "top_k": 20, "top_p": 0.95, "min_p": 0.0,
                              "eos_token_id": [VOCABULARY + 2, VOCABULARY]},
    },
    {   # Llama: the newer rope_parameters, tied in the config yet with an lm_head in the file, no defaults given.
        "folder": "tiny-tied-head", "pre": "gpt-2", "dtype": "F32",
        "config": {
            k: v for k, v in base_config(
                "llama", bos_token_id=VOCABULARY, eos_token_id=VOCABULARY, tie_word_embeddings=True,
                dtype="float32", _name_or_path="example-org/Tiny-Head-8x-v2",
                rope_parameters={**LLAMA3_ROPE, "rope_theta": 250000.0, "factor": 4.0,
                                 "original_max_position_embeddings": 64}).items()
            if k != "num_key_value_heads"} | {"num_key_value_heads": 4},
        "lm_head": True, "regex": None, "added": [("<|endoftext|>", True)],
        "tokenizer_config": {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>",
                             "tokenizer_class": "PreTrainedTokenizerFast"},
    },
]


def save_weights(folder: Path, tensors, shards: int) -> None:
    """Shards cut the list anywhere, so a layer lies in two files."""
    if shards == 1:
        return safetensors_io.write(folder / "model.safetensors", tensors)
    index = {}
    for n in range(shards):
        part = tensors[len(tensors) * n // shards: len(tensors) * (n + 1) // shards]
        name = f"model-{n + 1:05}-of-{shards:05}.safetensors"
        safetensors_io.write(folder / name, part)
        index |= {tensor: name for tensor, _, _ in part}
    size = sum(v.size * safetensors_io.ITEM_BYTES[d] for _, d, v in tensors)
    save(folder / "model.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": index})


def save(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def make(model: dict, sample: dict, outdir: Path) -> Path:
    folder = outdir / model["folder"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    save(folder / "config.json", model["config"])
    save(folder / "tokenizer.json", tokenizer(sample, model))
    for name in ("tokenizer_config", "generation_config", "special_tokens_map"):
        if name in model:
            save(folder / f"{name}.json", model[name])
    for name, file in (("chat_template", "chat_template.jinja"), ("readme", "README.md")):
        if name in model:
            (folder / file).write_text(model[name], encoding="utf-8")
    save_weights(folder, weights(model), model.get("shards", 1))
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sample", type=Path)
    parser.add_argument("outdir", type=Path)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    sample = json.loads((args.sample / "tokenizer.json").read_text(encoding="utf-8"))
    for model in MODELS:
        if not args.names or model["folder"] in args.names:
            print(make(model, sample, args.outdir), model["pre"])


if __name__ == "__main__":
    main()
