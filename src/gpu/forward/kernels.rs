//! The kernels of the forward pass, and the variants of each: one list.

use crate::feedback;
use crate::gpu::compose::compose;
use crate::gpu::feedback::choices;
use crate::gpu::shaders::SHADERS;
use crate::quant::{FORMATS, PARTS};

/// A file of `shaders/`, and what its includes and constants leave open.
struct Kernel {
    name: &'static str,
    source: &'static str,
    /// The formats that there is a variant for.
    formats: fn() -> Vec<&'static str>,
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
    Kernel { name, source, formats: || vec![""], numbers: &[""], tokens: &[0] }
}

/// The most rows that the kernel for few rows takes.
pub(super) const FEW: usize = 4;

/// Every format.
fn all() -> Vec<&'static str> {
    FORMATS.iter().map(|format| format.name).collect()
}

/// Those that error feedback chooses blocks of.
fn fed_back() -> Vec<&'static str> {
    FORMATS.iter().filter(|format| feedback::supports(format)).map(|format| format.name).collect()
}

/// Those whose blocks can be taken apart.
fn apart() -> Vec<&'static str> {
    PARTS.iter().map(|parts| parts.format.name).collect()
}

static KERNELS: &[Kernel] = &[
    kernel!("norm"),
    kernel!("rope"),
    kernel!("elementwise"),
    kernel!("arrange"),
    kernel!("keep"),
    kernel!("rotate"),
    kernel!("attention"),
    kernel!("route"),
    kernel!("mix"),
    kernel!("halve"),
    kernel!("difference"),
    kernel!("squares"),
    kernel!("transpose"),
    kernel!("panel" formats: all, numbers: &["f32", "f16"]),
    kernel!("multiply_plain"),
    kernel!("multiply_tile" numbers: &["f32", "f16"]),
    kernel!("multiply_matrix"),
    kernel!("multiply_row" formats: all, tokens: &[1, 2, 3, 4]),
    kernel!("multiply_short" formats: all, tokens: &[1]),
    kernel!("take_apart" formats: fed_back),
    kernel!("targets" formats: fed_back),
    kernel!("carry" formats: fed_back),
    kernel!("row_costs" formats: fed_back),
    kernel!("choose_rows"),
    kernel!("descend" formats: apart),
    kernel!("put_together" formats: apart),
    kernel!("limits"),
    kernel!("sparsify"),
    kernel!("sparsify_groups"),
    kernel!("prune_columns"),
    kernel!("orthonormalise"),
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
    /// Of a kernel that leaves nothing open, or of a search, with importance and all effort.
    pub(in crate::gpu) fn of(kernel: &'static str) -> Self {
        Self { kernel, ..Self::default() }
    }

    /// Values of the constants that its shader leaves open, where the compiler fuses products with sums or not.
    pub(super) fn constants(&self, fuses: bool) -> Vec<(&'static str, f64)> {
        match SHADERS.iter().find(|shader| shader.name == self.kernel) {
            Some(_) => vec![("source", 0.0), ("weighted", 1.0), ("best", 1.0), ("fuses", fuses.into())],
            None => Vec::new(),
        }
    }

    /// Its WGSL.
    pub fn wgsl(&self) -> String {
        if let Some(shader) = SHADERS.iter().find(|shader| shader.name == self.kernel) {
            return shader.wgsl();
        }
        let found = KERNELS.iter().find(|kernel| kernel.name == self.kernel);
        let source = found.unwrap_or_else(|| panic!("no kernel is called {}", self.kernel)).source;
        let format = self.format.to_ascii_lowercase();
        let mut chosen =
            vec![("format", format), ("number", self.number.to_owned()), ("tokens", self.tokens.to_string())];
        let named = FORMATS.iter().find(|format| format.name == self.format);
        // Numbers without blocks lie at multiples of four words, and are read by fours.
        let word = if named.is_some_and(|format| format.is_float()) { "vec4u" } else { "u32" };
        chosen.push(("word", word.to_owned()));
        chosen.extend(named.map(|format| choices(format)).into_iter().flatten());
        let chosen: Vec<(&str, &str)> = chosen.iter().map(|(kind, choice)| (*kind, choice.as_str())).collect();
        compose(source, &chosen)
    }
}

/// Every variant of every kernel.
pub fn variants() -> impl Iterator<Item = Variant> {
    KERNELS.iter().flat_map(move |kernel| {
        (kernel.formats)().into_iter().flat_map(move |format| {
            kernel.numbers.iter().flat_map(move |number| {
                let variant = Variant { kernel: kernel.name, format, number, tokens: 0 };
                kernel.tokens.iter().map(move |tokens| Variant { tokens: *tokens, ..variant })
            })
        })
    })
}
