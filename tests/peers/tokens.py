"""Tokens of lines of text by llama.cpp (the prebuilt `xllamacpp`): one JSON line a file.

    tokens.py LINES.json GGUF...

LINES.json is a list of strings. {"file", "tokens": [[ids of a line], ...], "with_special": [ids of the first line with
what the model adds to a prompt]}; a file that does not load gives {"file", "error"} with the end of llama.cpp's log, and
exit status 1 (after the others). Each file runs in a process of its own, so a crash is an error of that file alone.
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from concurrent.futures import ThreadPoolExecutor


def ask(server, **question):
    """The server's own encoder. A list is encoded string by string; numbers in it come back as they are."""
    request = urllib.request.Request(f"{server.listening_address}/tokenize", data=json.dumps(question).encode(),
                                     headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["tokens"]


def child(lines_path: str, path: str) -> None:
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    import xllamacpp as xlc

    params = xlc.CommonParams()
    params.model.path = path
    params.n_ctx = 64
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.port = 0
    params.warmup = False
    params.verbosity = 2
    params.endpoint_metrics = False
    params.fit_params = False
    server = xlc.Server(params)
    with open(lines_path, encoding="utf-8") as file:
        lines = json.load(file)
    mark = -7  # no token has it
    mixed = [part for line in lines for part in (line, mark)]
    tokens = [[]]
    for token in ask(server, content=mixed, add_special=False, parse_special=True):
        if token == mark:
            tokens.append([])
        else:
            tokens[-1].append(token)
    special = ask(server, content=lines[0], add_special=True, parse_special=True)
    print(json.dumps({"file": os.path.basename(path), "tokens": tokens[:-1], "with_special": special}), file=out, flush=True)
    os._exit(0)


def run(lines: str, path: str) -> dict:
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        done = subprocess.run([sys.executable, os.path.abspath(__file__), "--child", lines, path],
                              stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8", timeout=120)
        if done.returncode == 0 and done.stdout:
            return json.loads(done.stdout)
        log.seek(0)
        return {"file": os.path.basename(path), "error": log.read()[-2000:]}


def main() -> int:
    if sys.argv[1] == "--child":
        child(*sys.argv[2:])
    lines, *paths = sys.argv[1:]
    status = 0
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for answer in pool.map(lambda path: run(lines, path), paths):
            print(json.dumps(answer), flush=True)
            if "error" in answer:
                status = 1
                print(answer["file"], answer["error"], sep="\n", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
