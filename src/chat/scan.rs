//! Reading a template for what has no place in one: orders and addresses in its text, characters that nobody sees, ways
//! out of the template's own world, and conditions on what is said or when.
//!
//! It reads tokens, not meaning: an honest template can be named here, and a clever one can hide. It says what to look at.

use minijinja::machinery::{Token, tokenize};
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Something to look at before a template is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// Its line, from 1.
    pub line: usize,
    /// What was found, in a phrase.
    pub found: String,
    /// Why it matters, in a sentence.
    pub why: &'static str,
}

/// A token and its line.
type Placed<'s> = (Token<'s>, usize);

/// Reports of one kind that are worth reading.
const MAX_REPORTS: usize = 4;

/// The longest text of a known template has 2,900 characters.
const LONG: usize = 6_000;

/// Bytes of text shown.
const SHOWN: usize = 60;

/// What sounds like an order to hide something, in templates that many people use.
const KNOWN: &[&str] = &["do not tell the user about function calls"];

const ORDERS: &str = "A model does what stands in its template, in every conversation and unseen by its user.";
const ADDRESS: &str = "A template has no use for an address, unless the model is to send somebody there.";
const UNSEEN: &str = "Characters that nobody sees can carry orders that only the model reads.";
const ESCAPE: &str = "Templates need no such thing; it is how one breaks out of a careless program that runs it.";
const CONDITION: &str = "A model that behaves otherwise from some word or day on has a back door.";
const SIZE: &str = "So much text is no layout of a conversation; read it before you trust it.";

/// Everything in a template that should be looked at, in the order of the kinds above.
pub fn scan(source: &str) -> Vec<Suspicion> {
    let mut found = Vec::new();
    let tokens: Vec<Placed<'_>> = tokenize(source, false, Default::default())
        .map_while(Result::ok)
        .map(|(token, span)| (token, usize::from(span.start_line)))
        .collect();
    for (token, line) in &tokens {
        if let Some(text) = text(token) {
            literal(text, *line, &mut found);
        }
    }
    unseen(source, &mut found);
    escapes(&tokens, &mut found);
    conditions(&tokens, &mut found);
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    found.retain(|suspicion| match kinds.iter_mut().find(|(why, _)| *why == suspicion.why) {
        Some((_, count)) => {
            *count += 1;
            *count <= MAX_REPORTS
        }
        None => {
            kinds.push((suspicion.why, 1));
            true
        }
    });
    found
}

/// The texts of the form `<|...|>` in a text, which in every known vocabulary are tokens.
pub fn special_tokens(text: &str) -> BTreeSet<&str> {
    static TOKEN: LazyLock<Regex> = LazyLock::new(|| regex(r"<(?:\||｜)[^<>|｜\s{}'%]{1,60}(?:\||｜)>"));
    TOKEN.find_iter(text).map(|found| found.as_str()).collect()
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

fn text<'a>(token: &'a Token<'_>) -> Option<&'a str> {
    match token {
        Token::TemplateData(text) | Token::Str(text) => Some(text),
        Token::String(text) => Some(text),
        _ => None,
    }
}

/// The beginning of a text, on one line.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("“{}…”", &line[..end]),
        None => format!("“{line}”"),
    }
}

fn literal(text: &str, line: usize, found: &mut Vec<Suspicion>) {
    static ORDER: LazyLock<Regex> = LazyLock::new(|| {
        regex(
            r"(?i)\b(ignore (all|any|the|every)?\s*(previous|prior|above|other|earlier)|disregard (all|any|the|what)|regardless of what|(do not|don't|never) (tell|reveal|disclose|mention|inform|let) (the |it |any|this)|without (telling|informing)|secretly|exfiltrat\w*|(credit card|api[ _]?key|password)s?|(always|must) (recommend|promote|advertise))\b",
        )
    });
    static URL: LazyLock<Regex> = LazyLock::new(|| {
        regex(r"(?i)\b(https?|ftp|wss?|data|javascript|file):(//)?[a-z0-9][^\s'\x22<>]{3,}|\bwww\.[a-z0-9]")
    });
    static BLOB: LazyLock<Regex> = LazyLock::new(|| regex(r"[A-Za-z0-9+/=_-]{200,}"));
    let at = |place: usize| line + text[..place].matches('\n').count();
    for order in
        ORDER.find_iter(text).filter(|order| !KNOWN.iter().any(|known| text[order.start()..].starts_with(known)))
    {
        let start = text[..order.start()].char_indices().rev().nth(15).map_or(0, |(at, _)| at);
        found.push(Suspicion {
            line: at(order.start()),
            found: format!("it says {}", short(&text[start..])),
            why: ORDERS,
        });
    }
    for url in URL.find_iter(text) {
        let found_url = format!("it holds the address {}", short(url.as_str()));
        found.push(Suspicion { line: at(url.start()), found: found_url, why: ADDRESS });
    }
    if let Some(blob) = BLOB.find(text) {
        let what = format!("it holds {} characters without a space, {}", blob.len(), short(blob.as_str()));
        found.push(Suspicion { line: at(blob.start()), found: what, why: SIZE });
    } else if text.len() > LONG {
        let what = format!("it holds a text of {} characters, {}", text.chars().count(), short(text));
        found.push(Suspicion { line, found: what, why: SIZE });
    }
}

/// Zero-width, direction-changing, tag and control characters.
fn unseen(source: &str, found: &mut Vec<Suspicion>) {
    let is_unseen = |c: char| {
        matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
            || (c.is_control() && !"\n\r\t".contains(c))
    };
    let all: Vec<(usize, char)> = source.char_indices().filter(|(_, c)| is_unseen(*c)).collect();
    let Some((first, _)) = all.first() else { return };
    let names: BTreeSet<String> = all.iter().map(|(_, c)| format!("U+{:04X}", u32::from(*c))).take(8).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    found.push(Suspicion {
        line: 1 + source[..*first].matches('\n').count(),
        found: format!("it holds {} characters that nobody sees ({names})", all.len()),
        why: UNSEEN,
    });
}

/// Names of Python's insides, calls that run or read something, and statements that load other templates.
fn escapes(tokens: &[Placed<'_>], found: &mut Vec<Suspicion>) {
    const CALLS: &[&str] = &["eval", "exec", "open", "getattr", "compile", "globals", "popen", "system", "mro"];
    const MODULES: &[&str] = &["os", "sys", "subprocess", "builtins", "socket", "lipsum", "cycler", "joiner"];
    const STATEMENTS: &[&str] = &["include", "import", "from", "extends"];
    let is_inside = |name: &str| name.len() > 4 && name.starts_with("__") && name.ends_with("__");
    for (index, (token, line)) in tokens.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| &tokens[before].0);
        let after = tokens.get(index + 1).map(|(token, _)| token);
        let what = match token {
            Token::Ident(name) if is_inside(name) => format!("it reaches for {name}"),
            Token::Ident(name) if CALLS.contains(name) && matches!(after, Some(Token::ParenOpen)) => {
                format!("it calls {name}")
            }
            Token::Ident(name) if MODULES.contains(name) && matches!(after, Some(Token::Dot | Token::ParenOpen)) => {
                format!("it reaches for {name}")
            }
            Token::Ident("attr") if matches!(before, Some(Token::Pipe)) => "it uses the filter attr".to_owned(),
            Token::Ident(name) if STATEMENTS.contains(name) && matches!(before, Some(Token::BlockStart)) => {
                format!("it has the statement {name}")
            }
            Token::Str(text) if is_inside(text) => format!("it reaches for {text}"),
            Token::String(text) if is_inside(text) => format!("it reaches for {text}"),
            _ => continue,
        };
        found.push(Suspicion { line: *line, found: what, why: ESCAPE });
    }
}

/// Comparisons of what is said with a word, and of the date with anything.
fn conditions<'s>(tokens: &[Placed<'s>], found: &mut Vec<Suspicion>) {
    let mut said: BTreeSet<&'s str> = BTreeSet::from(["content", "text"]);
    let mut dates: BTreeSet<&'s str> = BTreeSet::from(["strftime_now", "date_string", "current_date", "today", "now"]);
    for (index, (token, line)) in tokens.iter().enumerate() {
        match token {
            // What is made of something said is said, too, and a date stays a date.
            Token::Ident("set") => {
                if let Some([(Token::Ident(name), _), (Token::Assign, _), value @ ..]) = block(tokens, index + 1) {
                    if names(value, &dates) {
                        dates.insert(name);
                    } else if names(value, &said) {
                        said.insert(name);
                    }
                }
                continue;
            }
            Token::Eq | Token::Ne | Token::Lt | Token::Lte | Token::Gt | Token::Gte => {}
            Token::Ident("in") if !is_loop(tokens, index) => {}
            Token::Ident("startswith" | "endswith" | "find" | "count" | "index") => {}
            _ => continue,
        }
        let (left, right) = (before(tokens, index), after(tokens, index));
        for (one, other) in [(left, right), (right, left)] {
            let what = if names(one, &dates) && other.iter().any(|(token, _)| is_value(token)) {
                "it depends on the date".to_owned()
            } else if names(one, &said)
                && !names(one, &BTreeSet::from(FIELDS))
                && let Some(word) = other.iter().filter_map(|(token, _)| text(token)).find(|text| is_word(text.trim()))
            {
                format!("it depends on whether {} is said", short(word))
            } else {
                continue;
            };
            found.push(Suspicion { line: *line, found: what, why: CONDITION });
        }
    }
}

/// Whether one of these names, or of these keys, is among the tokens.
fn names(tokens: &[Placed<'_>], of: &BTreeSet<&str>) -> bool {
    tokens.iter().any(|(token, _)| matches!(token, Token::Ident(name) | Token::Str(name) if of.contains(name)))
}

/// Parts of a message that say what it is.
const FIELDS: [&str; 4] = ["type", "role", "name", "id"];
/// What these can be, and what else templates look for in a message that has parts.
const KINDS: &[&str] = &[
    "audio",
    "audio_url",
    "blocks",
    "content",
    "document",
    "file",
    "image",
    "image_url",
    "input_audio",
    "input_image",
    "name",
    "parts",
    "reasoning",
    "role",
    "system",
    "text",
    "thinking",
    "tool",
    "tool_result",
    "type",
    "url",
    "value",
    "video",
    "video_url",
];

/// Words of a person, not a mark of a format, nor a switch such as `/no_think`.
fn is_word(text: &str) -> bool {
    !KINDS.contains(&text)
        && text.chars().filter(|c| c.is_alphabetic()).count() > 2
        && !text.contains(['<', '>', '[', ']', '{', '}', '|', '/'])
}

fn is_value(token: &Token<'_>) -> bool {
    match token {
        Token::Str(text) => !text.is_empty(),
        Token::String(text) => !text.is_empty(),
        Token::Int(_) | Token::Int128(_) | Token::Float(_) => true,
        _ => false,
    }
}

/// What is left of a block from a token on.
fn block<'t, 's>(tokens: &'t [Placed<'s>], from: usize) -> Option<&'t [Placed<'s>]> {
    let is_end = |(token, _): &Placed<'_>| matches!(token, Token::BlockEnd | Token::VariableEnd);
    let rest = tokens.get(from..)?;
    Some(&rest[..rest.iter().position(is_end).unwrap_or(rest.len())])
}

/// Whether an `in` belongs to a `for`.
fn is_loop(tokens: &[Placed<'_>], at: usize) -> bool {
    let start = tokens[..at].iter().rposition(|(token, _)| matches!(token, Token::BlockStart));
    let words = start.map_or(&[][..], |start| &tokens[start + 1..at]);
    matches!(words.first(), Some((Token::Ident("for"), _)))
        && !words.iter().any(|(token, _)| matches!(token, Token::Ident("in")))
}

/// Where an operand ends, outside of brackets.
fn is_border(token: &Token<'_>) -> bool {
    match token {
        Token::Ident(word) => ["and", "or", "not", "if", "elif", "else", "in", "is", "set"].contains(word),
        Token::Eq | Token::Ne | Token::Lt | Token::Lte | Token::Gt | Token::Gte => true,
        Token::Comma | Token::Assign | Token::Colon => true,
        Token::BlockStart | Token::BlockEnd | Token::VariableStart | Token::VariableEnd => true,
        _ => false,
    }
}

/// By how much a token deepens brackets.
fn deepens(token: &Token<'_>) -> i32 {
    match token {
        Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => 1,
        Token::ParenClose | Token::BracketClose | Token::BraceClose => -1,
        _ => 0,
    }
}

/// The operand right of an operator or method.
fn after<'t, 's>(tokens: &'t [Placed<'s>], operator: usize) -> &'t [Placed<'s>] {
    let rest = &tokens[operator + 1..];
    let mut depth = 0;
    let end = rest.iter().position(|(token, _)| {
        depth += deepens(token);
        depth < 0 || (depth == 0 && is_border(token))
    });
    &rest[..end.unwrap_or(rest.len())]
}

/// The operand left of an operator or method.
fn before<'t, 's>(tokens: &'t [Placed<'s>], operator: usize) -> &'t [Placed<'s>] {
    let mut depth = 0;
    let start = tokens[..operator].iter().rposition(|(token, _)| {
        depth -= deepens(token);
        depth < 0 || (depth == 0 && is_border(token))
    });
    &tokens[start.map_or(0, |start| start + 1)..operator]
}
