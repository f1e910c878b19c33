//! Cutting test strings by stated rules and by those of llama.cpp's names, to see whether they are the same.

use super::known::{KNOWN, Known};
use super::steps::flat;
use serde_json::{Value as Json, json};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{
    Decoder, NormalizedString, Normalizer, NormalizerWrapper, OffsetReferential, OffsetType, PreTokenizedString,
    PreTokenizer, PreTokenizerWrapper,
};

/// Texts in which rules that are not the same are unlikely to look the same.
pub(super) const TEXTS: &[&str] = &[
    "The quick brown fox jumps over the lazy dog.",
    "hello   world    again  \t tabbed\t\tend ",
    "  leading and trailing  ",
    "I'm sure we'll say they've done it, didn't you? He'd said: it's she's 'twas 'til",
    "I'M SURE WE'LL SAY THEY'VE DONE IT, DIDN'T YOU? HE'D 'S 'T 'RE",
    "don’t mix ‘quotes’ “like” that",
    "l'été où j'ai mangé; İstanbul'da Ankara'nın",
    "0 1 12 123 1234 12345 123456 1234567 12345678 a1b22c333d4444",
    "3.14159 1,000,000 2024-05-17T12:34:56 0x1F 1e-9 50% #42 $9.99",
    "½ ¼ ² ³ ① Ⅷ ٣٤٥ १२३ ໑໒ 一二三",
    "我想在apple工作1314151天～，今天天气真好。",
    "日本語のテキスト、カタカナとひらがなが混ざっている。「引用」",
    "한국어 문장입니다. 띄어쓰기가 있습니다!",
    "Привет, мир! Как дела? Объём и ёлка. МОСКВА",
    "Ελληνικά γράμματα ΚΑΙ ΚΕΦΑΛΑΙΑ",
    "កាន់តែពិសេសអាច ភាសាខ្មែរ ១២៣",
    "हिन्दी में लिखा हुआ वाक्य। ক্ষমা বাংলা",
    "ภาษาไทยไม่มีช่องว่าง ພາສາລາວ မြန်မာ",
    "العَرَبِيَّة مع التشكيل، وبدون. ؟ ۔",
    "עברית עם נִקּוּד",
    "🚀 ✅ 🦙🦙 😶‍🌫️ 👩🏽‍💻 🇫🇮🇯🇵 ♥️",
    "cafe\u{301} e\u{301}e\u{300} a\u{30a}ngstro\u{308}m x\u{302}",
    "line one\nline two\n\nline four\n\n\n\nline eight",
    "windows\r\nlines\r\n\r\nand\rold",
    " \n  \n\t\n \t \n   x",
    "trailing newlines\n\n\n",
    "spaces before newline   \n   and after",
    "fn main() { println!(\"{:?}\", vec![1, 2, 3]); } // done",
    "    if (a_b != c->d && e[0] <= 10) {\n        return -1;\n    }",
    "<div class=\"x\">&nbsp;</div> </p> <|im_start|>",
    "https://example.org/a/b.html?q=1&r=%20#top user@mail.example",
    "camelCase PascalCase snake_case kebab-case SCREAMING_CASE HTMLParser iOS XMLHttp",
    "/path/to/file.txt C:\\Users\\me ~/.config //",
    "!!!???... ''''''```` \"\"\"\" ------ ====== ____ ++++ **bold** [x](y) {{z}}",
    "a/b a//\nb /\n/ \n/x ?/\n!\n/",
    "$x + y = z^2 ~ w | v `u` <t> @s #r %q &p *o",
    "word.Word,word;word:word!word?word(word)word",
    ".hidden -flag (paren [bracket {brace \"quote 'tick _under @at #hash",
    "non\u{a0}breaking\u{2003}em\u{3000}ideographic\u{200b}zero\u{feff}width\u{ad}soft",
    "ﬁ ﬂ Ǆ ǅ ǆ ª º ʰ ʻokina ŉ ß ẞ",
    "𝐁𝐨𝐥𝐝 𝟙𝟚𝟛 𐐀𐐨 𠀀𠀁",
    "\u{1}control\u{7f}\u{85}next",
    "x1y2 a.b1 1st 2nd v1.2.3-rc4 MP3 H2O CO2 3D",
    "12\n34\r\n56 \n 78",
    "。。。，，，！！！「」『』（）【】",
    "A B C a b c",
    "ABCdefGHI abcDEF Ab aB",
    "one, two; three: four — five – six… seven",
    "  a   b    c     d      e",
    "'s 't 're 've 'm 'll 'd 'x s' t'",
    "9 99 999 9999 99999 999999 9999999",
    "(1) [22] {333} <4444>",
    "naïve façade Ångström übermäßig žluťoučký ŁÓDŹ",
    "tab\tseparated\tvalues\n1\t2\t3",
    "e.g. i.e. U.S.A. Ph.D. a.m.",
    "“Wait”—she said—“don’t!”",
    "ᏣᎳᎩ ⲁⲃⲅ Ⴀⴀ Აა Ӏ ԱԲ աբ",
    "ㄱㄴㄷ ㄅㄆㄇ ｶﾀｶﾅ ＡＢＣ １２３ ！",
    "\u{2581}mark \u{2581}\u{2581} of sentencepiece",
    "a\u{300}\u{301}\u{302}b \u{300}c  \u{301}",
];

/// A text that is cut differently by the rules of the tokenizer and by those of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The text.
    pub text: String,
    /// Its pieces by the tokenizer's own rules.
    pub stated: Vec<String>,
    /// Its pieces by the rules of the name.
    pub known: Vec<String>,
}

/// What the `tokenizers` crate does for any settings, however hostile. Others, such as a table of characters that is not
/// what it says, would make it panic.
const NORMALIZERS: &[&str] = &[
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Lowercase",
    "Strip",
    "StripAccents",
    "Replace",
    "Prepend",
    "BertNormalizer",
    "Nmt",
    "ByteLevel",
];
const PRE_TOKENIZERS: &[&str] = &[
    "ByteLevel",
    "Split",
    "Digits",
    "Punctuation",
    "Whitespace",
    "WhitespaceSplit",
    "Metaspace",
    "BertPreTokenizer",
    "CharDelimiterSplit",
    "UnicodeScripts",
];

/// How a tokenizer prepares and cuts text.
pub(super) struct Cutter {
    normalizers: Vec<NormalizerWrapper>,
    pre_tokenizer: Option<PreTokenizerWrapper>,
    /// Whether the pieces are written in the characters that stand for bytes.
    is_byte_level: bool,
}

impl Cutter {
    /// By the rules in a `tokenizer.json`, without those that llama.cpp has under no name.
    pub(super) fn stated(tokenizer: &Json) -> Result<Self, String> {
        for (part, list, safe) in
            [("normalizer", "normalizers", NORMALIZERS), ("pre_tokenizer", "pretokenizers", PRE_TOKENIZERS)]
        {
            let known = |stage: &&Json| stage["type"].as_str().is_some_and(|kind| safe.contains(&kind));
            if let Some(stage) = flat(&tokenizer[part], list).into_iter().find(|stage| !known(stage)) {
                return Err(format!("its {part} has the step {}, which is not understood", stage["type"]));
            }
        }
        let composes = |stage: &&Json| stage["type"] == "NFC";
        let stages = flat(&tokenizer["normalizer"], "normalizers").into_iter().filter(|stage| !composes(stage));
        let normalizers = stages.map(|stage| serde_json::from_value(stage.clone())).collect::<Result<_, _>>();
        let stated = &tokenizer["pre_tokenizer"];
        let pre_tokenizer = if stated.is_null() { Ok(None) } else { serde_json::from_value(stated.clone()).map(Some) };
        Ok(Self {
            normalizers: normalizers.map_err(|error| format!("its normalizer is not understood: {error}"))?,
            pre_tokenizer: pre_tokenizer.map_err(|error| format!("its pre_tokenizer is not understood: {error}"))?,
            is_byte_level: flat(stated, "pretokenizers").iter().any(|stage| stage["type"] == "ByteLevel"),
        })
    }

    /// By the rules of a name.
    pub(super) fn known(known: &Known) -> Result<Self, String> {
        let steps: Vec<Json> = known.steps().map(|step| step.json()).collect();
        Self::stated(&json!({"pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}}))
    }

    /// The pieces of a text, bytes written as characters or not as the rules have it.
    pub(super) fn cut(&self, text: &str) -> Result<Vec<String>, String> {
        let mut normalized = NormalizedString::from(text);
        for normalizer in &self.normalizers {
            normalizer.normalize(&mut normalized).map_err(|error| error.to_string())?;
        }
        let mut cut = PreTokenizedString::from(normalized);
        if let Some(pre_tokenizer) = &self.pre_tokenizer {
            pre_tokenizer.pre_tokenize(&mut cut).map_err(|error| error.to_string())?;
        }
        let pieces = cut.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
        Ok(pieces.into_iter().map(|(piece, _, _)| piece.to_owned()).collect())
    }

    /// Pieces as people read them; half a character is a question mark.
    fn readable(&self, pieces: &[String]) -> Vec<String> {
        let text = |piece: &String| match self.is_byte_level {
            true => ByteLevel::default().decode(vec![piece.clone()]).unwrap_or_else(|_| piece.clone()),
            false => piece.clone(),
        };
        pieces.iter().map(text).collect()
    }
}

/// The name whose rules cut the fewest of [`TEXTS`] differently, with those texts.
pub(super) fn nearest(tokenizer: &Json) -> Result<(&'static Known, Vec<Difference>), String> {
    let own = Cutter::stated(tokenizer)?;
    let stated: Vec<Vec<String>> = TEXTS.iter().map(|text| own.cut(text)).collect::<Result<_, _>>()?;
    let mut best: Option<(&Known, Vec<Difference>)> = None;
    for known in KNOWN.iter().filter(|known| known.stands_for_its_rules()) {
        let cutter = Cutter::known(known)?;
        let mut differences = Vec::new();
        for (text, stated) in TEXTS.iter().zip(&stated) {
            let known = cutter.cut(text)?;
            if known != *stated {
                let [stated, known] = [own.readable(stated), cutter.readable(&known)];
                differences.push(Difference { text: (*text).to_owned(), stated, known });
            }
        }
        if best.as_ref().is_none_or(|(_, least)| differences.len() < least.len()) {
            best = Some((known, differences));
        }
    }
    Ok(best.expect("there are known rules"))
}
