"""Mean squared error that ggml's own quantizer leaves, without importance weights, and its speed on one core.

    ggml_error.py LIBGGML-BASE.so IN.f32 TYPE...

IN holds little-endian f32, a multiple of 256. Prints a line for each TYPE: name, error, weights per second.
"""

import ctypes
import sys
import time

import gguf
import numpy as np


def main() -> None:
    if len(sys.argv) < 4:
        raise SystemExit(__doc__)
    ggml = ctypes.CDLL(sys.argv[1])
    quantize = ggml.ggml_quantize_chunk
    quantize.restype = ctypes.c_size_t
    quantize.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    weights = np.fromfile(sys.argv[2], dtype="<f4")
    rows = weights.size // 256
    for name in sys.argv[3:]:
        kind = gguf.GGMLQuantizationType[name]
        block, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = np.zeros((rows, 256 // block * size), dtype=np.uint8)
        begin = time.perf_counter()
        quantize(kind, weights.ctypes.data, blocks.ctypes.data, 0, rows, 256, None)
        seconds = time.perf_counter() - begin
        back = gguf.quants.dequantize(blocks, kind).reshape(-1)
        error = np.mean((back.astype(np.float64) - weights) ** 2)
        print(name, repr(float(error)), weights.size / seconds)


if __name__ == "__main__":
    main()
