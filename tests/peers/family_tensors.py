"""Fills in the tensors of cards in tests/data/families from transformers' own model classes.

    family_tensors.py [NAME...]

For cards with "class": the name of a class of transformers 4.57 (most often the config's architecture). It is made on
the meta device from the card's config, and the names are those that save_pretrained writes: tied tensors once, the
renaming for old checkpoints undone. "prefix": [OLD, NEW] then replaces the start of names. Cards without "class" (remote code, older
layouts) were written by hand from what the converter expects.
"""

import json
import re
import sys
import tempfile
from pathlib import Path

import torch
import transformers

import family_models


def from_class(name: str, config: dict) -> dict[str, list[int]]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config))
        parsed = transformers.AutoConfig.from_pretrained(folder)
    parsed._attn_implementation = "eager"
    with torch.device("meta"), transformers.modeling_utils.no_init_weights():
        model = getattr(transformers, name)(parsed)
    tied = (model._tied_weights_keys or []) if parsed.get_text_config().tie_word_embeddings else []
    out = {}
    for key, tensor in model.state_dict().items():
        if any(re.search(pattern, key) for pattern in tied):
            continue
        for pattern, replacement in {v: k for k, v in model._checkpoint_conversion_mapping.items()}.items():
            key, changed = re.subn(pattern, re.sub(r"\(.*\)", "", replacement.lstrip("^")), key)
            if changed:
                break
        out[key] = list(tensor.shape)
    return out


def write(name: str, card: dict) -> None:
    """One tensor a line."""
    card = dict(card)
    rows = ",\n".join("    " + json.dumps(row) for row in card.pop("tensors", []))
    text = json.dumps(card, indent=2, ensure_ascii=False).removesuffix("\n}")
    (family_models.CARDS / f"{name}.json").write_text(f'{text},\n  "tensors": [\n{rows}\n  ]\n}}\n', encoding="utf-8")


def main() -> None:
    for name, card in family_models.cards(sys.argv[1:]).items():
        if "class" not in card:
            continue
        shapes = from_class(card["class"], card["config"])
        old, new = card.get("prefix", ["", ""])
        rows = [[new + key.removeprefix(old) if key.startswith(old) else key, *shape] for key, shape in shapes.items()]
        card["tensors"] = rows + card.get("more_tensors", [])
        write(name, card)
        print(name, len(card["tensors"]), sum(torch.Size(row[1:]).numel() for row in rows))


if __name__ == "__main__":
    main()
