//! The tensors of an adapter's GGUF file: `lora_a` and `lora_b` for each that it changes, as llama.cpp's
//! convert_lora_to_gguf.py writes them.

use super::{Adapted, Addend, Target};
use crate::arch::map::sort;
use crate::arch::source::{Part, Source, Tensor};
use crate::checkpoint::{Adapter, OpenError};
use crate::quant::{F16, F32, FormatRef};

/// The one that llama.cpp looks rows up in, for which it wants the two factors exchanged.
const TOKENS: &str = "token_embd.weight";

/// The tensors of a file whose matrices are `format`, or F16 where that does not divide their rows, and the alpha that
/// llama.cpp takes the scale from, by dividing it by the rank.
///
/// Refuses what llama.cpp cannot apply: DoRA, other scales for some modules, tensors that are replaced.
pub fn export_adapter(
    adapter: &Adapter,
    adapted: &Adapted,
    format: FormatRef,
) -> Result<(Vec<Tensor>, f32), OpenError> {
    let refuse = |name: &str, what: &str| {
        let advice = "llama.cpp cannot apply this from a GGUF adapter, so merge it into its model (tuck pack --lora)";
        Err(adapter.refuse(format!("its part for {name} {what}; {advice}")))
    };
    let mut alphas: Vec<f32> = Vec::new();
    let mut tensors = Vec::new();
    for (name, Target { shape, addends }) in &adapted.addends {
        alphas.extend(addends.iter().map(|addend| addend.scale * addend.rank as f32));
        if addends.iter().any(|addend| addend.magnitude.is_some()) {
            return refuse(name, "is DoRA");
        }
        let Some([a, b]) = factors(shape, addends) else {
            return refuse(name, "does not cover it, or has several ranks or more factors than two");
        };
        let (columns, rows, rank) = (shape[0], shape[1], addends[0].rank);
        let [a, b] = match name.as_str() {
            TOKENS => [([rank, rows], b), ([rank, columns], a.into_iter().map(turned).collect())],
            _ => [([columns, rank], a), ([rank, rows], b)],
        };
        for (ending, (sizes, parts)) in [(".lora_a", a), (".lora_b", b)] {
            let format = if format.divides(sizes[0]) { format } else { &F16 };
            tensors.push(Tensor {
                name: format!("{name}{ending}"),
                stored_name: format!("{ending} of {name}").trim_start_matches('.').to_owned(),
                shape: [&sizes, &shape[2..]].concat(),
                format,
                source: Source::of(parts),
            });
        }
    }
    for tensor in &adapted.replaced {
        match tensor.name.contains("_norm") && tensor.shape.len() == 1 {
            true => tensors.push(Tensor { format: &F32, ..tensor.clone() }),
            false => return refuse(&tensor.name, "replaces it"),
        }
    }
    let alpha = alphas.first().copied().unwrap_or(adapter.settings.alpha as f32);
    if alphas.iter().any(|other| (other - alpha).abs() > alpha.abs() * 1e-6) {
        return refuse("some modules", "has another scale than the rest");
    }
    sort(&mut tensors);
    Ok((tensors, alpha))
}

/// The parts of both factors, matrix by matrix; none where they are no product of two.
fn factors(shape: &[u64], addends: &[Addend]) -> Option<[Vec<Part>; 2]> {
    let matrix = shape[0] * shape.get(1)?;
    let rank = addends.first()?.rank;
    let (mut a, mut b) = (Vec::<Part>::new(), Vec::new());
    let mut end = 0;
    for addend in addends {
        let is_next = addend.first == end && addend.rank == rank;
        end += addend.rows * shape[0];
        if !is_next || addend.first / matrix != (end - 1) / matrix {
            return None;
        }
        match a.last() {
            Some(last) if !addend.first.is_multiple_of(matrix) => {
                if (last.at, &last.view) != (addend.a.at, &addend.a.view) {
                    return None;
                }
            }
            _ => a.push(addend.a.clone()),
        }
        b.push(addend.b.clone());
    }
    (end == shape.iter().product::<u64>()).then_some([a, b])
}

/// Columns as rows; the rank is the first axis.
fn turned(mut part: Part) -> Part {
    part.view.axes.rotate_left(1);
    part
}
