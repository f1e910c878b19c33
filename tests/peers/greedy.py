"""Greedy answers of llama.cpp (the prebuilt `xllamacpp`) to several prompts, on the CPU: one JSON line a prompt.

    greedy.py GGUF COUNT PROMPTS.json

{"text", "tokens": [ids]}, the end of text never being chosen. Keys and values are kept in F32, so that rounding them
decides nothing.
"""

import json
import os
import sys

import xllamacpp as xlc

from generate import server


def main() -> None:
    path, count, prompts = sys.argv[1:]
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    f32 = xlc.ggml_type.GGML_TYPE_F32
    speaker = server(path, n_predict=int(count), cache_type_k=f32, cache_type_v=f32)
    for prompt in json.load(open(prompts, encoding="utf-8")):
        answer = speaker.handle_completions({
            "prompt": prompt, "max_tokens": int(count), "temperature": 0.0, "top_k": 1, "seed": 1, "ignore_eos": True,
            "cache_prompt": False, "return_tokens": True, "stream": False, "logprobs": 1,
        })
        answer = json.loads(answer) if isinstance(answer, (str, bytes)) else answer
        choice = answer["choices"][0]
        tokens = [entry["id"] for entry in choice["logprobs"]["content"]]
        print(json.dumps({"text": choice["text"], "tokens": tokens}), file=out, flush=True)
    os._exit(0)  # the server's threads need no goodbye


if __name__ == "__main__":
    main()
