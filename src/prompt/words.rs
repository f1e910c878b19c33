//! Words: the smallest parts of a prompt that are dropped.
//!
//! What is kept is read again by the model as text. Where whole words are dropped, tokens of the others stay what they were.

use std::ops::Range;

/// Tokens of a word; where no space comes for longer, it is cut.
const MOST: usize = 16;

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its bytes, with the spaces before it. Words follow each other without a gap.
    pub bytes: Range<usize>,
    /// Its tokens.
    pub tokens: Range<usize>,
}

/// Cuts a text into words. `spans` has the bytes of each token: in order, and those of tokens that are parts of one character
/// may be the same.
pub(super) fn words(text: &str, spans: &[Range<usize>]) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut end = 0;
    for (token, span) in spans.iter().enumerate() {
        let begins = match words.last() {
            None => true,
            // Where a token is a part of the same character as the one before, no word ends.
            Some(word) if span.start >= end => match (text.get(word.bytes.start..end), text.get(end..span.end)) {
                (Some(before), Some(own)) => token - word.tokens.start >= MOST || part(before, own),
                _ => false,
            },
            Some(_) => false,
        };
        let start = words.last().map_or(0, |word| word.bytes.end);
        // Bytes between tokens, which some tokenizers leave out, go with the token after them.
        end = end.max(span.end.min(text.len()));
        match words.last_mut().filter(|_| !begins) {
            Some(word) => (word.bytes.end, word.tokens.end) = (end, token + 1),
            None => words.push(Word { bytes: start..end, tokens: token..token + 1 }),
        }
    }
    if let Some(word) = words.last_mut() {
        word.bytes.end = text.len();
    }
    words
}

/// Whether a word ends between these.
fn part(before: &str, own: &str) -> bool {
    let (Some(last), Some(first)) = (before.chars().next_back(), own.chars().next()) else { return false };
    let is_blank = |text: &str| text.trim().is_empty();
    let has_line = |text: &str| text.contains(['\n', '\r']);
    if is_blank(own) && has_line(own) {
        return !(is_blank(before) && has_line(before));
    }
    if is_blank(before) {
        // An indentation goes with what it indents; new lines stand by themselves.
        return has_line(before);
    }
    first.is_whitespace() || last.is_whitespace() || is_spaceless(first) || is_spaceless(last)
}

/// Whether a character is of a script that writes no spaces between words: Thai, Lao, Myanmar, Khmer, and those of East Asia but
/// for Hangul.
fn is_spaceless(c: char) -> bool {
    matches!(u32::from(c), 0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x2e80..=0xabff | 0xf900..=0xfaff
        | 0xff00..=0xffef | 0x20000..=0x3ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cuts a text that is written as its tokens, with bars between them.
    fn cut(barred: &str) -> Vec<String> {
        let text = barred.replace('|', "");
        let mut at = 0;
        let spans: Vec<Range<usize>> = barred
            .split('|')
            .map(|token| {
                at += token.len();
                at - token.len()..at
            })
            .collect();
        let words = words(&text, &spans);
        assert!(words.windows(2).all(|pair| pair[0].bytes.end == pair[1].bytes.start));
        assert!(words.windows(2).all(|pair| pair[0].tokens.end == pair[1].tokens.start));
        assert_eq!((words[0].bytes.start, words[words.len() - 1].bytes.end), (0, text.len()));
        assert_eq!(words[words.len() - 1].tokens.end, spans.len());
        words.into_iter().map(|word| text[word.bytes].to_owned()).collect()
    }

    #[test]
    fn words_begin_at_spaces_and_new_lines_stand_alone() {
        assert_eq!(cut("The| dr|agon|'s| den|."), ["The", " dragon's", " den."]);
        assert_eq!(cut("one|\n|\n|two| |  |three"), ["one", "\n\n", "two", "   three"]);
        assert_eq!(cut("end|.\n\n|Next"), ["end.\n\n", "Next"]);
        assert_eq!(cut("雨|です|。| ok"), ["雨", "です", "。", " ok"]);
        assert_eq!(cut(&vec!["a"; 40].join("|")).iter().map(String::len).collect::<Vec<_>>(), [16, 16, 8]);
    }

    #[test]
    fn parts_of_a_character_stay_together() {
        let text = "x 🦀y";
        // Three tokens are parts of the crab, each with all of its bytes; the space was left out.
        let spans = [0..1, 2..6, 2..6, 2..6, 6..7];
        let found = words(text, &spans);
        assert_eq!(found.iter().map(|word| &text[word.bytes.clone()]).collect::<Vec<_>>(), ["x", " 🦀y"]);
        assert_eq!(found[1].tokens, 1..5);
    }
}
