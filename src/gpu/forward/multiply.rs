//! Ways to multiply rows with a matrix: one list, each for what a device can do.

use super::kernels::Variant;
use crate::gpu::device::Adapter;
use std::fmt;

/// How rows are multiplied with a matrix, where there are more than a few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Multiply {
    /// In single precision without workgroup memory, for drivers that run shaders on the processor.
    Plain,
    /// In single precision by tiles in workgroup memory.
    Single,
    /// The same with numbers in half precision, summed in single.
    Half,
    /// On matrix units, in half precision and summed in single.
    Matrix,
}

impl Multiply {
    /// Those that a device can do.
    pub fn of(adapter: &Adapter) -> Vec<Self> {
        let features = adapter.adapter.features();
        let mut all = if adapter.is_cpu() { vec![Self::Plain, Self::Single] } else { vec![Self::Single] };
        if features.contains(wgpu::Features::SHADER_F16) {
            all.push(Self::Half);
            if features.contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX) && has_matrices(adapter) {
                all.push(Self::Matrix);
            }
        }
        all
    }

    /// The fastest of them.
    pub fn best(adapter: &Adapter) -> Self {
        let all = Self::of(adapter);
        let best = if adapter.is_cpu() { Self::Plain } else { Self::Matrix };
        if all.contains(&best) { best } else { Self::Single }
    }

    /// The features it needs.
    pub(in crate::gpu) fn features(self) -> wgpu::Features {
        match self {
            Self::Plain | Self::Single => wgpu::Features::empty(),
            Self::Half => wgpu::Features::SHADER_F16,
            Self::Matrix => wgpu::Features::SHADER_F16 | wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX,
        }
    }

    /// What it multiplies.
    pub(super) fn number(self) -> &'static str {
        match self {
            Self::Plain | Self::Single => "f32",
            Self::Half | Self::Matrix => "f16",
        }
    }

    /// The same in single precision.
    pub(in crate::gpu) fn single(self) -> Self {
        if self == Self::Plain { self } else { Self::Single }
    }

    /// Its kernel, and how many rows and outputs a tile of it has.
    pub(in crate::gpu) fn kernel(self) -> (Variant, [u64; 2]) {
        let tile = Variant { number: self.number(), ..Variant::of("multiply_tile") };
        match self {
            Self::Plain => (Variant::of("multiply_plain"), [16, 128]),
            Self::Single | Self::Half => (tile, [128, 128]),
            Self::Matrix => (Variant::of("multiply_matrix"), [256, 128]),
        }
    }
}

impl fmt::Display for Multiply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("f32, no workgroup memory"),
            Self::Single => f.write_str("f32, tiles"),
            Self::Half => f.write_str("f16 into f32, tiles"),
            Self::Matrix => f.write_str("f16 into f32, matrix units"),
        }
    }
}

/// Whether matrix units multiply 16 by 16 by 16 in the precisions of the kernel, by subgroups of its size.
fn has_matrices(adapter: &Adapter) -> bool {
    use wgpu::CooperativeScalarType::{F16, F32};
    let fits = |p: &wgpu::CooperativeMatrixProperties| {
        [p.m_size, p.n_size, p.k_size] == [16; 3] && p.ab_type == F16 && p.cr_type == F32
    };
    let info = adapter.adapter.get_info();
    adapter.adapter.cooperative_matrix_properties().iter().any(fits)
        && (info.subgroup_min_size, info.subgroup_max_size) == (32, 32)
}
