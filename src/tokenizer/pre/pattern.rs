//! Regular expressions in one form, so that the same rule stated in two ways is one.

/// English contractions, in any case, as different tokenizers state them.
const CONTRACTIONS: &[&str] = &["(?i:'s|'t|'re|'ve|'m|'ll|'d)", "'(?i:[sdmt]|ll|ve|re)", "(?i:[sdmt]|ll|ve|re)"];

/// An expression without what makes no difference: possessive quantifiers, captures, needless escapes, the order within
/// a class. The order of alternatives stays.
///
/// Possessive quantifiers do make a difference where a match could give back what it took; the expressions in use never
/// let it.
pub(super) fn canonical(regex: &str) -> String {
    let mut regex = regex.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
    // 'ſ is the only other text that one of the forms matches.
    for contractions in CONTRACTIONS.iter().skip(1) {
        regex = regex.replace(contractions, CONTRACTIONS[0]);
    }
    let mut out = String::with_capacity(regex.len());
    let mut chars = regex.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push_str(&escape(&mut chars, false)),
            '[' => out.push_str(&class(&mut chars)),
            '(' if chars.peek() != Some(&'?') => out.push_str("(?:"),
            '?' | '*' | '+' => {
                let quantifies = !out.ends_with('(');
                out.push(c);
                if quantifies && chars.peek() == Some(&'+') {
                    chars.next();
                }
            }
            _ => out.push(c),
        }
    }
    out.replace("{1}", "")
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// What follows a backslash, with it where it is needed.
fn escape(chars: &mut Chars<'_>, in_class: bool) -> String {
    let Some(c) = chars.next() else { return "\\".to_owned() };
    match c {
        'p' | 'P' => {
            let mut property = format!("\\{c}");
            match chars.next() {
                Some('{') => {
                    property.push('{');
                    property.extend(chars.by_ref().take_while(|c| *c != '}'));
                    property.push('}');
                }
                Some(letter) => property.push_str(&format!("{{{letter}}}")),
                None => {}
            }
            property
        }
        _ if c.is_ascii_alphanumeric() => format!("\\{c}"),
        _ if in_class => c.to_string(),
        _ if r"\.+*?()|[]{}^$".contains(c) => format!("\\{c}"),
        _ => c.to_string(),
    }
}

/// A class after its bracket, its members sorted.
fn class(chars: &mut Chars<'_>) -> String {
    let mut members: Vec<String> = Vec::new();
    let negated = chars.next_if_eq(&'^').is_some();
    let mut nested = false;
    while let Some(c) = chars.next() {
        let member = match c {
            ']' if !members.is_empty() => break,
            '[' => {
                nested = true;
                class(chars)
            }
            '&' if chars.peek() == Some(&'&') => {
                nested = true;
                chars.next();
                "&&".to_owned()
            }
            '\\' => escape(chars, true),
            _ => c.to_string(),
        };
        let range = c != '-' && chars.peek() == Some(&'-');
        members.push(match range.then(|| (chars.clone().nth(1), member.clone())) {
            Some((Some(end), start)) if end != ']' => {
                chars.next();
                let end = match chars.next() {
                    Some('\\') => escape(chars, true),
                    Some(end) => end.to_string(),
                    None => String::new(),
                };
                format!("{start}-{end}")
            }
            _ => member,
        });
    }
    // Intersections and classes in classes depend on their places.
    if !nested {
        members.sort();
        members.dedup();
    }
    format!("[{}{}]", if negated { "^" } else { "" }, members.join("\u{1f}"))
}

/// Whether every text is covered by matches: the last alternatives take whatever is left.
pub(super) fn matches_everything(regex: &str) -> bool {
    let canonical = canonical(regex);
    let has = |alternative: &str| canonical.split('|').any(|part| part == alternative);
    (has(r"\s+") || has(r"\s"))
        && canonical.contains(r"\p{L}")
        && canonical.contains(r"\p{N}")
        && canonical.split('|').any(|part| part.starts_with(" ?[^\\p{L}\u{1f}\\p{N}\u{1f}\\s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rule_in_two_ways() {
        let same = [
            (
                r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+",
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\p{N}\p{L}\n\r]?\p{L}++",
            ),
            ("[\r\n]+", r"[\n\r]+"),
            (r"(\p{L}|\pN){1}", r"(?:\p{L}|\p{N})"),
            (r"[\-a-z\/]", "[/a-z-]"),
            (r"\'\ \-", "' -"),
        ];
        for (one, other) in same {
            assert_eq!(canonical(one), canonical(other));
        }
        let different = [
            (r"\p{N}{1,3}", r"\p{N}"),
            (r"a|b", r"b|a"),
            (r"[a-c]", r"[ac-]"),
            (r"\s+(?!\S)", r"\s+"),
            (r"\+", r"\++"),
            (r"\d", "d"),
        ];
        for (one, other) in different {
            assert_ne!(canonical(one), canonical(other));
        }
    }

    #[test]
    fn total_expressions_are_known() {
        assert!(matches_everything(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+(?!\S)|\s+"));
        assert!(!matches_everything(r"\p{L}+|\s+"));
    }
}
