//! Targets towards the original's outputs: what a matrix should be after the matrices before it were quantized.
//!
//! The text runs through the model as it is and, beside it, through what a plan makes of it. At each matrix W the inputs are x
//! and x̂. With C = mean of (x − x̂)·x̂ᵀ and H = mean of x̂·x̂ᵀ, the matrix whose outputs are nearest to those of W is
//! W + W·C·H⁻¹; that is quantized, by error feedback under H, before the text goes on. The file that comes of it has H and
//! C·H⁻¹ of each input, and the Fisher matrix of each matrix's outputs ([`super::fisher`]), so that packing quantizes the same again.

use super::fisher::{Subject, fisher};
use super::statistics::CONTEXT;
use super::text::{BuiltIn, Text};
use super::walk::{facts, pass};
use super::weights::Weights;
use crate::cpu::forward::{Matrices, Runner, add_cross, add_gram, has_gradient, quadratic_form};
use crate::engine::command::SequenceRequest;
use crate::engine::device::Devices;
use crate::engine::event::Stage;
use crate::engine::jobs::feedback::{Chooser, Inputs, descends_across};
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::feedback;
use crate::forward::{self, Op, Program, RESIDUAL, Register};
use crate::imatrix::{Gram, GramPlan, GramWriter, fisher_name, shift_name};
use crate::model::Model;
use crate::recipe::Plan;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tokens that go through a layer at a time.
const BATCH: usize = 2048;
/// What is added to the diagonal of H before it is inverted, in units of its mean.
const DAMPING: f64 = 0.02;

/// An input of some matrices of a layer, in the order of its steps.
struct Input {
    /// The matrix that stands for all with this input, and those of them that error feedback chooses.
    owner: String,
    matrices: Vec<String>,
    columns: usize,
    /// What comes before it, and the register that it is in.
    before: Program,
    register: Register,
}

/// Makes the file that a request names.
pub(in crate::engine) fn sequence(
    devices: &mut Devices,
    request: &SequenceRequest,
    context: &Context<'_>,
) -> Result<Arc<Gram>, Stop> {
    let model = &*request.model;
    let plan = Plan::new(model, &request.recipe)?;
    let chunk = CONTEXT.min(model.hparams.context) as usize;
    let text = Text::read(request.text.as_deref(), BuiltIn::Calibration, model, chunk, request.chunks)?;
    if request.recipe.mix.as_ref().is_some_and(|mix| mix.identity.as_ref().is_some_and(|of| of.text != text.identity()))
    {
        return Err(Stop::Failed(
            "the recipe follows the text that its statistics are of, and this is another; name that text (--text), as many of \
             its chunks (--chunks)"
                .to_owned(),
        ));
    }
    let chooser = Chooser::open(devices, &request.computing, [&plan])?;
    let original = Weights::new(model, None, context);
    let packed = Weights::new(model, Some(plan.clone()), context).on(chooser);
    let facts = facts(&original, chunk)?;
    let programs = (0..forward::layers(model)).map(|layer| forward::layer(model, &facts, layer));
    let programs: Vec<Program> = programs.collect::<Result<_, _>>()?;
    let inputs: Vec<Vec<Input>> = programs.iter().map(|program| of_layer(model, &plan, program)).collect();
    let all = || inputs.iter().flatten();
    let across = across(model, &plan, &programs, all(), context);
    let shifts = all().map(|input| (shift_name(&input.owner), vec![input.columns as u64; 2]));
    let fishers = across.iter().map(|(name, rows)| (fisher_name(name), vec![*rows; 2]));
    let listed = GramPlan {
        datasets: vec![text.name.display().to_string()],
        chunks: [text.chunks() as u32, text.chunk as u32],
        matrices: all().map(|input| (input.owner.clone(), input.columns as u64, 1)).collect(),
        shared: all()
            .flat_map(|input| input.matrices.iter().map(|name| (name.clone(), input.owner.clone())))
            .filter(|(name, owner)| name != owner)
            .collect(),
        tables: shifts.chain(fishers).collect(),
        ..GramPlan::default()
    };
    let failed =
        |error: std::io::Error| Stop::Failed(format!("{} cannot be written to: {error}", request.folder.display()));
    // Its name goes when this ends, and the file when nobody has it open any more.
    let named = tempfile::NamedTempFile::new_in(&request.folder).map_err(failed)?.into_temp_path();
    let (mut writer, _) = GramWriter::begin(&named, &listed, false).map_err(failed)?;
    if !across.is_empty() {
        let meter = Meter::new(context, Stage::Differentiating, 2 * original.bytes());
        let subject = Subject { weights: &original, facts: &facts, programs: &programs };
        fisher(&subject, &across, &text, (&mut writer, &request.folder), &meter)?;
    }
    let meter = Meter::new(context, Stage::Following, original.bytes());
    let embedding = forward::embedding(model, &facts)?;
    let begin = |weights: &Weights<'_>| {
        let mut rows = weights.rows("token_embd.weight", &text.tokens)?;
        pass(&embedding, &weights.of(&embedding, None)?, chunk, &mut rows, None, &mut |_, _, _| {})?;
        Ok::<_, Stop>(rows)
    };
    let (mut x, mut y) = (begin(&original)?, begin(&packed)?);
    for (program, inputs) in programs.iter().zip(&inputs) {
        let own = original.of(program, Some(&meter))?;
        // What error feedback does not choose is as the plan has it from the start.
        let mut made = Matrices::new();
        for name in program.tensors() {
            let follows = inputs.iter().any(|input| input.matrices.iter().any(|own| own == name));
            made.insert(name.to_owned(), if follows { own[name].clone() } else { packed.matrix(name)? });
        }
        for input in inputs {
            let (means, shift) = observe(input, (&own, &x), (&made, &y), chunk, context)?;
            writer.write(&input.owner, &means, &[text.tokens.len() as u64]).map_err(failed)?;
            writer.fill(&shift_name(&input.owner), &shift).map_err(failed)?;
            let mut fishers = BTreeMap::new();
            for name in &input.matrices {
                fishers.extend(writer.table(&fisher_name(name)).map_err(failed)?.map(|table| (name.clone(), table)));
            }
            let inputs = Inputs { means, tokens: text.tokens.len() as u64, shift: Some(shift), fishers };
            packed.know(&input.owner, inputs)?;
            for name in &input.matrices {
                made.insert(name.clone(), packed.matrix(name)?);
                meter.advance(0, name)?;
            }
        }
        pass(program, &own, chunk, &mut x, Some(&meter), &mut |_, _, _| {})?;
        pass(program, &made, chunk, &mut y, Some(&meter), &mut |_, _, _| {})?;
    }
    writer.flush().map_err(failed)?;
    Ok(Arc::new(Gram::open(&named).map_err(Stop::Failed)?))
}

/// The inputs of a layer whose matrices error feedback chooses. Experts go without: which tokens reach them changes.
fn of_layer(model: &Model, plan: &Plan, program: &Program) -> Vec<Input> {
    let shared = program.shared_inputs();
    let follows = |name: &str| {
        let found = model.tensors.iter().zip(&plan.tensors).find(|(tensor, _)| tensor.name == name);
        found.is_some_and(|(tensor, planned)| tensor.shape.len() == 2 && plan.feeds_back(tensor, planned))
    };
    let mut inputs: Vec<Input> = Vec::new();
    for (place, step) in program.steps.iter().enumerate() {
        let Op::Linear { weight, .. } = &step.op else { continue };
        let Some((_, owner)) = shared.iter().find(|(name, _)| name == weight).filter(|_| follows(weight)) else {
            continue;
        };
        match inputs.iter_mut().find(|input| input.owner == *owner) {
            Some(input) => input.matrices.push(weight.clone()),
            None => inputs.push(Input {
                owner: owner.clone(),
                matrices: vec![weight.clone()],
                columns: program.widths[step.from[0].0],
                before: program.before(place),
                register: step.from[0],
            }),
        }
    }
    inputs
}

/// The matrices whose rows descend together, and how many rows they have. None where the model has no backward pass.
fn across<'a>(
    model: &Model,
    plan: &Plan,
    programs: &[Program],
    inputs: impl Iterator<Item = &'a Input>,
    context: &Context<'_>,
) -> BTreeMap<String, u64> {
    if let Err(problem) = programs.iter().try_for_each(has_gradient) {
        context.warn(format!("the rows of each matrix are quantized by themselves, not together: {problem}"));
        return BTreeMap::new();
    }
    let names: Vec<&String> = inputs.flat_map(|input| &input.matrices).collect();
    let all = model.tensors.iter().zip(&plan.tensors);
    let found =
        all.filter(|(tensor, planned)| names.contains(&&tensor.name) && descends_across(tensor, planned.format));
    found.map(|(tensor, _)| (tensor.name.clone(), tensor.shape[1])).collect()
}

/// The mean of x̂·x̂ᵀ, and C·H⁻¹ as far as it is no chance.
fn observe(
    input: &Input,
    (own, x): (&Matrices, &[f32]),
    (made, y): (&Matrices, &[f32]),
    chunk: usize,
    context: &Context<'_>,
) -> Result<(Vec<f32>, Vec<f32>), Stop> {
    let (columns, width) = (input.columns, input.before.widths[RESIDUAL.0]);
    // Of every other batch, and of those between.
    let zeros = || [(); 2].map(|()| vec![0.0f32; columns * columns]);
    let (mut grams, mut crosses) = (zeros(), zeros());
    let batch = (BATCH / chunk).max(1) * chunk * width;
    for (n, (x, y)) in x.chunks(batch).zip(y.chunks(batch)).enumerate() {
        let rows = |matrices: &Matrices, rows: &[f32]| {
            let mut rows = rows.to_vec();
            let runner = Runner { matrices, chunk };
            let found = runner.run(&input.before, &mut rows, input.register, &mut |_, _, _| {});
            if input.register == RESIDUAL { rows } else { found }
        };
        let (mut x, y) = (rows(own, x), rows(made, y));
        x.iter_mut().zip(&y).for_each(|(x, y)| *x -= y);
        add_gram(&y, columns, &mut grams[n % 2]);
        add_cross(&x, &y, columns, &mut crosses[n % 2]);
        if context.is_cancelled() {
            return Err(Stop::Cancelled);
        }
    }
    let stop = || context.is_cancelled();
    let shift =
        |cross: &[f32], gram: &[f32]| feedback::shift(cross, gram, columns, DAMPING, &stop).ok_or(Stop::Cancelled);
    // How much of what one half of the text asks for does the other half good.
    let (mut good, mut all) = (0.0, 0.0);
    for (own, other) in [(0, 1), (1, 0)] {
        let asked = shift(&crosses[own], &grams[own])?;
        good += asked.iter().zip(&crosses[other]).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        all += quadratic_form(&asked, columns, &grams[other]);
    }
    let half = if all > 0.0 { (good / all).clamp(0.0, 1.0) } else { 0.0 };
    // All of the text has half of the chance in it.
    let kept = if half > 0.0 { half / (half + (1.0 - half) / 2.0) } else { 0.0 };
    let tokens = (x.len() / width) as f32;
    let mean = |[a, b]: [Vec<f32>; 2]| -> Vec<f32> { a.iter().zip(&b).map(|(a, b)| (a + b) / tokens).collect() };
    let (gram, cross) = (mean(grams), mean(crosses));
    let mut shift = shift(&cross, &gram)?;
    shift.iter_mut().for_each(|shift| *shift *= kept as f32);
    Ok((gram, shift))
}
