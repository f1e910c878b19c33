//! The device, its pipelines, and the submission of recordings.

use super::device::Adapter;
use super::open::Open;
use super::shaders::Shader;
use super::slot::GpuSlot;
use crate::graph::{ALIGN, ConvertParams, Dispatch, Kernel, RunError, Runner, Slot, SlotSize};
use crate::quant::Effort;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Invocations in a workgroup; `WORKGROUP` in shaders/shared/convert.wgsl.
const WORKGROUP: u64 = 64;
/// Workgroups in one dimension of a dispatch.
const GROUPS: u64 = 65_535;
/// Weights in one dispatch on a GPU and on a processor, both well under the time after which drivers reset a device.
pub(super) const DISPATCH_WEIGHTS: [u64; 2] = [1 << 26, 1 << 22];

/// Whether shaders check their bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// No: bounds are proven by the host, and checks cost two to fifty times the time.
    Off,
    /// Yes, for tests.
    On,
}

impl Checks {
    /// Whether the compiler has to be kept from fusing products with sums. Those for processors do not fuse, but where
    /// everything is checked the shaders are to run as on a GPU.
    pub(super) fn fuses(self, adapter: &Adapter) -> bool {
        self == Self::On || !adapter.is_cpu()
    }
}

/// Executes recordings on a GPU.
pub struct GpuRunner {
    gpu: Arc<Gpu>,
}

/// What a runner and its slots share.
pub(super) struct Gpu {
    pub(super) open: Open,
    /// Host and device work in the same memory: no staging copies.
    pub(super) shared_memory: bool,
    checks: Checks,
    fuses: bool,
    dispatch_weights: u64,
    binding_limit: u64,
    layout: wgpu::BindGroupLayout,
    pipelines: Mutex<Pipelines>,
    tables: HashMap<u32, wgpu::Buffer>,
}

type Pipelines = HashMap<(&'static str, Variant), Arc<wgpu::ComputePipeline>>;

/// What a shader is compiled for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Variant {
    /// The ggml type of a float format.
    source: u32,
    /// Whether weights differ in importance.
    weighted: bool,
    effort: Effort,
}

impl GpuRunner {
    /// Opens the device.
    pub fn new(adapter: &Adapter) -> Result<Self, RunError> {
        Self::with_checks(adapter, Checks::Off)
    }

    /// Opens the device, with or without bounds checks in its shaders.
    pub fn with_checks(adapter: &Adapter, checks: Checks) -> Result<Self, RunError> {
        let mappable = wgpu::Features::MAPPABLE_PRIMARY_BUFFERS;
        let shared_memory = adapter.shares_memory() && adapter.adapter.features().contains(mappable);
        let open = Open::new(adapter, if shared_memory { mappable } else { wgpu::Features::empty() })?;
        let layout = open.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("conversion"),
            entries: &[
                buffer_entry(0, wgpu::BufferBindingType::Storage { read_only: true }),
                buffer_entry(1, wgpu::BufferBindingType::Storage { read_only: false }),
                buffer_entry(2, wgpu::BufferBindingType::Uniform),
                buffer_entry(3, wgpu::BufferBindingType::Storage { read_only: true }),
                buffer_entry(4, wgpu::BufferBindingType::Storage { read_only: true }),
            ],
        });
        let gpu = Gpu {
            tables: open.tables(),
            shared_memory,
            checks,
            fuses: checks.fuses(adapter),
            dispatch_weights: DISPATCH_WEIGHTS[usize::from(adapter.is_cpu())],
            binding_limit: adapter.binding_limit(),
            layout,
            pipelines: Mutex::default(),
            open,
        };
        Ok(Self { gpu: Arc::new(gpu) })
    }

    /// Takes the device away, as a reset would: every call from here on answers [`RunError::DeviceLost`].
    pub fn lose_device(&self) {
        self.gpu.open.device.destroy();
    }
}

impl Runner for GpuRunner {
    fn name(&self) -> String {
        self.gpu.open.name.clone()
    }

    fn slot_limit(&self) -> SlotSize {
        let bytes = self.gpu.binding_limit.min(self.gpu.open.device.limits().max_buffer_size) / ALIGN * ALIGN;
        SlotSize { input: bytes, scratch: bytes, output: bytes }
    }

    fn slot(&self, size: SlotSize) -> Result<Box<dyn Slot>, RunError> {
        Ok(Box::new(GpuSlot::new(self.gpu.clone(), size)?))
    }
}

pub(super) fn buffer_entry(binding: u32, ty: wgpu::BufferBindingType) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    }
}

/// A dispatch, or a part of one that is short enough.
pub(super) struct Part {
    /// Offset and length of what it reads, in bytes.
    pub(super) read: (u64, u64),
    /// Offset and length of what it writes, in bytes.
    pub(super) write: (u64, u64),
    /// Its parameters.
    pub(super) params: ConvertParams,
}

impl Gpu {
    pub(super) fn layout(&self) -> &wgpu::BindGroupLayout {
        &self.layout
    }

    /// The dispatch in parts that end on whole words of both sides: a multiple of 256 blocks is one of [`ALIGN`].
    pub(super) fn parts(&self, dispatch: &Dispatch) -> impl Iterator<Item = Part> {
        let (from, to) = match dispatch.kernel {
            Kernel::Quantize { source, to, .. } => (source, to),
            Kernel::Dequantize { from } => (from, &crate::quant::F32),
        };
        let block_weights = from.block_weights.max(to.block_weights) as u64;
        let step = (self.dispatch_weights / block_weights).next_multiple_of(ALIGN);
        let (blocks, read, write) = (u64::from(dispatch.params.blocks), dispatch.read.offset, dispatch.write.offset);
        (0..blocks).step_by(step as usize).map(move |first| {
            let count = step.min(blocks - first);
            let range = |format: &crate::quant::Format, offset: u64| {
                let bytes = format.bytes(count * block_weights).next_multiple_of(ALIGN);
                (offset + format.bytes(first * block_weights), bytes)
            };
            let mut params = ConvertParams { blocks: count as u32, ..dispatch.params };
            if params.columns > 0 {
                let column = u64::from(params.first) + first * block_weights;
                params.first = (column % u64::from(params.columns)) as u32;
            }
            Part { read: range(from, read), write: range(to, write), params }
        })
    }

    /// Workgroups in two dimensions that cover `blocks` blocks of the kernel.
    pub(super) fn groups(kernel: Kernel, blocks: u32) -> (u32, u32) {
        let block_weights = match kernel {
            Kernel::Quantize { to, .. } => to.block_weights,
            Kernel::Dequantize { from } => from.block_weights,
        };
        let weights = u64::from(blocks) * block_weights as u64;
        let groups = weights.div_ceil(u64::from(Shader::of(kernel).weights) * WORKGROUP);
        let rows = groups.div_ceil(GROUPS);
        (groups.div_ceil(rows.max(1)) as u32, rows as u32)
    }

    /// The table of a kernel's format, if it has one.
    pub(super) fn table(&self, kernel: Kernel) -> Option<&wgpu::Buffer> {
        let (Kernel::Quantize { to: format, .. } | Kernel::Dequantize { from: format }) = kernel;
        self.tables.get(&format.ggml_type)
    }

    /// The pipeline of a dispatch, made when first asked for.
    pub(super) fn pipeline(&self, dispatch: &Dispatch) -> Arc<wgpu::ComputePipeline> {
        let shader = Shader::of(dispatch.kernel);
        let (source, effort) = match dispatch.kernel {
            Kernel::Quantize { source, effort, .. } => (source.ggml_type, effort),
            Kernel::Dequantize { from } if from.is_float() => (from.ggml_type, Effort::Fast),
            Kernel::Dequantize { .. } => (0, Effort::Fast),
        };
        let variant = Variant { source, weighted: dispatch.factors.is_some(), effort };
        let mut pipelines = self.pipelines.lock().unwrap_or_else(|e| e.into_inner());
        let compile = || Arc::new(self.compile(shader, variant));
        pipelines.entry((shader.name, variant)).or_insert_with(compile).clone()
    }

    fn compile(&self, shader: &Shader, variant: Variant) -> wgpu::ComputePipeline {
        let constants = [
            ("source", variant.source),
            ("weighted", variant.weighted.into()),
            ("best", (variant.effort == Effort::Best).into()),
            ("fuses", self.fuses.into()),
        ]
        .map(|(k, v)| (k, v.into()));
        let constants = if shader.reads_floats() { &constants[..] } else { &[] };
        self.open.compile(shader.name, shader.wgsl(), self.checks, &self.layout, constants)
    }
}
