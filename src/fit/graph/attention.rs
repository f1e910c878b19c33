//! Softmax attention over a cache: `build_qkv`, `build_attn` and `build_attn_mha` in `llama-graph.cpp`, and the inputs
//! that `llama-kv-cache.cpp` makes for them.

use super::decoder::Decoder;
use super::tape::{Node, Tape};
use crate::fit::backend::Scratch;
use crate::fit::settings::Settings;
use crate::fit::subject::{Layer, Mixer, Parts, Subject};
use crate::quant::{F16, F32};

/// Rows of the matrix that a quantized cache's values are turned with.
const VALUE_ROTATION: u64 = 64;

/// What a graph is given to work with a cache.
#[derive(Clone, Copy)]
pub(super) struct Cache {
    /// Cells of each sequence.
    cells: u64,
    pub(super) key_cells: Node,
    value_cells: Node,
    mask: Node,
    /// Matrices that keys and values are turned with before they are quantized.
    turns: [Option<Node>; 2],
}

impl Cache {
    /// The cache of layers that see all, and that of those with a window, if there are such layers.
    pub(super) fn both(tape: &mut Tape, subject: &Subject, settings: &Settings) -> [Option<Self>; 2] {
        let window = subject.layers.iter().find_map(|layer| match layer.mixer {
            Mixer::Attention { window, .. } => window,
            _ => None,
        });
        let full = Self::new(tape, subject, settings, settings.cells(), |window| window.is_none());
        let windowed = window
            .map(|window| Self::new(tape, subject, settings, settings.windowed_cells(window), |seen| seen.is_some()));
        [Some(full), windowed]
    }

    fn new(
        tape: &mut Tape,
        subject: &Subject,
        settings: &Settings,
        cells: u64,
        holds: fn(Option<u64>) -> bool,
    ) -> Self {
        let tokens = settings.tokens();
        let heads = subject.layers.iter().filter_map(|layer| match layer.mixer {
            Mixer::Attention { kv_heads, key, value, window, .. } if holds(window) => {
                Some((key, value, kv_heads * value))
            }
            Mixer::Latent { rank, rope, .. } if holds(None) => Some((rank + rope, 0, rank)),
            _ => None,
        });
        let heads: Vec<_> = heads.collect();
        // One matrix serves all layers, so their heads have to be alike.
        let alike = |size: fn(&(u64, u64, u64)) -> u64| {
            let first = heads.first().map(size)?;
            (first % VALUE_ROTATION == 0 && first > 0 && heads.iter().all(|head| size(head) == first)).then_some(first)
        };
        let key = alike(|head| head.0).filter(|_| !settings.keys.is_float());
        let value = alike(|head| head.1).filter(|_| !settings.values.is_float());
        // Without flash attention every number of the values is put into its place alone.
        let widest = subject.widest_value();
        let value_cells = if settings.flash_attention { tokens } else { tokens * widest };
        let visible = if subject.family.cached { cells } else { tokens };
        let latent = subject.layers.iter().any(|layer| matches!(layer.mixer, Mixer::Latent { .. }));
        let square = |tape: &mut Tape, n: u64| tape.input([n, n, 1, 1], 4);
        Self {
            cells: visible,
            key_cells: tape.input([tokens, 1, 1, 1], 8),
            value_cells: tape.input([value_cells, 1, 1, 1], 8),
            mask: tape.input([visible, tokens, 1, 1], if settings.flash_attention { 2 } else { 4 }),
            turns: [
                key.filter(|_| !latent).map(|head| square(tape, largest_power(head))),
                value.map(|_| square(tape, VALUE_ROTATION)),
            ],
        }
    }
}

/// The largest power of two that divides `n`.
fn largest_power(n: u64) -> u64 {
    1 << n.trailing_zeros()
}

impl Subject {
    /// Numbers of values that a layer caches for a token, at most.
    pub(in crate::fit) fn widest_value(&self) -> u64 {
        let width = |layer: &Layer| match layer.mixer {
            Mixer::Attention { kv_heads, value, .. } => kv_heads * value,
            Mixer::Latent { rank, .. } => rank,
            _ => 0,
        };
        self.layers.iter().map(width).max().unwrap_or(0)
    }
}

/// What attention works on.
pub(super) struct Attended {
    pub(super) queries: Node,
    pub(super) kv_heads: u64,
    /// Size of a cached key, and of what comes out of each head.
    pub(super) sizes: [u64; 2],
    /// Where values are a part of the cached keys (MLA): the size that what comes out of a head is brought back to.
    pub(super) restored: Option<u64>,
}

impl Decoder<'_> {
    pub(super) fn attention(&mut self, layer: &Layer, x: Node) -> Node {
        let Layer { mixer: Mixer::Attention { heads, kv_heads, key, value, window }, parts, rotary, .. } = layer else {
            return x;
        };
        let tokens = self.tokens;
        let wide = self.caches[1].is_some();
        let cache = self.caches[usize::from(window.is_some())].expect("a cache for each kind of layer");
        let shapes = [(*heads, *key), (*kv_heads, *key), (*kv_heads, *value)];
        let [mut q, mut k, mut v] = match parts.has("attn_qkv.weight") {
            true => {
                let qkv = self.project(parts, "attn_qkv", x);
                let qkv = if self.subject.clamps { self.tape.map(&[qkv]) } else { qkv };
                shapes.map(|(heads, size)| self.tape.columns(qkv, [size, heads, tokens, 1]))
            }
            false => {
                let names = ["attn_q", "attn_k", "attn_v"];
                let mut at = 0;
                shapes.map(|(heads, size)| {
                    let name = names[at];
                    at += 1;
                    self.heads_of(parts, name, heads, size, x)
                })
            }
        };
        for (node, name) in [(&mut q, "attn_q_norm"), (&mut k, "attn_k_norm")] {
            // A norm over all heads at once was put before they were told apart.
            if parts.weight(name).is_some_and(|part| !is_flat(part.shape[0], self.tape.shape(*node))) {
                *node = self.norm(*node, parts, name);
            }
            if *rotary {
                *node = self.tape.map(&[*node, self.positions]);
            }
        }
        if self.subject.family.scales_query {
            q = self.tape.map(&[q]);
        }
        let [turns_keys, turns_values] = cache.turns;
        if let Some(matrix) = turns_keys {
            q = self.turn(q, matrix);
            k = self.turn(k, matrix);
        }
        if let Some(matrix) = turns_values {
            v = self.turn(v, matrix);
        }
        // Values come before keys so that turning keys and storing them can be one operation; not with windows.
        let order = if wide { [q, k, v] } else { [q, v, k] };
        order.into_iter().for_each(|node| self.tape.expand(node));
        if self.subject.family.cached {
            let rows = self.tape.view(k, [kv_heads * key, tokens, 1, 1]);
            self.tape.store(&[rows, cache.key_cells], self.home);
            self.store_values(v, kv_heads * value, &cache);
        }
        let attended = Attended { queries: q, kv_heads: *kv_heads, sizes: [*key, *value], restored: None };
        let mut out = self.attend(&cache, &attended);
        if let Some(matrix) = turns_values {
            out = self.turn(out, matrix);
        }
        self.project(parts, "attn_output", out)
    }

    /// Queries, keys or values of all heads.
    fn heads_of(&mut self, parts: &Parts, name: &str, heads: u64, size: u64, x: Node) -> Node {
        let mut out = self.project(parts, name, x);
        if self.subject.clamps {
            out = self.tape.map(&[out]);
        }
        let norm = format!("{name}_norm");
        let shape = [size, heads, self.tokens, 1];
        if parts.weight(&norm).is_some_and(|part| is_flat(part.shape[0], shape)) {
            out = self.norm(out, parts, &norm);
        }
        self.tape.view(out, shape)
    }

    /// Turns rows by a Hadamard matrix.
    fn turn(&mut self, x: Node, matrix: Node) -> Node {
        let (shape, n) = (self.tape.shape(x), self.tape.shape(matrix)[0]);
        let rows = [n, shape.iter().product::<u64>() / n, 1, 1];
        let flat = self.tape.reshape(x, rows);
        let turned = self.tape.compute(rows, &[matrix, flat]);
        self.tape.view(turned, shape)
    }

    fn store_values(&mut self, v: Node, width: u64, cache: &Cache) {
        let tokens = self.tokens;
        let mut rows = self.tape.view(v, [width, tokens, 1, 1]);
        if !self.settings.flash_attention {
            let widest = self.subject.widest_value();
            rows = self.tape.reshape(v, [width, tokens, 1, 1]);
            if width < widest {
                rows = self.tape.compute([widest, tokens, 1, 1], &[rows]);
            }
            rows = self.tape.view(rows, [1, widest * tokens, 1, 1]);
        }
        self.tape.store(&[rows, cache.value_cells], self.home);
    }

    /// From queries to what all heads together say.
    pub(super) fn attend(&mut self, cache: &Cache, attended: &Attended) -> Node {
        let Attended { queries, sizes: [_, value], restored, .. } = *attended;
        let sequences = self.settings.sequences;
        let [size, heads, ..] = self.tape.shape(queries);
        let each = self.tokens / sequences;
        let seen = self.tape.view(queries, [size, heads, each, sequences]);
        let seen = self.tape.view(seen, [size, each, heads, sequences]);
        let wide = [restored.unwrap_or(value) * heads, self.tokens, 1, 1];
        let out = if self.settings.flash_attention {
            let mut sources = vec![seen];
            sources.extend(self.borrowed_cache(cache, attended));
            sources.extend(self.halved(cache, attended));
            sources.push(cache.mask);
            let mut out = self.tape.compute([value, heads, each, sequences], &sources);
            let scratch = self.scratch(cache, attended, heads, each);
            self.tape.add_scratch(out, scratch);
            if let Some(size) = restored {
                let by_head = self.tape.view(out, [value, each, heads, sequences]);
                let restored = self.tape.multiply(size, by_head);
                let by_token = self.tape.view(restored, [size, heads, each, sequences]);
                out = self.tape.copy(by_token, [size, heads, each, sequences]);
            }
            self.tape.view(out, wide)
        } else {
            let cached = self.borrowed_cache(cache, attended);
            let sources: Vec<Node> = cached.into_iter().chain([seen]).collect();
            let mut scores = self.tape.compute([cache.cells, each, heads, sequences], &sources);
            let caps = if self.subject.caps_scores { 3 } else { 0 };
            for _ in 0..caps {
                scores = self.tape.map(&[scores]);
            }
            let weights = self.tape.map(&[scores, cache.mask]);
            let mut sources = vec![weights];
            if restored.is_some() {
                // Values are a part of the cached keys, and have to be transposed first.
                let bytes = self.settings.keys.bytes(value * cache.cells * sequences);
                sources.insert(0, self.tape.compute_as([bytes, 1, 1, 1], 1, &[]));
            }
            let mut out = self.tape.compute([value, each, heads, sequences], &sources);
            if let Some(size) = restored {
                out = self.tape.multiply(size, out);
            }
            let by_token = self.tape.view(out, [restored.unwrap_or(value), heads, each, sequences]);
            self.tape.copy(by_token, wide)
        };
        self.tape.expand(out);
        out
    }

    /// Cached keys and values, where they lie elsewhere.
    fn borrowed_cache(&mut self, cache: &Cache, attended: &Attended) -> Vec<Node> {
        let rows = cache.cells * self.settings.sequences * attended.kv_heads;
        let [key, value] = attended.sizes;
        let keys = self.borrowed(self.settings.keys.bytes(rows * key), self.home);
        let values =
            attended.restored.is_none().then(|| self.borrowed(self.settings.values.bytes(rows * value), self.home));
        keys.into_iter().chain(values.flatten()).collect()
    }

    /// Bytes that the backend needs for flash attention beside its result.
    fn scratch(&self, cache: &Cache, attended: &Attended, heads: u64, tokens: u64) -> u64 {
        let Attended { kv_heads, sizes: [key, value], restored, .. } = *attended;
        let sequences = self.settings.sequences;
        let backend = self.layout.backends[self.tape.device];
        let latent = restored.is_some();
        let values = if latent { 0 } else { value };
        let half = |size: u64| 2 * cache.cells * sequences * kv_heads * size;
        match backend.scratch {
            Scratch::None => 0,
            Scratch::Others => {
                let widened =
                    |format, size| if format == &F16 { 0 } else { half(size).next_multiple_of(backend.alignment) };
                widened(self.settings.keys, key) + widened(self.settings.values, values)
            }
            Scratch::Always => {
                let tail = 64 * (2 * kv_heads * sequences * (key + value) + 2 * tokens * sequences);
                let blocks = (tokens.div_ceil(8) * cache.cells.div_ceil(64) * sequences).next_multiple_of(32);
                let parts = 4 * tokens.min(32) * heads * sequences * 32 * (value + 2);
                half(key) + half(values) + tail + blocks + parts
            }
        }
    }

    /// Copies of cached keys and values in 16 bits, where they have more, for flash attention wants them so.
    fn halved(&mut self, cache: &Cache, attended: &Attended) -> Vec<Node> {
        let latent = attended.restored.is_some();
        let formats = [self.settings.keys, if latent { self.settings.keys } else { self.settings.values }];
        let wide = formats.into_iter().zip(attended.sizes).filter(|(format, _)| *format == &F32);
        let cells = cache.cells * self.settings.sequences;
        wide.map(|(_, size)| self.tape.compute_as([size, cells, attended.kv_heads, 1], 2, &[])).collect()
    }
}

/// Whether a norm of so many weights goes over all heads at once.
fn is_flat(weights: u64, [size, heads, ..]: [u64; 4]) -> bool {
    heads > 1 && weights == size * heads
}
