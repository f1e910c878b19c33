// The experts of a token and their shares: a token an invocation. Twin: `choose` in src/cpu/forward/experts.rs.
//#include shared/forward.wgsl
//#include shared/activation.wgsl

struct Params {
    first: u32,
    // Tokens.
    count: u32,
    experts: u32,
    used: u32,
    // `Gating` in src/forward/mod.rs, by its place there.
    gating: u32,
    groups: u32,
    groups_used: u32,
    // 1 where the shares are made to sum to 1.
    normed: u32,
    // 1 where there is a bias.
    biased: u32,
    scale: f32,
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
// Of each token the numbers of its experts, each with the bits of its share; then, as memory to work in, of each token how
// much each expert is wanted.
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> bias: array<f32>;

const LEAST: f32 = -3.4e38;
// The least sum that shares are divided by: the least number of F16 with all its digits.
const LEAST_SUM: f32 = 6.1035156e-5;

fn want(at: u32) -> f32 {
    return bitcast<f32>(output[at]);
}

// How much a group is wanted: its two best speak for it.
fn group_score(wanted: u32, group: u32, size: u32) -> f32 {
    var best = LEAST;
    var second = LEAST;
    for (var i = group * size; i < (group + 1u) * size; i++) {
        let own = want(wanted + i);
        second = max(second, min(own, best));
        best = max(best, own);
    }
    return select(best + second, best, size == 1u);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let token = group_number(id, groups) * 64u + lane;
    if token >= params.count {
        return;
    }
    let first = token * params.experts;
    let wanted = params.count * params.used * 2u + first;
    var most = LEAST;
    for (var i = 0u; i < params.experts; i++) {
        most = max(most, input[first + i]);
    }
    var all = 0.0;
    for (var i = 0u; i < params.experts; i++) {
        all += exp(input[first + i] - most);
    }
    for (var i = 0u; i < params.experts; i++) {
        var own = share(input[first + i], most, all);
        if params.biased == 1u {
            own += bias[i];
        }
        output[wanted + i] = bitcast<u32>(own);
    }
    if params.groups > 1u {
        let size = params.experts / params.groups;
        var kept = 0u;
        for (var n = 0u; n < params.groups_used; n++) {
            var best = 0u;
            var score = LEAST;
            for (var group = 0u; group < params.groups; group++) {
                let own = group_score(wanted, group, size);
                if ((kept >> group) & 1u) == 0u && own > score {
                    best = group;
                    score = own;
                }
            }
            kept |= 1u << best;
        }
        for (var i = 0u; i < params.experts; i++) {
            if ((kept >> (i / size)) & 1u) == 0u {
                output[wanted + i] = bitcast<u32>(LEAST);
            }
        }
    }
    let chosen = token * params.used * 2u;
    for (var n = 0u; n < params.used; n++) {
        var best = 0u;
        var score = LEAST;
        for (var i = 0u; i < params.experts; i++) {
            if want(wanted + i) > score {
                best = i;
                score = want(wanted + i);
            }
        }
        output[wanted + best] = bitcast<u32>(LEAST);
        output[chosen + 2u * n] = best;
        output[chosen + 2u * n + 1u] = bitcast<u32>(share(input[first + best], most, all));
    }
    finish(chosen);
}

fn share(logit: f32, most: f32, all: f32) -> f32 {
    switch params.gating {
        case 0u: {
            return exp(logit - most) / all;
        }
        case 1u: {
            return sigmoid(logit);
        }
        default: {
            return logit;
        }
    }
}

// Shares become what rows are multiplied by.
fn finish(chosen: u32) {
    var most = LEAST;
    for (var n = 0u; n < params.used; n++) {
        most = max(most, want(chosen + 2u * n + 1u));
    }
    var sum = 0.0;
    for (var n = 0u; n < params.used; n++) {
        let own = want(chosen + 2u * n + 1u);
        sum += select(own, exp(own - most), params.gating == 2u);
    }
    let divisor = select(1.0, max(sum, LEAST_SUM), params.normed == 1u || params.gating == 2u);
    for (var n = 0u; n < params.used; n++) {
        let own = want(chosen + 2u * n + 1u);
        let power = select(own, exp(own - most), params.gating == 2u);
        output[chosen + 2u * n + 1u] = bitcast<u32>(power / divisor * params.scale);
    }
}
