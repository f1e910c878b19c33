"""Mean squared error of ggml's quantizers (`ggml_quantize_chunk`) on real weights.

    ggml_error.py [--types Q4_0,Q4_K] [--limit ROWS] [--filter REGEX] [--dump DIR] [--imatrix FILE.gguf] SOURCE...

A SOURCE is a GGUF (F32, F16 or BF16 matrices), a .safetensors file, a Hugging Face folder, or a raw
little-endian f32 file given as FILE.f32:ROW_LENGTH. One JSON line a source:
{"source", "tensors": {NAME: {"rows", "cols", "power", "mse": {TYPE: MSE}}}, "total": {TYPE: {"mse", "weights"}}}
where power is the mean square of the weights and total is weighted by element count, over the tensors
whose row length the type's block divides. --dump DIR writes, for each tensor, NAME.f32 and NAME.TYPE.bin
(ggml's own bytes), so that another quantizer can be compared on the same weights. With --imatrix ggml gets
the importance of each column, errors are weighted by it (relative to its mean), and only tensors that have
one are measured.

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


def quantize(kind: gguf.GGMLQuantizationType, values: np.ndarray, importance=None) -> np.ndarray:
    """ggml's bytes of an f32 matrix, a row of bytes for each row of weights."""
    values = np.ascontiguousarray(values, dtype=np.float32)
    rows, cols = values.shape
    block, size = gguf.GGML_QUANT_SIZES[kind]
    out = np.zeros((rows, cols // block * size), dtype=np.uint8)
    wrote = GGML.ggml_quantize_chunk(int(kind), values.ctypes.data, out.ctypes.data, 0, rows, cols,
                                     None if importance is None else importance.ctypes.data)
    if wrote != out.nbytes:
        raise SystemExit(f"ggml wrote {wrote} bytes of {kind.name}, expected {out.nbytes}")
    return out


def squared_error(kind, values: np.ndarray, blocks: np.ndarray, importance=None) -> float:
    factors = 1.0 if importance is None else importance / np.mean(importance, dtype=np.float64)
    step = max(1, CHUNK // values.shape[1])
    total = 0.0
    for start in range(0, values.shape[0], step):
        back = gguf.quants.dequantize(blocks[start:start + step], kind)
        total += float(np.sum((back.astype(np.float64) - values[start:start + step]) ** 2 * factors))
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


def measure(source: str, types, limit: int, pattern, dump, importances) -> dict:
    tensors, sums = {}, {t: [0.0, 0] for t in types}
    for name, values in matrices(source):
        if pattern and not pattern.search(name):
            continue
        importance = None
        if importances is not None:
            if name not in importances:
                continue
            importance = np.ascontiguousarray(importances[name]["means"], dtype=np.float32)
        values = values[:limit] if limit else values
        rows, cols = values.shape
        if dump:
            dump.mkdir(parents=True, exist_ok=True)
            values.astype("<f4").tofile(dump / f"{name}.f32")
        errors = {}
        for text in types:
            kind = gguf.GGMLQuantizationType[text]
            if cols % gguf.GGML_QUANT_SIZES[kind][0]:
                continue
            blocks = quantize(kind, values, importance)
            if dump:
                blocks.tofile(dump / f"{name}.{text}.bin")
            error = squared_error(kind, values, blocks, importance)
            errors[text] = error / values.size
            sums[text][0] += error
            sums[text][1] += values.size
        power = float(np.mean(values.astype(np.float64) ** 2))
        tensors[name] = {"rows": rows, "cols": cols, "power": power, "mse": errors}
    total = {t: {"mse": s / n, "weights": n} for t, (s, n) in sums.items() if n}
    return {"source": Path(source).name, "tensors": tensors, "total": total}


def judge(text: str, weights: str, blocks: str, cols: str) -> dict:
    kind = gguf.GGMLQuantizationType[text.upper()]
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
    parser.add_argument("--limit", type=int, default=0, help="rows of each tensor, 0 for all")
    parser.add_argument("--filter", help="only tensors whose name this regular expression finds")
    parser.add_argument("--dump", type=Path)
    parser.add_argument("--imatrix", type=Path)
    parser.add_argument("--judge", nargs=4, metavar=("TYPE", "WEIGHTS", "BLOCKS", "ROW_LENGTH"))
    args = parser.parse_intermixed_args()
    if args.judge:
        print(json.dumps(judge(*args.judge)))
    pattern = re.compile(args.filter) if args.filter else None
    importances = imatrix.read(args.imatrix)["tensors"] if args.imatrix else None
    for source in args.sources:
        types = args.types.upper().split(",")
        print(json.dumps(measure(source, types, args.limit, pattern, args.dump, importances)), flush=True)


if __name__ == "__main__":
    main()
