//! An open device, and what went wrong with it.

use super::device::Adapter;
use crate::graph::RunError;
use std::sync::{Arc, Mutex, PoisonError};

/// A device and its queue.
pub(super) struct Open {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) name: String,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

/// The first thing that went wrong; nothing after it is to be trusted.
#[derive(Clone)]
enum Trouble {
    Lost(String),
    Memory(String),
}

impl Open {
    /// Opens the device with these features, which it has.
    pub(super) fn new(adapter: &Adapter, features: wgpu::Features) -> Result<Self, RunError> {
        let experimental = match features.contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX) {
            // SAFETY: the matrices are loaded from and stored to workgroup memory within its bounds, by whole subgroups.
            true => unsafe { wgpu::ExperimentalFeatures::enabled() },
            false => wgpu::ExperimentalFeatures::disabled(),
        };
        let opened = pollster::block_on(adapter.adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("tuck"),
            required_features: features,
            required_limits: adapter.adapter.limits(),
            experimental_features: experimental,
            ..Default::default()
        }));
        let (device, queue) =
            opened.map_err(|e| RunError::DeviceLost { device: adapter.to_string(), reason: e.to_string() })?;
        let trouble = Arc::new(Mutex::new(None));
        let note = |trouble: &Arc<Mutex<Option<Trouble>>>| {
            let trouble = trouble.clone();
            move |what: Trouble| {
                trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(what);
            }
        };
        let lost = note(&trouble);
        device.set_device_lost_callback(move |_, reason| lost(Trouble::Lost(reason)));
        let failed = note(&trouble);
        device.on_uncaptured_error(Arc::new(move |error| match error {
            wgpu::Error::OutOfMemory { source } => failed(Trouble::Memory(source.to_string())),
            other => failed(Trouble::Lost(other.to_string())),
        }));
        Ok(Self { device, queue, name: adapter.to_string(), trouble })
    }

    /// What went wrong so far, as an error; `bytes` is what the caller asked for.
    pub(super) fn check(&self, bytes: u64) -> Result<(), RunError> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match trouble {
            None => Ok(()),
            Some(Trouble::Lost(reason)) => Err(RunError::DeviceLost { device: self.name.clone(), reason }),
            Some(Trouble::Memory(reason)) => Err(RunError::OutOfMemory { device: self.name.clone(), bytes, reason }),
        }
    }

    /// The error for a device that stopped answering without a word.
    pub(super) fn lost(&self, reason: impl ToString) -> RunError {
        let error = self.check(0).err();
        error.unwrap_or_else(|| RunError::DeviceLost { device: self.name.clone(), reason: reason.to_string() })
    }

    /// Tables of the formats that have grids, by ggml type.
    pub(super) fn tables(&self) -> std::collections::HashMap<u32, wgpu::Buffer> {
        use wgpu::util::DeviceExt;
        let tables = crate::quant::FORMATS.iter().filter_map(|&format| {
            let words = crate::quant::table(format)?;
            let buffer = self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
                label: Some(format.name),
                contents: bytemuck::cast_slice(&words),
                usage: wgpu::BufferUsages::STORAGE,
            });
            Some((format.ggml_type, buffer))
        });
        tables.collect()
    }

    /// Compiles a shader, with or without bounds checks, for a layout.
    pub(super) fn compile(
        &self,
        label: &str,
        wgsl: String,
        checks: super::Checks,
        layout: &wgpu::BindGroupLayout,
        constants: &[(&str, f64)],
    ) -> wgpu::ComputePipeline {
        let descriptor =
            wgpu::ShaderModuleDescriptor { label: Some(label), source: wgpu::ShaderSource::Wgsl(wgsl.into()) };
        let module = match checks {
            super::Checks::On => self.device.create_shader_module(descriptor),
            // SAFETY: every index a shader forms lies inside the ranges its dispatch binds: what there is is counted by
            // the host, which bounds each range, and `tests/kernels.rs` and `tests/forward_kernels.rs` run all of them
            // with checks too. No loop is without end, and no divisor is 0.
            super::Checks::Off => unsafe {
                self.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
            },
        };
        let layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(label),
            bind_group_layouts: &[Some(layout)],
            immediate_size: 0,
        });
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: Some(&layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants,
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        })
    }
}
