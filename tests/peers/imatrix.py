"""Importance matrices by way of the package `gguf` and of `struct`, apart from llama.cpp and from Tuck.

    imatrix.py read FILE.gguf

prints {"datasets", "chunks", "chunk_tokens", "tensors": {NAME: {"means", "counts"}}}.

    imatrix.py write FOLDER

writes FOLDER/experts.gguf and FOLDER/experts.dat, a matrix and four experts of which the third saw no token,
and prints what the files mean: {"gguf": {NAME: MEANS}, "dat": {NAME: MEANS}}.
"""

import json
import struct
import sys
from pathlib import Path

import gguf
import numpy as np


class Writer(gguf.GGUFWriter):
    def add_architecture(self) -> None:
        """An importance matrix has none."""


def read(path) -> dict:
    reader = gguf.GGUFReader(path)
    if reader.get_field("general.type").contents() != "imatrix":
        raise SystemExit(f"{path}: no importance matrix")
    found = {t.name: t.data for t in reader.tensors}
    names = [name.removesuffix(".in_sum2") for name in found if name.endswith(".in_sum2")]
    tensors = {}
    for name in names:
        counts = np.asarray(found[f"{name}.counts"], dtype=np.float32).reshape(-1)
        sums = np.asarray(found[f"{name}.in_sum2"], dtype=np.float32).reshape(counts.size, -1)
        tensors[name] = {"means": means(sums, counts), "counts": counts}
    field = {key: reader.get_field(f"imatrix.{key}").contents() for key in ("datasets", "chunk_count", "chunk_size")}
    return {"datasets": field["datasets"], "chunks": field["chunk_count"], "chunk_tokens": field["chunk_size"],
            "tensors": tensors}


def means(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    divided = sums / np.where(counts > 0, counts, 1).astype(np.float32)[:, None]
    return np.where(counts[:, None] > 0, divided, np.float32(1)).reshape(-1)


def write(folder: Path) -> dict:
    random = np.random.default_rng(3)
    entries = {
        "blk.0.attn_q.weight": (random.random((1, 32), dtype=np.float32) * 50, np.array([1024], dtype=np.float32)),
        "blk.0.ffn_down_exps.weight": (random.random((4, 64), dtype=np.float32) * 9,
                                       np.array([700, 300, 0, 24], dtype=np.float32)),
    }
    writer = Writer(folder / "experts.gguf", "")
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", ["first.txt", "second.txt"])
    writer.add_uint32("imatrix.chunk_count", 2)
    writer.add_uint32("imatrix.chunk_size", 512)
    for name, (sums, counts) in entries.items():
        writer.add_tensor(f"{name}.in_sum2", sums)
        writer.add_tensor(f"{name}.counts", counts[:, None])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    meant = {"gguf": {}, "dat": {}}
    out = struct.pack("<i", len(entries))
    for name, (sums, counts) in entries.items():
        meant["gguf"][name] = means(sums, counts).tolist()
        chunks = int(-(-counts.max() // 512))
        values = means(sums, counts) * np.float32(chunks)
        meant["dat"][name] = (values / np.float32(chunks)).tolist()
        out += struct.pack("<i", len(name)) + name.encode()
        out += struct.pack("<ii", chunks, values.size) + values.astype("<f4").tobytes()
    out += struct.pack("<ii", 2, len("first.txt")) + b"first.txt"
    (folder / "experts.dat").write_bytes(out)
    return meant


def main() -> None:
    match sys.argv[1:]:
        case ["read", path]:
            print(json.dumps(read(path), default=np.ndarray.tolist))
        case ["write", folder]:
            print(json.dumps(write(Path(folder))))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
