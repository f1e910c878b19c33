"""Perplexity of a GGUF file by llama.cpp (the prebuilt `xllamacpp`), on the CPU, as llama-perplexity cuts and scores a text.

    perplexity.py GGUF TEXT --ctx 128 --chunks 2

{"perplexity", "scored": count}: of whole chunks, each begun by the token that begins texts where the file says so, the second
half. The prebuilt library gives no logits, so the server is asked for the probabilities of all tokens after each beginning of a
chunk; what it read before it keeps. Keys and values are kept in F32.
"""

import argparse
import json
import math
import os

import gguf
import xllamacpp as xlc

from generate import server
from tokens import ask


def fields(path: str, *names: str) -> list:
    reader = gguf.GGUFReader(path)
    known = (reader.get_field(f"tokenizer.ggml.{name}") for name in names)
    return [field.contents() if field else None for field in known]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("text")
    parser.add_argument("--ctx", type=int, default=128)
    parser.add_argument("--chunks", type=int, default=2)
    args = parser.parse_args()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    begins, begin, words = fields(args.file, "add_bos_token", "bos_token_id", "tokens")
    f32 = xlc.ggml_type.GGML_TYPE_F32
    speaker = server(args.file, n_predict=1, cache_type_k=f32, cache_type_v=f32)
    with open(args.text, encoding="utf-8") as file:
        # Far more than enough, and quickly cut.
        text = file.read()[: 16 * args.ctx * args.chunks]
    tokens = ask(speaker, content=text, add_special=True, parse_special=False)
    # What is made has to be a whole character, or nothing is listed; probabilities are told as they were before this.
    made = [[ask(speaker, content="e", add_special=False, parse_special=False)[-1], 1000]]
    loss, scored = 0.0, 0
    for start in range(0, args.ctx * args.chunks, args.ctx):
        chunk = tokens[start: start + args.ctx]
        assert len(chunk) == args.ctx, "the text is too short"
        if begins:
            chunk[0] = begin
        for place in range(args.ctx // 2, args.ctx - 1):
            answer = speaker.handle_completions({
                "prompt": chunk[: place + 1], "max_tokens": 1, "n_predict": 1, "temperature": 0.0, "seed": 1,
                "ignore_eos": False, "cache_prompt": True, "stream": False, "logprobs": len(words), "logit_bias": made,
            })
            answer = json.loads(answer) if isinstance(answer, (str, bytes)) else answer
            listed = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
            loss -= next(entry["logprob"] for entry in listed if entry["id"] == chunk[place + 1])
            scored += 1
    print(json.dumps({"perplexity": math.exp(loss / scored), "scored": scored}), file=out, flush=True)
    os._exit(0)  # the server's threads need no goodbye


if __name__ == "__main__":
    main()
