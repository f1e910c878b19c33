//! The kernels of the forward pass, and the variants of each: one list.

use crate::gpu::compose::compose;
use crate::quant::{FORMATS, format_from_name};

/// A file of `shaders/`, and what its includes and constants leave open.
struct Kernel {
    name: &'static str,
    source: &'static str,
    /// Whether there is a variant for each format of weights.
    formats: bool,
    /// Precisions it multiplies in.
    numbers: &'static [&'static str],
    /// How many rows it takes.
    tokens: &'static [u32],
}

macro_rules! kernel {
    ($name:literal $($field:ident: $value:expr),*) => {
        Kernel { $($field: $value,)* ..kernel(
            $name,
            include_str!(concat!("../../../shaders/", $name, ".wgsl")),
        ) }
    };
}

const fn kernel(name: &'static str, source: &'static str) -> Kernel {
    Kernel { name, source, formats: false, numbers: &[""], tokens: &[0] }
}

/// The most rows that the kernel for few rows takes.
pub(super) const FEW: usize = 4;

static KERNELS: &[Kernel] = &[
    kernel!("norm"),
    kernel!("rope"),
    kernel!("elementwise"),
    kernel!("arrange"),
    kernel!("attention"),
    kernel!("route"),
    kernel!("mix"),
    kernel!("halve"),
    kernel!("difference"),
    kernel!("squares"),
    kernel!("transpose"),
    kernel!("panel" formats: true, numbers: &["f32", "f16"]),
    kernel!("multiply_plain"),
    kernel!("multiply_tile" numbers: &["f32", "f16"]),
    kernel!("multiply_matrix"),
    kernel!("multiply_row" formats: true, tokens: &[1, 2, 3, 4]),
];

/// A kernel with all that it leaves open chosen; what it does not leave open is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Variant {
    /// Its file in `shaders/`.
    pub kernel: &'static str,
    /// Of its weights.
    pub format: &'static str,
    /// What it multiplies.
    pub number: &'static str,
    /// Rows it takes.
    pub tokens: u32,
}

impl Variant {
    /// Of a kernel that leaves nothing open.
    pub(super) fn of(kernel: &'static str) -> Self {
        Self { kernel, ..Self::default() }
    }

    /// Its WGSL.
    pub fn wgsl(&self) -> String {
        let found = KERNELS.iter().find(|kernel| kernel.name == self.kernel);
        let source = found.unwrap_or_else(|| panic!("no kernel is called {}", self.kernel)).source;
        let format = self.format.to_ascii_lowercase();
        // Numbers without blocks lie at multiples of four words, and are read by fours.
        let is_float = format_from_name(self.format).is_some_and(|format| format.is_float());
        let word = if is_float { "vec4u" } else { "u32" };
        let tokens = self.tokens.to_string();
        compose(source, &[("format", &format), ("number", self.number), ("tokens", &tokens), ("word", word)])
    }
}

/// Every variant of every kernel.
pub fn variants() -> impl Iterator<Item = Variant> {
    let formats = |kernel: &Kernel| -> Vec<&'static str> {
        if kernel.formats { FORMATS.iter().map(|format| format.name).collect() } else { vec![""] }
    };
    KERNELS.iter().flat_map(move |kernel| {
        formats(kernel).into_iter().flat_map(move |format| {
            kernel.numbers.iter().flat_map(move |number| {
                let variant = Variant { kernel: kernel.name, format, number, tokens: 0 };
                kernel.tokens.iter().map(move |tokens| Variant { tokens: *tokens, ..variant })
            })
        })
    })
}
