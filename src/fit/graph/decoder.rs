//! A whole model: embedding, layers, logits. After `build_arch_graph` of the files in `src/models/` of llama.cpp.

use super::attention::Cache;
use super::buffer::peaks;
use super::layout::Layout;
use super::repeats::enough;
use super::split::split;
use super::tape::{Device, HOST, Node, Tape};
use crate::fit::family::{Block, Term};
use crate::fit::settings::Settings;
use crate::fit::subject::{Layer, Mixer, Parts, Subject};

/// How much of a graph is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fit) enum Care {
    /// All of it.
    Exact,
    /// Of layers that repeat a few, for searches.
    Quick,
}

/// Bytes of the compute buffer of each device.
pub(in crate::fit) fn compute_buffers(subject: &Subject, settings: &Settings, layout: &Layout, care: Care) -> Vec<u64> {
    let mut tape = Decoder::new(subject, settings, layout).build(care);
    if layout.backends.len() > 1 {
        split(&mut tape, layout.copies());
    }
    peaks(&tape, &layout.backends)
}

/// Builds the graph.
pub(super) struct Decoder<'a> {
    pub(super) subject: &'a Subject,
    pub(super) settings: &'a Settings,
    pub(super) layout: &'a Layout,
    /// Where the weights and the cache of the layer lie.
    pub(super) home: Device,
    /// Where its experts lie.
    pub(super) experts_home: Device,
    pub(super) tape: Tape,
    /// Tokens of the step.
    pub(super) tokens: u64,
    pub(super) positions: Node,
    /// Which rows' logits are wanted.
    wanted: Node,
    /// The cache of layers that see all, and that of layers with a window.
    pub(super) caches: [Option<Cache>; 2],
    /// Which states of recurrent layers belong to the step's sequences.
    pub(super) states: Node,
}

impl<'a> Decoder<'a> {
    fn new(subject: &'a Subject, settings: &'a Settings, layout: &'a Layout) -> Self {
        let mut tape = Tape::default();
        let tokens = settings.tokens();
        let positions = tape.input([tokens * subject.positions, 1, 1, 1], 4);
        let wanted = tape.input([settings.outputs(), 1, 1, 1], 4);
        let states = tape.input([settings.sequences, 1, 1, 1], 4);
        let caches = Cache::both(&mut tape, subject, settings);
        let (home, experts_home) = (HOST, HOST);
        Self { subject, settings, layout, home, experts_home, tape, tokens, positions, wanted, caches, states }
    }

    fn build(mut self, care: Care) -> Tape {
        let mut stream = self.embedding();
        let last = self.subject.layers.len().saturating_sub(1);
        for at in self.chosen_layers(care) {
            let layer = &self.subject.layers[at];
            self.move_to(self.layout.layers[at], self.layout.experts[at]);
            let picks = at == last && !self.subject.family.picks_rows_last;
            stream = self.layer(layer, stream, picks);
        }
        self.move_to(self.layout.output, self.layout.output);
        if self.subject.family.picks_rows_last {
            self.tape.keep(stream);
            stream = self.pick(stream);
        }
        self.head(stream);
        self.tape
    }

    /// Places of the layers that are put on the tape.
    fn chosen_layers(&self, care: Care) -> Vec<usize> {
        let depth = self.subject.layers.len();
        if care == Care::Exact {
            return (0..depth).collect();
        }
        let borrows = self.layout.backends.len() > 1;
        let kind = |at: usize| {
            let layer = &self.subject.layers[at];
            let (home, experts) = (self.layout.layers[at], self.layout.experts[at]);
            // Weights are in the graph where they are borrowed.
            let stored = if borrows && (home == HOST || experts == HOST) { layer.stored } else { 0 };
            (layer.kind, home, experts, stored, at + 1 == depth && !self.subject.family.picks_rows_last)
        };
        enough(&(0..depth).map(kind).collect::<Vec<_>>())
    }

    /// Goes on where the next weights lie.
    fn move_to(&mut self, home: Device, experts: Device) {
        (self.home, self.experts_home) = (home, experts);
        self.tape.device = self.layout.computes(home, self.tokens);
    }

    /// Embeddings of the tokens, or those handed over instead; the graph has room for both.
    fn embedding(&mut self) -> Node {
        let Self { subject, tokens, .. } = *self;
        let ids = self.tape.input([tokens, 1, 1, 1], 4);
        let mut stream = self.tape.compute([subject.hidden, tokens, 1, 1], &[ids]);
        self.tape.expand(stream);
        let handed = self.tape.input([subject.hidden, tokens, 1, 1], 4);
        self.tape.expand(handed);
        self.move_to(self.layout.layers.first().copied().unwrap_or(HOST), HOST);
        if subject.family.scales_embedding {
            stream = self.tape.map(&[stream]);
        }
        if subject.outside.has("position_embd.weight") {
            let added = self.tape.compute([subject.hidden, tokens, 1, 1], &[self.positions]);
            stream = self.tape.map(&[stream, added]);
        }
        if subject.outside.has("token_embd_norm.weight") && subject.outside.has("token_embd_norm.bias") {
            stream = self.norm(stream, &subject.outside, "token_embd_norm");
        }
        stream
    }

    fn layer(&mut self, layer: &'a Layer, stream: Node, picks: bool) -> Node {
        let Layer { mixer, parts, .. } = layer;
        let family = &self.subject.family;
        let parallel = matches!(family.block, Block::Parallel(_));
        let normed = self.norm_if(stream, parts, "attn_norm");
        let before = match parts.has("attn_norm_2.weight") {
            true => self.norm(stream, parts, "attn_norm_2"),
            false => normed,
        };
        let mixed = match *mixer {
            Mixer::Attention { .. } => self.attention(layer, before),
            Mixer::Latent { .. } => self.latent(layer, before),
            Mixer::Convolution { width } => self.convolution(parts, width, before),
            Mixer::StateSpace { .. } => self.state_space(layer, before),
            Mixer::None => before,
        };
        let (mut mixed, mut residual, mut normed) = (mixed, stream, normed);
        if picks {
            mixed = self.pick(mixed);
            residual = self.pick(residual);
            if parallel {
                normed = self.pick(normed);
            }
        }
        if let Block::Parallel(terms) = family.block {
            let done = self.feed_forward(parts, normed);
            let terms = terms.map(|term| match term {
                Term::Attention => mixed,
                Term::Mlp => done,
                Term::Stream => residual,
            });
            let sum = self.tape.map(&terms[..2]);
            return self.tape.map(&[sum, terms[2]]);
        }
        if !family.post_norm_is_ffn_norm {
            mixed = self.norm_if(mixed, parts, "post_attention_norm");
        }
        if self.subject.scales_residual {
            mixed = self.tape.map(&[mixed]);
        }
        let stream_first = family.block == Block::StreamFirst;
        let residual = self.sum(mixed, residual, stream_first);
        let name = if family.post_norm_is_ffn_norm { "post_attention_norm" } else { "ffn_norm" };
        let normed = self.norm_if(residual, parts, name);
        let done = self.feed_forward(parts, normed);
        let mut done = self.norm_if(done, parts, "post_ffw_norm");
        if self.subject.scales_residual {
            done = self.tape.map(&[done]);
        }
        self.sum(done, residual, stream_first || family.block == Block::StreamFirstAtLast)
    }

    fn sum(&mut self, x: Node, stream: Node, stream_first: bool) -> Node {
        self.tape.map(&if stream_first { [stream, x] } else { [x, stream] })
    }

    /// The rows whose logits are wanted.
    fn pick(&mut self, x: Node) -> Node {
        let columns = self.tape.shape(x)[0];
        self.tape.compute([columns, self.settings.outputs(), 1, 1], &[x, self.wanted])
    }

    fn head(&mut self, stream: Node) {
        let Self { subject, .. } = *self;
        let name = if subject.outside.has("output_norm.weight") { "output_norm" } else { "token_embd_norm" };
        let normed = self.norm(stream, &subject.outside, name);
        self.tape.keep(normed);
        let output = subject.outside.get("output.weight").or(subject.outside.get("token_embd.weight"));
        let mut logits = self.multiply(subject.vocabulary, output.map_or(0, |part| part.bytes), self.home, normed);
        if subject.outside.has("output.bias") {
            logits = self.tape.map(&[logits]);
        }
        if subject.scales_logits {
            logits = self.tape.map(&[logits]);
        }
        if subject.caps_logits {
            for _ in 0..3 {
                logits = self.tape.map(&[logits]);
            }
        }
        self.tape.keep(logits);
        self.tape.expand(logits);
    }

    /// A norm, with its weight and bias where it has them.
    pub(super) fn norm(&mut self, x: Node, parts: &Parts, name: &str) -> Node {
        let mut out = match self.subject.layer_norm {
            true => self.tape.compute(self.tape.shape(x), &[x]),
            false => self.tape.map(&[x]),
        };
        for is_there in [parts.weight(name).is_some(), parts.has_bias(name)] {
            if is_there {
                out = self.tape.map(&[out]);
            }
        }
        out
    }

    /// A norm where the layer has it.
    pub(super) fn norm_if(&mut self, x: Node, parts: &Parts, name: &str) -> Node {
        let has = parts.weight(name).is_some() || self.subject.family.bare_norms;
        if has { self.norm(x, parts, name) } else { x }
    }

    /// A weight matrix with its bias, where the layer has one.
    pub(super) fn project(&mut self, parts: &Parts, name: &str, x: Node) -> Node {
        let (rows, bytes) = parts.weight(name).map_or((0, 0), |part| (part.rows(), part.bytes));
        let out = self.multiply(rows, bytes, self.home, x);
        if parts.has_bias(name) { self.tape.map(&[out]) } else { out }
    }

    /// A weight matrix of so many rows times `x`. Where the weight lies elsewhere it is borrowed.
    fn multiply(&mut self, rows: u64, bytes: u64, home: Device, x: Node) -> Node {
        let [_, columns, matrices, more] = self.tape.shape(x);
        let weight = self.borrowed(bytes, home);
        let sources: Vec<Node> = weight.into_iter().chain([x]).collect();
        self.tape.compute([rows, columns, matrices, more], &sources)
    }

    /// Stored bytes that lie elsewhere than where is computed.
    pub(super) fn borrowed(&mut self, bytes: u64, home: Device) -> Option<Node> {
        (home != self.tape.device).then(|| self.tape.stored(bytes, home))
    }
}
