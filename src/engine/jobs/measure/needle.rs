//! Needles in a haystack: a few words that a text says once, and that it is asked for at its end.
//!
//! A needle is a key and an answer, ordinary tokens of the text in an order that means nothing, so that nothing but having read
//! them helps; the question is the key again. What is scored is how much more likely the model holds the answer than where the
//! needle was never there. Small models repeat less than large ones: figures are to be read beside those of the first row.

use super::text::Text;
use crate::engine::worker::Stop;

/// Where needles are hidden.
pub(super) const DEPTHS: [f64; 3] = [0.1, 0.5, 0.9];
/// Tokens of a key, and as many of an answer.
const WORDS: usize = 6;

/// Chunks of haystack: one without a needle, then one for each depth.
pub(super) fn plant(text: &Text) -> Result<Text, Stop> {
    let chunk = text.chunk;
    let haystack = &text.tokens[..chunk];
    let mut ordinary: Vec<u32> = text.tokens.iter().filter(|token| **token != haystack[0]).copied().collect();
    ordinary.sort_unstable();
    ordinary.dedup();
    if ordinary.len() < 2 * WORDS || chunk < 8 * WORDS {
        return Err(Stop::Failed(format!(
            "{} has {} different tokens in chunks of {chunk}, too few to hide some in it; take a longer text or a larger --chunk",
            text.name.display(),
            ordinary.len()
        )));
    }
    // Far from each other in the vocabulary, and the same every time.
    let words: Vec<u32> =
        (0..2 * WORDS).map(|n| ordinary[(n * 7 + 3) % (2 * WORDS) * ordinary.len() / (2 * WORDS)]).collect();
    let asked = chunk - 2 * WORDS;
    let mut tokens = Vec::with_capacity(chunk * (1 + DEPTHS.len()));
    for depth in [None].into_iter().chain(DEPTHS.map(Some)) {
        let mut own = haystack.to_vec();
        own[asked..].copy_from_slice(&words);
        if let Some(depth) = depth {
            let at = 1 + ((asked - 2 * WORDS - 1) as f64 * depth) as usize;
            own[at..at + 2 * WORDS].copy_from_slice(&words);
        }
        tokens.extend(own);
    }
    Ok(Text { name: text.name.clone(), tokens, chunk })
}

/// Tokens of a chunk before the first that is to be remembered.
pub(super) fn prompt(chunk: usize) -> usize {
    chunk - WORDS
}

/// The tokens before those that are to be remembered.
pub(super) fn asked(planted: &Text) -> Vec<usize> {
    let starts = (0..planted.tokens.len()).step_by(planted.chunk);
    starts.flat_map(|start| start + planted.chunk - WORDS - 1..start + planted.chunk - 1).collect()
}

/// From −log p of what was asked for: by how much more likely it was at each depth than without a needle, in nats a token.
pub(super) fn gains(surprises: &[f64]) -> Vec<f64> {
    let means: Vec<f64> = surprises.chunks_exact(WORDS).map(|all| all.iter().sum::<f64>() / WORDS as f64).collect();
    means[1..].iter().map(|with| means[0] - with).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_chunk_but_the_first_says_once_what_it_is_asked() {
        let text = Text { name: "text".into(), tokens: (0..200).map(|n| n % 90).collect(), chunk: 100 };
        let planted = plant(&text).unwrap();
        assert_eq!(planted.tokens.len(), 400);
        let words = &planted.tokens[88..100];
        assert!(words.iter().all(|word| words.iter().filter(|other| *other == word).count() == 1));
        let seen = |chunk: &[u32]| chunk[..88].windows(12).filter(|window| *window == words).count();
        assert_eq!(planted.tokens.chunks(100).map(seen).collect::<Vec<_>>(), [0, 1, 1, 1]);
        let asked = asked(&planted);
        assert_eq!((asked.len(), asked[0], prompt(100)), (24, 93, 94));
        assert_eq!(gains(&[[3.0; 6], [1.0; 6], [2.0; 6], [3.0; 6]].concat()), [2.0, 1.0, 0.0]);
        assert!(plant(&Text { name: "text".into(), tokens: vec![1; 100], chunk: 100 }).is_err());
    }
}
