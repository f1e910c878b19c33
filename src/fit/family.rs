//! What llama.cpp does with a family beyond what its file says, as far as it changes what is allocated.
//!
//! From the `load_arch_hparams` and graphs under `src/models/` of llama.cpp as it is in llama-cpp-python 0.3.36. A family
//! that is not listed is taken to be like most are.

/// Which layers see only a window of the last tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Windows {
    /// Those that the file lists, if it does.
    Listed,
    /// Of so many layers all but the last, unless the file says otherwise.
    AllButLastOf(u64),
    /// Of so many layers all but the first, unless the file says otherwise.
    AllButFirstOf(u64),
    /// All that attend.
    Every,
    /// None, even if the file has a window.
    Never,
}

/// Which attention layers turn queries and keys by their position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rotary {
    All,
    Never,
    /// Those with a window, where any has one.
    Windowed,
    /// All but the last of so many.
    AllButLastOf(u64),
}

/// How a layer's attention and MLP are put together. The order of a sum matters, for its place is that of its first term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// The MLP sees the sum of attention and the stream.
    Sequential,
    /// Likewise, with the stream as first term of the sums.
    StreamFirst,
    /// Likewise, with the stream as first term of the second sum.
    StreamFirstAtLast,
    /// The MLP sees what attention sees.
    Parallel([Term; 3]),
}

/// A term of the sum at the end of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Term {
    Attention,
    Mlp,
    Stream,
}

/// Peculiarities of a family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// `general.architecture`.
    pub(super) names: &'static [&'static str],
    pub(super) windows: Windows,
    /// The window where the file has none.
    pub(super) window: u64,
    /// If not 0, only models of so many layers have windows.
    pub(super) windowed_depth: u64,
    pub(super) rotary: Rotary,
    pub(super) block: Block,
    /// Embeddings are multiplied by a constant.
    pub(super) scales_embedding: bool,
    /// Queries are multiplied by a constant before the scores.
    pub(super) scales_query: bool,
    /// The weights of a token's experts are made to sum to 1.
    pub(super) normed_experts: bool,
    /// Rows whose logits are wanted are picked after the last layer, not in it.
    pub(super) picks_rows_last: bool,
    /// Norms have no weights.
    pub(super) bare_norms: bool,
    /// `post_attention_norm` stands before the MLP instead of after attention.
    pub(super) post_norm_is_ffn_norm: bool,
    /// Encoders have no cache: each batch sees itself.
    pub(super) cached: bool,
}

const USUAL: Family = Family {
    names: &[],
    windows: Windows::Listed,
    window: 0,
    windowed_depth: 0,
    rotary: Rotary::All,
    block: Block::Sequential,
    scales_embedding: false,
    scales_query: false,
    normed_experts: true,
    picks_rows_last: false,
    bare_norms: false,
    post_norm_is_ffn_norm: false,
    cached: true,
};

const COHERE: Block = Block::Parallel([Term::Mlp, Term::Stream, Term::Attention]);
const GEMMA: Family = Family { scales_embedding: true, scales_query: true, ..USUAL };

/// Families that are not as usual.
static FAMILIES: &[Family] = &[
    Family { names: &["gemma"], ..GEMMA },
    Family { names: &["gemma2"], windows: Windows::AllButLastOf(2), window: 4096, ..GEMMA },
    Family { names: &["gemma3"], windows: Windows::AllButLastOf(6), ..GEMMA },
    Family { names: &["gemma3n"], windows: Windows::AllButLastOf(5), ..GEMMA },
    Family {
        names: &["gpt-oss"],
        windows: Windows::AllButLastOf(2),
        normed_experts: false,
        picks_rows_last: true,
        post_norm_is_ffn_norm: true,
        ..USUAL
    },
    Family { names: &["olmo2", "afmoe", "plamo3"], windows: Windows::AllButLastOf(4), ..USUAL },
    Family {
        names: &["exaone4"],
        windows: Windows::AllButLastOf(4),
        window: 4096,
        windowed_depth: 64,
        rotary: Rotary::Windowed,
        ..USUAL
    },
    Family { names: &["exaone-moe"], windows: Windows::AllButLastOf(4), window: 128, ..USUAL },
    Family { names: &["llama4"], windows: Windows::AllButLastOf(4), window: 8192, ..USUAL },
    Family { names: &["smallthinker"], windows: Windows::AllButFirstOf(4), window: 4096, ..USUAL },
    Family { names: &["cohere2"], windows: Windows::AllButLastOf(4), rotary: Rotary::Windowed, block: COHERE, ..USUAL },
    Family { names: &["command-r"], block: COHERE, ..USUAL },
    Family { names: &["falcon"], block: Block::Parallel([Term::Mlp, Term::Attention, Term::Stream]), ..USUAL },
    Family {
        names: &["phi2"],
        block: Block::Parallel([Term::Attention, Term::Mlp, Term::Stream]),
        scales_query: true,
        ..USUAL
    },
    Family {
        names: &["phi3", "phimoe"],
        windows: Windows::Never,
        block: Block::StreamFirstAtLast,
        scales_query: true,
        ..USUAL
    },
    Family { names: &["lfm2", "lfm2moe"], windows: Windows::Every, block: Block::StreamFirst, ..USUAL },
    Family { names: &["olmo"], bare_norms: true, ..USUAL },
    Family { names: &["smollm3"], rotary: Rotary::AllButLastOf(4), ..USUAL },
    Family { names: &["qwen2moe", "deepseek2"], normed_experts: false, ..USUAL },
    Family { names: &["gpt2", "mpt", "bloom", "refact", "starcoder"], rotary: Rotary::Never, ..USUAL },
    Family { names: &["jamba"], rotary: Rotary::Never, normed_experts: false, ..USUAL },
    Family {
        names: &["bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert"],
        windows: Windows::Never,
        cached: false,
        ..USUAL
    },
];

impl Family {
    pub(super) fn of(architecture: &str) -> Self {
        *FAMILIES.iter().find(|family| family.names.contains(&architecture)).unwrap_or(&USUAL)
    }
}
