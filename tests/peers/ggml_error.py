"""Mean squared error of ggml's quantizers (`ggml_quantize_chunk`) on real weights.

    ggml_error.py [--types Q4_0,Q4_K] [--importance FILE.f32 | --imatrix FILE.gguf] [--limit ROWS] [--filter REGEX]
                  [--dump DIR] SOURCE...

Without an importance matrix types that refuse to go without get one of ones. With --importance the file's factors are those
of every row's columns, with --imatrix each tensor has its own and those without are left out; errors are weighted by them,
relative to their mean.

A SOURCE is a GGUF (F32, F16 or BF16 matrices), a .safetensors file, a Hugging Face folder, or a raw
little-endian f32 file given as FILE.f32:ROW_LENGTH. One JSON line a source:
{"source", "tensors": {NAME: {"rows", "cols", "power", "mse": {TYPE: MSE}}}, "total": {TYPE: {"mse", "weights"}}}
where power is the mean square of the weights and total is weighted by element count, over the tensors
whose row length the type's block divides. --dump DIR writes, for each tensor, NAME.f32 and NAME.TYPE.bin
(ggml's own bytes), so that another quantizer can be compared on the same weights.

    ggml_error.py --judge TYPE WEIGHTS.f32 BLOCKS.bin ROW_LENGTH

prints {"type", "mse", "ggml_mse", "equal_bytes"}: the error of someone else's bytes beside ggml's own.
"""

import argparse
import ctypes
import json
import re
from pathlib import Path

import gguf
import llama_cpp
import numpy as np

import imatrix
import safetensors_io

TYPES = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"]
CHUNK = 1 << 22  # weights at a time: bounds the memory of the error's f64


def library():
    folder = Path(llama_cpp.__file__).parent / "lib"
    for path in sorted(folder.glob("*ggml-base*")):
        try:
            return ctypes.CDLL(str(path))
        except OSError:
            continue
    raise SystemExit(f"no ggml-base library in {folder}")


GGML = library()
GGML.ggml_quantize_chunk.restype = ctypes.c_size_t
GGML.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
                                     ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]


class Traits(ctypes.Structure):
    """`struct ggml_type_traits` of ggml.h, as far as it is needed."""

    _fields_ = [("name", ctypes.c_char_p), ("block", ctypes.c_int64), ("interleave", ctypes.c_int64),
                ("bytes", ctypes.c_size_t), ("quantized", ctypes.c_bool),
                ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64))]


GGML.ggml_get_type_traits.restype = ctypes.POINTER(Traits)
GGML.ggml_quantize_requires_imatrix.restype = ctypes.c_bool


class Kind:
    """A ggml type by its name, as ggml itself describes it."""

    def __init__(self, name: str):
        for number in range(64):
            traits = GGML.ggml_get_type_traits(number).contents
            if traits.name and traits.name.decode().upper() == name.upper():
                self.name, self.number = name.upper(), number
                self.block, self.bytes, self.to_float = traits.block, traits.bytes, traits.to_float
                return
        raise SystemExit(f"ggml has no type {name}")


def quantize(kind: Kind, values: np.ndarray, importance=None) -> np.ndarray:
    """ggml's bytes of an f32 matrix, a row of bytes for each row of weights."""
    values = np.ascontiguousarray(values, dtype=np.float32)
    rows, cols = values.shape
    if importance is None and GGML.ggml_quantize_requires_imatrix(kind.number):
        importance = np.ones(cols, dtype=np.float32)
    out = np.zeros((rows, cols // kind.block * kind.bytes), dtype=np.uint8)
    factors = importance.ctypes.data if importance is not None else None
    wrote = GGML.ggml_quantize_chunk(kind.number, values.ctypes.data, out.ctypes.data, 0, rows, cols, factors)
    if wrote != out.nbytes:
        raise SystemExit(f"ggml wrote {wrote} bytes of {kind.name}, expected {out.nbytes}")
    return out


def squared_error(kind: Kind, values: np.ndarray, blocks: np.ndarray, importance=None) -> float:
    factors = 1.0 if importance is None else importance / np.mean(importance, dtype=np.float64)
    step = max(1, CHUNK // values.shape[1])
    total = 0.0
    for start in range(0, values.shape[0], step):
        part, read = values[start:start + step], np.ascontiguousarray(blocks[start:start + step])
        back = np.zeros(part.shape, dtype=np.float32)
        kind.to_float(read.ctypes.data, back.ctypes.data, back.size)
        total += float(np.sum((back.astype(np.float64) - part) ** 2 * factors))
    return total


def matrices(source: str):
    """Yields (name, f32 matrix) of every float tensor with two or more dimensions."""
    match = re.fullmatch(r"(.+\.f32):(\d+)", source)
    path = Path(match[1] if match else source)
    if match:
        found = [(path.stem, np.fromfile(path, dtype="<f4").reshape(-1, int(match[2])))]
    elif path.is_dir():
        found = ((name, values) for name, _, values in safetensors_io.read_folder(path))
    elif path.suffix == ".safetensors":
        found = ((name, values) for name, _, values in safetensors_io.read(path))
    else:
        reader = gguf.GGUFReader(path)
        found = ((t.name, gguf.quants.dequantize(t.data, t.tensor_type).reshape([int(n) for n in reversed(t.shape)]))
                 for t in reader.tensors if len(t.shape) > 1)
    for name, values in found:
        if values.ndim >= 2:
            yield name, np.asarray(values, dtype=np.float32).reshape(-1, values.shape[-1])


def measure(source: str, types, limit: int, pattern, dump, importances=None) -> dict:
    kinds = [Kind(text) for text in types]
    tensors, sums = {}, {t: [0.0, 0] for t in types}
    for name, values in matrices(source):
        if pattern and not pattern.search(name):
            continue
        importance = importances if isinstance(importances, np.ndarray) else None
        if isinstance(importances, dict):
            if name not in importances:
                continue
            importance = np.ascontiguousarray(importances[name]["means"], dtype=np.float32)
        values = values[:limit] if limit else values
        rows, cols = values.shape
        if dump:
            dump.mkdir(parents=True, exist_ok=True)
            values.astype("<f4").tofile(dump / f"{name}.f32")
        errors = {}
        for kind in kinds:
            if cols % kind.block:
                continue
            blocks = quantize(kind, values, importance)
            if dump:
                blocks.tofile(dump / f"{name}.{kind.name}.bin")
            error = squared_error(kind, values, blocks, importance)
            errors[kind.name] = error / values.size
            sums[kind.name][0] += error
            sums[kind.name][1] += values.size
        power = float(np.mean(values.astype(np.float64) ** 2))
        tensors[name] = {"rows": rows, "cols": cols, "power": power, "mse": errors}
    total = {t: {"mse": s / n, "weights": n} for t, (s, n) in sums.items() if n}
    return {"source": Path(source).name, "tensors": tensors, "total": total}


def judge(text: str, weights: str, blocks: str, cols: str) -> dict:
    kind = Kind(text)
    values = np.fromfile(weights, dtype="<f4").reshape(-1, int(cols))
    own = quantize(kind, values)
    theirs = np.fromfile(blocks, dtype=np.uint8)
    if theirs.size != own.size:
        raise SystemExit(f"{blocks}: {theirs.size} bytes, expected {own.size}")
    theirs = theirs.reshape(own.shape)
    return {"type": kind.name, "mse": squared_error(kind, values, theirs) / values.size,
            "ggml_mse": squared_error(kind, values, own) / values.size, "equal_bytes": bool((own == theirs).all())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*")
    parser.add_argument("--types", default=",".join(TYPES))
    parser.add_argument("--importance", type=Path)
    parser.add_argument("--imatrix", type=Path)
    parser.add_argument("--limit", type=int, default=0, help="rows of each tensor, 0 for all")
    parser.add_argument("--filter", help="only tensors whose name this regular expression finds")
    parser.add_argument("--dump", type=Path)
    parser.add_argument("--judge", nargs=4, metavar=("TYPE", "WEIGHTS", "BLOCKS", "ROW_LENGTH"))
    args = parser.parse_intermixed_args()
    if args.judge:
        print(json.dumps(judge(*args.judge)))
    pattern = re.compile(args.filter) if args.filter else None
    for source in args.sources:
        types = args.types.upper().split(",")
        importances = np.fromfile(args.importance, dtype="<f4") if args.importance else None
        if args.imatrix:
            importances = imatrix.read(args.imatrix)["tensors"]
        print(json.dumps(measure(source, types, args.limit, pattern, args.dump, importances)), flush=True)


if __name__ == "__main__":
    main()
