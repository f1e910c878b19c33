//! The device of a runner: its pipelines, the dispatches that wait to be submitted, and the buffers in between.

use super::kernels::Variant;
use crate::gpu::device::Adapter;
use crate::gpu::open::Open;
use crate::gpu::runner::{Checks, buffer_entry};
use crate::graph::{ALIGN, ConvertParams, RunError};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wgpu::BufferUsages as Usage;

/// Workgroups in one dimension of a dispatch.
const GROUPS: u64 = 65_535;
/// Numbers that a dispatch may multiply or touch on a GPU and on a processor: well under the time after which drivers
/// reset a device.
const DISPATCH_COST: [u64; 2] = [1 << 38, 1 << 28];
/// The same of a submission.
const SUBMISSION_COST: [u64; 2] = [1 << 40, 1 << 31];
/// The same of what a device is given at a time by those who ask whether to stop.
const PACE: [u64; 2] = [1 << 35, 1 << 28];
/// Bytes of unpacked weights, where there is room.
const PANEL: u64 = 128 << 20;
/// Bytes of parameters in a buffer of them.
const ARENA: u64 = 1 << 16;
/// Dispatches that are submitted together, where they are small.
const CALLS: usize = 64;
/// No more of what was bound is kept.
const GROUPS_KEPT: usize = 1 << 14;
/// Words that are worth several threads to copy.
const MANY: usize = 1 << 22;
/// Workgroup size of kernels that count invocations.
const WORKGROUP: u64 = 64;

/// Some bytes of a buffer.
#[derive(Clone)]
pub(in crate::gpu) struct View {
    pub(in crate::gpu) buffer: wgpu::Buffer,
    pub(in crate::gpu) offset: u64,
    pub(in crate::gpu) bytes: u64,
}

impl View {
    fn entry(&self, binding: u32) -> wgpu::BindGroupEntry<'_> {
        // Buffers of rows are multiples of the alignment, so the last numbers of a vector of four are there.
        let bytes = self.bytes.next_multiple_of(16).min(self.buffer.size() - self.offset);
        let size = wgpu::BufferSize::new(bytes);
        let part = wgpu::BufferBinding { buffer: &self.buffer, offset: self.offset, size };
        wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::Buffer(part) }
    }
}

/// What a dispatch reads, by its binding; it writes binding 1, and 2 is its parameters.
#[derive(Clone, Copy, Default)]
pub(in crate::gpu) struct Reads<'a> {
    pub(in crate::gpu) input: Option<&'a View>,
    pub(in crate::gpu) third: Option<&'a View>,
    pub(in crate::gpu) fourth: Option<&'a View>,
    pub(in crate::gpu) fifth: Option<&'a View>,
}

/// How much work there is.
#[derive(Clone, Copy)]
pub(in crate::gpu) enum Work {
    /// So many workgroups, each of that cost.
    Groups(u64, u64),
    /// So many invocations, each of that cost.
    Each(u64, u64),
}

struct Call {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    columns: u32,
    rows: u32,
}

/// See the module.
pub(in crate::gpu) struct Device {
    pub(in crate::gpu) open: Open,
    pub(in crate::gpu) binding_limit: u64,
    /// Bytes of unpacked weights that rows are multiplied with at a time.
    pub(in crate::gpu) panel: u64,
    pub(in crate::gpu) is_cpu: bool,
    checks: Checks,
    fuses: bool,
    /// The submission that [`Device::pace`] waits for.
    paced: Option<wgpu::SubmissionIndex>,
    layout: wgpu::BindGroupLayout,
    pipelines: HashMap<Variant, wgpu::ComputePipeline>,
    tables: HashMap<u32, View>,
    nothing: View,
    /// What was bound lately: making these again takes longer than small dispatches do.
    groups: HashMap<Vec<(wgpu::Buffer, u64, u64)>, wgpu::BindGroup>,
    calls: Vec<Call>,
    cost: u64,
    arenas: Vec<wgpu::Buffer>,
    params: Vec<u8>,
    free: Vec<wgpu::Buffer>,
    /// Bytes of all buffers that there are.
    pub(in crate::gpu) allocated: Arc<AtomicU64>,
}

impl Device {
    pub(in crate::gpu) fn new(adapter: &Adapter, features: wgpu::Features, checks: Checks) -> Result<Self, RunError> {
        let open = Open::new(adapter, features)?;
        let read = |binding| buffer_entry(binding, wgpu::BufferBindingType::Storage { read_only: true });
        let layout = open.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("forward"),
            entries: &[
                read(0),
                buffer_entry(1, wgpu::BufferBindingType::Storage { read_only: false }),
                buffer_entry(2, wgpu::BufferBindingType::Uniform),
                read(3),
                read(4),
                read(5),
            ],
        });
        let whole = |buffer: wgpu::Buffer| View { offset: 0, bytes: buffer.size(), buffer };
        let nothing = open.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("nothing"),
            size: ALIGN,
            usage: Usage::STORAGE,
            mapped_at_creation: false,
        });
        Ok(Self {
            tables: open.tables().into_iter().map(|(format, table)| (format, whole(table))).collect(),
            nothing: whole(nothing),
            binding_limit: adapter.binding_limit().min(open.device.limits().max_buffer_size) / ALIGN * ALIGN,
            panel: PANEL.min(adapter.binding_limit()),
            checks,
            fuses: checks.fuses(adapter),
            paced: None,
            is_cpu: adapter.is_cpu(),
            layout,
            pipelines: HashMap::new(),
            groups: HashMap::new(),
            calls: Vec::new(),
            cost: 0,
            arenas: Vec::new(),
            params: Vec::new(),
            free: Vec::new(),
            allocated: Arc::default(),
            open,
        })
    }

    /// The table of a format's grid, if it has one.
    pub(in crate::gpu) fn table(&self, ggml_type: u32) -> Option<View> {
        self.tables.get(&ggml_type).cloned()
    }

    /// Bytes of all buffers that there are.
    pub(in crate::gpu) fn allocated(&self) -> u64 {
        self.allocated.load(Ordering::Relaxed)
    }

    /// A new buffer.
    pub(in crate::gpu) fn create(&mut self, label: &str, bytes: u64, usage: Usage) -> wgpu::Buffer {
        let size = bytes.max(1).next_multiple_of(ALIGN);
        self.allocated.fetch_add(size, Ordering::Relaxed);
        self.open.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: false,
        })
    }

    /// Memory for numbers, one that was given back where it fits.
    pub(in crate::gpu) fn take(&mut self, bytes: u64) -> View {
        let bytes = bytes.max(ALIGN);
        let fits = |buffer: &wgpu::Buffer| buffer.size() >= bytes && buffer.size() <= 2 * bytes;
        let found = (0..self.free.len()).filter(|i| fits(&self.free[*i])).min_by_key(|i| self.free[*i].size());
        let buffer = match found {
            Some(place) => self.free.swap_remove(place),
            None => self.create("rows", bytes, Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST),
        };
        View { buffer, offset: 0, bytes }
    }

    /// Memory for numbers that nobody gives back.
    pub(in crate::gpu) fn keep(&mut self, label: &str, bytes: u64) -> View {
        let buffer = self.create(label, bytes, Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST);
        View { buffer, offset: 0, bytes }
    }

    /// Gives memory back. What was recorded with it runs before what is recorded with it from now on.
    pub(in crate::gpu) fn give(&mut self, view: View) {
        self.free.push(view.buffer);
    }

    /// Frees memory that nobody has, if it is more than so many bytes, and what was only bound.
    pub(in crate::gpu) fn trim_beyond(&mut self, bytes: u64) {
        self.groups.clear();
        if self.idle() > bytes {
            self.trim();
        }
    }

    /// Bytes of memory that nobody has.
    pub(in crate::gpu) fn idle(&self) -> u64 {
        self.free.iter().map(wgpu::Buffer::size).sum()
    }

    /// Frees memory that nobody has.
    pub(in crate::gpu) fn trim(&mut self) {
        self.groups.clear();
        self.allocated.fetch_sub(self.free.drain(..).map(|buffer| buffer.size()).sum::<u64>(), Ordering::Relaxed);
    }

    /// A new buffer with these bytes in it: what is written to one that was given back could come before its last use.
    pub(in crate::gpu) fn upload(&mut self, label: &str, contents: &[u8]) -> View {
        let usage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
        let buffer = self.create(label, contents.len() as u64, usage);
        let (whole, rest) = contents.split_at(contents.len() / 4 * 4);
        self.open.queue.write_buffer(&buffer, 0, whole);
        if !rest.is_empty() {
            let mut last = [0; 4];
            last[..rest.len()].copy_from_slice(rest);
            self.open.queue.write_buffer(&buffer, whole.len() as u64, &last);
        }
        View { buffer, offset: 0, bytes: contents.len().max(4) as u64 }
    }

    /// Writes numbers to memory whose earlier uses were recorded: these run first.
    pub(in crate::gpu) fn write(&mut self, view: &View, numbers: &[f32]) -> Result<(), RunError> {
        self.submit()?;
        self.open.queue.write_buffer(&view.buffer, view.offset, bytemuck::cast_slice(numbers));
        self.open.check(view.bytes)
    }

    /// Records a step. The first word of `params` is the number of the first workgroup, the second how much there is.
    pub(in crate::gpu) fn call<const N: usize>(
        &mut self,
        variant: Variant,
        reads: Reads<'_>,
        to: &View,
        params: [u32; N],
        work: Work,
    ) -> Result<(), RunError> {
        let (groups, cost) = match work {
            Work::Groups(groups, cost) => (groups, cost),
            Work::Each(count, cost) => (count.div_ceil(WORKGROUP), cost * WORKGROUP),
        };
        let limit = |of: [u64; 2]| of[usize::from(self.is_cpu)];
        let (dispatch, submission) = (limit(DISPATCH_COST), limit(SUBMISSION_COST));
        let step = (dispatch / cost.max(1)).clamp(1, GROUPS * GROUPS);
        let mut first = 0;
        while first < groups {
            let own = step.min(groups - first);
            let rows = own.div_ceil(GROUPS);
            let columns = own.div_ceil(rows);
            self.dispatch(variant, reads, to, [&[first as u32], &params[..]].concat(), (columns as u32, rows as u32));
            first += own;
            self.cost += own * cost;
            if self.cost > submission {
                self.submit()?;
            }
        }
        Ok(())
    }

    /// Records a search of blocks of a format, which has other parameters.
    pub(in crate::gpu) fn convert(
        &mut self,
        variant: Variant,
        reads: Reads<'_>,
        to: &View,
        params: &ConvertParams,
        groups: (u32, u32),
    ) -> Result<(), RunError> {
        self.dispatch(variant, reads, to, bytemuck::cast_slice(&[*params]).to_vec(), groups);
        if self.calls.len() < CALLS { Ok(()) } else { self.submit() }
    }

    fn dispatch(&mut self, variant: Variant, reads: Reads<'_>, to: &View, params: Vec<u32>, groups: (u32, u32)) {
        let offset = self.params.len() as u64;
        let (arena, place) = ((offset / ARENA) as usize, offset % ARENA);
        if arena == self.arenas.len() {
            self.arenas.push(self.open.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("params"),
                size: ARENA,
                usage: Usage::UNIFORM | Usage::COPY_DST,
                mapped_at_creation: false,
            }));
        }
        self.params.extend_from_slice(bytemuck::cast_slice(&params));
        // A uniform buffer is at least as long as the structure, which is a multiple of 16 bytes.
        let bytes = (4 * params.len() as u64).next_multiple_of(16);
        self.params.resize(self.params.len().next_multiple_of(ALIGN as usize), 0);
        let params = View { buffer: self.arenas[arena].clone(), offset: place, bytes };
        let or_nothing = |view: Option<&'_ View>| view.unwrap_or(&self.nothing).clone();
        let storage = [(0, reads.input), (3, reads.third), (4, reads.fourth), (5, reads.fifth)];
        let views: Vec<(u32, View)> = storage
            .into_iter()
            .map(|(number, view)| (number, or_nothing(view)))
            .chain([(1, to.clone()), (2, params)])
            .collect();
        let key = views.iter().map(|(_, view)| (view.buffer.clone(), view.offset, view.bytes)).collect();
        let group = self.groups.entry(key).or_insert_with(|| {
            let entries: Vec<_> = views.iter().map(|(number, view)| view.entry(*number)).collect();
            self.open.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &self.layout,
                entries: &entries,
            })
        });
        let group = group.clone();
        let pipeline = self.pipeline(variant);
        self.calls.push(Call { pipeline, group, columns: groups.0, rows: groups.1 });
    }

    fn pipeline(&mut self, variant: Variant) -> wgpu::ComputePipeline {
        let compile = || {
            let constants = variant.constants(self.fuses);
            self.open.compile(variant.kernel, variant.wgsl(), self.checks, &self.layout, &constants)
        };
        self.pipelines.entry(variant).or_insert_with(compile).clone()
    }

    /// Runs what was recorded, if it is worth its while.
    pub(in crate::gpu) fn submit_some(&mut self) -> Result<(), RunError> {
        if self.groups.len() > GROUPS_KEPT {
            self.groups.clear();
        }
        if self.calls.len() < CALLS { Ok(()) } else { self.submit() }
    }

    /// Runs what was recorded.
    pub(in crate::gpu) fn submit(&mut self) -> Result<(), RunError> {
        self.send()?;
        Ok(())
    }

    /// Runs what was recorded, once that is much, and waits for what was before, so that the device has always something to
    /// do and never more than a moment's work.
    pub(in crate::gpu) fn pace(&mut self) -> Result<(), RunError> {
        if self.cost < PACE[usize::from(self.is_cpu)] && self.calls.len() < CALLS {
            return Ok(());
        }
        let sent = self.send()?;
        match self.paced.replace(sent) {
            Some(before) => self.wait(Some(before)),
            None => Ok(()),
        }
    }

    fn send(&mut self) -> Result<wgpu::SubmissionIndex, RunError> {
        let mut encoder = self.open.device.create_command_encoder(&Default::default());
        self.encode(&mut encoder);
        let sent = self.open.queue.submit([encoder.finish()]);
        self.open.check(0)?;
        Ok(sent)
    }

    fn encode(&mut self, encoder: &mut wgpu::CommandEncoder) {
        for (arena, params) in self.arenas.iter().zip(self.params.chunks(ARENA as usize)) {
            self.open.queue.write_buffer(arena, 0, params);
        }
        self.params.clear();
        self.cost = 0;
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for call in self.calls.drain(..) {
            pass.set_pipeline(&call.pipeline);
            pass.set_bind_group(0, &call.group, &[]);
            pass.dispatch_workgroups(call.columns, call.rows, 1);
        }
    }

    /// Runs what was recorded, and reads the words of a view.
    pub(in crate::gpu) fn read<T: bytemuck::Pod + Send + Sync>(&mut self, view: &View) -> Result<Vec<T>, RunError> {
        let staging = self.open.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("readback"),
            size: view.bytes.next_multiple_of(4),
            usage: Usage::COPY_DST | Usage::MAP_READ,
            mapped_at_creation: false,
        });
        let mut encoder = self.open.device.create_command_encoder(&Default::default());
        self.encode(&mut encoder);
        encoder.copy_buffer_to_buffer(&view.buffer, view.offset, &staging, 0, staging.size());
        let index = self.open.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |_| {});
        self.wait(Some(index))?;
        let mapped = staging.get_mapped_range(..).map_err(|e| self.open.lost(e))?;
        let words: &[T] = bytemuck::cast_slice(&mapped[..view.bytes as usize]);
        // One core copies slower than memory can deliver.
        Ok(if words.len() < MANY { words.to_vec() } else { words.par_iter().copied().collect() })
    }

    /// Waits for all that was submitted, or for one submission.
    pub(in crate::gpu) fn wait(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<(), RunError> {
        let poll = wgpu::PollType::Wait { submission_index, timeout: None };
        self.open.device.poll(poll).map_err(|e| self.open.lost(e))?;
        self.open.check(0)
    }
}
