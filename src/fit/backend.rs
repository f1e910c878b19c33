//! What computes: the processor, or a GPU through one of ggml's backends.

/// A backend of ggml, as far as it changes what is allocated and how fast that is read.
#[derive(Debug, PartialEq)]
pub struct Backend {
    /// As ggml calls it.
    pub name: &'static str,
    /// Bytes that places in its buffers are multiples of.
    pub alignment: u64,
    /// What attention needs beside its result.
    pub scratch: Scratch,
    /// Bytes of the backend itself: its context, its kernels, and the libraries it loads.
    pub overhead: u64,
    /// How much of what the hardware could do it does.
    pub efficiency: Efficiency,
}

/// What flash attention needs beside its result while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scratch {
    /// Nothing, or what is taken from elsewhere.
    None,
    /// Keys and values of the layer in f16, where they are cached in another type:
    /// `ggml_cuda_flash_attn_ext_get_alloc_size` in `fattn.cu`.
    Others,
    /// Keys and values of the layer in f16, whatever they are cached in, and results of parts:
    /// `ggml_backend_metal_buffer_type_get_alloc_size` in `ggml-metal.cpp`.
    Always,
}

/// Shares of what hardware is sold with that llama.cpp reaches, from runs of its llama-bench that people published.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Efficiency {
    /// Of the memory's bandwidth, while one token after another is generated.
    pub bandwidth: f64,
    /// Of the arithmetic, while a prompt is read.
    pub arithmetic: f64,
    /// Seconds a layer that no hardware shortens: starting its kernels and waiting for them.
    pub layer_seconds: f64,
}

/// The processor (`TENSOR_ALIGNMENT` in `ggml-impl.h`).
///
/// Speed: an i9-13900K with DDR5-6400 generates 18 tokens a second of a 7B in Q4_0 and reads 55 (llama.cpp issue 34).
pub static CPU: Backend = Backend {
    name: "CPU",
    alignment: 32,
    scratch: Scratch::None,
    overhead: 0,
    efficiency: Efficiency { bandwidth: 0.7, arithmetic: 0.35, layer_seconds: 20e-6 },
};

/// NVIDIA's GPUs (`ggml-cuda.cu`).
///
/// Speed: an RTX 4090 reads 5,700 to 10,400 tokens a second of an 8B (pull requests 7676 and 7716), an RTX 3090 3,500
/// (7860); without CUDA graphs the 4090 generates 61 of a 7B in F16 and 98 in Q8_0 (4766), with them more.
pub static CUDA: Backend = Backend {
    name: "CUDA",
    alignment: 128,
    scratch: Scratch::Others,
    overhead: 500 << 20,
    efficiency: Efficiency { bandwidth: 0.9, arithmetic: 0.6, layer_seconds: 40e-6 },
};

/// AMD's GPUs through HIP, which shares CUDA's code.
pub static ROCM: Backend = Backend {
    name: "ROCm",
    efficiency: Efficiency { bandwidth: 0.75, arithmetic: 0.35, layer_seconds: 60e-6 },
    ..CUDA
};

/// Apple's GPUs.
///
/// Speed: an 8B in Q4_K_M is generated at 21 tokens a second and read at 225 on an M4, at 46 and 500 on an M1 Max
/// (normiebench, issues 3 and 40), at 33 on an M2 Pro (llmfit, pull request 1031).
pub static METAL: Backend = Backend {
    name: "Metal",
    alignment: 32,
    scratch: Scratch::Always,
    overhead: 0,
    efficiency: Efficiency { bandwidth: 0.85, arithmetic: 0.75, layer_seconds: 150e-6 },
};

/// Any GPU.
pub static VULKAN: Backend = Backend {
    name: "Vulkan",
    alignment: 128,
    scratch: Scratch::None,
    overhead: 200 << 20,
    efficiency: Efficiency { bandwidth: 0.75, arithmetic: 0.35, layer_seconds: 60e-6 },
};

/// All.
pub static BACKENDS: &[&Backend] = &[&CPU, &CUDA, &ROCM, &METAL, &VULKAN];

/// The backend with this name, in any case.
pub fn backend_from_name(name: &str) -> Option<&'static Backend> {
    BACKENDS.iter().copied().find(|backend| backend.name.eq_ignore_ascii_case(name))
}
