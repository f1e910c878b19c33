//! What a LoRA adapter does to the tensors of a GGUF file, by the family's tables.
//!
//! An adapter changes a stored matrix by `scale * B A`. What that adds to a tensor is such a product again, whose factors are
//! views of A and B ([`product`]): rows that change places are rows of B that do, and a matrix that is transposed exchanges
//! the two. So one table serves for merging and for adapters in GGUF files.

mod export;
mod pieces;
mod product;

pub use export::export_adapter;

use super::map::Mapper;
use super::names;
use super::rule::{Kind, Wanted};
use super::source::{Coding, Part, Tensor};
use super::view::{Axis, View};
use super::{Arch, Dim, Hparams};
use crate::checkpoint::{Adapter, Checkpoint, Contents, OpenError, Position, SourceFile, StoredTensor};
use pieces::{Module, Pieces};
use product::{Product, separate};
use std::collections::BTreeMap;

/// `scale * b a`, added to some rows of a tensor.
#[derive(Clone, Debug)]
pub struct Addend {
    /// The first of the tensor's weights that it is added to, which begins a row.
    pub first: u64,
    /// How many rows it is added to.
    pub rows: u64,
    /// Columns of `b` and rows of `a`.
    pub rank: u64,
    /// Row by row.
    pub a: Part,
    /// Row by row.
    pub b: Part,
    /// What the product is multiplied by.
    pub scale: f32,
    /// Of DoRA: the length that each row has in the end.
    pub magnitude: Option<Part>,
}

/// A tensor that something is added to.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// Its shape, columns first.
    pub shape: Vec<u64>,
    /// In the order of its weights.
    pub addends: Vec<Addend>,
}

/// What an adapter does to a model.
#[derive(Clone, Debug, Default)]
pub struct Adapted {
    /// What is added to the tensors of these names.
    pub addends: BTreeMap<String, Target>,
    /// Tensors that take the place of those of the same name.
    pub replaced: Vec<Tensor>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Finds out what an adapter does to a model of this family. `files` are those that its tensors refer to.
pub fn map_adapter(
    adapter: &Adapter,
    files: &[SourceFile],
    arch: &'static Arch,
    hparams: &Hparams,
) -> Result<Adapted, OpenError> {
    let pieces = Pieces::of(adapter)?;
    let map = Map { adapter, arch, hparams };
    let mut adapted = Adapted { notes: pieces.notes, ..Adapted::default() };
    for module in &pieces.modules {
        map.module(module, &mut adapted.addends)?;
    }
    adapted.addends.values_mut().for_each(|target| target.addends.sort_by_key(|addend| addend.first));
    adapted.replaced = map.wholes(pieces.wholes, files)?;
    Ok(adapted)
}

/// One of the two factors of a stored matrix.
#[derive(Clone, Copy)]
struct Factor<'a> {
    stored: &'a StoredTensor,
    /// From one row or column of the matrix to the next.
    step: u64,
    /// From one rank to the next.
    rank_step: u64,
    /// Whether its rows or columns are what the module puts out.
    is_output: bool,
}

/// A rule for a tensor of an adapter, with its layer and its expert.
type Found = (Wanted, Option<u64>, u64);

struct Map<'a> {
    adapter: &'a Adapter,
    arch: &'static Arch,
    hparams: &'a Hparams,
}

impl Map<'_> {
    /// The rules for a tensor by its name in a checkpoint; not one is an error.
    fn rules(&self, name: &str, stored: &StoredTensor) -> Result<Vec<Found>, OpenError> {
        let in_layer = name.strip_prefix(self.arch.layers).and_then(|rest| rest.strip_prefix('.')?.split_once('.'));
        let in_layer = in_layer.and_then(|(layer, rest)| Some((layer.parse::<u64>().ok()?, rest)));
        let (rules, layer, rest) = match in_layer {
            Some((layer, rest)) => (self.arch.layer, Some(layer), rest),
            None => (self.arch.outside, None, name),
        };
        let matching = |wanted: Wanted| {
            let from = wanted.from(self.arch.layers, None);
            let expert = match from.split_once("{}") {
                None => (from == rest).then_some(0)?,
                Some((start, end)) => rest.strip_prefix(start)?.strip_suffix(end)?.parse().ok()?,
            };
            Some((wanted, layer, expert))
        };
        let holds = |(wanted, layer, _): &Found| {
            layer.is_none_or(|layer| layer < self.hparams.layers) && wanted.holds(self.hparams, *layer)
        };
        let found: Vec<Found> = Wanted::of(rules).filter_map(matching).filter(holds).collect();
        match found.is_empty() {
            true => Err(self.unknown(stored)),
            false => Ok(found),
        }
    }

    fn unknown(&self, stored: &StoredTensor) -> OpenError {
        let base = self.adapter.settings.base.as_deref().unwrap_or("a model that it does not name");
        let problem = format!(
            "changes a part that a {} model of {} layers does not have; the adapter was made for {base}",
            self.arch.title, self.hparams.layers
        );
        self.adapter.wrong(stored, &problem)
    }

    fn sizes(&self, dims: &[Dim], layer: Option<u64>) -> Vec<u64> {
        dims.iter().map(|dim| self.hparams.size(*dim, layer.unwrap_or(0))).collect()
    }

    /// What a module's A and B add to which tensors.
    fn module(&self, module: &Module<'_>, out: &mut BTreeMap<String, Target>) -> Result<(), OpenError> {
        let ([inputs, rank], [b_rank, outputs]) = (self.matrix(module.a)?, self.matrix(module.b)?);
        let told = self.adapter.settings.rank(&module.name);
        if rank != b_rank || rank as f64 != told {
            let problem = format!(
                "has the rank {rank}, {} has {b_rank}, and by adapter_config.json it is {told}; they do not belong together",
                module.b.name
            );
            return Err(self.adapter.wrong(module.a, &problem));
        }
        // Those of the rows and columns of the matrix as the base model's checkpoint has it.
        let mut factors = [
            Factor { stored: module.b, step: rank, rank_step: 1, is_output: true },
            Factor { stored: module.a, step: 1, rank_step: inputs, is_output: false },
        ];
        let mut stored_shape = [inputs, outputs];
        if self.adapter.settings.transposed || module.is_embedding {
            factors.reverse();
            stored_shape.reverse();
        }
        for found @ (wanted, layer, _) in self.rules(&names::plain(&format!("{}.weight", module.name)), module.a)? {
            self.check(found, stored_shape, factors[0].stored)?;
            let target = out.entry(wanted.to(layer)).or_default();
            target.shape = self.sizes(wanted.shape, layer);
            self.add(module, found, stored_shape, factors, target)?;
        }
        Ok(())
    }

    /// Columns and rows of a factor.
    fn matrix(&self, stored: &StoredTensor) -> Result<[u64; 2], OpenError> {
        let shape: Option<[u64; 2]> = stored.shape.as_slice().try_into().ok();
        let shape = shape.filter(|[columns, rows]| *columns > 0 && *rows > 0);
        shape.ok_or_else(|| {
            self.adapter.wrong(stored, &format!("has the shape {:?}, and a matrix was expected", stored.shape))
        })
    }

    /// Refuses what has another shape than the matrix that it is for, columns first.
    fn check(&self, (wanted, layer, _): Found, found: [u64; 2], rows: &StoredTensor) -> Result<(), OpenError> {
        let dims = wanted.stored();
        let expected = self.sizes(dims, layer);
        let fits = |axis: usize| dims[axis] == Dim::Any || expected[axis] == found[axis];
        if dims.len() == 2 && wanted.rule.kind != Kind::SplitMxfp4 && fits(0) && fits(1) {
            return Ok(());
        }
        let vocabulary = self.hparams.vocabulary;
        if dims.len() == 2 && dims[1] == Dim::Vocabulary && fits(0) && found[1] != vocabulary {
            return Err(self.adapter.wrong(rows, &self.other_vocabulary(found[1])));
        }
        let show = |shape: &[u64]| shape.iter().rev().map(u64::to_string).collect::<Vec<_>>().join(" x ");
        let problem = format!(
            "is for a matrix of {}, and in this model it has {}; the adapter was made for {}",
            show(&found),
            show(&expected),
            self.adapter.settings.base.as_deref().unwrap_or("another model")
        );
        Err(self.adapter.wrong(rows, &problem))
    }

    fn other_vocabulary(&self, tokens: u64) -> String {
        format!(
            "is for a vocabulary of {tokens} tokens, and this model has {}; tokens were added when the adapter was trained, \
             which cannot be merged into a model without them: resize the model's vocabulary with transformers first",
            self.hparams.vocabulary
        )
    }

    /// What the factors of a module add to the tensor of one rule.
    fn add(
        &self,
        module: &Module<'_>,
        (wanted, _, expert): Found,
        stored_shape: [u64; 2],
        factors: [Factor<'_>; 2],
        Target { shape, addends }: &mut Target,
    ) -> Result<(), OpenError> {
        let (columns, weights) = (shape[0], shape.iter().product::<u64>());
        let mut first = if wanted.is_stack() { expert.saturating_mul(columns * shape[1]) } else { 0 };
        let whole = View::of(&[stored_shape[1], stored_shape[0]]);
        let views = match wanted.rule.arrange {
            Some(arrange) => arrange(whole, self.hparams),
            None => vec![whole],
        };
        let settings = &self.adapter.settings;
        for view in views.iter().filter(|view| view.units() > 0) {
            let products = separate(view, stored_shape[0], columns);
            let products = products.filter(|_| first.saturating_add(view.units()) <= weights);
            for product in products.ok_or_else(|| self.unknown(module.a))? {
                let Product { across, starts, .. } = product;
                let (a, b, rank) = (factors[across], factors[1 - across], settings.rank(&module.name) as u64);
                let of_rank = |factor: Factor<'_>| Axis { count: rank, stride: factor.rank_step };
                let a_axes = [vec![of_rank(a)], steps(&product.columns, a.step)].concat();
                let b_axes = [steps(&product.rows, b.step), vec![of_rank(b)]].concat();
                addends.push(Addend {
                    first,
                    rows: product.height(),
                    rank,
                    a: self.part(a.stored, starts[across] * a.step, a_axes)?,
                    b: self.part(b.stored, starts[1 - across] * b.step, b_axes)?,
                    scale: settings.scale(&module.name) as f32,
                    magnitude: self.magnitude(module, &product, b)?,
                });
                first += product.height() * columns;
            }
        }
        Ok(())
    }

    /// The lengths of a product's rows, which have to be what the module puts out.
    fn magnitude(&self, module: &Module<'_>, product: &Product, b: Factor<'_>) -> Result<Option<Part>, OpenError> {
        let Some(stored) = module.magnitude else { return Ok(None) };
        if !b.is_output || module.is_embedding {
            let problem =
                "is of DoRA for a part whose rows a GGUF file cuts, which cannot be merged; merge it with PEFT";
            return Err(self.adapter.wrong(stored, problem));
        }
        let [_, outputs] = self.matrix(module.b)?;
        if stored.weights() != outputs {
            let problem = format!("has {} numbers, and the module puts out {outputs}", stored.weights());
            return Err(self.adapter.wrong(stored, &problem));
        }
        self.part(stored, product.starts[1 - product.across], product.rows.clone()).map(Some)
    }

    fn part(&self, stored: &StoredTensor, start: u64, axes: Vec<Axis>) -> Result<Part, OpenError> {
        let format = stored.format(&self.adapter.file.path)?;
        if stored.coded().is_some() {
            let problem = format!("is stored as {}, and F32, F16 or BF16 was expected", stored.precision);
            return Err(self.adapter.wrong(stored, &problem));
        }
        Ok(Part { at: Position::of(stored), format, view: View { start, axes }, coding: Coding::Plain, plus: 0.0 })
    }

    /// Tensors that the adapter replaces whole: modules that were trained with it, biases, norms.
    fn wholes(&self, wholes: Vec<StoredTensor>, files: &[SourceFile]) -> Result<Vec<Tensor>, OpenError> {
        let path = self.adapter.path.clone();
        let contents = Contents::HuggingFace(Box::default());
        let checkpoint = Checkpoint { path, files: files.to_vec(), tensors: wholes, contents };
        let mut mapper = Mapper::new(&checkpoint, self.arch, self.hparams)?;
        let mut out: Vec<Tensor> = Vec::new();
        for stored in &checkpoint.tensors {
            for (wanted, layer, _) in self.rules(&stored.name, stored)? {
                // One of a stack that is there already.
                if out.iter().any(|tensor| tensor.name == wanted.to(layer)) {
                    continue;
                }
                let has_vocabulary = wanted.stored().last() == Some(&Dim::Vocabulary);
                if let Some(tokens) = stored.shape.last().filter(|n| has_vocabulary && **n != self.hparams.vocabulary) {
                    return Err(self.adapter.wrong(stored, &self.other_vocabulary(*tokens)));
                }
                out.extend(mapper.tensor(wanted, wanted.to(layer), layer)?);
            }
        }
        Ok(out)
    }
}

/// Axes in steps of another size.
fn steps(axes: &[Axis], step: u64) -> Vec<Axis> {
    axes.iter().map(|axis| Axis { stride: axis.stride * step, ..*axis }).collect()
}
