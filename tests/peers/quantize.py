"""Quantizes f32 values with the Python package `gguf`.

    quantize.py TYPE IN.f32 OUT.bin

IN holds little-endian f32, a whole number of blocks of TYPE. Known: F16, BF16, Q8_0, Q4_0, Q4_1,
Q5_0, Q5_1 (and TQ1_0, TQ2_0, MXFP4, ...: whatever the package can quantize).
"""

import sys

import gguf
import numpy as np


def main() -> None:
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    kind = gguf.GGMLQuantizationType[sys.argv[1].upper()]
    values = np.fromfile(sys.argv[2], dtype="<f4")
    block = gguf.GGML_QUANT_SIZES[kind][0]
    if values.size == 0 or values.size % block:
        raise SystemExit(f"{sys.argv[2]}: {values.size} values are no whole blocks of {block}")
    try:
        blocks = gguf.quants.quantize(values.reshape(-1, block), kind)
    except NotImplementedError:
        raise SystemExit(f"gguf cannot quantize to {kind.name}") from None
    np.ascontiguousarray(blocks).tofile(sys.argv[3])


if __name__ == "__main__":
    main()
