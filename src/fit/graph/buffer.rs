//! How large a compute buffer gets: ggml's graph allocator (`ggml_gallocr` in `ggml-alloc.c`), replayed over a tape.
//!
//! A tensor gets its place when it is computed and gives it back when the last that needs it has been computed. A free
//! block is taken by best fit, or the end of the buffer grows; so the size is that of the worst moment, with its gaps.

use super::tape::{Node, Place, Tape};
use crate::fit::backend::Backend;

struct Block {
    offset: u64,
    bytes: u64,
}

/// What is free of a buffer; the last block has no end.
struct Space {
    free: Vec<Block>,
    peak: u64,
}

impl Space {
    fn take(&mut self, bytes: u64) -> u64 {
        let last = self.free.len() - 1;
        let fits = self.free[..last].iter().enumerate().filter(|(_, block)| block.bytes >= bytes);
        // Of equal blocks, the last.
        let best = fits.min_by_key(|(at, block)| (block.bytes, usize::MAX - at)).map_or(last, |(at, _)| at);
        let block = &mut self.free[best];
        let offset = block.offset;
        block.offset += bytes;
        block.bytes -= bytes;
        if block.bytes == 0 {
            self.free.remove(best);
        }
        self.peak = self.peak.max(offset + bytes);
        offset
    }

    fn give_back(&mut self, offset: u64, bytes: u64) {
        let at = self.free.partition_point(|block| block.offset < offset);
        let joins_next = self.free[at].offset == offset + bytes;
        let joins_last = at > 0 && self.free[at - 1].offset + self.free[at - 1].bytes == offset;
        match (joins_last, joins_next) {
            (true, true) => {
                let next = self.free.remove(at);
                self.free[at - 1].bytes += bytes + next.bytes;
            }
            (true, false) => self.free[at - 1].bytes += bytes,
            (false, true) => {
                self.free[at].offset = offset;
                self.free[at].bytes += bytes;
            }
            (false, false) => self.free.insert(at, Block { offset, bytes }),
        }
    }
}

#[derive(Clone, Copy, Default)]
struct State {
    /// Tensors yet to be computed that need it.
    readers: u32,
    /// Views of it that something still needs.
    views: u32,
    offset: u64,
    /// Whether its place is its own: not yet given back, nor handed on.
    held: bool,
}

struct Replay<'a> {
    tape: &'a Tape,
    backends: &'a [&'static Backend],
    states: Vec<State>,
    /// Of each device.
    spaces: Vec<Space>,
}

/// Bytes of the compute buffers of a graph, one for each device.
pub(super) fn peaks(tape: &Tape, backends: &[&'static Backend]) -> Vec<u64> {
    let space = || Space { free: vec![Block { offset: 0, bytes: u64::MAX / 2 }], peak: 0 };
    let spaces = backends.iter().map(|_| space()).collect();
    let mut replay = Replay { tape, backends, states: vec![State::default(); tape.len()], spaces };
    for &node in &tape.inputs {
        replay.place(node);
    }
    for &node in &tape.order {
        if let Place::Within(root) | Place::Onto(root) = tape.tensor(node).place {
            replay.states[root.index()].views += 1;
        }
        for source in tape.sources(node) {
            replay.states[source.index()].readers += 1;
        }
    }
    for &node in &tape.order {
        replay.place(node);
        for &source in tape.sources(node) {
            replay.release(source);
        }
    }
    replay.spaces.iter().map(|space| space.peak).collect()
}

impl Replay<'_> {
    fn bytes(&self, node: Node) -> u64 {
        let tensor = self.tape.tensor(node);
        tensor.bytes().next_multiple_of(self.backends[tensor.device].alignment)
    }

    fn place(&mut self, node: Node) {
        let in_place = match self.tape.tensor(node).place {
            Place::Within(_) | Place::Onto(_) | Place::Elsewhere => return,
            Place::Input => false,
            Place::Computed { in_place } => in_place,
        };
        let bytes = self.bytes(node);
        let offset = match in_place.then(|| self.heir_of(node)).flatten() {
            Some(source) => {
                let State { offset, held, .. } = &mut self.states[source.index()];
                *held = false;
                *offset
            }
            None => self.spaces[self.tape.tensor(node).device].take(bytes),
        };
        let state = &mut self.states[node.index()];
        (state.offset, state.held) = (offset, true);
    }

    /// The source whose place it can take over.
    fn heir_of(&self, node: Node) -> Option<Node> {
        let wanted = self.tape.tensor(node);
        self.tape.sources(node).iter().copied().find(|source| {
            let (state, tensor) = (&self.states[source.index()], self.tape.tensor(*source));
            let same =
                tensor.shape == wanted.shape && tensor.element == wanted.element && tensor.device == wanted.device;
            state.held && !tensor.output && same && state.readers == 1 && state.views == 0
        })
    }

    /// One reader less.
    fn release(&mut self, source: Node) {
        let state = &mut self.states[source.index()];
        state.readers -= 1;
        if state.readers > 0 || state.views > 0 {
            return;
        }
        let (Place::Within(root) | Place::Onto(root)) = self.tape.tensor(source).place else {
            return self.free(source);
        };
        let state = &mut self.states[root.index()];
        state.views -= 1;
        if state.views == 0 && state.readers == 0 {
            self.free(root);
        }
    }

    fn free(&mut self, node: Node) {
        let State { offset, held, .. } = self.states[node.index()];
        if held && !self.tape.tensor(node).output {
            self.states[node.index()].held = false;
            let bytes = self.bytes(node);
            self.spaces[self.tape.tensor(node).device].give_back(offset, bytes);
        }
    }
}
