//! Running a text through a model and gathering what goes into its matrices, with a state to go on from.

use super::state;
use super::text::Text;
use super::walk::Walk;
use crate::cpu::forward::add_gram;
use crate::engine::command::CalibrateRequest;
use crate::engine::meter::Meter;
use crate::engine::worker::Stop;
use crate::eval::Activations;
use crate::forward::{self, Program};
use crate::gguf::Metadata;
use crate::gpu::forward::Summed;
use crate::imatrix::{GramPlan, GramWriter};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Tokens that go through the output matrix at a time.
const BATCH: usize = 512;

/// What was gathered.
pub(super) struct Gathered {
    pub(super) activations: Activations,
    /// Those that were asked for, in a file that has no name yet.
    pub(super) grams: Option<Grams>,
    /// The layer that it went on from, if not the first.
    pub(super) resumed: Option<u64>,
}

/// Columns and experts of each matrix.
type Sizes<'a> = HashMap<&'a str, (usize, usize)>;

/// What a file of Gram matrices holds beside them, and which of them it holds.
pub(super) struct Beside {
    pub(super) metadata: Metadata,
    /// From names, columns and experts of all matrices that multiply something.
    pub(super) tables: Box<LayOut>,
    /// The most bytes of the Gram matrices of one input; of larger ones the diagonal has to do.
    pub(super) most: u64,
}

type LayOut = dyn Fn(&[(&str, u64, u64)]) -> Tables;

/// Names and shapes.
type Tables = Vec<(String, Vec<u64>)>;

impl Default for Beside {
    fn default() -> Self {
        Self { metadata: Metadata::new(), tables: Box::new(|_| Tables::new()), most: u64::MAX }
    }
}

/// Gathers what a request names. Gram matrices are written on the way.
pub(super) fn gather(
    request: &CalibrateRequest,
    beside: &Beside,
    walk: &mut Walk<'_>,
    text: &Text,
    meter: &Meter<'_, '_>,
) -> Result<Gathered, Stop> {
    let model = &*request.model;
    let sizes: Sizes<'_> = model
        .tensors
        .iter()
        .map(|tensor| {
            let experts = tensor.shape.iter().skip(2).product::<u64>();
            (tensor.name.as_str(), (tensor.columns() as usize, experts as usize))
        })
        .collect();
    let mut programs = (0..walk.layers()).map(|layer| walk.program(layer)).collect::<Result<Vec<_>, _>>()?;
    // Packing with Gram matrices wants that of the output too.
    let with_output = request.output_matrix || request.gram.is_some();
    if with_output {
        programs.push(forward::output(model, walk.facts())?.0);
    }
    let key = key(request, text);
    let fits = |state: &state::State| {
        let is_known = |(name, of): (&String, &crate::eval::Squares)| {
            sizes
                .get(name.as_str())
                .is_some_and(|(columns, experts)| of.sums.len() == columns * experts && of.counts.len() == *experts)
        };
        state.layers <= walk.layers() && state.activations.matrices.iter().all(is_known)
    };
    let mut found = state::load(&request.path, &key, walk.rows()?.len()).filter(fits);
    let mut grams = match &request.gram {
        None => None,
        Some(path) => {
            let (grams, stayed) = Grams::begin(path, &programs, &sizes, text, beside, found.is_some())?;
            found = found.filter(|_| stayed);
            Some(grams)
        }
    };
    let resumed = found.as_ref().map(|state| state.layers);
    let mut activations = Activations::default();
    if let Some(state) = found {
        activations = state.activations;
        walk.go_on(state.rows);
    }
    let mut saved = Instant::now();
    for layer in resumed.unwrap_or(0)..walk.layers() {
        let program = &programs[layer as usize];
        if let Some(summed) =
            walk.layer_summed(layer, meter, &|name| grams.as_ref().is_some_and(|grams| grams.kept.contains(name)))?
        {
            take(program, summed, &mut activations, grams.as_mut());
        } else {
            let mut observe = |name: &str, expert: usize, rows: &[f32]| {
                let (columns, experts) = sizes[name];
                activations.add(name, expert, experts, columns, rows);
                grams.iter_mut().for_each(|grams| grams.add(name, expert, rows));
            };
            walk.layer(layer, meter, &mut observe)?;
        }
        grams.iter_mut().try_for_each(|grams| grams.write(program, &activations))?;
        if saved.elapsed() >= request.save_every {
            grams.iter().try_for_each(Grams::flush)?;
            state::save(&request.path, &key, layer + 1, &walk.rows()?, &activations)?;
            saved = Instant::now();
        }
    }
    if with_output {
        walk.settle()?;
        let normed = walk.normed()?;
        let tokens: Vec<usize> = (0..text.tokens.len()).collect();
        for tokens in tokens.chunks(BATCH) {
            let rows = walk.output_input(&normed, tokens);
            activations.add(&normed.matrix, 0, 1, sizes[normed.matrix.as_str()].0, &rows);
            grams.iter_mut().for_each(|grams| grams.add(&normed.matrix, 0, &rows));
            meter.advance(0, "")?;
        }
        if let (Some(grams), Some(program)) = (&mut grams, programs.last()) {
            grams.write(program, &activations)?;
            if !request.output_matrix {
                activations.matrices.retain(|name, _| !program.matrices().any(|other| other == name));
            }
        }
    }
    Ok(Gathered { activations, grams, resumed })
}

/// Takes what a GPU summed up of a program. Matrices with the same input share it.
fn take(
    program: &Program,
    mut summed: BTreeMap<String, Summed>,
    activations: &mut Activations,
    grams: Option<&mut Grams>,
) {
    for (name, owner) in program.shared_inputs() {
        activations.add_sums(&name, &summed[&owner].squares, &summed[&owner].counts);
    }
    if let Some(grams) = grams {
        let own = summed.iter_mut().filter(|(name, _)| grams.kept.contains(*name));
        let own = own.filter_map(|(name, summed)| Some((name.clone(), summed.gram.take()?)));
        let own: Vec<_> = own.collect();
        grams.sums.extend(own);
    }
}

/// What a state has to be of to be any use: the model with its files as they are now, the text, and what is asked for.
fn key(request: &CalibrateRequest, text: &Text) -> String {
    let files = request.model.files.iter().map(|file| {
        let modified = std::fs::metadata(&file.path).and_then(|found| found.modified()).ok();
        let seconds = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        format!("{} {} {}", file.path.display(), file.bytes, seconds.map_or(0, |since| since.as_nanos()))
    });
    let gram = request.gram.as_ref().map(|path| path.display().to_string());
    format!("{:?} {} {} {gram:?} {}", files.collect::<Vec<_>>(), text.digest(), text.chunk, request.output_matrix)
}

/// Gram matrices of a layer, and the file that they go to.
pub(super) struct Grams {
    path: PathBuf,
    writer: GramWriter,
    /// One matrix of each input whose Gram matrices go into the file.
    kept: HashSet<String>,
    sizes: HashMap<String, (usize, usize)>,
    sums: BTreeMap<String, Vec<f32>>,
}

impl Grams {
    fn begin(
        path: &Path,
        programs: &[Program],
        sizes: &Sizes<'_>,
        text: &Text,
        beside: &Beside,
        resumes: bool,
    ) -> Result<(Self, bool), Stop> {
        let owners: HashMap<String, String> = programs.iter().flat_map(Program::shared_inputs).collect();
        let names: Vec<&String> = programs.iter().flat_map(|program| program.matrices()).collect();
        let size = |name: &String| sizes[name.as_str()];
        let entries = names.iter().map(|name| (name.as_str(), size(name).0 as u64, size(name).1 as u64));
        let entries: Vec<(&str, u64, u64)> = entries.collect();
        let is_owner = |(name, _, _): &&(&str, u64, u64)| owners[*name] == *name;
        let all: Vec<(&str, u64, u64)> = entries.iter().filter(is_owner).copied().collect();
        let is_kept = |columns: u64, experts: u64| columns * columns * experts * 4 <= beside.most;
        let kept: HashSet<&str> =
            all.iter().filter(|(_, columns, experts)| is_kept(*columns, *experts)).map(|(name, _, _)| *name).collect();
        let shared = names.iter().filter(|name| owners[**name] != ***name && kept.contains(owners[**name].as_str()));
        let plan = GramPlan {
            // Where the text lies is nobody's business.
            datasets: vec![text.name.file_name().unwrap_or_default().display().to_string()],
            chunks: [text.chunks() as u32, text.chunk as u32],
            shared: shared.map(|name| ((*name).clone(), owners[*name].clone())).collect(),
            matrices: all
                .iter()
                .filter(|(name, _, _)| kept.contains(name))
                .map(|(name, columns, experts)| ((*name).to_owned(), *columns, *experts))
                .collect(),
            metadata: beside.metadata.clone(),
            tables: (beside.tables)(&entries),
        };
        let kept = kept.into_iter().map(str::to_owned).collect();
        let partial = state::path(path);
        let begun = GramWriter::begin(&partial, &plan, resumes);
        let (writer, stayed) = begun.map_err(|error| failed(&partial, &error))?;
        let sizes = names.into_iter().map(|name| (name.clone(), size(name))).collect();
        Ok((Self { path: path.to_owned(), writer, kept, sizes, sums: BTreeMap::new() }, stayed))
    }

    fn add(&mut self, name: &str, expert: usize, rows: &[f32]) {
        if self.kept.contains(name) {
            let (columns, experts) = self.sizes[name];
            let square = columns * columns;
            let sums = self.sums.entry(name.to_owned()).or_insert_with(|| vec![0.0; square * experts]);
            add_gram(rows, columns, &mut sums[expert * square..][..square]);
        }
    }

    /// Writes those of a program that was run, and forgets them.
    fn write(&mut self, program: &Program, activations: &Activations) -> Result<(), Stop> {
        for name in program.matrices() {
            let Some(mut sums) = self.sums.remove(name) else { continue };
            let counts = &activations.matrices[name].counts;
            let square = sums.len() / counts.len();
            for (sums, count) in sums.chunks_exact_mut(square).zip(counts) {
                sums.par_iter_mut().for_each(|sum| *sum /= (*count).max(1) as f32);
            }
            self.writer.write(name, &sums, counts).map_err(|error| failed(&self.path, &error))?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Stop> {
        self.writer.flush().map_err(|error| failed(&self.path, &error))
    }

    /// Writes a table beside them.
    pub(super) fn fill(&mut self, name: &str, numbers: &[f32]) -> Result<(), Stop> {
        self.writer.fill(name, numbers).map_err(|error| failed(&self.path, &error))
    }

    /// Gives the file its name.
    pub(super) fn finish(self) -> Result<(), Stop> {
        self.writer.finish(&self.path).map_err(|error| failed(&self.path, &error))
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Stop {
    Stop::Failed(format!("{} could not be written: {error}", path.display()))
}
