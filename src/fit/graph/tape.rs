//! A computation graph as far as memory goes: how large each tensor is, what it is made from, and in which order ggml
//! computes it. Weights and caches lie elsewhere and are not on the tape.

/// A tensor of the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node(u32);

/// A device: [`HOST`], or a GPU.
pub(super) type Device = usize;

/// The processor, with main memory.
pub(super) const HOST: Device = 0;

/// Sizes of a tensor, fastest first, as ggml's `ne`.
pub(super) type Shape = [u64; 4];

/// Where a tensor's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Filled in before the graph runs.
    Input,
    /// In the compute buffer. Some operations may take over the place of a tensor that nothing else needs.
    Computed {
        /// Whether this one may.
        in_place: bool,
    },
    /// A view of another tensor of the compute buffer, which is no view itself.
    Within(Node),
    /// The result of an operation, in the place of another tensor.
    Onto(Node),
    /// Not in a compute buffer: a weight, or in a cache.
    Elsewhere,
}

/// What the tape says of a tensor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tensor {
    pub(super) shape: Shape,
    /// Bytes of an element.
    pub(super) element: u64,
    pub(super) place: Place,
    /// Kept to the end of the graph.
    pub(super) output: bool,
    /// Whether its rows lie apart.
    pub(super) strided: bool,
    /// Where it is.
    pub(super) device: Device,
    /// Bytes that its operation needs beside it.
    pub(super) scratch: u64,
    /// Where its sources stand in the list of all.
    sources: (u32, u32),
}

impl Tensor {
    pub(super) fn bytes(&self) -> u64 {
        let elements = self.shape.iter().fold(1, |product: u64, n| product.saturating_mul(*n));
        elements.saturating_mul(self.element).saturating_add(self.scratch).min(MOST)
    }
}

const F32: u64 = 4;

/// A pebibyte. Tensors are taken to be no larger, whatever sizes a file claims, so that their sum is a number.
const MOST: u64 = 1 << 50;

/// The graph, and the order in which `ggml_build_forward_expand` puts it.
#[derive(Default)]
pub(super) struct Tape {
    tensors: Vec<Tensor>,
    sources: Vec<Node>,
    /// In the order in which they are computed; views are among them.
    pub(super) order: Vec<Node>,
    /// Inputs that something needs, in the order in which they are met.
    pub(super) inputs: Vec<Node>,
    visited: Vec<bool>,
    /// Where what comes next is computed.
    pub(super) device: Device,
}

impl Tape {
    pub(super) fn len(&self) -> usize {
        self.tensors.len()
    }

    pub(super) fn tensor(&self, node: Node) -> &Tensor {
        &self.tensors[node.index()]
    }

    pub(super) fn sources(&self, node: Node) -> &[Node] {
        let (start, end) = self.tensor(node).sources;
        &self.sources[start as usize..end as usize]
    }

    pub(super) fn shape(&self, node: Node) -> Shape {
        self.tensor(node).shape
    }

    fn push(&mut self, shape: Shape, element: u64, place: Place, sources: &[Node]) -> Node {
        let start = self.sources.len() as u32;
        self.sources.extend(sources);
        let sources = (start, self.sources.len() as u32);
        let device = if place == Place::Input { HOST } else { self.device };
        self.tensors.push(Tensor { shape, element, place, output: false, strided: false, device, scratch: 0, sources });
        self.visited.push(false);
        Node(self.tensors.len() as u32 - 1)
    }

    /// A tensor that is filled in before the graph runs.
    pub(super) fn input(&mut self, shape: Shape, element: u64) -> Node {
        self.push(shape, element, Place::Input, &[])
    }

    /// The result of an operation, in f32, in memory of its own.
    pub(super) fn compute(&mut self, shape: Shape, sources: &[Node]) -> Node {
        self.compute_as(shape, F32, sources)
    }

    /// The result of an operation in elements of so many bytes.
    pub(super) fn compute_as(&mut self, shape: Shape, element: u64, sources: &[Node]) -> Node {
        self.push(shape, element, Place::Computed { in_place: false }, sources)
    }

    /// The result of an operation that may take the place of its source: `ggml_op_can_inplace`. It has the shape of the
    /// first.
    pub(super) fn map(&mut self, sources: &[Node]) -> Node {
        let Tensor { shape, element, .. } = *self.tensor(sources[0]);
        self.push(shape, element, Place::Computed { in_place: true }, sources)
    }

    /// A weight matrix of so many rows times `x`.
    pub(super) fn multiply(&mut self, rows: u64, x: Node) -> Node {
        let [_, columns, matrices, more] = self.shape(x);
        self.compute([rows, columns, matrices, more], &[x])
    }

    /// A weight or cached rows, on some device.
    pub(super) fn stored(&mut self, bytes: u64, device: Device) -> Node {
        let node = self.push([bytes, 1, 1, 1], 1, Place::Elsewhere, &[]);
        self.tensors[node.index()].device = device;
        node
    }

    /// A copy on another device, which gets its bytes without being computed.
    pub(super) fn copy_to(&mut self, of: Node, device: Device) -> Node {
        let Tensor { shape, element, .. } = *self.tensor(of);
        let node = self.push(shape, element, Place::Computed { in_place: false }, &[]);
        self.tensors[node.index()].device = device;
        node
    }

    /// So many tensors like another on some device, filled in before the graph runs and kept; the last of them.
    pub(super) fn keep_inputs_like(&mut self, of: Node, device: Device, number: usize) -> Node {
        let Tensor { shape, element, .. } = *self.tensor(of);
        for _ in 0..number {
            let node = self.input(shape, element);
            self.tensors[node.index()].device = device;
            self.keep(node);
            self.inputs.push(node);
        }
        self.inputs.last().copied().unwrap_or(of)
    }

    /// Something that needs a tensor and is nothing itself.
    pub(super) fn reader(&mut self, of: Node) -> Node {
        let device = self.tensor(of).device;
        let node = self.push([1; 4], F32, Place::Elsewhere, &[of]);
        self.tensors[node.index()].device = device;
        node
    }

    /// Takes another tensor as a source.
    pub(super) fn replace_source(&mut self, of: Node, at: usize, with: Node) {
        let (start, _) = self.tensor(of).sources;
        self.sources[start as usize + at] = with;
    }

    /// Some or all of a tensor, seen as another shape.
    pub(super) fn view(&mut self, of: Node, shape: Shape) -> Node {
        let Tensor { element, place, device, .. } = *self.tensor(of);
        let place = match place {
            Place::Input | Place::Computed { .. } => Place::Within(of),
            Place::Within(root) | Place::Onto(root) => Place::Within(root),
            Place::Elsewhere => Place::Elsewhere,
        };
        let node = self.push(shape, element, place, &[of]);
        self.tensors[node.index()].device = device;
        node
    }

    /// Columns of a tensor, whose rows then lie apart.
    pub(super) fn columns(&mut self, of: Node, shape: Shape) -> Node {
        let node = self.view(of, shape);
        self.tensors[node.index()].strided = true;
        node
    }

    /// The same as another shape; rows that lie apart are copied together.
    pub(super) fn reshape(&mut self, x: Node, shape: Shape) -> Node {
        if self.tensor(x).strided { self.copy(x, shape) } else { self.view(x, shape) }
    }

    /// A contiguous copy.
    pub(super) fn copy(&mut self, of: Node, shape: Shape) -> Node {
        let element = self.tensor(of).element;
        self.compute_as(shape, element, &[of])
    }

    /// Writes some rows into a tensor that then goes on.
    pub(super) fn overwrite(&mut self, into: Node, with: &[Node]) -> Node {
        let Tensor { shape, element, place, .. } = *self.tensor(into);
        let root = if let Place::Within(root) = place { root } else { into };
        let sources = [with, &[into]].concat();
        self.push(shape, element, Place::Onto(root), &sources)
    }

    /// Writes into a cache on some device.
    pub(super) fn store(&mut self, sources: &[Node], device: Device) {
        let node = self.push([1; 4], F32, Place::Elsewhere, sources);
        self.tensors[node.index()].device = device;
        self.expand(node);
    }

    /// Gives an operation room beside its result.
    pub(super) fn add_scratch(&mut self, node: Node, bytes: u64) {
        self.tensors[node.index()].scratch = bytes;
    }

    /// Keeps a tensor to the end of the graph.
    pub(super) fn keep(&mut self, node: Node) {
        self.tensors[node.index()].output = true;
    }

    /// Puts a tensor and all it is made from into the order, the first source first.
    pub(super) fn expand(&mut self, node: Node) {
        if std::mem::replace(&mut self.visited[node.index()], true) {
            return;
        }
        let (start, end) = self.tensor(node).sources;
        for at in start..end {
            self.expand(self.sources[at as usize]);
        }
        match self.tensor(node).place {
            Place::Input => self.inputs.push(node),
            Place::Elsewhere if start == end => {}
            _ => self.order.push(node),
        }
    }
}

impl Node {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}
