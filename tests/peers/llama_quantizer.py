"""llama.cpp's quantizer through the package `llama-cpp-python` (0.3.36): the peer for types, bytes and speed."""

import ctypes
import re

import gguf
import llama_cpp

RECIPES = {
    "COPY": None, "F32": 0, "F16": 1, "BF16": 32, "Q8_0": 7, "Q4_0": 2, "Q4_1": 3, "Q5_0": 8, "Q5_1": 9,
    "Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_S": 16, "Q5_K_M": 17, "Q6_K": 18,
}
MORE_RECIPES = {
    "Q2_K": 10, "Q2_K_S": 21, "Q3_K_S": 11, "Q3_K_M": 12, "Q3_K_L": 13, "IQ1_S": 24, "IQ1_M": 31, "IQ2_XXS": 19,
    "IQ2_XS": 20, "IQ2_S": 28, "IQ2_M": 29, "IQ3_XXS": 23, "IQ3_XS": 22, "IQ3_S": 26, "IQ3_M": 27, "IQ4_NL": 25,
    "IQ4_XS": 30, "TQ1_0": 36, "TQ2_0": 37, "MXFP4_MOE": 38, "Q1_0": 40, "Q2_0": 41,
}
ALL_RECIPES = RECIPES | MORE_RECIPES


class Quantizer:
    """Keeps llama.cpp's log of the last call, for it alone says what a dry run would do."""

    def __init__(self):
        self.lines = []
        self.callback = llama_cpp.llama_log_callback(self._log)
        llama_cpp.llama_log_set(self.callback, ctypes.c_void_p(0))

    def _log(self, _level, text, _data):
        self.lines.append(text.decode("utf-8", "replace"))

    def run(self, source: str, target: str, recipe: str, threads: int = 0, dry_run: bool = False, **options) -> str:
        """Options: pure, leave (the output), imatrix (whether there is one), output and embedding (types),
        patterns ([regex, type] pairs), prune (layers)."""
        params = llama_cpp.llama_model_quantize_default_params()
        params.nthread = threads
        params.dry_run = dry_run
        params.allow_requantize = True
        if recipe == "COPY":
            params.only_copy = True
        else:
            params.ftype = ALL_RECIPES[recipe]
        params.pure = options.get("pure", False)
        params.quantize_output_tensor = not options.get("leave", False)
        if "output" in options:
            params.output_tensor_type = type_id(options["output"])
        if "embedding" in options:
            params.token_embedding_type = type_id(options["embedding"])
        if options.get("imatrix"):
            # The rules only ask whether there is one.
            one = ctypes.pointer(ctypes.c_float(1))
            entries = (llama_cpp.llama_model_imatrix_data * 2)()
            entries[0].name, entries[0].data, entries[0].size = b"none", one, 1
            params.imatrix = entries
        if "patterns" in options:
            pairs = (llama_cpp.llama_model_tensor_override * (len(options["patterns"]) + 1))()
            for pair, (pattern, kind) in zip(pairs, options["patterns"]):
                pair.pattern, pair.type = pattern.encode(), type_id(kind)
            params.tt_overrides = pairs
        if "prune" in options:
            params.prune_layers = (ctypes.c_int32 * (len(options["prune"]) + 1))(*options["prune"], -1)
        self.lines.clear()
        status = llama_cpp.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params))
        log = "".join(self.lines)
        if status:
            raise RuntimeError(f"{source} as {recipe}: {log.strip().splitlines()[-1:]}")
        return log

    def planned_types(self, source: str, recipe: str, **options) -> dict:
        """Tensor name -> type, from a dry run, so a file of holes will do."""
        found = {}
        start = re.compile(r"^\[ *\d+/ *\d+\] +(\S+) +- \[.*?\], type = +(\S+), ")
        for line in self.run(source, "", recipe, dry_run=True, **options).splitlines():
            if match := start.match(line):
                changed = re.search(r"-> +[\d.]+ MiB \((\S+)\)$", line)
                found[match[1]] = (changed[1] if changed else match[2]).upper()
        return found

    def wants_imatrix(self) -> bool:
        """Whether the last dry run said that the real run will refuse without an importance matrix."""
        return any("will require an imatrix" in line for line in self.lines)


def type_id(name: str) -> int:
    return gguf.GGMLQuantizationType[name].value
