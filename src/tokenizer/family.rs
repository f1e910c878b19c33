//! What of a model's family decides how its tokenizer is written.

use crate::gguf::Value;

/// A kind of tokenizer, with the files it is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Byte-level BPE, from `tokenizer.json`.
    Bpe,
    /// The same, where `tokenizer_config.json` names the class GPT2Tokenizer.
    Gpt2Class,
    /// A SentencePiece model, from `tokenizer.model`.
    SentencePiece,
    /// The same, with the added tokens of `tokenizer.json` too, whose flag alone says whether they are special.
    Phi3,
    /// The same, where unused pieces become the tokens of a chat.
    InternLm2,
    /// SentencePiece BPE, from `tokenizer.json` alone.
    SentencePieceJson,
    /// WordPiece, from `tokenizer.json`.
    WordPiece,
    /// Unigram, from `tokenizer.model` or `spiece.model`.
    T5,
    /// Unigram, from `sentencepiece.bpe.model` or `tokenizer.json`, with the special tokens in front as fairseq has them.
    XlmRoberta,
}

/// When a key of a family is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// For models with so many tokens.
    Vocabulary(u64),
    /// For a tokenizer of this kind.
    Kind(Kind),
}

/// Where BERT's number of token types is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenTypes {
    /// Nowhere.
    Unsaid,
    /// From `type_vocab_size`, where llama.cpp's converter puts it for the kind of tokenizer.
    FromConfig,
}

/// What of a model's family decides how its tokenizer is written. Families that are not special are [`Family::BPE`].
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Kinds of tokenizer, in the order in which they are looked for: the first whose files are there is read.
    pub kinds: &'static [Kind],
    /// `tokenizer.ggml.` keys before all others, which what the documents say replaces.
    pub first: &'static [(&'static str, bool)],
    /// Whether `add_prefix_space` of tokenizer_config.json is written.
    pub space_prefix: bool,
    /// Special tokens by their texts, where the documents do not name them: `("eot", "<|user|>")`.
    pub roles: &'static [(&'static str, &'static str)],
    /// `tokenizer.ggml.` keys after all others.
    pub last: &'static [(When, &'static str, Value)],
    /// BERT's number of token types.
    pub token_types: TokenTypes,
}

impl Family {
    /// A `tokenizer.json` of byte-level BPE.
    pub const BPE: Self = Self {
        kinds: &[Kind::Bpe],
        first: &[],
        space_prefix: false,
        roles: &[],
        last: &[],
        token_types: TokenTypes::Unsaid,
    };
    /// SentencePiece, or byte-level BPE where there is no `tokenizer.model` (Qwen 2 and 3, DeepSeek).
    pub const EITHER: Self = Self { kinds: &[Kind::SentencePiece, Kind::Bpe], ..Self::BPE };
    /// SentencePiece only (MiniCPM).
    pub const SENTENCEPIECE: Self = Self { kinds: &[Kind::SentencePiece], ..Self::BPE };
    /// Llama and what llama.cpp's converter derives from it: Mistral, Mixtral, Granite, SmolLM 3.
    pub const LLAMA: Self = Self {
        kinds: &[Kind::SentencePiece, Kind::SentencePieceJson, Kind::Bpe],
        space_prefix: true,
        last: &[
            // Code Llama.
            (When::Vocabulary(32_016), "eot_token_id", Value::U32(32_010)),
            // SmolLM and small Granites must not get a bos token, whatever their files say.
            (When::Vocabulary(49_152), "add_bos_token", Value::Bool(false)),
        ],
        ..Self::BPE
    };
    /// Gemma.
    pub const GEMMA: Self = Self {
        last: &[
            (When::Always, "eot_token_id", Value::U32(107)),
            (When::Always, "add_space_prefix", Value::Bool(false)),
        ],
        ..Self::SENTENCEPIECE
    };
    /// Gemma 2.
    pub const GEMMA2: Self =
        Self { last: &[(When::Always, "add_space_prefix", Value::Bool(false))], ..Self::SENTENCEPIECE };
    /// Gemma 3.
    pub const GEMMA3: Self =
        Self { last: &[(When::Kind(Kind::SentencePiece), "add_space_prefix", Value::Bool(false))], ..Self::EITHER };
    /// Nemotron.
    pub const NEMOTRON: Self = Self {
        last: &[(When::Always, "padding_token_id", Value::U32(0)), (When::Always, "unknown_token_id", Value::U32(1))],
        ..Self::SENTENCEPIECE
    };
    /// Phi-3 and Phi-4.
    pub const PHI3: Self = Self { kinds: &[Kind::Gpt2Class, Kind::Phi3], ..Self::BPE };
    /// InternLM 2.
    pub const INTERNLM2: Self = Self { kinds: &[Kind::InternLm2], ..Self::BPE };
    /// GLM-4.
    pub const GLM4: Self = Self {
        roles: &[("eos", "<|endoftext|>"), ("eot", "<|user|>"), ("unk", "<|endoftext|>"), ("bos", "<|endoftext|>")],
        ..Self::BPE
    };
    /// GLM-4.5 and its successors, where `<|endoftext|>` as the end of a turn would never end a reply.
    pub const GLM4_MOE: Self = Self {
        roles: &[("bos", "[gMASK]"), ("eot", "<|user|>"), ("unk", "<|endoftext|>"), ("eom", "<|observation|>")],
        ..Self::BPE
    };
    /// BERT, RoBERTa, XLM-RoBERTa and their like.
    pub const BERT: Self = Self {
        kinds: &[Kind::WordPiece, Kind::XlmRoberta, Kind::Bpe],
        token_types: TokenTypes::FromConfig,
        ..Self::BPE
    };
    /// ModernBERT.
    pub const MODERN_BERT: Self =
        Self { first: &[("add_bos_token", true), ("add_eos_token", true), ("add_sep_token", true)], ..Self::BPE };
    /// T5.
    pub const T5: Self = Self { kinds: &[Kind::T5], ..Self::BPE };

    /// That of a `general.architecture`.
    pub fn of(architecture: &str) -> Self {
        let listed = FAMILIES.iter().find(|(names, _)| names.contains(&architecture));
        listed.map_or(Self::BPE, |(_, family)| *family)
    }
}

/// The families that are not [`Family::BPE`], by their names in a GGUF file.
const FAMILIES: &[(&[&str], Family)] = &[
    (&["llama", "arcee", "granite", "granitemoe", "smollm3", "mistral3"], Family::LLAMA),
    (&["qwen2", "qwen3", "deepseek"], Family::EITHER),
    (&["minicpm", "minicpm3"], Family::SENTENCEPIECE),
    (&["gemma"], Family::GEMMA),
    (&["gemma2"], Family::GEMMA2),
    (&["gemma3", "gemma3n", "gemma-embedding"], Family::GEMMA3),
    (&["nemotron"], Family::NEMOTRON),
    (&["phi3"], Family::PHI3),
    (&["internlm2"], Family::INTERNLM2),
    (&["glm4"], Family::GLM4),
    (&["glm4moe"], Family::GLM4_MOE),
    (&["bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "neo-bert"], Family::BERT),
    (&["modern-bert"], Family::MODERN_BERT),
    (&["t5", "t5encoder"], Family::T5),
];
