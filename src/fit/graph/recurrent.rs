//! Layers that keep a state instead of a cache: LFM2's short convolutions (`llama_model_lfm2::graph`) and Mamba 2
//! (`build_mamba2_layer` in `mamba-base.cpp`).

use super::decoder::Decoder;
use super::tape::Node;
use crate::fit::subject::{Layer, Mixer};

impl Decoder<'_> {
    pub(super) fn convolution(&mut self, parts: &crate::fit::subject::Parts, width: u64, x: Node) -> Node {
        let (hidden, sequences) = (self.subject.hidden, self.settings.sequences);
        let each = self.tokens / sequences;
        let kept = width.saturating_sub(1);
        let x = self.tape.view(x, [hidden, each, sequences, 1]);
        let all = self.project(parts, "shortconv.in_proj", x);
        let third = [hidden, each, sequences, 1];
        let [b, c, x] = [(); 3].map(|()| self.tape.view(all, third));
        let product = self.tape.map(&[b, x]);
        let product = self.tape.view(product, [each, hidden, sequences, 1]);
        let state = self.state(kept * hidden);
        let state = self.tape.view(state, [kept, hidden, sequences, 1]);
        let joined = self.tape.compute([kept + each, hidden, sequences, 1], &[state, product]);
        let last = self.tape.view(joined, [kept, hidden, sequences, 1]);
        self.tape.store(&[last], self.home);
        let convolved = self.tape.compute([hidden, each, sequences, 1], &[joined]);
        let gated = self.tape.map(&[c, convolved]);
        let out = self.project(parts, "shortconv.out_proj", gated);
        self.tape.view(out, [hidden, self.tokens, 1, 1])
    }

    pub(super) fn state_space(&mut self, layer: &Layer, x: Node) -> Node {
        let Layer { mixer: Mixer::StateSpace { width, inner, state, heads, groups }, parts, .. } = layer else {
            return x;
        };
        let (inner, heads, sequences) = (*inner, *heads, self.settings.sequences);
        let each = self.tokens / sequences;
        let channels = inner + 2 * groups * state;
        let kept = width.saturating_sub(1);
        let size = inner / heads.max(1);
        let convolving = self.state(kept * channels);
        let convolving = self.tape.view(convolving, [kept, channels, sequences, 1]);
        let all = self.project(parts, "ssm_in", x);
        let all = self.tape.view(all, [2 * inner + 2 * groups * state + heads, each, sequences, 1]);
        let gate = self.tape.view(all, [size, heads, each, sequences]);
        let stream = self.tape.view(all, [channels, each, sequences, 1]);
        let step = self.tape.view(all, [heads, each, sequences, 1]);
        let across = self.tape.view(stream, [each, channels, sequences, 1]);
        let joined = self.tape.compute([kept + each, channels, sequences, 1], &[convolving, across]);
        let last = self.tape.view(joined, [kept, channels, sequences, 1]);
        self.tape.store(&[last], self.home);
        let mut convolved = self.tape.compute([channels, each, sequences, 1], &[joined]);
        if parts.has("ssm_conv1d.bias") {
            convolved = self.tape.map(&[convolved]);
        }
        let convolved = self.tape.map(&[convolved]);
        let x = self.tape.view(convolved, [size, heads, each, sequences]);
        let [b, c] = [(); 2].map(|()| self.tape.view(convolved, [*state, *groups, each, sequences]));
        let step = self.tape.copy(step, [heads, each, sequences, 1]);
        let step = self.tape.map(&[step]);
        let scanned = [inner * each * sequences + state * inner * sequences, 1, 1, 1];
        let scanned = self.tape.compute(scanned, &[x, step, b, c, self.states]);
        self.tape.expand(scanned);
        let left = self.tape.view(scanned, [state * inner, sequences, 1, 1]);
        self.tape.store(&[left], self.home);
        let said = self.tape.view(scanned, [size, heads, each, sequences]);
        let passed = self.tape.map(&[x]);
        let said = self.tape.map(&[said, passed]);
        let gate = self.tape.copy(gate, [size, heads, each, sequences]);
        let mut said = self.tape.compute([size, heads, each, sequences], &[gate, said]);
        if parts.has("ssm_norm.weight") {
            let grouped = self.tape.view(said, [inner / groups.max(&1), *groups, each, sequences]);
            said = self.norm(grouped, parts, "ssm_norm");
        }
        let said = self.tape.view(said, [inner, self.tokens, 1, 1]);
        self.project(parts, "ssm_out", said)
    }

    /// The states of the step's sequences, copied out of the cache.
    fn state(&mut self, size: u64) -> Node {
        let chosen = self.tape.view(self.states, [self.settings.sequences, 1, 1, 1]);
        let states = self.tape.compute([size, self.settings.sequences, 1, 1], &[chosen]);
        self.tape.expand(states);
        states
    }
}
