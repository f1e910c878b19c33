"""Describes GGUF files with the reader of the Python package `gguf`: one JSON line a file.

    describe.py GGUF... [--pretty]

{"file", "metadata": [[key, type, value], ...] in file order, "tensors": [[name, shape, type, sha256], ...]}
Shapes are in GGUF order (row length first). An array type reads "ARRAY<STRING>". Long arrays and
strings are given as {"count"|"bytes", "sha256"}: for an array the hash of its compact JSON (UTF-8,
no spaces, non-ASCII as it is), for a string that of its bytes.
"""

import argparse
import hashlib
import json
from pathlib import Path

import gguf

LONG_ARRAY = 16
LONG_STRING = 256


def sha256(data) -> str:
    return hashlib.sha256(data).hexdigest()


def canonical(value) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def shorten(value):
    if isinstance(value, list) and len(value) > LONG_ARRAY:
        return {"count": len(value), "sha256": sha256(canonical(value))}
    if isinstance(value, str) and len(value) > LONG_STRING:
        raw = value.encode("utf-8")
        return {"bytes": len(raw), "sha256": sha256(raw)}
    return value


def kind(field) -> str:
    names = [t.name for t in field.types]
    return names[0] if len(names) == 1 else f"{names[0]}<{names[1]}>"


def describe(path: Path) -> dict:
    reader = gguf.GGUFReader(path)
    metadata = [
        [key, kind(field), shorten(field.contents())]
        for key, field in reader.fields.items()
        if not key.startswith("GGUF.")
    ]
    tensors = [
        [t.name, [int(n) for n in t.shape], t.tensor_type.name, sha256(t.data.tobytes())]
        for t in reader.tensors
    ]
    return {"file": path.name, "metadata": metadata, "tensors": tensors}


def pretty(description: dict) -> str:
    """One metadata entry and one tensor a line: small, and kind to diffs."""
    line = lambda value: json.dumps(value, ensure_ascii=False)
    rows = lambda entries: "[\n" + ",\n".join(f"    {line(e)}" for e in entries) + "\n  ]"
    parts = [
        f"  {line(key)}: {rows(value) if isinstance(value, list) else line(value)}"
        for key, value in description.items()
    ]
    return "{\n" + ",\n".join(parts) + "\n}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--pretty", action="store_true")
    args = parser.parse_args()
    for path in args.files:
        description = describe(path)
        print(pretty(description) if args.pretty else json.dumps(description, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
