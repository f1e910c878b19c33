"""Dequantizes raw blocks with the Python package `gguf`.

    dequantize.py TYPE IN.bin OUT.f32

IN holds whole blocks of TYPE (Q4_K, q8_0, F16, BF16, ...), OUT gets little-endian f32.
"""

import sys

import gguf
import numpy as np


def main() -> None:
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    kind = gguf.GGMLQuantizationType[sys.argv[1].upper()]
    raw = np.fromfile(sys.argv[2], dtype=np.uint8)
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
