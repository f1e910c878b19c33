//! Where sentences end, in any script.

use std::ops::Range;

/// End a sentence wherever they stand.
const ALWAYS: &[char] = &['。', '！', '？', '｡', '।', '॥', '۔', '؟', '։', '።', '…'];
/// End one where a space, a new line or the end of the text follows.
const BEFORE_SPACE: &[char] = &['.', '!', '?'];
/// Belong to the sentence that they come after.
const CLOSING: &[char] = &['"', '\'', ')', ']', '}', '”', '’', '»', '」', '』', '）', '】', '》', '〉', '*', '_'];

/// The sentences of a text as ranges of bytes, one after the other without a gap. New lines belong to the sentence before
/// them, spaces to the one after, as most tokenizers have it.
///
/// A full stop ends none after a letter by itself (`J. Smith`), after the number of an item (`2. Fold it`), and before a small
/// letter (`e.g. this`).
pub(super) fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut letters = text.char_indices().peekable();
    while let Some((at, c)) = letters.next() {
        let is_line = matches!(c, '\n' | '\r');
        let mut end = at + c.len_utf8();
        let ends = |c: char| ALWAYS.contains(&c) || BEFORE_SPACE.contains(&c);
        if !is_line && !ends(c) {
            continue;
        }
        let mut has_full = ALWAYS.contains(&c);
        let belongs = |c: char| if is_line { matches!(c, '\n' | '\r') } else { ends(c) || CLOSING.contains(&c) };
        while let Some((at, c)) = letters.next_if(|(_, c)| belongs(*c)) {
            (end, has_full) = (at + c.len_utf8(), has_full || ALWAYS.contains(&c));
        }
        let next = text[end..].chars().next();
        // A new line that follows is to belong to this sentence too.
        let is_end = match next {
            Some('\n' | '\r') if !is_line => false,
            None => true,
            Some(_) if is_line || has_full => true,
            Some(next) => next.is_whitespace() && !(c == '.' && goes_on(&text[start..at], &text[end..])),
        };
        if is_end {
            found.push(start..end);
            start = end;
        }
    }
    if start < text.len() {
        found.push(start..text.len());
    }
    found
}

/// Whether a full stop between these ends no sentence.
fn goes_on(before: &str, after: &str) -> bool {
    if after.trim_start().starts_with(char::is_lowercase) {
        return true;
    }
    let is_item = !before.trim().is_empty() && before.trim().chars().all(|c| c.is_ascii_digit());
    let mut last = before.chars().rev();
    let is_initial = last.next().is_some_and(char::is_alphabetic) && last.next().is_none_or(|c| !c.is_alphanumeric());
    is_item || is_initial
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        let found = sentences(text);
        assert_eq!(found.iter().map(|range| &text[range.clone()]).collect::<String>(), text, "nothing is lost");
        assert!(found.iter().all(|range| !range.is_empty()));
        found.into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn sentences_end_where_people_end_them() {
        assert_eq!(cut("It rains. Why? \"Clouds!\" So."), ["It rains.", " Why?", " \"Clouds!\"", " So."]);
        assert_eq!(cut("A list:\n1. Fold it.\n2. Cut\n\nEnd"), ["A list:\n", "1. Fold it.\n", "2. Cut\n\n", "End"]);
        assert_eq!(cut("雨です。傘は？「はい。」行く"), ["雨です。", "傘は？", "「はい。」", "行く"]);
        assert_eq!(cut("नमस्ते। कैसे हो?"), ["नमस्ते।", " कैसे हो?"]);
        assert_eq!(cut("Wait... What?! No"), ["Wait...", " What?!", " No"]);
    }

    #[test]
    fn a_stop_within_a_sentence_ends_none() {
        for whole in
            ["See e.g. this one.", "J. R. Smith paid 3.14 at x.org/a?b=c", "No stop at all", " ", "…", ".", "?"]
        {
            assert_eq!(cut(whole), [whole]);
        }
        assert!(cut("").is_empty());
    }
}
