//! The choice of what is kept.

use super::Prompt;

/// Tokens at the beginning that always stay: models lean on the first ones whatever they say (StreamingLLM, arXiv 2309.17453).
const FIRST: usize = 4;
/// Of the budget, this part is for the end of a prompt, which an answer leans on most, a question before it or not;
const END: usize = 4;
/// but no more tokens.
const LAST: usize = 64;

/// A prompt with what a model says of its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The prompt.
    pub prompt: Prompt,
    /// −log p of each word given all before it: the mean over its tokens, in nats.
    pub surprises: Vec<f64>,
    /// By how much each sentence by itself makes likelier what is asked, in nats a token of that.
    pub gains: Vec<f64>,
    /// Words that always stay.
    pub held: Vec<bool>,
}

impl Scored {
    /// Which words are kept of at most so many tokens. Where those that always stay are more, these alone.
    pub fn keep(&self, budget: usize) -> Vec<bool> {
        self.prompt.within(budget, |goal| self.fill(goal))
    }

    /// Tokens of the words that always stay.
    pub fn held_tokens(&self) -> usize {
        self.prompt.tokens_of(&self.held)
    }

    fn fill(&self, goal: usize) -> Vec<bool> {
        let words = &self.prompt.words;
        let mut kept = self.held.clone();
        let mut left = goal.saturating_sub(self.held_tokens());
        let mut take = |kept: &mut Vec<bool>, word: usize| {
            let tokens = words[word].tokens.len();
            let fits = kept[word] || tokens <= left;
            if fits && !kept[word] {
                left -= tokens;
                kept[word] = true;
            }
            fits
        };
        let all = self.prompt.tokens();
        let last = (goal / END).min(LAST);
        (0..words.len()).take_while(|n| words[*n].tokens.start < FIRST).for_each(|n| _ = take(&mut kept, n));
        for n in (0..words.len()).rev().take_while(|n| all - words[*n].tokens.start <= last) {
            take(&mut kept, n);
        }
        let mut order: Vec<usize> = (0..self.gains.len()).collect();
        order.sort_by(|a, b| self.gains[*b].total_cmp(&self.gains[*a]));
        for sentence in order {
            let mut own: Vec<usize> = self.prompt.sentences[sentence].clone().filter(|n| !kept[*n]).collect();
            // Of the first that does not fit, what is hardest to guess; numbers cannot be guessed at all.
            own.sort_by(|a, b| self.weight(*b).total_cmp(&self.weight(*a)));
            let fits: Vec<bool> = own.into_iter().map(|n| take(&mut kept, n)).collect();
            if fits.contains(&false) {
                break;
            }
        }
        kept
    }

    /// What counts in the choice of words.
    fn weight(&self, word: usize) -> f64 {
        let text = &self.prompt.text[self.prompt.words[word].bytes.clone()];
        if text.contains(char::is_numeric) { f64::INFINITY } else { self.surprises[word] }
    }
}
