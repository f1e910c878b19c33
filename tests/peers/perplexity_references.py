"""Remakes tests/data/perplexity.json: what llama-perplexity says of files that Tuck packs of the sample.

    perplexity_references.py TUCK LLAMA_PERPLEXITY WORKDIR

LLAMA_PERPLEXITY is the program of llama.cpp, as the source of llama-cpp-python 0.3.36 has it. One thread and no flash
attention, so that the figures are the same every time. The text is assets/sample/evaluation.txt.

With blocks llama.cpp rounds activations too, to eight bits, which for Q8_0 is most of the divergence. So it is given each
file once more as F32, and computes with the same weights and all digits.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TYPES = ["F16", "Q8_0", "Q6_K", "Q4_K_M", "Q3_K_M", "Q2_K"]
CONTEXT, CHUNKS = 256, 8


def run(command: list, *wanted: str) -> str:
    """The log; now and then llama.cpp ends before all of it is written, and is asked again."""
    while True:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        log = done.stdout + done.stderr
        if all(text in log for text in wanted):
            return log


def number(pattern: str, log: str) -> float:
    return float(re.search(pattern, log).group(1))


def main() -> None:
    tuck, perplexity, workdir = sys.argv[1:]
    files = {kind: Path(workdir) / f"sample-{kind}.gguf" for kind in TYPES}
    base = Path(workdir) / "sample.kld"
    out = {"context": CONTEXT, "chunks": CHUNKS, "files": {}}
    for kind, file in files.items():
        plain = file.with_suffix(".f32.gguf")
        for source, become, target in ((ROOT / "assets/sample", kind, file), (file, "F32", plain)):
            pack = [tuck, "pack", str(source), "--type", become, "-o", str(target), "--device", "cpu", "--force"]
            subprocess.run(pack, check=True, stdout=subprocess.DEVNULL)
        command = [perplexity, "-m", str(plain), "-f", str(ROOT / "assets/sample/evaluation.txt"), "-c", str(CONTEXT), "-b",
                   str(CONTEXT), "--chunks", str(CHUNKS), "-t", "1", "-fa", "off", "--kl-divergence-base", str(base)]
        if kind == "F16":
            out["files"][kind] = {"perplexity": number(r"PPL = +([0-9.]+)", run(command, "PPL = "))}
            continue
        log = run(command + ["--kl-divergence"], "Mean PPL(Q)", "Mean    KLD:", "Same top p:")
        out["files"][kind] = {
            "perplexity": number(r"Mean PPL\(Q\) +: +([0-9.]+)", log),
            "kl_divergence": number(r"Mean +KLD: +([0-9.]+)", log),
            "same_top": number(r"Same top p: +([0-9.]+)", log) / 100,
        }
    (ROOT / "tests/data/perplexity.json").write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
