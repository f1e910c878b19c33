"""Reads and writes safetensors with numpy alone, so that the peers depend on nothing of Tuck's
and nothing of Hugging Face's."""

import json
import struct
from pathlib import Path

import numpy as np

FLOATS = ("F32", "F16", "BF16")
WHOLE = {"I64": "<i8", "I32": "<i4", "I8": "i1", "U8": "u1", "F8_E4M3": "u1", "F8_E5M2": "u1", "F8_E8M0": "u1"}  # FP8: codes
ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, **{dtype: np.dtype(form).itemsize for dtype, form in WHOLE.items()}}


def encode(values: np.ndarray, dtype: str) -> bytes:
    """Values as little-endian bytes of `dtype`; f32 rounded to nearest even, whole numbers cut to their width."""
    if dtype in WHOLE:
        return np.ascontiguousarray(values).astype(np.int64).astype(WHOLE[dtype]).tobytes()
    if dtype == "F64":
        return np.ascontiguousarray(values).astype("<f8").tobytes()
    values = np.ascontiguousarray(values, dtype=np.float32)
    if dtype == "F32":
        return values.astype("<f4").tobytes()
    if dtype == "F16":
        return values.astype("<f2").tobytes()
    if dtype == "BF16":
        bits = values.view(np.uint32).astype(np.uint64)
        rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
        return rounded.astype("<u2").tobytes()
    raise ValueError(f"no such dtype: {dtype}")


def decode(raw: bytes, dtype: str, shape) -> np.ndarray:
    """The f32 values of a stored tensor."""
    if dtype == "F32":
        values = np.frombuffer(raw, dtype="<f4")
    elif dtype == "F16":
        values = np.frombuffer(raw, dtype="<f2").astype(np.float32)
    elif dtype == "BF16":
        values = (np.frombuffer(raw, dtype="<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        raise ValueError(f"no such dtype: {dtype}")
    return values.reshape(shape)


def write(path: Path, tensors) -> None:
    """`tensors`: a list of (name, dtype, f32 array), stored in the order given."""
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, dtype, values in tensors:
        end = offset + values.size * ITEM_BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)))
        out.write(text)
        for _, dtype, values in tensors:
            out.write(encode(values, dtype))


def header(path: Path):
    """(name -> entry, offset of the data)."""
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        entries = json.loads(file.read(length))
    entries.pop("__metadata__", None)
    return entries, 8 + length


def read(path: Path):
    """Yields (name, dtype, f32 array) sorted by name, one tensor in memory at a time; float tensors only."""
    entries, base = header(path)
    with open(path, "rb") as file:
        for name in sorted(entries):
            entry = entries[name]
            if entry["dtype"] not in FLOATS:
                continue
            start, end = entry["data_offsets"]
            file.seek(base + start)
            yield name, entry["dtype"], decode(file.read(end - start), entry["dtype"], entry["shape"])


def read_folder(folder: Path):
    """Yields the tensors of a Hugging Face folder, shard by shard."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    else:
        shards = ["model.safetensors"]
    for shard in shards:
        yield from read(folder / shard)
