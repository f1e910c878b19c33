//! What ways to keep keys and values do to a model's predictions.
//!
//! The text, and haystacks with needles in them, walk through the layers once for each choice, side by side: a layer's weights
//! are read once for all of them. Choices that drop, round or merge what they hold run on the processor.

use super::gpu::{self, Gpu, Loaded};
use super::needle;
use super::text::{BuiltIn, Text};
use super::walk::{Output, facts, pass};
use super::weights::{Weights, stored_bytes};
use super::{LOGITS, known, score_rows, scored};
use crate::cache::{Cache, Choice, Held, Row};
use crate::cpu::forward::Matrices;
use crate::engine::device::Devices;
use crate::engine::event::Stage;
use crate::engine::kv::{KvReport, KvRequest, KvRow, cache_bytes, heads, runnable};
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::eval::Divergence;
use crate::forward::{self, Facts, Program};
use crate::model::Model;
use crate::quant::Q8_0;
use std::time::{Duration, Instant};

/// Bytes of rows that are in memory at a time.
const STREAMS: usize = 1 << 30;
/// Parts of the half of a chunk that is scored.
const PARTS: usize = 8;
/// What of a text counts as a prompt: what is not scored.
const PROMPT: usize = 2;

/// A text on its way through the model with a cache.
struct Stream<'a> {
    choice: &'a Choice,
    /// Of the text, and of the haystacks.
    caches: [Cache; 2],
    rows: [Vec<f32>; 2],
    spent: Duration,
}

/// Measures what a request names.
pub(in crate::engine) fn kv(
    devices: &mut Devices,
    request: &KvRequest,
    context: &Context<'_>,
) -> Result<KvReport, Stop> {
    let started = Instant::now();
    let model = &*request.model;
    if request.context == 0 {
        return Err(Stop::Failed("a context of 0 tokens was asked for, and at least 1 was expected".to_owned()));
    }
    let (choices, refused) = runnable(model, &request.choices);
    let text = Text::read(request.text.as_deref(), BuiltIn::Evaluation, model, request.chunk, request.chunks)?;
    let planted = needle::plant(&text)?;
    let weights = Weights::new(model, None, context);
    let gpu = gpu::open(devices, &request.computing)?;
    let parts = Parts::new(&weights, [&text, &planted])?;
    let layers = parts.layers * choices.len() as u64;
    let meter = Meter::new(context, Stage::Measuring, layers);
    let walk = Walk { weights: &weights, parts: &parts, texts: [&text, &planted], gpu: gpu.as_ref(), meter: &meter };
    let output = walk.output()?;
    let one = 4 * (text.tokens.len() + planted.tokens.len()) * model.hparams.hidden as usize;
    let most = (STREAMS / one.max(1)).max(1);
    let (mut rows, mut reference) = (Vec::new(), None);
    for group in choices.chunks(most) {
        let mut streams = group.iter().map(|choice| walk.begin(choice, request)).collect::<Result<Vec<_>, _>>()?;
        walk.layers(&mut streams)?;
        let first = reference.get_or_insert_with(|| streams[0].rows[0].clone());
        for stream in &streams {
            rows.push(walk.row(stream, first, &output, request.context)?);
        }
    }
    let mut report = KvReport {
        model: model.path.clone(),
        context: request.context,
        rows,
        refused,
        chunks: text.chunks(),
        chunk: text.chunk,
        text: text.name.clone(),
        depths: needle::DEPTHS.to_vec(),
        device: gpu::name(gpu.as_ref()),
        elapsed: started.elapsed(),
    };
    report.compare();
    Ok(report)
}

/// What does not depend on the choice.
struct Parts {
    facts: Facts,
    embedding: Program,
    /// Bytes of the layers.
    layers: u64,
}

impl Parts {
    fn new(weights: &Weights<'_>, texts: [&Text; 2]) -> Result<Self, Stop> {
        let facts = facts(weights, texts[0].chunk)?;
        let embedding = forward::embedding(weights.model, &facts)?;
        let is_of_layer = |name: &str| name.starts_with("blk.");
        let layers = weights.model.tensors.iter().filter(|tensor| is_of_layer(&tensor.name)).map(stored_bytes).sum();
        Ok(Self { facts, embedding, layers })
    }
}

/// What a pass needs.
struct Walk<'a, 'c> {
    weights: &'a Weights<'a>,
    parts: &'a Parts,
    texts: [&'a Text; 2],
    gpu: Option<&'a Gpu>,
    meter: &'a Meter<'a, 'c>,
}

impl<'a> Walk<'a, '_> {
    fn model(&self) -> &'a Model {
        self.weights.model
    }

    /// The text before the first layer.
    fn begin<'b>(&self, choice: &'b Choice, request: &KvRequest) -> Result<Stream<'b>, Stop> {
        let prompts = [self.texts[0].chunk / PROMPT, needle::prompt(self.texts[1].chunk)];
        let caches = prompts.map(|prompt| {
            let cache = choice.cache(heads(self.model()), self.texts[0].chunk, prompt);
            let queries = match cache.keys {
                _ if !request.rounds_queries => Row::Exact,
                Row::Blocks { rotation, .. } => Row::Blocks { format: &Q8_0, rotation },
                // With keys and values alike it multiplies in f32.
                Row::F16 if cache.values != Row::F16 => Row::F16,
                _ => Row::Exact,
            };
            let is_summed = matches!(queries, Row::Blocks { .. }) && cache.values == Row::F16;
            let held = if is_summed { Held::SummedInHalves } else { cache.held };
            Cache { queries, held, ..cache }
        });
        let mut rows = [Vec::new(), Vec::new()];
        for (rows, text) in rows.iter_mut().zip(self.texts) {
            *rows = self.weights.rows("token_embd.weight", &text.tokens)?;
            if !self.parts.embedding.steps.is_empty() {
                let matrices = self.weights.of(&self.parts.embedding, None)?;
                pass(&self.parts.embedding, &matrices, text.chunk, rows, None, &mut |_, _, _| {})?;
            }
        }
        Ok(Stream { choice, caches, rows, spent: Duration::ZERO })
    }

    /// All layers, with all streams.
    fn layers(&self, streams: &mut [Stream<'_>]) -> Result<(), Stop> {
        for layer in 0..forward::layers(self.model()) {
            let plain = forward::layer(self.model(), &self.parts.facts, layer)?;
            let matrices = self.weights.of(&plain, None)?;
            let loaded = self.gpu.map(|gpu| Loaded::new(gpu, &plain, &matrices)).transpose()?;
            let bytes: usize = matrices.values().map(|matrix| matrix.bytes.len()).sum();
            for stream in &mut *streams {
                let began = Instant::now();
                for part in 0..self.texts.len() {
                    let facts = self.parts.facts.clone().with_cache(stream.caches[part]);
                    let program = forward::layer(self.model(), &facts, layer)?;
                    self.pass(&program, stream.caches[part], &matrices, loaded.as_ref(), part, &mut stream.rows[part])?;
                }
                stream.spent += began.elapsed();
                self.meter.advance(bytes as u64, &stream.choice.name)?;
            }
        }
        Ok(())
    }

    fn pass(
        &self,
        program: &Program,
        cache: Cache,
        matrices: &Matrices,
        loaded: Option<&Loaded>,
        part: usize,
        rows: &mut [f32],
    ) -> Result<(), Stop> {
        let (chunk, meter) = (self.texts[part].chunk, Some(self.meter));
        match loaded.filter(|_| cache.held == Held::All) {
            Some(loaded) => loaded.pass(program, chunk, rows, meter, None),
            None => pass(program, matrices, chunk, rows, meter, &mut |_, _, _| {}),
        }
    }

    /// What makes logits, on the GPU where there is room for it.
    fn output(&self) -> Result<Output, Stop> {
        let output = Output::load(self.weights, &self.parts.facts, None)?;
        known(self.texts[0], output.vocabulary())?;
        match self.gpu {
            Some(gpu) if gpu.borrow().has_room(output.held()) => output.on(gpu),
            _ => Ok(output),
        }
    }

    /// Scores of some positions, against those of other rows if there are any.
    fn score(
        &self,
        output: &Output,
        [rows, reference]: [&[f32]; 2],
        positions: &[usize],
        text: &Text,
    ) -> Result<Divergence, Stop> {
        let width = self.model().hparams.hidden as usize;
        let mut all = Divergence::default();
        for positions in positions.chunks((LOGITS / output.vocabulary()).max(1)) {
            let logits = |rows: &[f32]| {
                let some = positions.iter().flat_map(|token| &rows[token * width..][..width]);
                output.logits(some.copied().collect(), 1)
            };
            let own = logits(rows)?;
            let other = (!reference.is_empty()).then(|| logits(reference)).transpose()?;
            all.append(score_rows(&own, other.as_deref(), positions, text));
            self.meter.advance(0, "")?;
        }
        Ok(all)
    }

    fn row(&self, stream: &Stream<'_>, reference: &[f32], output: &Output, context: u64) -> Result<KvRow, Stop> {
        let [text, planted] = self.texts;
        let divergence = self.score(output, [&stream.rows[0], reference], &scored(text), text)?;
        let asked = self.score(output, [&stream.rows[1], &[]], &needle::asked(planted), planted)?;
        let tokens = text.tokens.len() + planted.tokens.len();
        let is_apart = self.gpu.is_some() && stream.caches[0].held != Held::All;
        Ok(KvRow {
            choice: stream.choice.clone(),
            bytes: cache_bytes(self.model(), stream.choice, context),
            divergence: divergence.mean(),
            positions: divergence.by_position(scored(text).len() / text.chunks(), PARTS),
            needles: needle::gains(&asked.surprises),
            rate: tokens as f64 / stream.spent.as_secs_f64().max(f64::MIN_POSITIVE),
            apart: is_apart.then_some("CPU"),
            same_bytes: None,
        })
    }
}
