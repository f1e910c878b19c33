"""Published shapes of language models: the metadata and the tensors of their GGUF files, without the weights.

`SHAPES` maps a name to a function that returns `Shape`: what `fit_reference.py` writes as a header-only GGUF and what
`tests/fit.rs` builds its model from. Sizes are those of each model's published config.json; the name says which. Small
ones are made up, of the same families.
"""

from dataclasses import dataclass, field

# Bytes and weights of a block: `block_*` in ggml-common.h; ggml's number of the type.
TYPES = {"F32": (0, 1, 4), "F16": (1, 1, 2), "Q8_0": (8, 32, 34), "Q4_K": (12, 256, 144), "Q6_K": (14, 256, 210),
         "MXFP4": (39, 32, 17)}


@dataclass
class Shape:
    """Of a model: metadata as {key: value} with ints as u32, and tensors as [name, columns first, type]."""

    architecture: str
    metadata: dict = field(default_factory=dict)
    tensors: list = field(default_factory=list)

    def keys(self, **pairs):
        for key, value in pairs.items():
            self.metadata[f"{self.architecture}.{key.replace('__', '.')}"] = value

    def add(self, name, *shape, kind=None):
        if kind is None:
            kind = "F32" if len(shape) == 1 or "norm" in name else "Q4_K" if shape[0] % 256 == 0 else "Q8_0"
        if shape[0] % TYPES[kind][1]:
            kind = "F16"
        self.tensors.append([name, list(shape), kind])


def base(architecture, layers, hidden, ff, heads, kv, vocabulary, context, head=None, tied=False, **more):
    """What all have: embedding, output, the usual keys."""
    shape = Shape(architecture)
    shape.keys(block_count=layers, context_length=context, embedding_length=hidden, feed_forward_length=ff,
               attention__head_count=heads, attention__head_count_kv=kv, vocab_size=vocabulary,
               attention__layer_norm_rms_epsilon=1e-5, rope__freq_base=10000.0)
    if head:
        shape.keys(attention__key_length=head, attention__value_length=head, rope__dimension_count=head)
    else:
        shape.keys(rope__dimension_count=hidden // heads)
    shape.keys(**more)
    shape.add("token_embd.weight", hidden, vocabulary)
    shape.add("output_norm.weight", hidden)
    if not tied:
        shape.add("output.weight", hidden, vocabulary, kind="Q6_K")
    return shape


def layer_norm(shape):
    """Norms subtract the mean."""
    shape.metadata.pop(f"{shape.architecture}.attention.layer_norm_rms_epsilon")
    shape.keys(attention__layer_norm_epsilon=1e-5)


def attention(shape, i, hidden, heads, kv, head, bias=False, qk_norm=False, fused=False, out_bias=False, norm="attn_norm"):
    add = lambda name, *sizes: shape.add(f"blk.{i}.{name}", *sizes)
    if norm:
        add(f"{norm}.weight", hidden)
    if fused:
        add("attn_qkv.weight", hidden, (heads + 2 * kv) * head)
        if bias:
            add("attn_qkv.bias", (heads + 2 * kv) * head)
    else:
        for name, n in ("attn_q", heads), ("attn_k", kv), ("attn_v", kv):
            add(f"{name}.weight", hidden, n * head)
            if bias:
                add(f"{name}.bias", n * head)
    if qk_norm:
        q, k = qk_norm if isinstance(qk_norm, tuple) else (head, head)
        add("attn_q_norm.weight", q)
        add("attn_k_norm.weight", k)
    add("attn_output.weight", heads * head, hidden)
    if out_bias:
        add("attn_output.bias", hidden)


def mlp(shape, i, hidden, ff, gate=True, up=None, bias=False, norm="ffn_norm"):
    add = lambda name, *sizes: shape.add(f"blk.{i}.{name}", *sizes)
    if norm:
        add(f"{norm}.weight", hidden)
    if gate:
        add("ffn_gate.weight", hidden, ff)
    add("ffn_up.weight", hidden, up or ff)
    add("ffn_down.weight", ff, hidden)
    if bias:
        add("ffn_up.bias", up or ff)
        add("ffn_down.bias", hidden)


def experts(shape, i, hidden, ff, count, shared=0, bias=False, kind=None, norm="ffn_norm", probs_bias=False, shared_gate=False):
    add = lambda name, *sizes, **more: shape.add(f"blk.{i}.{name}", *sizes, **more)
    if norm:
        add(f"{norm}.weight", hidden)
    add("ffn_gate_inp.weight", hidden, count, kind="F32")
    if bias:
        add("ffn_gate_inp.bias", count)
    if probs_bias:
        add("exp_probs_b.bias", count)
    for name, a, b in ("gate", hidden, ff), ("up", hidden, ff), ("down", ff, hidden):
        add(f"ffn_{name}_exps.weight", a, b, count, kind=kind)
        if bias:
            add(f"ffn_{name}_exps.bias", b, count, kind="F32")
    if shared_gate:
        add("ffn_gate_inp_shexp.weight", hidden, kind="F32")
    if shared:
        for name, a, b in ("gate", hidden, shared), ("up", hidden, shared), ("down", shared, hidden):
            add(f"ffn_{name}_shexp.weight", a, b)


def llama(layers, hidden, ff, heads, kv, vocabulary, context, tied=False, head=None, rope=False, expert_count=0, used=0,
          architecture="llama", qk_norm=False, bias=False, expert_ff=0, shared=0, shared_gate=False, **more):
    """Llama, Mistral, Mixtral, Qwen."""
    shape = base(architecture, layers, hidden, ff, heads, kv, vocabulary, context, head, tied, **more)
    if expert_count:
        shape.keys(expert_count=expert_count, expert_used_count=used)
    if expert_ff:
        shape.keys(expert_feed_forward_length=expert_ff)
    if shared:
        shape.keys(expert_shared_feed_forward_length=shared)
    if rope:
        shape.add("rope_freqs.weight", (head or hidden // heads) // 2)
    for i in range(layers):
        attention(shape, i, hidden, heads, kv, head or hidden // heads, bias=bias, qk_norm=qk_norm)
        if expert_count:
            experts(shape, i, hidden, expert_ff or ff, expert_count, shared, shared_gate=shared_gate)
        else:
            mlp(shape, i, hidden, ff)
    return shape


def gemma(version, layers, hidden, ff, heads, kv, head, vocabulary, context, window, **more):
    if version == 2:
        more.update(attn_logit_softcapping=50.0, final_logit_softcapping=30.0)
    shape = base(f"gemma{version}", layers, hidden, ff, heads, kv, vocabulary, context, head, True,
                 attention__sliding_window=window, **more)
    for i in range(layers):
        attention(shape, i, hidden, heads, kv, head, qk_norm=version == 3)
        shape.add(f"blk.{i}.post_attention_norm.weight", hidden)
        mlp(shape, i, hidden, ff)
        shape.add(f"blk.{i}.post_ffw_norm.weight", hidden)
    return shape


def gemma1(layers, hidden, ff, heads, kv, head, vocabulary, context):
    shape = base("gemma", layers, hidden, ff, heads, kv, vocabulary, context, head, True)
    for i in range(layers):
        attention(shape, i, hidden, heads, kv, head)
        mlp(shape, i, hidden, ff)
    return shape


def deepseek2(layers, hidden, ff, heads, vocabulary, context, expert_count, used, expert_ff, shared, dense, q_rank=0,
              kv_rank=512, nope=128, rope=64, value=128, v3=False, groups=None, **more):
    more.update(groups or {})
    shape = base("deepseek2", layers, hidden, ff, heads, 1, vocabulary, context, None, False,
                 attention__kv_lora_rank=kv_rank, attention__key_length=kv_rank + rope, attention__value_length=kv_rank,
                 attention__key_length_mla=nope + rope, attention__value_length_mla=value,
                 expert_count=expert_count, expert_used_count=used, expert_feed_forward_length=expert_ff,
                 expert_shared_count=shared, leading_dense_block_count=dense, expert_weights_norm=v3,
                 expert_weights_scale=2.5 if v3 else 1.0, expert_gating_func=2 if v3 else 1, **more)
    shape.keys(rope__dimension_count=rope)
    if q_rank:
        shape.keys(attention__q_lora_rank=q_rank)
    for i in range(layers):
        add = lambda name, *sizes: shape.add(f"blk.{i}.{name}", *sizes)
        add("attn_norm.weight", hidden)
        if q_rank:
            add("attn_q_a.weight", hidden, q_rank)
            add("attn_q_a_norm.weight", q_rank)
            add("attn_q_b.weight", q_rank, heads * (nope + rope))
        else:
            add("attn_q.weight", hidden, heads * (nope + rope))
        add("attn_kv_a_mqa.weight", hidden, kv_rank + rope)
        add("attn_kv_a_norm.weight", kv_rank)
        add("attn_k_b.weight", nope, kv_rank, heads)
        add("attn_v_b.weight", kv_rank, value, heads)
        add("attn_output.weight", heads * value, hidden)
        if i < dense:
            mlp(shape, i, hidden, ff)
        else:
            experts(shape, i, hidden, expert_ff, expert_count, shared * expert_ff, probs_bias=v3)
    return shape


def lfm2(hidden, ff, heads, kv, vocabulary, context, layer_kinds, cache=3):
    per_layer = [kv if kind == "a" else 0 for kind in layer_kinds]
    shape = base("lfm2", len(layer_kinds), hidden, ff, heads, per_layer, vocabulary, context, None, True,
                 shortconv__l_cache=cache)
    shape.tensors = [t for t in shape.tensors if t[0] != "output_norm.weight"]
    shape.add("token_embd_norm.weight", hidden)
    for i, kind in enumerate(layer_kinds):
        if kind == "a":
            attention(shape, i, hidden, heads, kv, hidden // heads, qk_norm=True)
        else:
            shape.add(f"blk.{i}.attn_norm.weight", hidden)
            shape.add(f"blk.{i}.shortconv.conv.weight", cache, hidden, kind="F32")
            shape.add(f"blk.{i}.shortconv.in_proj.weight", hidden, 3 * hidden)
            shape.add(f"blk.{i}.shortconv.out_proj.weight", hidden, hidden)
        mlp(shape, i, hidden, ff)
    return shape


def granite_hybrid(layers, hidden, heads, kv, vocabulary, context, attention_at, inner, state, ssm_heads, groups=1, conv=4,
                   ff=0, expert_count=0, used=0, expert_ff=0, shared=0):
    per_layer = [kv if i in attention_at else 0 for i in range(layers)]
    shape = base("granitehybrid", layers, hidden, ff or expert_ff, heads, per_layer, vocabulary, context, None, True,
                 ssm__conv_kernel=conv, ssm__inner_size=inner, ssm__state_size=state, ssm__time_step_rank=ssm_heads,
                 ssm__group_count=groups, embedding_scale=12.0, residual_scale=0.22, attention__scale=0.0078125,
                 logit_scale=6.0, rope__scaling__finetuned=False)
    if expert_count:
        shape.keys(expert_count=expert_count, expert_used_count=used, expert_shared_feed_forward_length=shared,
                   expert_feed_forward_length=expert_ff)
    for i in range(layers):
        add = lambda name, *sizes, **more: shape.add(f"blk.{i}.{name}", *sizes, **more)
        if i in attention_at:
            attention(shape, i, hidden, heads, kv, hidden // heads)
        else:
            add("attn_norm.weight", hidden)
            add("ssm_in.weight", hidden, 2 * inner + 2 * groups * state + ssm_heads)
            add("ssm_conv1d.weight", conv, inner + 2 * groups * state, kind="F32")
            add("ssm_conv1d.bias", inner + 2 * groups * state)
            add("ssm_dt.bias", ssm_heads)
            add("ssm_a", 1, ssm_heads, kind="F32")
            add("ssm_d", 1, ssm_heads, kind="F32")
            add("ssm_norm.weight", inner // groups, groups)
            add("ssm_out.weight", inner, hidden)
        if expert_count:
            experts(shape, i, hidden, expert_ff, expert_count, shared)
        else:
            mlp(shape, i, hidden, ff)
    return shape


def gpt_oss(layers, hidden, ff, heads, kv, head, vocabulary, context, expert_count, used, window):
    shape = base("gpt-oss", layers, hidden, ff, heads, kv, vocabulary, context, head, False, expert_count=expert_count,
                 expert_used_count=used, expert_feed_forward_length=ff, attention__sliding_window=window,
                 rope__scaling__type="yarn", rope__scaling__factor=32.0, rope__scaling__original_context_length=4096)
    for i in range(layers):
        attention(shape, i, hidden, heads, kv, head, bias=True, out_bias=True)
        shape.add(f"blk.{i}.attn_sinks.weight", heads)
        shape.add(f"blk.{i}.post_attention_norm.weight", hidden)
        experts(shape, i, hidden, ff, expert_count, bias=True, kind="MXFP4", norm=None)
    return shape


def phi3(layers, hidden, ff, heads, kv, vocabulary, context, window=0, long=False, tied=False):
    more = dict(rope__scaling__original_context_length=4096)
    shape = base("phi3", layers, hidden, ff, heads, kv, vocabulary, context, None, tied,
                 attention__sliding_window=window, **more)
    if long:
        shape.add("rope_factors_long.weight", hidden // heads // 2)
        shape.add("rope_factors_short.weight", hidden // heads // 2)
    for i in range(layers):
        attention(shape, i, hidden, heads, kv, hidden // heads, fused=True)
        mlp(shape, i, hidden, ff, gate=False, up=2 * ff)
    return shape


def cohere2(layers, hidden, ff, heads, kv, vocabulary, context, window):
    shape = base("cohere2", layers, hidden, ff, heads, kv, vocabulary, context, None, True,
                 attention__sliding_window=window, logit_scale=0.25)
    layer_norm(shape)
    for i in range(layers):
        attention(shape, i, hidden, heads, kv, hidden // heads)
        mlp(shape, i, hidden, ff, norm=None)
    return shape


def olmo(layers, hidden, ff, heads, kv, vocabulary, context, window=0):
    """OLMo 2, and 3 where it has a window."""
    more = dict(attention__sliding_window=window, attention__sliding_window_pattern=[i % 4 < 3 for i in range(layers)])
    shape = base("olmo2", layers, hidden, ff, heads, kv, vocabulary, context, None, False, **(more if window else {}))
    head = hidden // heads
    for i in range(layers):
        attention(shape, i, hidden, heads, kv, head, qk_norm=(heads * head, kv * head), norm=None)
        shape.add(f"blk.{i}.post_attention_norm.weight", hidden)
        mlp(shape, i, hidden, ff, norm=None)
        shape.add(f"blk.{i}.post_ffw_norm.weight", hidden)
    return shape


def glm4(layers, hidden, ff, heads, kv, head, vocabulary, context):
    shape = base("glm4", layers, hidden, ff, heads, kv, vocabulary, context, head, False)
    shape.keys(rope__dimension_count=head // 2)
    for i in range(layers):
        attention(shape, i, hidden, heads, kv, head, bias=True)
        shape.add(f"blk.{i}.post_attention_norm.weight", hidden)
        mlp(shape, i, hidden, ff, gate=False, up=2 * ff)
        shape.add(f"blk.{i}.post_ffw_norm.weight", hidden)
    return shape


def layer_normed(architecture, layers, hidden, ff, heads, kv, vocabulary, context, fused=True, parallel=False, bias=True,
                 positions=False, tied=True, rope=None, more_norm=False, output_bias=False, **more):
    """Falcon, GPT-2, GPT-NeoX, Phi-2, StarCoder 2: layer norms with biases, an MLP without a gate."""
    shape = base(architecture, layers, hidden, ff, heads, kv, vocabulary, context, None, tied, **more)
    layer_norm(shape)
    if rope:
        shape.keys(rope__dimension_count=rope)
    shape.add("output_norm.bias", hidden)
    if output_bias:
        shape.add("output.bias", vocabulary)
    if positions:
        shape.add("position_embd.weight", hidden, context, kind="F32")
    head = hidden // heads
    for i in range(layers):
        attention(shape, i, hidden, heads, kv, head, fused=fused, bias=bias, out_bias=bias)
        shape.add(f"blk.{i}.attn_norm.bias", hidden)
        if more_norm:
            shape.add(f"blk.{i}.attn_norm_2.weight", hidden)
            shape.add(f"blk.{i}.attn_norm_2.bias", hidden)
        if not parallel:
            shape.add(f"blk.{i}.ffn_norm.bias", hidden)
        mlp(shape, i, hidden, ff, gate=False, bias=bias, norm=None if parallel else "ffn_norm")
    return shape


SHAPES = {
    "Llama-3.2-1B": lambda: llama(16, 2048, 8192, 32, 8, 128256, 131072, tied=True, rope=True),
    "Llama-3.1-8B": lambda: llama(32, 4096, 14336, 32, 8, 128256, 131072, rope=True),
    "Llama-3.1-70B": lambda: llama(80, 8192, 28672, 64, 8, 128256, 131072, rope=True),
    "Mixtral-8x7B": lambda: llama(32, 4096, 14336, 32, 8, 32000, 32768, expert_count=8, used=2),
    "Qwen2.5-7B": lambda: llama(28, 3584, 18944, 28, 4, 152064, 131072, architecture="qwen2", bias=True),
    "Qwen3-8B": lambda: llama(36, 4096, 12288, 32, 8, 151936, 40960, head=128, architecture="qwen3", qk_norm=True),
    "Qwen3-30B-A3B": lambda: llama(48, 2048, 6144, 32, 4, 151936, 40960, head=128, architecture="qwen3moe", qk_norm=True,
                                   expert_count=128, used=8, expert_ff=768),
    "Qwen1.5-MoE-A2.7B": lambda: llama(24, 2048, 5632, 16, 16, 151936, 8192, architecture="qwen2moe", bias=True,
                                       expert_count=60, used=4, expert_ff=1408, shared=5632, shared_gate=True),
    "Gemma-2-9B": lambda: gemma(2, 42, 3584, 14336, 16, 8, 256, 256000, 8192, 4096),
    "Gemma-3-27B": lambda: gemma(3, 62, 5376, 21504, 32, 16, 128, 262208, 131072, 1024),
    "Gemma-3-1B": lambda: gemma(3, 26, 1152, 6912, 4, 1, 256, 262144, 32768, 512),
    "DeepSeek-V2-Lite": lambda: deepseek2(27, 2048, 10944, 16, 102400, 163840, 64, 6, 1408, 2, 1),
    "DeepSeek-V3": lambda: deepseek2(61, 7168, 18432, 128, 129280, 163840, 256, 8, 2048, 1, 3, q_rank=1536, v3=True,
                                     groups=dict(expert_group_count=8, expert_group_used_count=4)),
    "LFM2-1.2B": lambda: lfm2(2048, 8192, 32, 8, 65536, 128000, "ccaccaccacacacac"),
    "Granite-4.0-H-Tiny": lambda: granite_hybrid(40, 1536, 12, 4, 100352, 131072, (5, 15, 25, 35), 3072, 128, 48,
                                                 expert_count=64, used=6, expert_ff=512, shared=1024),
    "Granite-4.0-H-1B": lambda: granite_hybrid(40, 1536, 12, 4, 100352, 131072, (5, 15, 25, 35), 3072, 128, 48, ff=4096),
    "gpt-oss-20b": lambda: gpt_oss(24, 2880, 2880, 64, 8, 64, 201088, 131072, 32, 4, 128),
    "Phi-3-mini-128k": lambda: phi3(32, 3072, 8192, 32, 32, 32064, 131072, window=262144, long=True),
    "Phi-4": lambda: phi3(40, 5120, 17920, 40, 10, 100352, 16384),
    "Command-R7B": lambda: cohere2(32, 4096, 14336, 32, 8, 256000, 132096, 4096),
    "OLMo-2-7B": lambda: olmo(32, 4096, 11008, 32, 32, 100352, 4096),
    "OLMo-3-7B": lambda: olmo(32, 4096, 11008, 32, 32, 100278, 65536, 4096),
    "GLM-4-9B-0414": lambda: glm4(40, 4096, 13696, 32, 2, 128, 151552, 32768),
    # Made up: one small model of each kind that is unlike the others, and three of middle size.
    "tiny-llama": lambda: llama(3, 256, 512, 4, 2, 4096, 32768),
    "tiny-mixtral": lambda: llama(2, 256, 512, 4, 2, 1024, 32768, expert_count=4, used=2),
    "tiny-qwen3": lambda: llama(3, 256, 768, 4, 2, 2048, 32768, head=64, architecture="qwen3", qk_norm=True, tied=True),
    "tiny-gemma": lambda: gemma1(3, 256, 1024, 4, 1, 64, 4096, 8192),
    "tiny-gemma2": lambda: gemma(2, 4, 256, 1024, 4, 2, 64, 4096, 8192, 256),
    "tiny-gemma3": lambda: gemma(3, 7, 256, 1024, 4, 1, 64, 4096, 32768, 512),
    "tiny-deepseek": lambda: deepseek2(3, 256, 512, 4, 2048, 32768, 8, 2, 256, 1, 1, q_rank=128, kv_rank=96, nope=32, rope=32, value=32),
    "tiny-lfm2": lambda: lfm2(256, 768, 4, 2, 2048, 32768, "cacca"),
    "tiny-granite-hybrid": lambda: granite_hybrid(4, 256, 4, 2, 2048, 32768, (2,), 512, 32, 8, ff=512),
    "tiny-gpt-oss": lambda: gpt_oss(4, 256, 256, 4, 2, 64, 4096, 32768, 4, 2, 128),
    "tiny-phi3": lambda: phi3(3, 256, 768, 4, 4, 2048, 32768),
    "tiny-cohere2": lambda: cohere2(5, 256, 512, 4, 2, 4096, 32768, 512),
    "tiny-falcon": lambda: layer_normed("falcon", 3, 256, 1024, 4, 1, 2048, 2048, parallel=True, bias=False),
    "tiny-gpt2": lambda: layer_normed("gpt2", 3, 256, 1024, 4, 4, 4096, 1024, positions=True),
    "tiny-phi2": lambda: layer_normed("phi2", 3, 256, 1024, 4, 4, 4096, 2048, parallel=True, tied=False, rope=32,
                                      output_bias=True),
    "tiny-starcoder2": lambda: layer_normed("starcoder2", 3, 256, 1024, 4, 2, 4096, 16384, fused=False, tied=True),
    "middle-llama": lambda: llama(8, 1024, 2816, 16, 4, 32000, 32768),
    "middle-gemma3": lambda: gemma(3, 12, 640, 2048, 4, 1, 256, 32768, 32768, 512),
    "middle-qwen3moe": lambda: llama(6, 768, 2048, 12, 4, 32000, 32768, head=64, architecture="qwen3moe", qk_norm=True,
                                     expert_count=16, used=4, expert_ff=512),
}
