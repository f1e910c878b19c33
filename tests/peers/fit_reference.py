"""What llama.cpp allocates, in MiB: the references of the memory model.

    fit_reference.py OUT_DIR LLAMA_CPP_TREE [NAME...]
    fit_reference.py OUT_DIR LLAMA_CPP_TREE NAME --gguf FILE.gguf

For each shape of `fit_shapes.py` it writes a GGUF file that holds a header and a hole where the weights would be, lets
llama.cpp (in llama-cpp-python 0.3.36, which is not in the everyday suite) load it with `no_alloc` (names that begin with
tiny or middle are loaded and allocated for real), makes contexts of many settings, and keeps what the log says, as
OUT_DIR/NAME.json:

    architecture, metadata  of the file
    tensors                 [name, columns first, type], with {} for the layer and then [first, last, step] of its run
    weights                 bytes of all tensors, as llama.cpp counts them
    runs                    [context, sequences, ubatch, K type, V type, flash attention, full-size windows,
                            KV, recurrent, compute, output]
    refused                 [... full-size windows, the log's reason]
    gpu_layers              [GPUs, layers on GPUs as asked for, the device of each layer and of the output: C or a number]
    gpu_runs                [GPUs, layers on GPUs as asked for, experts on the processor, context, sequences, ubatch, K type,
                            V type, flash attention, compute of the processor and of each GPU]

--gguf does the same for a file of its own, loaded for real, without GPUs. LLAMA_CPP_TREE is the vendor/llama.cpp
folder of the unpacked llama-cpp-python 0.3.36 source, whose headers pretend_gpu.cpp needs.
"""

import argparse
import ctypes
import json
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import llama_cpp
from fit_shapes import SHAPES, TYPES

CACHE_TYPES = {"f32": 0, "f16": 1, "q8_0": 8, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "iq4_nl": 20, "bf16": 30}
VALUE_TYPES = {bool: (7, "?"), int: (4, "I"), float: (6, "f")}
ALIGNMENT = 32

# [context, sequences, ubatch, K, V, flash attention, full-size windows]
SETTINGS = [[context, 1, 512, kv, kv, fa, False]
            for context in (512, 2048, 4096, 8192, 32768, 131072)
            for kv, fa in (("f16", True), ("f16", False), ("q8_0", True), ("q4_0", True))]
SETTINGS += [[16384, 1, 128, "f16", "f16", True, False], [16384, 1, 2048, "f16", "f16", True, False],
             [16384, 1, 2048, "f16", "f16", False, False], [16384, 4, 512, "f16", "f16", True, False],
             [16384, 4, 512, "f16", "f16", False, False], [10000, 3, 512, "q8_0", "q4_0", True, False],
             [4096, 1, 512, "q8_0", "f16", False, False], [65536, 1, 512, "q5_1", "iq4_nl", True, False],
             [100, 1, 512, "bf16", "f32", True, False], [8192, 1, 512, "f16", "f16", True, True]]

# llama.cpp aborts here: its graph has more nodes than its table has room for.
ABORTS = {"Phi-4": [[10000, 3, 512, "q8_0", "q4_0", True, False]]}

# [layers on GPUs less than all, experts on the processor, context, sequences, K and V, flash attention]
GPU_SETTINGS = [[away, False, context, 1, kv, fa] for away in (0, 1, 0.4, 0.9, 1.0)
                for context, kv, fa in ((4096, "f16", True), (32768, "f16", True), (32768, "q8_0", True), (16384, "f16", False))]
GPU_SETTINGS += [[0, True, 16384, 1, "f16", True], [0, False, 16384, 4, "q4_0", True]]

log = []


def keep(level, text, user):
    log.append(text.decode("utf-8", "replace"))


CALLBACK = llama_cpp.llama_log_callback(keep)


def string(text) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def pair(key, value) -> bytes:
    if isinstance(value, str):
        return string(key) + struct.pack("<I", 8) + string(value)
    if isinstance(value, list):
        kind, code = VALUE_TYPES[type(value[0])]
        return string(key) + struct.pack("<IIQ", 9, kind, len(value)) + b"".join(struct.pack("<" + code, v) for v in value)
    kind, code = VALUE_TYPES[type(value)]
    return string(key) + struct.pack("<I" + code, kind, value)


def size(shape, kind) -> int:
    number = 1
    for n in shape:
        number *= n
    _, block, length = TYPES[kind]
    return number // block * length


def write(path, shape) -> None:
    metadata = {"general.architecture": shape.architecture, "general.name": path.stem, "tokenizer.ggml.model": "no_vocab",
                **shape.metadata}
    out = [b"GGUF", struct.pack("<IQQ", 3, len(shape.tensors), len(metadata))]
    out += [pair(key, value) for key, value in metadata.items()]
    offset = 0
    for name, columns, kind in shape.tensors:
        out.append(string(name) + struct.pack("<I", len(columns)) + b"".join(struct.pack("<Q", n) for n in columns)
                   + struct.pack("<IQ", TYPES[kind][0], offset))
        offset += -(-size(columns, kind) // ALIGNMENT) * ALIGNMENT
    header = b"".join(out)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(-(-len(header) // ALIGNMENT) * ALIGNMENT + offset)


def found(pattern) -> float:
    return round(sum(float(match) for match in re.findall(pattern, "".join(log))), 2)


def measure(path, simulate, settings):
    llama_cpp.llama_log_set(CALLBACK, ctypes.c_void_p(0))
    params = llama_cpp.llama_model_default_params()
    params.no_alloc = simulate
    if simulate:
        params.load_mode = 0  # no mmap: there is nothing to map
    params.n_gpu_layers = 0
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
    if not model:
        raise SystemExit("".join(log[-20:]))
    trained = llama_cpp.llama_model_n_ctx_train(model)
    runs, refused = [], []
    for setting in settings:
        if setting in ABORTS.get(path.stem, []):
            continue
        context, sequences, ubatch, k, v, flash, full = setting
        if context > max(trained, 512):
            continue
        log.clear()
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_seq_max, params.n_ubatch = context, sequences, ubatch
        params.n_batch = max(2048, ubatch)
        params.kv_unified = False
        params.type_k, params.type_v = CACHE_TYPES[k], CACHE_TYPES[v]
        params.flash_attn_type = 1 if flash else 0
        params.swa_full = full
        made = llama_cpp.llama_init_from_model(model, params)
        if not made:
            refused.append(setting + [[line.strip() for line in log if "fail" in line or "require" in line][-1:]])
            continue
        compute = re.findall(r"compute buffer size = +([0-9.]+) MiB", "".join(log))
        assert compute, "the log has no compute buffer"
        runs.append(setting + [found(r"kv_cache: size = +([0-9.]+) MiB"), found(r"RS buffer size = +([0-9.]+) MiB"),
                               round(sum(map(float, compute)), 2), found(r"output buffer size = +([0-9.]+) MiB")])
        llama_cpp.llama_free(made)
    weights = llama_cpp.llama_model_size(model)
    llama_cpp.llama_model_free(model)
    return weights, runs, refused


class Override(ctypes.Structure):
    """`llama_model_tensor_buft_override` of llama.h."""

    _fields_ = [("pattern", ctypes.c_char_p), ("buft", ctypes.c_void_p)]


def pretend_gpus(tree: Path, folder: Path, count: int):
    """Registers GPUs that are none."""
    here = Path(__file__).resolve().parent
    libraries = Path(llama_cpp.__file__).resolve().parent / "lib"
    built = folder / "pretend_gpu.so"
    subprocess.run(["g++", "-O1", "-shared", "-fPIC", f"-I{tree}/ggml/include", f"-I{tree}/ggml/src", here / "pretend_gpu.cpp",
                    "-o", built, f"-L{libraries}", "-lggml", "-lggml-base", f"-Wl,-rpath,{libraries}"], check=True)
    library = ctypes.CDLL(str(built))
    library.pretend_gpus(count)
    base = ctypes.CDLL(str(libraries / "libggml-cpu.so"))
    base = ctypes.CDLL(str(libraries / "libggml-base.so"))
    base.ggml_backend_cpu_buffer_type.restype = ctypes.c_void_p
    return base.ggml_backend_cpu_buffer_type()


def measure_gpus(path, tree, folder, gpus):
    processor = pretend_gpus(tree, folder, gpus)
    llama_cpp.llama_log_set(CALLBACK, ctypes.c_void_p(0))
    overrides = (Override * 2)(Override(rb"\.ffn_(up|down|gate|gate_up)_(ch|)exps", processor), Override(None, None))
    layers, runs, loaded, model = [], [], None, None
    for away, experts, context, sequences, kv, flash in GPU_SETTINGS:
        if (away, experts) != loaded:
            if model:
                llama_cpp.llama_model_free(model)
            loaded = (away, experts)
            params = llama_cpp.llama_model_default_params()
            params.no_alloc, params.load_mode, params.n_gpu_layers = True, 0, 0
            probe = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
            depth = llama_cpp.llama_model_n_layer(probe) + 1
            trained = llama_cpp.llama_model_n_ctx_train(probe)
            llama_cpp.llama_model_free(probe)
            params.n_gpu_layers = depth - (away if isinstance(away, int) else round(depth * away))
            if experts:
                params.tensor_buft_overrides = ctypes.cast(overrides, ctypes.c_void_p)
            log.clear()
            model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
            assigned = re.findall(r"layer +[0-9]+ assigned to device (\w+)", "".join(log))
            layers.append([gpus, params.n_gpu_layers, "".join(name[-1] if "Pretend" in name else "C" for name in assigned)])
        if context > trained or sequences > 1 and path.stem in ABORTS:
            continue
        log.clear()
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx, settings.n_seq_max, settings.n_batch, settings.n_ubatch = context, sequences, 2048, 512
        settings.kv_unified, settings.swa_full, settings.flash_attn_type = False, False, 1 if flash else 0
        settings.type_k = settings.type_v = CACHE_TYPES[kv]
        made = llama_cpp.llama_init_from_model(model, settings)
        if not made:
            continue
        compute = dict(re.findall(r"(\w+) compute buffer size = +([0-9.]+) MiB", "".join(log)))
        host = float(compute.get("Pretend_Host", 0)) + float(compute.get("CPU", 0))
        runs.append([gpus, params.n_gpu_layers, experts, context, sequences, 512, kv, kv, flash, host]
                    + [float(compute.get(f"Pretend{gpu}", 0)) for gpu in range(gpus)])
        llama_cpp.llama_free(made)
    return layers, runs


def folded(tensors):
    """Tensors of layers as runs of layers, so that a reference is short."""
    layers, out = {}, []
    for name, columns, kind in tensors:
        match = re.match(r"blk\.(\d+)\.(.*)", name)
        if match:
            layers.setdefault((match[2], tuple(columns), kind), []).append(int(match[1]))
        else:
            out.append([name, columns, kind])
    for (name, columns, kind), at in layers.items():
        while at:
            step = at[1] - at[0] if len(at) > 1 else 1
            run = [n for i, n in enumerate(at) if n == at[0] + i * step]
            out.append([f"blk.{{}}.{name}", list(columns), kind, [run[0], run[-1], step]])
            at = at[len(run):]
    return out


def described(path):
    """Architecture, numbers of its metadata, and tensors of a GGUF file."""
    reader = gguf.GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    architecture = fields["general.architecture"]
    numbers = {name: value for name, value in fields.items()
               if name.startswith(f"{architecture}.") and not isinstance(value, str)}
    return architecture, numbers, [[t.name, [int(n) for n in t.shape], t.tensor_type.name] for t in reader.tensors]


def pretty(document) -> str:
    """One line for each tensor and run."""
    lines = []
    for key, value in document.items():
        if isinstance(value, list) and value:
            items = ",\n  ".join(json.dumps(item) for item in value)
            lines.append(f' "{key}": [\n  {items}\n ]')
        else:
            lines.append(f' "{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("tree", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--gguf", type=Path)
    parser.add_argument("--gpus", type=int, help="print what that many GPUs would hold; the script calls itself so")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.gguf:
        architecture, metadata, tensors = described(args.gguf)
        weights, runs, refused = measure(args.gguf, False, SETTINGS)
        document = {"architecture": architecture, "metadata": metadata, "tensors": folded(tensors), "weights": weights,
                    "runs": runs, "refused": refused}
        (args.out / f"{args.names[0]}.json").write_text(pretty(document))
        return
    for name in args.names or SHAPES:
        # llama.cpp aborts on what it cannot do, so each model has a process of its own.
        itself = [sys.executable, __file__, str(args.out), str(args.tree), name]
        if len(args.names) != 1:
            if subprocess.run(itself).returncode:
                print(f"{name} failed", flush=True)
            continue
        shape = SHAPES[name]()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.gguf"
            write(path, shape)
            if args.gpus:
                return print(json.dumps(measure_gpus(path, args.tree, Path(folder), args.gpus)))
            gpus = [json.loads(subprocess.run(itself + ["--gpus", str(n)], check=True, capture_output=True).stdout) for n in (1, 2)]
            weights, runs, refused = measure(path, not name.startswith(("tiny", "middle")), SETTINGS)
        document = {"architecture": shape.architecture, "metadata": shape.metadata, "tensors": folded(shape.tensors),
                    "weights": weights, "runs": runs, "refused": refused,
                    "gpu_layers": [item for layers, _ in gpus for item in layers],
                    "gpu_runs": [item for _, runs in gpus for item in runs]}
        (args.out / f"{name}.json").write_text(pretty(document))
        print(f"{name}: {len(runs)} runs, {len(refused)} refused", flush=True)


if __name__ == "__main__":
    main()
