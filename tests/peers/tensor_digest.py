"""One hash for all tensors of a GGUF file, names, shapes, types and bytes, whatever their order: a line a file.

    tensor_digest.py GGUF...
"""

import sys
from pathlib import Path

import describe


def digest(path: Path) -> str:
    return describe.sha256(describe.canonical(sorted(describe.describe(path)["tensors"])))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(digest(Path(name)))
