//! Lines of mixed text, the same in every run: words, code, numbers, scripts, emoji, whitespace and punctuation.

/// Pieces that lines are put together from.
const PIECES: &[&[&str]] = &[
    &[
        "the", "Quick", "brown", "FOX", "jumps", "over", "a", "lazy", "Dog", "once", "upon", "time", "there", "was",
        "garden", "Lily", "smiled", "HELLO", "world", "iPhone", "McDonald", "naïve", "façade", "Ångström", "straße",
        "Łódź", "žluťoučký", "İstanbul", "don't", "I'm", "we'll", "they've", "you're", "he'd", "SHE'S", "WE'LL", "'tis",
        "rock'n'roll", "l'été", "it’s",
    ],
    &[
        "let x = 5;", "fn main() {", "}", "return a[i] + b;", "if (x >= 10 && y != 3) {", "#include <stdio.h>", "def f(self):",
        "self.x_y", "print(\"hi\")", "// comment", "/* a */", "for i in 0..n", "x->y", "a::b", "std::vec<int>", "<div class=\"a\">",
        "</p>", "camelCase", "PascalCase", "snake_case", "SCREAMING_CASE", "HTMLParser", "i++", "--j", "a|b", "!ok", "{}", "[]", "();",
        "\\n", "%s", "0xFF", "$var", "@decorator", "https://example.org/a/b?c=1&d=2#e", "user@example.org", "C:\\dir\\file.txt",
    ],
    &[
        "0", "7", "42", "123", "2024", "12345", "123456", "1234567", "1,000,000", "3.14159", "1e-9", "50%", "$9.99", "½", "¾", "²", "Ⅷ", "①",
        "٣٤٥", "१२३", "១២៣", "12:34:56", "2024-05-17", "v1.2.3", "1st", "3D", "H2O", "MP3", "+49", "-1", "1/2", "10x",
    ],
    &[
        "我想在苹果工作", "今天天气真好", "学习", "的", "。", "，", "！", "「引用」", "日本語の", "テキスト", "カタカナ", "ひらがな", "東京", "한국어", "문장입니다",
        "안녕하세요", "你好", "世界", "１２３", "ＡＢＣ", "、", "～", "ー", "々",
    ],
    &[
        "Привет", "мир", "нещо", "на", "Български", "Как", "дела", "ёлка", "МОСКВА", "объём", "Україна", "їжак", "Ελληνικά", "ΚΕΦΑΛΑΙΑ",
        "λόγος", "Հայերեն", "ქართული",
    ],
    &[
        "កាន់តែពិសេស", "អាច", "ភាសាខ្មែរ", "ខ្ញុំ", "हिन्दी", "में", "বাংলা", "ภาษาไทย", "ลาว", "မြန်မာ", "தமிழ்", "العربية", "مع", "التَّشكيل", "،", "עברית",
        "עם", "فارسی",
    ],
    &[
        "🚀", "😀", "✅", "🦙🦙", "😶\u{200d}🌫\u{fe0f}", "👩🏽\u{200d}💻", "🇫🇮", "♥\u{fe0f}", "🏳\u{fe0f}\u{200d}🌈", "⚡", "→", "★", "©", "™", "…", "—", "–", "•", "°", "€", "£",
        "№", "«", "»", "“", "”", "‘", "’",
    ],
    &[
        "!", "?", ".", ",", ";", ":", "...", "!!!", "???", "'", "\"", "''", "``", "(", ")", "[", "]", "{", "}", "-", "--", "------", "=", "======",
        "_", "__", "/", "//", "\\", "|", "||", "#", "##", "@", "&", "&&", "*", "**", "+", "++", "~", "^", "<", ">", "<=", "=>", "$", "%",
    ],
    &[" ", "  ", "   ", "    ", "        ", "\t", "\t\t", " \t ", "\n", "\n\n", "\n\n\n", "\r\n", " \n", "\n ", "  \n  "],
];

/// What stands between pieces.
const BETWEEN: &[&str] = &[" ", " ", " ", " ", " ", "", "", "  ", "\t", ", ", "\n"];

/// `count` lines.
pub fn lines(count: usize) -> Vec<String> {
    let mut seed = 20_260_923u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let mut line = || {
        let mut text = String::new();
        // One kind of text, or all of them.
        let only = next(2 * PIECES.len());
        for index in 0..1 + next(9) {
            if index > 0 {
                text.push_str(BETWEEN[next(BETWEEN.len())]);
            }
            let pieces = match PIECES.get(only) {
                Some(pieces) if next(5) > 0 => pieces,
                _ => PIECES[next(PIECES.len())],
            };
            text.push_str(pieces[next(pieces.len())]);
        }
        text
    };
    (0..count).map(|_| line()).collect()
}
