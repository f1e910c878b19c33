"""The error of a GGUF file's weights, by the Python package `gguf` and numpy: one JSON line a tensor.

    weight_error.py CANDIDATE.gguf REFERENCE [COLUMNS.json]

REFERENCE is a GGUF file or a Hugging Face folder. COLUMNS gives each column of some tensors a factor:
{"blk.0.attn_q.weight": [0.5, ...], ...}.
"""

import enum
import json
import sys
from pathlib import Path

import gguf
import numpy as np

import dequantize
import f16_reference
import safetensors_io


def know_ggml_only_types() -> None:
    """Lets the reader of `gguf` open files with the types that only ggml itself knows."""
    more = {name: number for name, (number, _, _) in dequantize.GGML_ONLY.items()}
    kinds = enum.IntEnum("GGMLQuantizationType", {k.name: k.value for k in gguf.GGMLQuantizationType} | more)
    for name, (number, weights, size) in dequantize.GGML_ONLY.items():
        gguf.GGML_QUANT_SIZES[kinds(number)] = (weights, size)
    gguf.gguf_reader.GGMLQuantizationType = kinds


def read_gguf(path: Path):
    for tensor in gguf.GGUFReader(path).tensors:
        shape = [int(n) for n in reversed(tensor.shape)]
        if tensor.tensor_type.name in dequantize.GGML_ONLY:
            raw = np.frombuffer(tensor.data.tobytes(), dtype=np.uint8)
            values = dequantize.ggml_dequantize(tensor.tensor_type.name, raw)
        else:
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        yield tensor.name, values.reshape(shape)


def read_folder(folder: Path):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    arch = f16_reference.ARCHITECTURES[config["architectures"][0]]
    names = gguf.get_tensor_name_map(arch, config["num_hidden_layers"])
    heads = {".q_proj.": config["num_attention_heads"], ".k_proj.": config["num_key_value_heads"]}
    for name, _, values in safetensors_io.read_folder(folder):
        for part, count in heads.items():
            if arch == gguf.MODEL_ARCH.LLAMA and part in name:
                values = f16_reference.permute(values, count)
        yield names.get_name(name, try_suffixes=(".weight", ".bias")), values


def read(path: Path):
    return read_folder(path) if path.is_dir() else read_gguf(path)


def figures(candidate: np.ndarray, reference: np.ndarray, factors) -> dict:
    squares = (factors * (candidate - reference) ** 2).sum()
    energy, own = (factors * reference**2).sum(), (factors * candidate**2).sum()
    return {
        "rmse": float(np.sqrt(squares / np.broadcast_to(factors, candidate.shape).sum())),
        "relative_rmse": float(np.sqrt(squares / energy)),
        "cosine": float((factors * candidate * reference).sum() / np.sqrt(own * energy)),
    }


def main() -> None:
    if len(sys.argv) not in (3, 4):
        raise SystemExit(__doc__)
    know_ggml_only_types()
    columns = json.loads(Path(sys.argv[3]).read_text()) if len(sys.argv) == 4 else {}
    references = dict(read(Path(sys.argv[2])))
    for name, values in read(Path(sys.argv[1])):
        candidate, reference = values.astype(np.float64), references[name].astype(np.float64)
        row = {"name": name, "largest": float(abs(candidate - reference).max()), "weighted": None}
        row |= figures(candidate, reference, np.ones(1))
        if name in columns:
            row["weighted"] = figures(candidate, reference, np.array(columns[name], dtype=np.float32).astype(np.float64))
        print(json.dumps(row))


if __name__ == "__main__":
    main()
