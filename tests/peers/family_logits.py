"""Remakes tests/data/family_logits.json: what llama.cpp computes for the tiny models of the cards, in F32.

    family_logits.py TUCK WORKDIR [NAME...]

TUCK is the program, which packs each model as F32. The interpreter needs numpy and llama-cpp-python 0.3.36 (llama.cpp's
logits, which the prebuilt xllamacpp does not give). Attention without flash attention, keys and values in F32.

{name: {"rms": [of the logits of each of 64 tokens], "positions": [...], "tokens": [...],
        "logits": [[of these tokens] at these positions]}}

The tokens read are (31 i² + 17 i + 5) mod vocabulary; `tests/forward.rs` says the same.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

import family_models

COUNT = 64
POSITIONS = [0, 1, 7, 31, 62, 63]
SAMPLED = 24
# Precisions that other cards have too, and adapters.
LEFT_OUT = ("-fp8", "-f64", "-gptq", "-awq", "-int", "-w4", "-w8", "lora-")


def logits(path: str) -> np.ndarray:
    import llama_cpp

    parameters = {"n_ctx": COUNT, "n_batch": COUNT, "n_ubatch": COUNT, "logits_all": True, "verbose": False}
    model = llama_cpp.Llama(path, flash_attn=False, type_k=0, type_v=0, n_threads=2, **parameters)
    size = model.n_vocab()
    model.eval([(31 * i * i + 17 * i + 5) % size for i in range(COUNT)])
    found = np.array(model.scores[:COUNT], dtype=np.float64)
    model.close()
    return found


def digest(found: np.ndarray) -> dict:
    size = found.shape[1]
    tokens = sorted({i * size // SAMPLED for i in range(SAMPLED)})
    round7 = lambda number: float(f"{number:.7g}")
    return {
        "rms": [round7(x) for x in np.sqrt((found ** 2).mean(axis=1))],
        "positions": POSITIONS,
        "tokens": tokens,
        "logits": [[round7(found[position, token]) for token in tokens] for position in POSITIONS],
    }


def main() -> None:
    tuck, workdir, *names = sys.argv[1:]
    target = family_models.DATA / "family_logits.json"
    known = json.loads(target.read_text()) if names and target.exists() else {}
    for name, card in family_models.cards(names).items():
        if card.get("not_run") or card.get("embeds") or card.get("base") or any(part in name for part in LEFT_OUT):
            continue
        folder = family_models.make(name, card, Path(workdir))
        file = Path(workdir) / f"{name}.gguf"
        command = [tuck, "pack", str(folder), "--type", "F32", "-o", str(file), "--device", "cpu", "--force"]
        if name == "gpt-oss":  # with its experts in MXFP4, as they are, llama.cpp would round activations to eight bits
            command += ["--tensor-type", "_exps=F32"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        try:
            known[name] = digest(logits(str(file)))
        except Exception as error:
            print(name, error, file=sys.stderr)
    lines = ",\n".join(f'"{name}": {json.dumps(known[name])}' for name in sorted(known))
    target.write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
