"""Makes tiny checkpoints whose projections are stored as codes, and beside each the same weights as plain F32.

    quantized_models.py OUTDIR CARD:WAY...

CARD is one of tests/data/families, WAY one of WAYS below. OUTDIR/CARD-WAY holds codes, scales and the like under the names
and in the layout of the product that writes them, OUTDIR/CARD-WAY-plain what they stand for, `(code - zero) * scale` in
float32. Codes and scales are random: nothing is rounded to get them, so there is only one right answer.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np

import family_models
import safetensors_io

# Small, and no divisor of every row: the last block is not whole.
BLOCK, GROUP = (48, 40), 8
PROJECTIONS = ("proj.", ".w1.", ".w2.", ".w3.", ".wo.", ".wqkv.", "query_key_value.", ".dense", "kv_a_proj_with_mqa.")


def random(name: str, shape, low: int, high: int) -> np.ndarray:
    """Whole numbers from `low` to `high`."""
    count = int(np.prod(shape))
    span = np.uint64(high - low + 1)
    return ((family_models.numbers(name, count) >> np.uint64(8)) % span).astype(np.int64).reshape(shape) + low


def scales(name: str, shape, dtype: str, size: float) -> np.ndarray:
    """Positive numbers that `dtype` holds, as F32."""
    wanted = family_models.uniform(name, shape, size / 3) + np.float32(size)
    if dtype == "F8_E8M0":
        return np.exp2(np.round(np.log2(wanted))).astype(np.float32)
    return safetensors_io.decode(safetensors_io.encode(wanted, dtype), dtype, shape)


def e4m3(codes: np.ndarray) -> np.ndarray:
    exponent, mantissa = (codes >> 3) & 15, codes & 7
    size = np.where(exponent == 0, mantissa * 2.0**-9, (8 + mantissa) * np.exp2(exponent - 10.0))
    return np.where(codes & 128, -size, size).astype(np.float32)


def e5m2(codes: np.ndarray) -> np.ndarray:
    return (codes.astype(np.uint16) << 8).view(np.float16).astype(np.float32)


def spread(values: np.ndarray, block, shape) -> np.ndarray:
    """A value for each weight of its block."""
    for axis, size in enumerate(block):
        values = np.repeat(values, size, axis)
    return values[: shape[0], : shape[1]]


def words(codes: np.ndarray, bits: int, axis: int, order=None) -> np.ndarray:
    """Words of 32 bits with neighbours along `axis`; `order` says which neighbour stands at each place."""
    per = 32 // bits
    codes = np.moveaxis(codes, axis, -1)
    codes = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, -codes.shape[-1] % per)])
    codes = codes.reshape(*codes.shape[:-1], -1, per)
    if order is not None:
        codes = codes[..., order]
    return np.moveaxis((codes << (np.arange(per) * bits)).sum(-1), -1, axis)


def fp8(name, shape, block=None, dtype="F32", ending="_scale_inv", more=(), scale_shape=None):
    codes = random(name, shape, 0, 0x7E) | random(name + "/sign", shape, 0, 1) << 7
    block = block or shape
    counts = [-(-n // size) for n, size in zip(shape, block)]
    scale = scales(name + "/scale", counts, dtype, 2e-4)
    stored = scale if dtype != "F8_E8M0" else np.log2(scale).astype(np.int64) + 127
    parts = [("", "F8_E4M3", codes), (ending, dtype, stored.reshape(counts if scale_shape is None else scale_shape))]
    return e4m3(codes) * spread(scale, block, shape), parts + list(more)


def fp8_alone(name, shape, dtype="F8_E4M3"):
    last = 0x7E if dtype == "F8_E4M3" else 0x7B
    codes = random(name, shape, 0, last) | random(name + "/sign", shape, 0, 1) << 7
    return (e4m3 if dtype == "F8_E4M3" else e5m2)(codes), [("", dtype, codes)]


def int8(name, shape, has_zero=False):
    codes = random(name, shape, -128, 127)
    scale = scales(name + "/scale", [shape[0], 1], "BF16", 1e-3)
    zero = random(name + "/zero", [shape[0], 1], -9, 9) if has_zero else np.zeros([shape[0], 1], np.int64)
    parts = [("", "I8", codes), ("_scale", "BF16", scale)] + ([("_zero_point", "I8", zero)] if has_zero else [])
    return (codes - zero).astype(np.float32) * scale, parts


def packed(name, shape, bits=4, has_zero=False, is_ordered=False):
    codes = random(name, shape, 0, 2**bits - 1)
    groups = -(-shape[1] // GROUP)
    scale = scales(name + "/scale", [shape[0], groups], "BF16", 0.01)
    zero = random(name + "/zero", scale.shape, 0, 2**bits - 1) if has_zero else np.full(scale.shape, 2 ** (bits - 1))
    group = random(name + "/order", [shape[1]], 0, groups - 1) if is_ordered else np.arange(shape[1]) // GROUP
    parts = [("_packed", "I32", words(codes, bits, 1)), ("_scale", "BF16", scale), ("_shape", "I64", np.array(shape))]
    if has_zero:
        parts.append(("_zero_point", "I32", words(zero, bits, 0)))
    if is_ordered:
        parts.append(("_g_idx", "I32", group))
    return (codes - zero[:, group]).astype(np.float32) * scale[:, group], parts


def gptq(name, shape, bits=4, is_ordered=False, version=1):
    outputs, inputs = shape
    groups = -(-inputs // GROUP)
    codes = random(name, [inputs, outputs], 0, 2**bits - 1)
    stored = random(name + "/zero", [groups, outputs], 0, 2**bits - 1)
    scale = scales(name + "/scale", [groups, outputs], "F16", 0.01)
    group = random(name + "/order", [inputs], 0, groups - 1) if is_ordered else np.arange(inputs) // GROUP
    zero = stored + (1 if version == 1 else 0)
    parts = [(".qweight", "I32", words(codes, bits, 0)), (".qzeros", "I32", words(stored, bits, 1)),
             (".scales", "F16", scale), (".g_idx", "I32", group)]
    return ((codes - zero[group]).astype(np.float32) * scale[group]).T, parts


def awq(name, shape):
    outputs, inputs = shape
    groups = -(-inputs // GROUP)
    codes = random(name, [inputs, outputs], 0, 15)
    zero = random(name + "/zero", [groups, outputs], 0, 15)
    scale = scales(name + "/scale", [groups, outputs], "F16", 0.01)
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    parts = [(".qweight", "I32", words(codes, 4, 1, order)), (".qzeros", "I32", words(zero, 4, 1, order)),
             (".scales", "F16", scale)]
    group = np.arange(inputs) // GROUP
    return ((codes - zero[group]).astype(np.float32) * scale[group]).T, parts


def f64(name, shape):
    values = family_models.uniform(name, shape, 0.08).astype(np.float64) / 3
    return values.astype(np.float32), [("", "F64", values)]


def compressed(format: str, **weights) -> dict:
    return {"quant_method": "compressed-tensors", "format": format,
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}}


def in_words(bits: int, **more) -> dict:
    return compressed("pack-quantized", num_bits=bits, type="int", strategy="group", group_size=GROUP, **more)


ONE = np.array([0.5], np.float32)

# Way -> how a tensor is made, the config that says so.
WAYS = {
    "fp8-block": (lambda n, s: fp8(n, s, BLOCK), {"quant_method": "fp8", "weight_block_size": list(BLOCK)}),
    "fp8-e8m0": (lambda n, s: fp8(n, s, BLOCK, "F8_E8M0"), {"quant_method": "fp8", "weight_block_size": list(BLOCK)}),
    "fp8-tensor": (
        lambda n, s: fp8(n, s, None, "F32", "_scale", [(".input_scale", "F32", ONE)], ()), {"quant_method": "modelopt"}),
    "fp8-channel": (
        lambda n, s: fp8(n, s, (1, s[1]), "BF16", "_scale"),
        compressed("float-quantized", num_bits=8, type="float", strategy="channel")),
    "fp8-fbgemm": (
        lambda n, s: fp8(n, s, (1, s[1]), "F32", "_scale", [(".input_scale_ub", "F32", ONE)]), {"quant_method": "fbgemm_fp8"}),
    "fp8-alone": (fp8_alone, None),
    "fp8-e5m2": (lambda n, s: fp8_alone(n, s, "F8_E5M2"), None),
    "int8": (int8, compressed("int-quantized", num_bits=8, type="int", strategy="channel")),
    "int8-zero": (lambda n, s: int8(n, s, True), compressed("int-quantized", num_bits=8, type="int", strategy="channel")),
    "int4": (packed, in_words(4, symmetric=True)),
    "int4-zero": (lambda n, s: packed(n, s, has_zero=True), in_words(4, symmetric=False)),
    "int4-order": (lambda n, s: packed(n, s, has_zero=True, is_ordered=True), in_words(4, actorder="group")),
    "int5": (lambda n, s: packed(n, s, 5, True), in_words(5)),
    "packed8": (lambda n, s: packed(n, s, 8), in_words(8)),
    "gptq": (gptq, {"quant_method": "gptq", "bits": 4, "group_size": GROUP, "desc_act": False}),
    "gptq-order": (lambda n, s: gptq(n, s, is_ordered=True, version=2), {
        "quant_method": "gptq", "bits": 4, "group_size": GROUP, "desc_act": True, "checkpoint_format": "gptq_v2"}),
    "gptq8": (lambda n, s: gptq(n, s, 8), {"quant_method": "gptq", "bits": 8, "group_size": GROUP}),
    "gptq2": (lambda n, s: gptq(n, s, 2), {"quant_method": "gptq", "bits": 2, "group_size": GROUP}),
    "awq": (awq, {"quant_method": "awq", "bits": 4, "group_size": GROUP, "version": "gemm", "zero_point": True}),
    "f64": (f64, None),
}


def is_projection(name: str, shape) -> bool:
    return len(shape) == 2 and name.endswith(".weight") and any(part in name for part in PROJECTIONS)


def make(card_name: str, way: str, outdir: Path) -> list[Path]:
    card = family_models.cards([card_name])[card_name]
    quantize, config = WAYS[way]
    quantized, plain = [], []
    for name, dtype, values in family_models.tensors(card_name, card):
        if not is_projection(name, values.shape) and way != "f64":
            quantized.append((name, dtype, values))
            plain.append((name, dtype, values))
            continue
        weights, parts = quantize(f"{card_name}/{way}/{name}", list(values.shape))
        plain.append((name, "F32", weights))
        module = name.removesuffix(".weight")
        for ending, part_dtype, part in parts:
            # Of a module, or of its weight.
            quantized.append((module + ending if ending.startswith(".") else name + ending, part_dtype, part))
    folders = []
    for suffix, listed in (("", quantized), ("-plain", plain)):
        folder = outdir / f"{card_name}-{way}{suffix}"
        shutil.rmtree(folder, ignore_errors=True)
        made = family_models.make(folder.name, {**card, "tensors": [], "shards": 1}, outdir)
        family_models.save_weights(made, listed, card)
        if config and not suffix:
            settings = json.loads((made / "config.json").read_text(encoding="utf-8"))
            family_models.save(made / "config.json", {**settings, "quantization_config": config})
        folders.append(made)
    return folders


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("outdir", type=Path)
    parser.add_argument("models", nargs="+", metavar="CARD:WAY")
    args = parser.parse_args()
    for model in args.models:
        print(*make(*model.split(":"), args.outdir), sep="\n")


if __name__ == "__main__":
    main()
