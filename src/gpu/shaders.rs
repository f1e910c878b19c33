//! The shaders, embedded, and what it takes to run them: one list.

use super::compose::compose;
use crate::graph::Kernel;

/// A shader: a file of `shaders/`, named after its kernel.
pub struct Shader {
    /// File and label: `quantize_q4_k`.
    pub name: &'static str,
    /// Weights an invocation handles.
    pub weights: u32,
    source: &'static str,
}

macro_rules! shaders {
    ($($name:literal $weights:literal,)*) => {
        &[$(Shader {
            name: $name,
            weights: $weights,
            source: include_str!(concat!("../../shaders/", $name, ".wgsl")),
        },)*]
    };
}

macro_rules! includes {
    ($($path:literal,)*) => {
        &[$(($path, include_str!(concat!("../../shaders/", $path))),)*]
    };
}

/// Every shader, with the weights an invocation handles.
pub static SHADERS: &[Shader] = shaders! {
    "quantize_f32" 8,
    "quantize_f16" 8,
    "quantize_bf16" 8,
    "quantize_q8_0" 64,
    "quantize_q6_k" 16,
    "quantize_q5_k" 32,
    "quantize_q5_1" 32,
    "quantize_q5_0" 64,
    "quantize_q4_k" 32,
    "quantize_q4_1" 32,
    "quantize_q4_0" 64,
    "quantize_iq4_nl" 32,
    "quantize_nvfp4" 16,
    "quantize_iq4_xs" 32,
    "quantize_mxfp4" 32,
    "quantize_q3_k" 16,
    "quantize_q2_k" 16,
    "quantize_q2_0" 32,
    "quantize_tq2_0" 32,
    "quantize_tq1_0" 32,
    "quantize_q1_0" 32,
    "quantize_iq2_xxs" 32,
    "quantize_iq2_xs" 16,
    "quantize_iq2_s" 16,
    "quantize_iq3_xxs" 32,
    "quantize_iq3_s" 32,
    "quantize_iq1_s" 32,
    "quantize_iq1_m" 16,
    "dequantize_q8_0" 32,
    "dequantize_q6_k" 32,
    "dequantize_q5_k" 32,
    "dequantize_q5_1" 32,
    "dequantize_q5_0" 32,
    "dequantize_q4_k" 32,
    "dequantize_q4_1" 32,
    "dequantize_q4_0" 32,
    "dequantize_iq4_nl" 32,
    "dequantize_nvfp4" 32,
    "dequantize_iq4_xs" 32,
    "dequantize_mxfp4" 32,
    "dequantize_q3_k" 32,
    "dequantize_q2_k" 32,
    "dequantize_q2_0" 32,
    "dequantize_tq2_0" 32,
    "dequantize_tq1_0" 32,
    "dequantize_q1_0" 32,
    "dequantize_iq2_xxs" 32,
    "dequantize_iq2_xs" 32,
    "dequantize_iq2_s" 32,
    "dequantize_iq3_xxs" 32,
    "dequantize_iq3_s" 32,
    "dequantize_iq1_s" 32,
    "dequantize_iq1_m" 32,
};

/// The files that shaders include.
pub(super) static INCLUDES: &[(&str, &str)] = includes! {
    "shared/activation.wgsl",
    "shared/affine.wgsl",
    "shared/affine_block.wgsl",
    "shared/affine_grid.wgsl",
    "shared/affine_super.wgsl",
    "shared/blocks.wgsl",
    "shared/convert.wgsl",
    "shared/dequantize.wgsl",
    "shared/descend/refit.wgsl",
    "shared/descend/subs.wgsl",
    "shared/exact.wgsl",
    "shared/extreme.wgsl",
    "shared/f16.wgsl",
    "shared/fifth_bits.wgsl",
    "shared/forward.wgsl",
    "shared/four_rows.wgsl",
    "shared/fp4.wgsl",
    "shared/fp4_levels.wgsl",
    "shared/iq1.wgsl",
    "shared/iq2.wgsl",
    "shared/iq3.wgsl",
    "shared/iq3_s.wgsl",
    "shared/iq3_xxs.wgsl",
    "shared/iq4.wgsl",
    "shared/iq4_levels.wgsl",
    "shared/k_scales.wgsl",
    "shared/k_super.wgsl",
    "shared/lattice.wgsl",
    "shared/level_weights.wgsl",
    "shared/levels/iq4.wgsl",
    "shared/levels/iq4_codes.wgsl",
    "shared/levels/linear.wgsl",
    "shared/levels/linear_codes.wgsl",
    "shared/multiply.wgsl",
    "shared/multiply_row.wgsl",
    "shared/number/f16.wgsl",
    "shared/number/f32.wgsl",
    "shared/pack.wgsl",
    "shared/panel/f16.wgsl",
    "shared/panel/f32.wgsl",
    "shared/places.wgsl",
    "shared/point_weights.wgsl",
    "shared/points.wgsl",
    "shared/record.wgsl",
    "shared/rounding.wgsl",
    "shared/scaled.wgsl",
    "shared/scaled_group.wgsl",
    "shared/scaled_super.wgsl",
    "shared/score.wgsl",
    "shared/signs.wgsl",
    "shared/source.wgsl",
    "shared/stream.wgsl",
    "shared/ternary.wgsl",
    "shared/ue4m3.wgsl",
    "shared/unpack/bf16.wgsl",
    "shared/unpack/f16.wgsl",
    "shared/unpack/f32.wgsl",
    "shared/unpack/iq1_m.wgsl",
    "shared/unpack/iq1_s.wgsl",
    "shared/unpack/iq2_s.wgsl",
    "shared/unpack/iq2_xs.wgsl",
    "shared/unpack/iq2_xxs.wgsl",
    "shared/unpack/iq3_s.wgsl",
    "shared/unpack/iq3_xxs.wgsl",
    "shared/unpack/iq4_nl.wgsl",
    "shared/unpack/iq4_xs.wgsl",
    "shared/unpack/mxfp4.wgsl",
    "shared/unpack/nvfp4.wgsl",
    "shared/unpack/q1_0.wgsl",
    "shared/unpack/q2_0.wgsl",
    "shared/unpack/q2_k.wgsl",
    "shared/unpack/q3_k.wgsl",
    "shared/unpack/q4_0.wgsl",
    "shared/unpack/q4_1.wgsl",
    "shared/unpack/q4_k.wgsl",
    "shared/unpack/q5_0.wgsl",
    "shared/unpack/q5_1.wgsl",
    "shared/unpack/q5_k.wgsl",
    "shared/unpack/q6_k.wgsl",
    "shared/unpack/q8_0.wgsl",
    "shared/unpack/tq1_0.wgsl",
    "shared/unpack/tq2_0.wgsl",
    "shared/weights16.wgsl",
    "shared/weights32.wgsl",
};

impl Shader {
    /// The shader of a kernel; reading a float format is writing F32 from it.
    pub fn of(kernel: Kernel) -> &'static Self {
        let name = match kernel {
            Kernel::Quantize { to, .. } => format!("quantize_{to}"),
            Kernel::Dequantize { from } if from.is_float() => "quantize_f32".into(),
            Kernel::Dequantize { from } => format!("dequantize_{from}"),
        };
        let found = SHADERS.iter().find(|shader| shader.name.eq_ignore_ascii_case(&name));
        found.unwrap_or_else(|| panic!("no shader is called {name}"))
    }

    /// The WGSL with all that it includes.
    pub fn wgsl(&self) -> String {
        compose(self.source, &[])
    }

    /// Whether it has the constant `source`, the ggml type of the weights it reads.
    pub fn reads_floats(&self) -> bool {
        self.name.starts_with("quantize_")
    }
}
