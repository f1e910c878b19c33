//! EmbeddingGemma: Gemma 3 without an output, whose tokens see those after them too.

use super::{Arch, Class, gemma, gemma3};

pub(super) static GEMMA_EMBEDDING: Arch = Arch {
    name: "gemma-embedding",
    title: "EmbeddingGemma",
    classes: &[Class::new(&["Gemma3TextModel"], gemma3::DEFAULTS)],
    outside: &[gemma::GEMMA_OUTSIDE],
    keys: |config, keys| {
        keys.common(config)?;
        keys.whole("attention.sliding_window", config.required(&["sliding_window"])?);
        keys.pooling(config)
    },
    ..gemma3::GEMMA3
};
