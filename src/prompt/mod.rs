//! Prompt compression: which words of a long prompt can go so that a model still answers the same.
//!
//! A model scores the prompt once ([`Scored`]): how surprising each word is after all before it, and by how much each sentence by
//! itself makes likelier what is asked. From then on any budget is a matter of sorting: whole sentences come first, by what they
//! do for the question (coarse), and of the one that no longer fits the words that are hardest to guess (fine).
//!
//! The measures are those of LLMLingua (Jiang and others 2023, arXiv 2310.05736), which drops tokens that a small model finds
//! easy to guess, and of LongLLMLingua (Jiang and others 2023, arXiv 2310.06839), which orders passages by p(question | passage).
//! What is kept is a part of the text, byte for byte: [`Prompt::runs`] tells both parts.
//!
//! Nothing here runs a model or reads a file.

mod baselines;
mod choose;
mod sentences;
mod words;

pub use baselines::{BASELINES, Baseline};
pub use choose::Scored;
pub use words::Word;

use std::ops::Range;

/// A sentence has no more tokens; what has is cut, for each is read together with what is asked.
const LONGEST: usize = 96;

/// A prompt cut into words and sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// All of it.
    pub text: String,
    /// Its words, which cover it.
    pub words: Vec<Word>,
    /// Its sentences, as ranges of words that cover them.
    pub sentences: Vec<Range<usize>>,
}

impl Prompt {
    /// Cuts a text whose tokens lie at these bytes.
    pub fn new(text: String, spans: &[Range<usize>]) -> Self {
        let words = words::words(&text, spans);
        let mut sentences: Vec<Range<usize>> = Vec::new();
        let mut ends = sentences::sentences(&text).into_iter().map(|bytes| bytes.end).peekable();
        let mut begins = true;
        for (n, word) in words.iter().enumerate() {
            // A word is of the sentence that its first letter is of; new lines are of the one before.
            let own = &text[word.bytes.clone()];
            let letter = word.bytes.start + if own.trim().is_empty() { 0 } else { own.len() - own.trim_start().len() };
            while ends.next_if(|end| *end <= letter).is_some() {
                begins = true;
            }
            let first = sentences.last().map_or(0, |sentence| sentence.start);
            let is_long = !begins && word.tokens.end - words[first].tokens.start > LONGEST;
            match sentences.last_mut().filter(|_| !begins && !is_long) {
                Some(sentence) => sentence.end = n + 1,
                None => sentences.push(n..n + 1),
            }
            begins = false;
        }
        Self { text, words, sentences }
    }

    /// How many tokens it has.
    pub fn tokens(&self) -> usize {
        self.words.last().map_or(0, |word| word.tokens.end)
    }

    /// Tokens of the words that are kept.
    pub fn tokens_of(&self, kept: &[bool]) -> usize {
        let words = self.words.iter().zip(kept).filter(|(_, kept)| **kept);
        words.map(|(word, _)| word.tokens.len()).sum()
    }

    /// The words that are kept, as text.
    pub fn text_of(&self, kept: &[bool]) -> String {
        self.runs(kept).into_iter().filter(|(is_kept, _)| *is_kept).map(|(_, bytes)| &self.text[bytes]).collect()
    }

    /// What is kept and what is dropped, as bytes in their order: together the text.
    pub fn runs(&self, kept: &[bool]) -> Vec<(bool, Range<usize>)> {
        let mut runs: Vec<(bool, Range<usize>)> = Vec::new();
        for (word, is_kept) in self.words.iter().zip(kept) {
            match runs.last_mut().filter(|run| run.0 == *is_kept) {
                Some(run) => run.1.end = word.bytes.end,
                None => runs.push((*is_kept, word.bytes.clone())),
            }
        }
        runs
    }

    /// Means over the tokens of each word.
    pub fn by_word(&self, of_tokens: &[f64]) -> Vec<f64> {
        let mean = |word: &Word| of_tokens[word.tokens.clone()].iter().sum::<f64>() / word.tokens.len() as f64;
        self.words.iter().map(mean).collect()
    }

    /// The tokens of a sentence.
    pub fn sentence_tokens(&self, sentence: &Range<usize>) -> Range<usize> {
        self.words[sentence.start].tokens.start..self.words[sentence.end - 1].tokens.end
    }

    /// Whether each word has a byte of one of these ranges.
    pub fn touched(&self, ranges: &[Range<usize>]) -> Vec<bool> {
        let mut touched = vec![false; self.words.len()];
        for range in ranges {
            let first = self.words.partition_point(|word| word.bytes.end <= range.start);
            let past = self.words.partition_point(|word| word.bytes.start < range.end);
            touched.get_mut(first..past).into_iter().flatten().for_each(|word| *word = true);
        }
        touched
    }

    /// The most that `choose` makes of a goal so that no more than `budget` tokens are kept. Where words went between a word that
    /// begins without a space and one before it, the last of them stays if it ends in a space or a new line, so that nothing is
    /// glued together.
    fn within(&self, budget: usize, choose: impl Fn(usize) -> Vec<bool>) -> Vec<bool> {
        let mut goal = budget;
        loop {
            let mut kept = choose(goal);
            let first = kept.iter().position(|kept| *kept).unwrap_or(kept.len());
            for n in (first + 2..kept.len()).rev() {
                let [before, own] = [n - 1, n].map(|n| &self.text[self.words[n].bytes.clone()]);
                let is_glued = before.ends_with(char::is_whitespace) && !own.starts_with(char::is_whitespace);
                kept[n - 1] |= kept[n] && is_glued;
            }
            let found = self.tokens_of(&kept);
            if found <= budget || goal == 0 {
                return kept;
            }
            goal = goal.saturating_sub(found - budget);
        }
    }
}

#[cfg(test)]
mod tests;
