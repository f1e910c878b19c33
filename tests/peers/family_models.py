"""Makes tiny Hugging Face folders from the cards in tests/data/families: seeded weights, a small real vocabulary.

    family_models.py OUTDIR [NAME...]

A card is a JSON document (tests/data/families/README.md); its name is the folder's, so that it is also the model's name.
The bytes are the same everywhere: they come from the counter-based generator below, not from a library.
"""

import argparse
import json
import shutil
import zlib
from pathlib import Path

import numpy as np

import safetensors_io

DATA = Path(__file__).resolve().parents[1] / "data"
CARDS = DATA / "families"


def cards(names=()) -> dict[str, dict]:
    """Name -> card, of all or of those named."""
    paths = [CARDS / f"{name}.json" for name in names] or sorted(CARDS.glob("*.json"))
    paths = [path for path in paths if not path.stem.endswith(".reference")]
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def numbers(name: str, count: int) -> np.ndarray:
    """`count` 64-bit numbers: splitmix64 of the element's number, seeded by the name."""
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) + np.uint64(zlib.crc32(name.encode()) << 32)
        z *= np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name: str, shape, spread: float) -> np.ndarray:
    """Uniform f32 in [-spread, spread)."""
    unit = (numbers(name, int(np.prod(shape))) >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)
    return ((unit * 2 - 1) * np.float32(spread)).reshape(shape).astype(np.float32)


def is_norm(name: str) -> bool:
    """A norm's weight: what its family names end with."""
    parts = name.lower().split(".")
    return parts[-1] in ("weight", "gamma") and any("norm" in part or part.startswith("ln_") or part.endswith("_ln") for part in parts[-4:])


def values(card: str, name: str, shape, spec: dict) -> np.ndarray:
    """The numbers of a tensor: near 1 for a norm's weight (or near `norm`), small for a matrix."""
    if "value" in spec:
        return np.full(shape, spec["value"])
    if "ramp" in spec:  # 0, 0, ..., 1, 1, ...: the group of each column
        return np.arange(int(np.prod(shape))).reshape(shape) // spec["ramp"]
    if "values" in spec:
        return np.array(spec["values"]).reshape(shape)
    if "bytes" in spec:  # random whole numbers from the first to the last given
        low, high = spec["bytes"]
        count = int(np.prod(shape))
        return (numbers(f"{card}/{name}", count) % np.uint64(high - low + 1)).astype(np.int64).reshape(shape) + low
    if "fp8" in spec:  # codes of either sign whose magnitude is below the one given (the first that is no number)
        codes = numbers(f"{card}/{name}", int(np.prod(shape))) % np.uint64(2 * spec["fp8"])
        return (codes + np.where(codes < spec["fp8"], 0, 128 - spec["fp8"]).astype(np.uint64)).astype(np.int64).reshape(shape)
    norm = is_norm(name)
    spread = spec.get("spread", 0.5 if norm else 0.08 if len(shape) > 1 else 0.1)
    out = uniform(f"{card}/{name}", shape, spread)
    return out + np.float32(spec.get("center", 1.0 if norm else 0.0))


def tensors(name: str, card: dict) -> list:
    """(tensor, dtype, values) in the order of the card."""
    out = []
    for tensor, *shape in card["tensors"]:
        spec = shape.pop() if shape and isinstance(shape[-1], dict) else {}
        for ending, more in card.get("values", {}).items():
            if tensor.endswith(ending):
                spec = {**more, **spec}
        out.append((tensor, spec.get("dtype", card["dtype"]), values(name, tensor, shape, spec)))
    return out


def save(path: Path, value) -> None:
    """JSON, or text as it is; null takes a file away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if value is None:
        path.unlink()
    elif isinstance(value, str):
        path.write_text(value, encoding="utf-8")
    else:
        path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def save_weights(folder: Path, listed, card: dict) -> None:
    """Shards cut the list anywhere, so a layer lies in two files."""
    shards, stem = card.get("shards", 1), card.get("weights", "model")
    if shards == 1:
        return safetensors_io.write(folder / f"{stem}.safetensors", listed)
    index = {}
    for n in range(shards):
        part = listed[len(listed) * n // shards: len(listed) * (n + 1) // shards]
        name = f"{stem}-{n + 1:05}-of-{shards:05}.safetensors"
        safetensors_io.write(folder / name, part)
        index |= {tensor: name for tensor, _, _ in part}
    size = sum(v.size * safetensors_io.ITEM_BYTES[d] for _, d, v in listed)
    save(folder / f"{stem}.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": index})


def make(name: str, card: dict, outdir: Path) -> Path:
    folder = outdir / name
    shutil.rmtree(folder, ignore_errors=True)
    if "vocabulary" in card:
        shutil.copytree(DATA / "vocab" / card["vocabulary"], folder)
    folder.mkdir(parents=True, exist_ok=True)
    if "config" in card:
        save(folder / "config.json", card["config"])
    for file, changes in card.get("changes", {}).items():
        document = json.loads((folder / file).read_text(encoding="utf-8")) | changes
        save(folder / file, {key: value for key, value in document.items() if value != "(absent)"})
    for file, value in card.get("files", {}).items():
        save(folder / file, value)
    save_weights(folder, tensors(name, card), card)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("outdir", type=Path)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    for name, card in cards(args.names).items():
        print(make(name, card, args.outdir))


if __name__ == "__main__":
    main()
