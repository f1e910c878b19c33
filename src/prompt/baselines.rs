//! What people do without scores: the choices that a compressed prompt has to be better than.

use super::Prompt;

/// A choice of words that looks at no score.
pub struct Baseline {
    /// What it is called.
    pub name: &'static str,
    /// In a sentence.
    pub about: &'static str,
    choose: fn(&Prompt, usize) -> Vec<bool>,
}

/// All of them.
pub const BASELINES: [Baseline; 4] = [
    Baseline { name: "end", about: "The last tokens alone, as a full context leaves them.", choose: end },
    Baseline {
        name: "ends",
        about: "The first half of the tokens from the beginning, the other from the end.",
        choose: ends,
    },
    Baseline { name: "evenly", about: "Words dropped in even steps.", choose: evenly },
    Baseline { name: "random", about: "Words dropped by chance.", choose: random },
];

impl Baseline {
    /// Which words are kept of at most so many tokens.
    pub fn keep(&self, prompt: &Prompt, budget: usize) -> Vec<bool> {
        prompt.within(budget, |goal| (self.choose)(prompt, goal))
    }
}

/// Words in an order, as long as the next fits.
fn take(prompt: &Prompt, order: impl Iterator<Item = usize>, goal: usize, kept: &mut [bool]) {
    let mut left = goal;
    for word in order {
        let tokens = prompt.words[word].tokens.len();
        if tokens > left {
            break;
        }
        left -= tokens;
        kept[word] = true;
    }
}

fn end(prompt: &Prompt, goal: usize) -> Vec<bool> {
    let mut kept = vec![false; prompt.words.len()];
    take(prompt, (0..kept.len()).rev(), goal, &mut kept);
    kept
}

fn ends(prompt: &Prompt, goal: usize) -> Vec<bool> {
    let mut kept = vec![false; prompt.words.len()];
    take(prompt, 0..kept.len(), goal / 2, &mut kept);
    let rest = goal - prompt.tokens_of(&kept);
    let last = kept.iter().filter(|kept| **kept).count();
    take(prompt, (last..kept.len()).rev(), rest, &mut kept);
    kept
}

fn evenly(prompt: &Prompt, goal: usize) -> Vec<bool> {
    let mut found = 0;
    let all = prompt.tokens().max(1);
    let keeps = |word: &super::Word| {
        // Never more than the share of what was seen so far.
        let fits = (found + word.tokens.len()) as u128 * all as u128 <= word.tokens.end as u128 * goal as u128;
        found += if fits { word.tokens.len() } else { 0 };
        fits
    };
    prompt.words.iter().map(keeps).collect()
}

fn random(prompt: &Prompt, goal: usize) -> Vec<bool> {
    /// A multiplier and a step with which every state comes once (Knuth, MMIX).
    const NEXT: [u64; 2] = [6_364_136_223_846_793_005, 1_442_695_040_888_963_407];
    let mut order: Vec<usize> = (0..prompt.words.len()).collect();
    let mut state = order.len() as u64;
    // Fisher and Yates; the same every time.
    for n in (1..order.len()).rev() {
        state = state.wrapping_mul(NEXT[0]).wrapping_add(NEXT[1]);
        order.swap(n, ((state >> 33) % (n as u64 + 1)) as usize);
    }
    let mut kept = vec![false; order.len()];
    take(prompt, order.into_iter(), goal, &mut kept);
    kept
}
