//! What computes: the processor, or a GPU through one of ggml's backends.

/// A backend of ggml, as far as it changes what is allocated.
#[derive(Debug, PartialEq, Eq)]
pub struct Backend {
    /// As ggml calls it.
    pub name: &'static str,
    /// Bytes that places in its buffers are multiples of.
    pub alignment: u64,
    /// What attention needs beside its result.
    pub scratch: Scratch,
    /// Bytes of the backend itself: its context, its kernels, and the libraries it loads.
    pub overhead: u64,
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

/// The processor (`TENSOR_ALIGNMENT` in `ggml-impl.h`).
pub static CPU: Backend = Backend { name: "CPU", alignment: 32, scratch: Scratch::None, overhead: 0 };

/// NVIDIA's GPUs, and AMD's through HIP (`ggml-cuda.cu`).
pub static CUDA: Backend = Backend { name: "CUDA", alignment: 128, scratch: Scratch::Others, overhead: 500 << 20 };

/// Apple's GPUs.
pub static METAL: Backend = Backend { name: "Metal", alignment: 32, scratch: Scratch::Always, overhead: 0 };

/// Any GPU.
pub static VULKAN: Backend = Backend { name: "Vulkan", alignment: 128, scratch: Scratch::None, overhead: 200 << 20 };
