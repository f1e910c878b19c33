//! One chunk in flight: its buffers on both sides, and their mapping.

use super::runner::Gpu;
use crate::graph::{ALIGN, Buffer, Recording, RunError, Slot, SlotSize};
use std::sync::Arc;
use wgpu::BufferUsages as Usage;

/// A slot on a GPU.
///
/// The host fills `upload` and reads `readback`, which stay mapped while the host has them. Where host and device
/// share memory, they are also what the kernels read and write; elsewhere copies go to and from `input` and `output`.
pub(super) struct GpuSlot {
    gpu: Arc<Gpu>,
    upload: wgpu::Buffer,
    readback: wgpu::Buffer,
    input: wgpu::Buffer,
    output: wgpu::Buffer,
    scratch: wgpu::Buffer,
    params: wgpu::Buffer,
    filling: Option<wgpu::BufferViewMut>,
    taking: Option<wgpu::BufferView>,
    submitted: Option<(wgpu::SubmissionIndex, u64)>,
}

impl GpuSlot {
    pub(super) fn new(gpu: Arc<Gpu>, size: SlotSize) -> Result<Self, RunError> {
        let total = 2 * (size.input + size.output) + size.scratch;
        // A device tells that it is lost only when asked.
        gpu.open.device.poll(wgpu::PollType::Poll).map_err(|e| gpu.open.lost(e))?;
        gpu.open.check(total)?;
        let buffer = |label, bytes: u64, usage, mapped_at_creation| {
            let size = bytes.max(1).next_multiple_of(ALIGN);
            gpu.open.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage,
                mapped_at_creation,
            })
        };
        let (upload, readback, input, output);
        if gpu.shared_memory {
            upload = buffer("input", size.input, Usage::STORAGE | Usage::MAP_WRITE, true);
            readback = buffer("output", size.output, Usage::STORAGE | Usage::MAP_READ, false);
            (input, output) = (upload.clone(), readback.clone());
        } else {
            upload = buffer("upload", size.input, Usage::COPY_SRC | Usage::MAP_WRITE, true);
            readback = buffer("readback", size.output, Usage::COPY_DST | Usage::MAP_READ, false);
            input = buffer("input", size.input, Usage::STORAGE | Usage::COPY_DST, false);
            output = buffer("output", size.output, Usage::STORAGE | Usage::COPY_SRC, false);
        }
        let scratch = buffer("scratch", size.scratch, Usage::STORAGE, false);
        let params = buffer("params", ALIGN, Usage::UNIFORM | Usage::COPY_DST, false);
        gpu.open.check(total)?;
        Ok(Self { upload, readback, input, output, scratch, params, filling: None, taking: None, submitted: None, gpu })
    }

    /// Binds and runs every part of every dispatch.
    fn encode(&mut self, recording: &Recording, encoder: &mut wgpu::CommandEncoder) {
        let parts: Vec<_> =
            recording.dispatches.iter().flat_map(|d| self.gpu.parts(d).map(move |part| (d, part))).collect();
        let mut params = Vec::with_capacity(parts.len() * ALIGN as usize);
        for (_, part) in &parts {
            params.extend_from_slice(bytemuck::bytes_of(&part.params));
            params.resize(params.len().next_multiple_of(ALIGN as usize), 0);
        }
        if self.params.size() < params.len() as u64 {
            self.params = self.gpu.open.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("params"),
                size: (params.len() as u64).next_power_of_two(),
                usage: Usage::UNIFORM | Usage::COPY_DST,
                mapped_at_creation: false,
            });
        }
        self.gpu.open.queue.write_buffer(&self.params, 0, &params);
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for (i, (dispatch, part)) in parts.iter().enumerate() {
            let binding = |binding, buffer, (offset, bytes): (u64, u64)| wgpu::BindGroupEntry {
                binding,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer,
                    offset,
                    size: wgpu::BufferSize::new(bytes),
                }),
            };
            // Without factors, or without a table, the binding is not looked at, but has to be there.
            let factors = dispatch.factors.map_or((0, ALIGN), |f| (f.offset, f.bytes.next_multiple_of(ALIGN)));
            let group = self.gpu.open.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: self.gpu.layout(),
                entries: &[
                    binding(0, self.buffer(dispatch.read.buffer), part.read),
                    binding(1, self.buffer(dispatch.write.buffer), part.write),
                    binding(2, &self.params, (i as u64 * ALIGN, size_of_val(&part.params) as u64)),
                    binding(3, &self.input, factors),
                    match self.gpu.table(dispatch.kernel) {
                        Some(table) => wgpu::BindGroupEntry { binding: 4, resource: table.as_entire_binding() },
                        None => binding(4, &self.input, (0, ALIGN)),
                    },
                ],
            });
            let (columns, rows) = Gpu::groups(dispatch.kernel, part.params.blocks);
            pass.set_pipeline(&self.gpu.pipeline(dispatch));
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(columns, rows, 1);
        }
    }

    fn buffer(&self, which: Buffer) -> &wgpu::Buffer {
        match which {
            Buffer::Input => &self.input,
            Buffer::Scratch => &self.scratch,
            Buffer::Output => &self.output,
        }
    }

    /// Waits for the submission, if there is one that nobody waited for.
    fn wait(&mut self) -> Result<u64, RunError> {
        let Some((index, bytes)) = self.submitted.take() else { return Ok(0) };
        let poll = wgpu::PollType::Wait { submission_index: Some(index), timeout: None };
        self.gpu.open.device.poll(poll).map_err(|e| self.gpu.open.lost(e))?;
        self.gpu.open.check(0)?;
        Ok(bytes)
    }
}

impl Slot for GpuSlot {
    fn input(&mut self, bytes: u64) -> Result<&mut [u8], RunError> {
        self.wait()?;
        if self.taking.take().is_some() {
            self.readback.unmap();
        }
        if self.filling.is_none() {
            let view = self.upload.get_mapped_range_mut(..).map_err(|e| self.gpu.open.lost(e))?;
            self.filling = Some(view);
        }
        let gpu = &self.gpu;
        let view = self.filling.as_mut().ok_or_else(|| gpu.open.lost("the input is not mapped"))?;
        let mut slice = view.slice(..bytes as usize);
        // SAFETY: the view maps this many bytes of host memory until it is dropped, and the slice returned borrows the
        // slot that holds it. Bytes of any value are valid; they are written as ordinary memory, never atomically.
        Ok(unsafe { std::slice::from_raw_parts_mut(slice.as_raw_element_ptr().as_ptr(), slice.len()) })
    }

    fn submit(&mut self, recording: &Recording) -> Result<(), RunError> {
        self.wait()?;
        if self.taking.take().is_some() {
            self.readback.unmap();
        }
        self.filling = None;
        self.upload.unmap();
        let mut encoder = self.gpu.open.device.create_command_encoder(&Default::default());
        if !self.gpu.shared_memory && recording.input_bytes > 0 {
            encoder.copy_buffer_to_buffer(&self.upload, 0, &self.input, 0, recording.input_bytes);
        }
        self.encode(recording, &mut encoder);
        if !self.gpu.shared_memory && recording.output_bytes > 0 {
            encoder.copy_buffer_to_buffer(&self.output, 0, &self.readback, 0, recording.output_bytes);
        }
        let index = self.gpu.open.queue.submit([encoder.finish()]);
        // Both answer when the submission is done; the wait for it looks at the device's own word.
        self.upload.map_async(wgpu::MapMode::Write, .., |_| {});
        self.readback.map_async(wgpu::MapMode::Read, .., |_| {});
        self.submitted = Some((index, recording.output_bytes));
        self.gpu.open.check(0)
    }

    fn output(&mut self) -> Result<&[u8], RunError> {
        if self.taking.is_none() {
            let bytes = self.wait()?;
            let view = self.readback.get_mapped_range(..bytes.max(ALIGN)).map_err(|e| self.gpu.open.lost(e))?;
            self.taking = Some(view);
        }
        self.taking.as_deref().ok_or_else(|| self.gpu.open.lost("the output is not mapped"))
    }
}
