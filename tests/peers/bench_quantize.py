"""Time and memory of llama.cpp's quantizer: a fresh process a type, all cores.

    bench_quantize.py F16.gguf [TYPES...] [--threads N] [--repeat 3] [--keep DIR] [--tool LLAMA_QUANTIZE]

One JSON line a type: {"type", "wall_s", "cpu_s", "peak_rss_bytes", "out_bytes", "weights", "weights_per_s"}: wall and
CPU time of the whole process (start, read, quantize, write), the best of the repeats; the peak is the worst.
By default the process is Python with llama-cpp-python's library ("base_rss_bytes" and "base_wall_s" say
what that costs with nothing to do); --tool runs a llama-quantize executable instead, the fairer peer of another
executable. The source is read once before, so that all find it in the page cache. The output goes beside the
input, or into --keep, and is deleted unless --keep is given.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K"]


def timed(command) -> dict:
    """Runs it and waits with wait4, which tells this one child's times and peak apart from all others'."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command}: exit {child.returncode}\n{errors.decode(errors='replace')[-2000:]}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss * 1024}


def count_weights(path: Path) -> int:
    """In a process of its own: a child's peak starts from its parent's size at the fork, so this one stays small."""
    script = "import gguf, sys; print(sum(int(t.n_elements) for t in gguf.GGUFReader(sys.argv[1]).tensors))"
    return int(subprocess.run([sys.executable, "-c", script, str(path)], check=True, capture_output=True).stdout)


def best(command, repeat: int) -> dict:
    runs = [timed(command) for _ in range(repeat)]
    fastest = min(runs, key=lambda run: run["wall"])
    return {**fastest, "rss": max(run["rss"] for run in runs)}


def worker(source: str, target: str, recipe: str, threads: str) -> None:
    import llama_quantizer

    quantizer = llama_quantizer.Quantizer()
    if recipe != "NOTHING":
        quantizer.run(source, target, recipe, int(threads))


def main() -> None:
    if len(sys.argv) == 6 and sys.argv[1] == "--worker":
        return worker(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("types", nargs="*", default=TYPES)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--tool")
    args = parser.parse_intermixed_args()
    weights = count_weights(args.source)
    folder = args.keep or args.source.resolve().parent
    folder.mkdir(parents=True, exist_ok=True)

    def command(target, recipe):
        if args.tool:
            return [args.tool, str(args.source), str(target), recipe, str(args.threads)]
        return [sys.executable, str(HERE / "bench_quantize.py"), "--worker", str(args.source), str(target),
                recipe, str(args.threads)]

    subprocess.run(["cat", str(args.source)], check=True, stdout=subprocess.DEVNULL)
    base = {} if args.tool else best(command("", "NOTHING"), 2)
    for recipe in (t.upper() for t in args.types):
        target = folder / f"{args.source.stem}-llama.cpp-{recipe}.gguf"
        found = best(command(target, recipe), args.repeat)
        out = {"type": recipe, "wall_s": round(found["wall"], 4), "cpu_s": round(found["cpu"], 4),
               "peak_rss_bytes": found["rss"], "out_bytes": target.stat().st_size, "weights": weights,
               "weights_per_s": round(weights / found["wall"]), "threads": args.threads}
        if base:
            out |= {"base_wall_s": round(base["wall"], 4), "base_rss_bytes": base["rss"]}
        print(json.dumps(out), flush=True)
        if not args.keep:
            target.unlink()


if __name__ == "__main__":
    main()
