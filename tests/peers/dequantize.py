"""Dequantizes raw blocks with the Python package `gguf`, or with ggml itself where the package does not know the type.

    dequantize.py TYPE IN.bin OUT.f32

IN holds whole blocks of TYPE (Q4_K, q8_0, F16, BF16, ...), OUT gets little-endian f32.
"""

import ctypes
import sys

import gguf
import numpy as np
import xllamacpp.xllamacpp

# ggml's number, weights and bytes of a block: `enum ggml_type` in ggml.h, `block_*` in ggml-common.h.
GGML_ONLY = {"Q1_0": (41, 128, 18), "Q2_0": (42, 64, 18)}


class Traits(ctypes.Structure):
    """`struct ggml_type_traits` of ggml.h, as far as `to_float`."""

    _fields_ = [("type_name", ctypes.c_char_p), ("blck_size", ctypes.c_int64), ("interleave", ctypes.c_int64),
                ("type_size", ctypes.c_size_t), ("is_quantized", ctypes.c_bool),
                ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64))]


def ggml_dequantize(name: str, raw: np.ndarray) -> np.ndarray:
    number, weights, size = GGML_ONLY[name]
    ggml = ctypes.CDLL(xllamacpp.xllamacpp.__file__)
    ggml.ggml_get_type_traits.restype = ctypes.POINTER(Traits)
    traits = ggml.ggml_get_type_traits(number).contents
    assert (traits.blck_size, traits.type_size) == (weights, size), f"ggml's {name} is not what it was"
    values = np.empty(raw.size // size * weights, dtype=np.float32)
    traits.to_float(raw.ctypes.data, values.ctypes.data, values.size)
    return values


def main() -> None:
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    raw = np.fromfile(sys.argv[2], dtype=np.uint8)
    if sys.argv[1].upper() in GGML_ONLY:
        ggml_dequantize(sys.argv[1].upper(), raw).tofile(sys.argv[3])
        return
    kind = gguf.GGMLQuantizationType[sys.argv[1].upper()]
    block = gguf.GGML_QUANT_SIZES[kind][1]
    if raw.size == 0 or raw.size % block:
        raise SystemExit(f"{sys.argv[2]}: {raw.size} bytes are no whole blocks of {block}")
    if kind == gguf.GGMLQuantizationType.F32:
        values = raw.view("<f4")
    elif kind == gguf.GGMLQuantizationType.F16:
        values = raw.view("<f2").astype(np.float32)
    else:
        values = gguf.quants.dequantize(raw.reshape(-1, block), kind)
    values.astype("<f4").tofile(sys.argv[3])


if __name__ == "__main__":
    main()
