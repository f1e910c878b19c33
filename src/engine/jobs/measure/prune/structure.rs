//! Leaving out heads, channels and experts: parts of matrices that belong together.
//!
//! A group of query heads goes with the key and value that it shares, a channel of an MLP with its rows and its column. The
//! columns that stay, of the matrix after it, make good what they can. Each layer is treated for what comes out of the treated
//! layers before it. Every layer loses as many, for llama.cpp knows one size for all.

use super::passage::Passage;
use super::{Setting, changes, refuse, unwritten};
use crate::arch::{PerLayer, Tensor};
use crate::cpu::forward::Matrix;
use crate::engine::event::Stage;
use crate::engine::meter::Meter;
use crate::engine::worker::Stop;
use crate::forward::{self, Op};
use crate::gguf::Value;
use crate::model::{ChangedWeights, Model, Pruning, Reshape};
use crate::prune::{Cut, Layers, choose_channels, choose_groups, columns_of, without};

const DOWN: &str = "ffn_down.weight";
const ATTENDED: &str = "attn_output.weight";

/// Sizes of a model's layers, before and after.
struct Sizes {
    heads: usize,
    kv_heads: usize,
    kv_left: usize,
    key: usize,
    value: usize,
    inner: usize,
    inner_left: usize,
}

impl Sizes {
    fn of(model: &Model, cut: &Cut) -> Result<Self, Stop> {
        let hparams = &model.hparams;
        let architecture = &hparams.architecture;
        let per_layer = |key: &str| matches!(model.value(&format!("{architecture}.{key}")), Some(Value::Array(_)));
        let one = |of: &PerLayer| of.first() as usize;
        let (kv_heads, inner) = (one(&hparams.kv_heads), one(&hparams.feed_forward));
        if cut.kv_heads > 0 {
            if hparams.kv_rank > 0 {
                return Err(refuse(
                    model,
                    "its heads share one compressed key and value (MLA), so none of these can go",
                ));
            }
            if per_layer("attention.head_count") || per_layer("attention.head_count_kv") {
                return Err(refuse(model, "its layers have different numbers of heads, and heads go from all alike"));
            }
            if cut.kv_heads >= kv_heads as u64 {
                return Err(refuse(
                    model,
                    &format!("{} of its {kv_heads} key-value heads were to go; leave at least one", cut.kv_heads),
                ));
            }
        }
        if cut.channels > 0.0 && (hparams.experts > 0 || per_layer("feed_forward_length") || inner == 0) {
            return Err(refuse(
                model,
                "its layers have experts or MLPs of different widths, and channels go from MLPs that are all alike; leave out \
                 experts instead (--drop-experts)",
            ));
        }
        // Blocks of every format divide a multiple of 256, those of small ones of 32.
        let unit = if inner.is_multiple_of(256) && inner >= 2048 { 256 } else { 32 };
        let gone = (cut.channels * inner as f64 / unit as f64).round() as usize * unit;
        if cut.channels > 0.0 && (gone == 0 || gone >= inner) {
            return Err(refuse(
                model,
                &format!("of its {inner} channels {gone} would go, for they go by {unit}; name another share"),
            ));
        }
        Ok(Self {
            heads: one(&hparams.heads),
            kv_heads,
            kv_left: kv_heads - cut.kv_heads as usize,
            key: hparams.key_head as usize,
            value: hparams.value_head as usize,
            inner,
            inner_left: inner - if cut.channels > 0.0 { gone } else { 0 },
        })
    }

    /// What the metadata says of them.
    fn reshape(&self, model: &Model) -> Reshape {
        let mut sizes = Vec::new();
        if self.inner_left < self.inner {
            sizes.push(("feed_forward_length", self.inner_left as u32));
        }
        if self.kv_left < self.kv_heads {
            let heads = self.heads / self.kv_heads * self.kv_left;
            sizes.push(("attention.head_count", heads as u32));
            sizes.push(("attention.head_count_kv", self.kv_left as u32));
            // Else they would follow from the number of heads.
            sizes.push(("attention.key_length", self.key as u32));
            sizes.push(("attention.value_length", self.value as u32));
            sizes.push(("rope.dimension_count", model.hparams.rope_dims as u32));
        }
        Reshape { sizes, ..Reshape::default() }
    }
}

/// Leaves out heads and channels.
pub(super) fn heads_and_channels(setting: &Setting<'_, '_>, model: &Model) -> Result<Model, Stop> {
    let sizes = Sizes::of(model, setting.cut)?;
    let passage = Passage::new(setting, model)?;
    let meter = Meter::new(setting.context, Stage::Pruning, passage.weights.bytes());
    let stop = || setting.context.is_cancelled();
    let mut weights = changes()?;
    let mut rows = passage.begin(&setting.text.tokens)?;
    for number in 0..forward::layers(model) {
        let (program, mut matrices) = passage.read(number, &meter)?;
        let alibi = |op: &Op| matches!(op, Op::Attention(attention) if attention.alibi.is_some());
        if sizes.kv_left < sizes.kv_heads && program.steps.iter().any(|step| alibi(&step.op)) {
            return Err(refuse(model, "its heads differ by their number (ALiBi), so none can go"));
        }
        let [attended, down] = [ATTENDED, DOWN].map(|name| format!("blk.{number}.{name}"));
        let layer = passage.load(program.clone(), matrices.clone())?;
        let observed = passage.observe(&layer, &rows, &|name| name == attended || name == down, &meter)?;
        drop(layer);
        let gram = |name: &str| {
            let found = observed.get(name).and_then(|summed| summed.gram.as_deref().zip(summed.counts.first()));
            let Some((gram, count)) = found else {
                return Err(refuse(
                    model,
                    &format!("{name} is no matrix of its layer {number}, so nothing of it can go"),
                ));
            };
            Ok(gram.iter().map(|sum| sum / *count as f32).collect::<Vec<f32>>())
        };
        let of_layer = |tensor: &&Tensor| tensor.layer() == Some(number);
        let tensors: Vec<&Tensor> = model.tensors.iter().filter(of_layer).collect();
        if sizes.kv_left < sizes.kv_heads {
            let (gram, matrix) = (gram(&attended)?, matrices[&attended].floats());
            let kept = choose_groups(&matrix, &gram, sizes.kv_heads, sizes.kv_heads - sizes.kv_left, &stop);
            let kept = kept.ok_or(Stop::Cancelled)?;
            let columns = columns_of(&kept, gram.len().isqrt() / sizes.kv_heads);
            let full = remainder(setting, (&mut weights, &matrices[&attended]), &attended, (model, &gram), &columns)?;
            matrices.insert(attended.clone(), full);
            for tensor in &tensors {
                let floats = || Ok::<_, Stop>(passage.weights.matrix(&tensor.name)?.floats());
                if let Some(kept) = rows_of_heads(tensor, &sizes, &kept) {
                    cut_rows(&mut weights, tensor, &floats()?, &kept)?;
                }
            }
        }
        if sizes.inner_left < sizes.inner {
            let (gram, matrix) = (gram(&down)?, matrices[&down].floats());
            let kept = choose_channels(&matrix, &gram, sizes.inner - sizes.inner_left, &stop).ok_or(Stop::Cancelled)?;
            let full = remainder(setting, (&mut weights, &matrices[&down]), &down, (model, &gram), &kept)?;
            matrices.insert(down.clone(), full);
            for tensor in &tensors {
                let floats = || Ok::<_, Stop>(passage.weights.matrix(&tensor.name)?.floats());
                if let Some(kept) = rows_of_channels(tensor, &sizes, &kept) {
                    cut_rows(&mut weights, tensor, &floats()?, &kept)?;
                }
            }
        }
        passage.advance(&passage.load(program, matrices)?, &mut rows, &meter)?;
    }
    Ok(model.with_weights(weights, &sizes.reshape(model))?)
}

/// Writes the columns of a matrix that stay; returns it with zeros where the others were, which does the same.
fn remainder(
    setting: &Setting<'_, '_>,
    (weights, matrix): (&mut ChangedWeights, &Matrix),
    name: &str,
    (model, gram): (&Model, &[f32]),
    kept: &[usize],
) -> Result<Matrix, Stop> {
    let (mut full, columns) = (matrix.floats(), matrix.shape[0] as usize);
    let left: Vec<f32> = match setting.cut.plain {
        true => full.chunks_exact(columns).flat_map(|row| kept.iter().map(|j| row[*j])).collect(),
        false => without(&full, gram, kept, &|| setting.context.is_cancelled()).ok_or(Stop::Cancelled)?,
    };
    let tensor = tensor(model, name)?;
    let shape = [kept.len() as u64, tensor.shape[1]];
    let (format, bytes) = weights.put(tensor, &shape, &left).map_err(|error| unwritten(&error))?;
    let mut stored = vec![0.0; left.len()];
    (format.dequantize)(&bytes, &mut stored);
    full.fill(0.0);
    for (full, stored) in full.chunks_exact_mut(columns).zip(stored.chunks_exact(kept.len())) {
        kept.iter().zip(stored).for_each(|(j, weight)| full[*j] = *weight);
    }
    Ok(Matrix { format: &crate::quant::F32, shape: matrix.shape.clone(), bytes: bytemuck::cast_slice(&full).to_vec() })
}

fn tensor<'m>(model: &'m Model, name: &str) -> Result<&'m Tensor, Stop> {
    model
        .tensors
        .iter()
        .find(|tensor| tensor.name == name)
        .ok_or_else(|| refuse(model, &format!("it has no tensor {name}")))
}

/// The name of a tensor within its layer, without what it is of its module: `attn_q` of a weight and of a bias.
fn module(tensor: &Tensor) -> &str {
    let name = tensor.name.splitn(3, '.').nth(2).unwrap_or_default();
    name.rsplit_once('.').map_or(name, |(module, _)| module)
}

/// How many rows a tensor has: numbers of a vector count as such.
fn height(tensor: &Tensor) -> usize {
    tensor.shape.get(1).unwrap_or(&tensor.shape[0]).to_owned() as usize
}

/// The rows of a tensor that stay when these groups of heads do; none where it has nothing to do with heads.
fn rows_of_heads(tensor: &Tensor, sizes: &Sizes, kept: &[usize]) -> Option<Vec<usize>> {
    let Sizes { heads, kv_heads, key, value, .. } = *sizes;
    let each = heads / kv_heads;
    let parts: &[usize] = match module(tensor) {
        "attn_q" => &[each * key],
        "attn_k" => &[key],
        "attn_v" => &[value],
        "attn_qkv" => &[each * key, key, value],
        "attn_sinks" => &[each],
        // Of whole rows; those of single heads are the same for all.
        "attn_q_norm" if height(tensor) == heads * key && heads > 1 => &[each * key],
        "attn_k_norm" if height(tensor) == kv_heads * key && kv_heads > 1 => &[key],
        _ => return None,
    };
    let mut first = 0;
    let mut rows = Vec::new();
    for width in parts {
        rows.extend(columns_of(kept, *width).into_iter().map(|row| first + row));
        first += width * kv_heads;
    }
    Some(rows)
}

/// The rows of a tensor that stay when these channels do.
fn rows_of_channels(tensor: &Tensor, sizes: &Sizes, kept: &[usize]) -> Option<Vec<usize>> {
    let halves = match module(tensor) {
        "ffn_gate" | "ffn_up" => height(tensor) / sizes.inner,
        _ => return None,
    };
    Some((0..halves).flat_map(|half| kept.iter().map(move |row| half * sizes.inner + row)).collect())
}

/// Keeps some rows of a matrix, or numbers of a vector.
fn cut_rows(weights: &mut ChangedWeights, tensor: &Tensor, floats: &[f32], rows: &[usize]) -> Result<(), Stop> {
    let width = floats.len() / height(tensor);
    let left: Vec<f32> = rows.iter().flat_map(|row| &floats[row * width..][..width]).copied().collect();
    let mut shape = tensor.shape.clone();
    *shape.last_mut().expect("a tensor has a size") = rows.len() as u64;
    weights.put(tensor, &shape, &left).map(drop).map_err(|error| unwritten(&error))
}

/// The outline of what is left of a model: its tensors and sizes, before anything is computed; or why that cannot go. Layers
/// that choose themselves are taken from the middle.
pub(in crate::engine) fn outline(model: &Model, cut: &Cut) -> Result<Model, String> {
    let told = |stop: Stop| match stop {
        Stop::Failed(message) => message,
        Stop::Cancelled => String::new(),
    };
    let sizes = Sizes::of(model, cut).map_err(told)?;
    let all = forward::layers(model);
    let layers: Pruning = match &cut.layers {
        Layers::None => Pruning::default(),
        Layers::Auto(count) => (all.saturating_sub(*count) / 2..).take((*count).min(all) as usize).collect(),
        Layers::These(these) => these.iter().copied().collect(),
    };
    let experts = model.hparams.experts;
    if cut.experts > 0 && cut.experts + model.hparams.experts_used.max(1) > experts {
        return Err(format!("{} of {experts} experts cannot go", cut.experts));
    }
    let mut reshape = sizes.reshape(model);
    reshape.layers = layers;
    if cut.experts > 0 {
        reshape.sizes.push(("expert_count", (experts - cut.experts) as u32));
    }
    let groups: Vec<usize> = (0..sizes.kv_left).collect();
    let channels: Vec<usize> = (0..sizes.inner_left).collect();
    let shape = |tensor: &Tensor| {
        let mut shape = tensor.shape.clone();
        if tensor.layer().is_none() {
            return shape;
        }
        let heads = rows_of_heads(tensor, &sizes, &groups).filter(|_| sizes.kv_left < sizes.kv_heads);
        let wide = rows_of_channels(tensor, &sizes, &channels).filter(|_| sizes.inner_left < sizes.inner);
        if let Some(rows) = heads.or(wide) {
            *shape.last_mut().expect("a tensor has a size") = rows.len() as u64;
        }
        match module(tensor) {
            "attn_output" if tensor.shape.len() == 2 => {
                shape[0] = shape[0] / sizes.kv_heads as u64 * sizes.kv_left as u64
            }
            "ffn_down" if tensor.shape.len() == 2 => shape[0] -= (sizes.inner - sizes.inner_left) as u64,
            "ffn_gate_inp" | "exp_probs_b" | "ffn_gate_exps" | "ffn_up_exps" | "ffn_down_exps" => {
                if let Some(last) = shape.last_mut().filter(|last| **last == experts) {
                    *last -= cut.experts;
                }
            }
            _ => {}
        }
        shape
    };
    model.outlined(shape, &reshape).map_err(|error| error.to_string())
}

/// Leaves out the experts that do least: by how many tokens come to them, and how large what they give is.
pub(super) fn experts(setting: &Setting<'_, '_>, model: &Model) -> Result<Model, Stop> {
    let (all, gone) = (model.hparams.experts, setting.cut.experts);
    let used = model.hparams.experts_used;
    if all == 0 {
        return Err(refuse(model, "it has no experts that could go"));
    }
    if gone + used.max(1) > all {
        return Err(refuse(model, &format!("{gone} of its {all} experts were to go, and each token sees {used}")));
    }
    let passage = Passage::new(setting, model)?;
    let meter = Meter::new(setting.context, Stage::Pruning, passage.weights.bytes());
    let mut weights = changes()?;
    let mut rows = passage.begin(&setting.text.tokens)?;
    for number in 0..forward::layers(model) {
        let (program, matrices) = passage.read(number, &meter)?;
        let layer = passage.load(program.clone(), matrices.clone())?;
        let found = program.steps.iter().find_map(|step| match &step.op {
            Op::Experts(experts) => Some(experts.clone()),
            _ => None,
        });
        if let Some(of) = found {
            if of.groups != [1, 1] {
                return Err(refuse(model, "its experts are chosen in groups, from which none can go"));
            }
            let observed = passage.observe(&layer, &rows, &|_| false, &meter)?;
            let down = &of.matrices[2];
            let (squares, floats) = (&observed[down].squares, matrices[down].floats());
            let (columns, each) = (squares.len() / of.count, floats.len() / of.count);
            let mut gives: Vec<(f64, usize)> = (0..of.count)
                .map(|expert| {
                    let squares = &squares[expert * columns..][..columns];
                    let own = floats[expert * each..][..each].iter().enumerate();
                    let gives = own.map(|(n, w)| f64::from(*w) * f64::from(*w) * f64::from(squares[n % columns]));
                    (gives.sum::<f64>(), expert)
                })
                .collect();
            gives.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let mut kept: Vec<usize> = gives[gone as usize..].iter().map(|(_, expert)| *expert).collect();
            kept.sort_unstable();
            let mut names: Vec<&str> =
                of.matrices.iter().chain(of.biases.iter().flatten()).map(String::as_str).collect();
            names.extend(of.bias.as_deref());
            let router = program.matrices().find(|name| name.contains("ffn_gate_inp.")).map(String::as_str);
            let router_bias = router.map(|name| name.replace(".weight", ".bias"));
            names.extend(router);
            names.extend(router_bias.as_deref().filter(|name| matrices.contains_key(*name)));
            for name in names {
                let tensor = tensor(model, name)?;
                let floats = matrices[name].floats();
                let width = floats.len() / of.count;
                let left: Vec<f32> = kept.iter().flat_map(|n| &floats[n * width..][..width]).copied().collect();
                let mut shape = tensor.shape.clone();
                *shape.last_mut().expect("a tensor has a size") = kept.len() as u64;
                weights.put(tensor, &shape, &left).map_err(|error| unwritten(&error))?;
            }
        }
        passage.advance(&layer, &mut rows, &meter)?;
    }
    let reshape = Reshape { sizes: vec![("expert_count", (all - gone) as u32)], ..Reshape::default() };
    Ok(model.with_weights(weights, &reshape)?)
}
