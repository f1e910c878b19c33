"""Writes tests/data/cache_blocks.json: rows of numbers, and the blocks that ggml makes of them for its cache, by the
`quantize_row_*_ref` functions of its shared library.

    python tests/peers/cache_blocks.py PATH/TO/libggml-base.so
"""

import ctypes
import json
import math
import pathlib
import random
import struct
import sys

BLOCK_BYTES = {"q8_0": 34, "q5_1": 24, "q5_0": 22, "q4_1": 20, "q4_0": 18, "iq4_nl": 18}
BLOCKS = 96

random.seed(8)


def number(block: int) -> float:
    bell = sum(random.random() - 0.5 for _ in range(6))
    outlier = 9.0 if random.random() < 0.03 else 1.0
    return bell * outlier * 2.0 ** (block % 12 - 8)


def to_f32(x: float) -> float:
    return struct.unpack("<f", struct.pack("<f", x))[0]


def main() -> None:
    library = ctypes.CDLL(sys.argv[1])
    numbers = [to_f32(number(block)) for block in range(BLOCKS) for _ in range(32)]
    # Ties: whole numbers and halves of a scale of 1, of both signs; one number alone; all the same.
    numbers[0:32] = [float(i - 16) for i in range(32)]
    numbers[32:64] = [(i - 15.5) * (1 if i % 2 else -1) for i in range(32)]
    numbers[64:96] = [0.0] * 31 + [3.0]
    numbers[96:128] = [1.25] * 32
    numbers[128:160] = [127.0] + [i + 0.5 for i in range(31)]
    assert all(math.isfinite(x) for x in numbers)
    source = (ctypes.c_float * len(numbers))(*numbers)
    found = {"numbers": struct.pack(f"<{len(numbers)}f", *numbers).hex()}
    for name, size in BLOCK_BYTES.items():
        blocks = ctypes.create_string_buffer(size * BLOCKS)
        function = getattr(library, f"quantize_row_{name}_ref")
        function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
        function(source, blocks, len(numbers))
        found[name] = blocks.raw.hex()
    path = pathlib.Path(__file__).parent.parent / "data" / "cache_blocks.json"
    path.write_text(json.dumps(found, indent=1) + "\n")


main()
