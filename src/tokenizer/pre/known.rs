//! The pre-tokenizers that llama.cpp has compiled in, and the rules that tokenizers state for them.
//!
//! Many names share their rules and differ in how the text of a reply is tidied, or in nothing: where rules alone do not
//! decide, a name is chosen by something that its tokenizer has and others have not, else the first of the list is.
//! The rules are those of the models' published tokenizers, as llama.cpp's `llama-vocab.cpp` quotes them.

use super::steps::{DIGIT, DIGIT_RUNS, GPT2, PUNCTUATION, PUNCTUATION_RUNS, Step};
use std::borrow::Cow;

/// What makes a name the right one among those with the same rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// The rules suffice.
    Rules,
    /// Characters are composed first.
    Composed,
    /// It has this added token.
    Token(&'static str),
    /// Its post-processor is of this type.
    PostProcessor(&'static str),
    /// None that is known: the name is taken only where it is asked for.
    Asked,
}

/// A name of llama.cpp.
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) evidence: Evidence,
    /// Whether llama.cpp takes a word that is a token whole, without merging.
    pub(super) ignores_merges: bool,
    /// A regular expression a step, or a word that stands for another step.
    rules: &'static [&'static str],
}

impl Known {
    pub(super) fn steps(&self) -> impl Iterator<Item = Step<'static>> {
        self.rules.iter().map(|rule| match *rule {
            BYTES => Step::Bytes,
            SPACE_MARKS => Step::SpaceMarks,
            regex => Step::Split(Cow::Borrowed(regex)),
        })
    }

    /// Whether it is the first with its rules.
    pub(super) fn stands_for_its_rules(&self) -> bool {
        let first = KNOWN.iter().find(|known| known.rules == self.rules);
        first.is_some_and(|first| first.name == self.name)
    }

    const fn by(mut self, evidence: Evidence) -> Self {
        self.evidence = evidence;
        self
    }

    const fn ignoring_merges(mut self) -> Self {
        self.ignores_merges = true;
        self
    }
}

const fn known(name: &'static str, rules: &'static [&'static str]) -> Known {
    Known { name, evidence: Evidence::Rules, ignores_merges: false, rules }
}

/// A name that nothing tells from the one above it.
const fn also(name: &'static str, rules: &'static [&'static str]) -> Known {
    known(name, rules).by(Evidence::Asked)
}

const BYTES: &str = "bytes";
const SPACE_MARKS: &str = "space marks";

// Parts of expressions, for these are long and differ little.
macro_rules! contractions {
    () => {
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    };
}
macro_rules! rest {
    () => {
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    };
}
macro_rules! rest_with_slash {
    () => {
        r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    };
}
macro_rules! cased {
    ($after:expr) => {
        concat!(
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
            $after,
            r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
            $after
        )
    };
}
macro_rules! cased_not_han {
    () => {
        concat!(
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+",
            contractions!(),
            r"?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*",
            contractions!(),
            "?"
        )
    };
}
/// ASCII punctuation with the letters after it, words, punctuation: what a DeepSeek does after numbers and ideographs.
macro_rules! deepseek_words {
    () => {
        concat!(
            r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+"##
        )
    };
}

const LLAMA3: &str = concat!(contractions!(), r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}", rest!());
const QWEN2: &str = concat!(contractions!(), r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}", rest!());
const UFAKZEKA: &str = concat!(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}", rest!());
const QWEN35: &str = concat!(
    contractions!(),
    r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
const JAIS2: &str = concat!(
    contractions!(),
    r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}"
);
const MINICPM5: &str = concat!(contractions!(), r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+", rest!());
const BAILING: &str =
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";
const SEED_CODER: &str =
    concat!(contractions!(), r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+");
const EXAONE_MOE: &str = concat!(
    contractions!(),
    r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"
);
const TEKKEN: &str = concat!(cased!(""), r"|\p{N}", rest_with_slash!());
const O200K: &str = concat!(cased!("(?i:'s|'t|'re|'ve|'m|'ll|'d)?"), r"|\p{N}{1,3}", rest_with_slash!());
const YOUTU: &str = concat!(cased!("(?i:'s|'t|'re|'ve|'m|'ll|'d)?"), r"|\p{N}", rest_with_slash!());
const KIMI: &str = concat!(r"[\p{Han}]+|", cased_not_han!(), r"|\p{N}{1,3}", rest!());
const BLOOM: &str = " ?[^(\\s|[.,!?…。，、।۔،])]+";
const THREE_DIGITS: &str = r"\p{N}{1,3}";
/// Digits in threes, counted from the right; here and in tiny-aya's expression, which wants a word to end there.
const AFMOE_DIGITS: &str = r"\d{1,3}(?=(?:\d{3})*(?!\d))";
const THOUSANDS: &str = r"\d{1,3}(?=(?:\d{3})*\b)";
const NEWLINE: &str = r"[\r\n]";
const LINES: &str = r"[^\n]+|[\n]+";
const DEEPSEEK_LETTERS: &str = "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+";
const DEEPSEEK_PUNCTUATION: &str = "\\s?[!-/:-~！-／：-～‘-‟　-。]+";
const CJK_AND_HANGUL: &str = "[一-龥ࠀ-一가-퟿]+";
const CJK_AND_KANA: &str = "[一-龥぀-ゟ゠-ヿ]+";
const DEEPSEEK3: &str = concat!(deepseek_words!(), r"[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+");
const SPARK: &str = concat!(deepseek_words!(), r"|[\r\n]|\s+(?!\S)|\s+");
const AFMOE_SCRIPTS: &str = "[一-鿿㐀-䶿豈-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+";
const YOUTU_SCRIPTS: &str = "[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+";

const GPT2_RULES: &[&str] = &[GPT2, BYTES];
const DIGIT_RULES: &[&str] = &[DIGIT, GPT2, BYTES];
const LLAMA3_RULES: &[&str] = &[LLAMA3, BYTES];
const QWEN2_RULES: &[&str] = &[QWEN2, BYTES];
const O200K_RULES: &[&str] = &[O200K, BYTES];
const DEEPSEEK3_RULES: &[&str] = &[THREE_DIGITS, CJK_AND_KANA, DEEPSEEK3, BYTES];

/// Every name, in the order in which they are tried.
pub(super) const KNOWN: &[Known] = &[
    known("roberta-bpe", GPT2_RULES).by(Evidence::PostProcessor("RobertaProcessing")),
    known("modern-bert", GPT2_RULES).by(Evidence::Token("[CLS]")),
    known("exaone4", GPT2_RULES).by(Evidence::Token("[|endofturn|]")),
    known("phi-2", GPT2_RULES).by(Evidence::Token("\t\t")),
    known("gpt-2", GPT2_RULES),
    also("mpt", GPT2_RULES),
    also("olmo", GPT2_RULES),
    also("jais", GPT2_RULES),
    also("trillion", GPT2_RULES),
    also("granite-docling", GPT2_RULES),
    also("gigachat", GPT2_RULES),
    also("a.x-4.0", GPT2_RULES),
    also("mellum", GPT2_RULES),
    also("jina-v1-en", GPT2_RULES),
    also("jina-v2-code", GPT2_RULES),
    also("jina-v2-de", GPT2_RULES),
    also("jina-v2-es", GPT2_RULES),
    known("command-r", DIGIT_RULES).by(Evidence::Composed),
    known("starcoder", DIGIT_RULES).by(Evidence::Token("<fim_prefix>")),
    known("exaone", DIGIT_RULES).by(Evidence::Token("[|endofturn|]")),
    known("smollm", DIGIT_RULES),
    also("refact", DIGIT_RULES),
    also("codeshell", DIGIT_RULES),
    also("minerva-7b", DIGIT_RULES),
    also("mellum2", DIGIT_RULES),
    known("glm4", LLAMA3_RULES).by(Evidence::Token("[gMASK]")).ignoring_merges(),
    known("llama-bpe", LLAMA3_RULES).ignoring_merges(),
    also("falcon3", LLAMA3_RULES).ignoring_merges(),
    also("falcon-h1", LLAMA3_RULES).ignoring_merges(),
    also("pixtral", LLAMA3_RULES).ignoring_merges(),
    also("midm-2.0", LLAMA3_RULES).ignoring_merges(),
    also("lfm2", LLAMA3_RULES).ignoring_merges(),
    also("jina-v5-nano", LLAMA3_RULES).ignoring_merges(),
    known("dbrx", LLAMA3_RULES),
    also("chatglm-bpe", LLAMA3_RULES),
    also("smaug-bpe", LLAMA3_RULES),
    known("jais-2", &[JAIS2, BYTES]),
    known("deepseek-r1-qwen", QWEN2_RULES).by(Evidence::Token("<｜begin▁of▁sentence｜>")),
    known("stablelm2", QWEN2_RULES).by(Evidence::Token("<|endofprompt|>")),
    known("qwen2", QWEN2_RULES),
    also("hunyuan", QWEN2_RULES),
    also("megrez", QWEN2_RULES),
    also("grok-2", QWEN2_RULES),
    also("kormo", QWEN2_RULES),
    also("f2llmv2", QWEN2_RULES),
    also("solar-open", QWEN2_RULES),
    known("qwen35", &[QWEN35, BYTES]),
    known("laguna", &[LINES, QWEN2, BYTES]),
    known("ufakzeka", &[UFAKZEKA, BYTES]),
    known("gpt-4o", O200K_RULES),
    also("llama4", O200K_RULES),
    also("kanana2", O200K_RULES),
    also("talkie", O200K_RULES),
    also("minimax-m2", O200K_RULES),
    also("granite-embed-multi-97m", O200K_RULES).ignoring_merges(),
    known("tiny_aya", &[THOUSANDS, O200K, BYTES]),
    also("cohere2moe", &[THOUSANDS, O200K, BYTES]),
    known("tekken", &[TEKKEN, BYTES]).ignoring_merges(),
    known("kimi-k2", &[KIMI, BYTES]),
    known("youtu", &[YOUTU_SCRIPTS, YOUTU, BYTES]).ignoring_merges(),
    known("minicpm5", &[THREE_DIGITS, MINICPM5, BYTES]).ignoring_merges(),
    known("deepseek-llm", &[NEWLINE, DEEPSEEK_LETTERS, DEEPSEEK_PUNCTUATION, r"\s+$", CJK_AND_HANGUL, DIGIT, BYTES]),
    known("deepseek-coder", &[NEWLINE, r"\s?\p{L}+", r"\s?\p{P}+", CJK_AND_HANGUL, DIGIT, BYTES]),
    known("deepseek-v3", DEEPSEEK3_RULES),
    also("hunyuan-dense", DEEPSEEK3_RULES),
    also("joyai-llm", DEEPSEEK3_RULES),
    also("hy_v4", DEEPSEEK3_RULES),
    known("spark2_5", &[THREE_DIGITS, CJK_AND_KANA, SPARK, DIGIT, BYTES]),
    known("afmoe", &[AFMOE_DIGITS, AFMOE_SCRIPTS, DEEPSEEK3, BYTES]),
    known("falcon", &[PUNCTUATION_RUNS, GPT2, BYTES, DIGIT_RUNS, "[0-9][0-9][0-9]"]),
    known("bloom", &[BLOOM, BYTES]),
    also("poro-chat", &[BLOOM, BYTES]),
    also("gpt3-finnish", &[BLOOM, BYTES]),
    known("viking", &[BLOOM, DIGIT, BYTES]),
    known("bailingmoe", &[BAILING, BYTES]),
    also("bailingmoe2", &[BAILING, BYTES]),
    also("llada-moe", &[BAILING, BYTES]),
    known("seed-coder", &[SEED_CODER, BYTES]),
    known("exaone-moe", &[EXAONE_MOE, BYTES]),
    known("superbpe", &[DIGIT_RUNS, r"(?=(\d{3})+(?!\d))", BYTES]),
    known(
        "chameleon",
        &[
            "<sentinel:[0-9]+>",
            "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
            r"([\t\n]|    |  )",
            DIGIT,
            PUNCTUATION,
            GPT2,
            BYTES,
        ],
    ),
    known("gemma4", &[SPACE_MARKS]),
    also("granite-embed-multi-311m", &[SPACE_MARKS]),
    also("sarvam-moe", &[SPACE_MARKS]),
];
