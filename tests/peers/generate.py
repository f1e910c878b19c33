"""Greedy text from GGUF files by llama.cpp (the prebuilt `xllamacpp`), on the CPU: one JSON line a file.

    generate.py GGUF... [--tokens 32] [--prompt TEXT] [--timeout 300] [--embed] [--lora GGUF] [--together]

{"file", "text", "tokens": [ids], "logprobs": [numbers], "prompt_tokens": count,
 "completion_tokens": count}, or with --embed {"file", "embedding": [numbers]} of the
prompt, the mean over its tokens; a file that does not load gives
{"file", "error"}, the last lines of llama.cpp's log on stderr and exit status 1 (after the others).
Each file runs in a process of its own, so a crash in llama.cpp is an error of that file alone. With --together they share
one as long as none fails, which is faster for many small files; the timeout is for all of them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading

PROMPT = "Once upon a time there was a"


def server(path: str, **settings):
    import xllamacpp as xlc

    params = xlc.CommonParams()
    params.model.path = path
    params.n_ctx = 512
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.port = 0  # any free one: several of these may run at once
    params.warmup = False
    params.verbosity = 2
    params.endpoint_metrics = False
    params.fit_params = False
    params.sampling.temp = 0.0
    params.sampling.seed = 1
    params.sampling.top_k = 1
    for name, value in settings.items():
        setattr(params, name, value)
    return xlc.Server(params)


def embed(path: str, prompt: str) -> dict:
    import xllamacpp as xlc

    pooled = server(path, embedding=True, pooling_type=xlc.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN)
    answer = pooled.handle_embeddings({"input": prompt})
    answer = json.loads(answer) if isinstance(answer, (str, bytes)) else answer
    if "error" in answer:
        raise RuntimeError(json.dumps(answer["error"]))
    return {"file": os.path.basename(path), "embedding": answer["data"][0]["embedding"]}


def generate(path: str, prompt: str, count: int, lora: str | None) -> dict:
    import xllamacpp as xlc

    settings = {}
    if lora:
        adapter = xlc.CommonAdapterLoraInfo()
        adapter.path, adapter.scale = lora, 1.0
        settings["lora_adapters"] = [adapter]
    answer = server(path, n_predict=count, **settings).handle_completions({
        "prompt": prompt, "max_tokens": count, "n_predict": count, "temperature": 0.0, "top_k": 1, "seed": 1,
        "ignore_eos": True, "cache_prompt": False, "return_tokens": True, "stream": False, "logprobs": 1,
    })
    if isinstance(answer, (str, bytes)):
        answer = json.loads(answer)
    return answer


def shape(path: str, answer: dict) -> dict:
    if "error" in answer:
        raise RuntimeError(json.dumps(answer["error"]))
    choice = answer["choices"][0]
    out = {"file": os.path.basename(path), "text": choice["text"]}
    tokens = answer.get("tokens") or choice.get("tokens") or answer.get("__verbose", {}).get("tokens")
    content = (choice.get("logprobs") or {}).get("content") or []
    if not tokens and content and "id" in content[0]:
        tokens = [entry["id"] for entry in content]
    if tokens:
        out["tokens"] = tokens
        out["logprobs"] = [entry["logprob"] for entry in content]
    for name in ("prompt_tokens", "completion_tokens"):
        out[name] = answer.get("usage", {}).get(name)
    return out


def answer(path: str, args) -> dict:
    if args.embed:
        return embed(path, args.prompt)
    return shape(path, generate(path, args.prompt, args.tokens, args.lora))


def child(args) -> None:
    """Answers on the original stdout; llama.cpp's chatter goes to stderr, which the parent keeps."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for path in args.files:
        try:
            line = answer(path, args)
        except Exception as failure:  # the parent shows the end of the log, where llama.cpp's own words are
            print(failure, file=sys.stderr, flush=True)
            os._exit(1)
        print(json.dumps(line, ensure_ascii=False), file=out, flush=True)
    os._exit(0)  # the server's threads need no goodbye


def run(files: list[str], args) -> int:
    """Answers for files up to the first that fails, of which the log's end is shown; how many these are."""
    command = [sys.executable, os.path.abspath(__file__), "--child", "--tokens", str(args.tokens),
               "--prompt=" + args.prompt, *["--embed"] * args.embed,
               *(["--lora", args.lora] if args.lora else []), "--", *files]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8")
        timer = threading.Timer(args.timeout, process.kill)
        timer.start()
        answered = 0
        for line in process.stdout:
            print(line, end="", flush=True)
            answered += 1
        failure = f"exit status {process.wait()}" if timer.is_alive() else f"no answer in {args.timeout} s"
        timer.cancel()
        if answered < len(files):
            log.seek(0)
            tail = log.read().strip().splitlines()[-12:]
            print(json.dumps({"file": os.path.basename(files[answered]), "error": failure}), flush=True)
            print(f"{files[answered]}: {failure}", *tail, sep="\n", file=sys.stderr)
        return answered


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--prompt", default=PROMPT)
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("--embed", action="store_true")
    parser.add_argument("--lora")
    parser.add_argument("--together", action="store_true")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args)
    left, status = args.files, 0
    while left:
        group = left if args.together else left[:1]
        answered = run(group, args)
        status |= answered < len(group)
        left = left[answered + (answered < len(group)):]
    return status


if __name__ == "__main__":
    sys.exit(main())
