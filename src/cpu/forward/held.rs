//! Attention to what is left of earlier tokens, a token after the other as an answer is made: each joins the cache, is attended
//! from, and then the cache drops, rounds or merges what it would.

use super::Place;
use super::attention::{slope, softmax};
use super::vector::dot;
use crate::cache::{GROUP, Held, PAGE, SINKS, Subspace, merge_page, round_group};
use crate::forward::Attention;
use crate::wide::wide;
use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

/// Queries at the end of a prompt that choose what is left of it, and how far around a token a vote for it reaches (SnapKV).
const OBSERVING: usize = 32;
const REACH: usize = 3;

/// As [`super::attention::attention`].
pub(super) fn attention(how: &Attention, sinks: Option<&[f32]>, [q, k, v]: [&[f32]; 3], place: Place, to: &mut [f32]) {
    let Place { chunk, past } = place;
    let &Attention { heads, kv_heads, key, value, .. } = how;
    let (texts, group) = (to.len() / (chunk * heads * value), heads / kv_heads);
    let tasks = (0..texts * kv_heads).into_par_iter().map(|task| {
        let (text, kv_head) = (task / kv_heads, task % kv_heads);
        let mut store = Store::new(how.held, [key, value]);
        let mut found = vec![0.0; chunk * group * value];
        for token in 0..past + chunk {
            let row = (text * (past + chunk) + token) * kv_heads + kv_head;
            store.push(&k[row * key..][..key], &v[row * value..][..value]);
            // What a past saw of its queries is not known: it counts as if nobody had looked.
            if let Some(own) = token.checked_sub(past) {
                for n in 0..group {
                    let head = kv_head * group + n;
                    let q = &q[((text * chunk + own) * heads + head) * key..][..key];
                    let found = &mut found[(own * group + n) * value..][..value];
                    let slope = how.alibi.map_or(0.0, |most| slope(most, head, heads));
                    wide(|| store.attend(how, q, slope, sinks.map(|sinks| sinks[head]), found));
                }
            }
            store.settle();
        }
        found
    });
    let all: Vec<Vec<f32>> = tasks.collect();
    for (task, found) in all.iter().enumerate() {
        let (text, kv_head) = (task / kv_heads, task % kv_heads);
        for (own, found) in found.chunks_exact(group * value).enumerate() {
            to[((text * chunk + own) * heads + kv_head * group) * value..][..group * value].copy_from_slice(found);
        }
    }
}

/// What a head keeps of a text.
struct Store {
    held: Held,
    key: usize,
    value: usize,
    /// Tokens that came.
    tokens: usize,
    keys: Vec<f32>,
    values: Vec<f32>,
    entries: Vec<Entry>,
    /// How many entries of the first were rounded or merged already, and are not looked at again.
    settled: usize,
    /// What each of the last queries of a prompt gave each entry.
    votes: Vec<f32>,
    subspace: Option<Subspace>,
    shares: Vec<f32>,
}

struct Entry {
    position: usize,
    /// Tokens that it stands for.
    count: f32,
    /// Attention that it got.
    got: f32,
}

impl Store {
    fn new(held: Held, [key, value]: [usize; 2]) -> Self {
        Self {
            held,
            key,
            value,
            tokens: 0,
            keys: Vec::new(),
            values: Vec::new(),
            entries: Vec::new(),
            settled: 0,
            votes: Vec::new(),
            subspace: None,
            shares: Vec::new(),
        }
    }

    fn push(&mut self, key: &[f32], value: &[f32]) {
        self.keys.extend(key);
        self.values.extend(value);
        self.entries.push(Entry { position: self.tokens, count: 1.0, got: 0.0 });
        self.tokens += 1;
    }

    #[inline(always)]
    fn attend(&mut self, how: &Attention, q: &[f32], slope: f32, sink: Option<f32>, to: &mut [f32]) {
        let last = self.tokens - 1;
        self.shares.clear();
        for (entry, key) in self.entries.iter().zip(self.keys.chunks_exact(self.key)) {
            let distance = last - entry.position;
            if how.window.is_some_and(|window| distance >= window) {
                self.shares.push(f32::NEG_INFINITY);
                continue;
            }
            let mut score = dot(q, key) * how.scale;
            if let Some(bound) = how.softcap {
                score = bound * (score / bound).tanh();
            }
            self.shares.push(score - slope * distance as f32 + entry.count.ln());
        }
        if self.held == Held::SummedInHalves {
            return sum_in_halves(&self.shares, sink, self.values.chunks_exact(self.value), to);
        }
        softmax(&mut self.shares, sink);
        to.fill(0.0);
        let is_voting = matches!(self.held, Held::Observed { prompt, .. } if self.tokens + OBSERVING > prompt);
        self.votes.resize(if is_voting { self.entries.len() } else { 0 }, 0.0);
        let rows = self.values.chunks_exact(self.value);
        for ((share, value), entry) in self.shares.iter().zip(rows).zip(&mut self.entries) {
            to.iter_mut().zip(value).for_each(|(to, x)| *to += share * x);
            entry.got += share;
        }
        self.votes.iter_mut().zip(&self.shares).for_each(|(vote, share)| *vote += share);
    }

    /// What happens to the cache once a token has been read.
    fn settle(&mut self) {
        match self.held {
            Held::All | Held::SummedInHalves => {}
            Held::Window { tokens } => {
                if self.entries.len() > tokens.max(SINKS + 1) {
                    self.remove(SINKS);
                }
            }
            Held::Heavy { tokens } => {
                let old = self.entries.len().saturating_sub((tokens / 2).max(1));
                if self.entries.len() > tokens {
                    let least = |a: &usize, b: &usize| self.entries[*a].got.total_cmp(&self.entries[*b].got);
                    let least = (0..old).min_by(least).unwrap_or(0);
                    self.remove(least);
                }
            }
            Held::Observed { tokens, prompt } => {
                if self.tokens == prompt {
                    self.observe(tokens);
                }
            }
            Held::Grouped { keys, values, recent } => self.group(keys, values, recent),
            Held::Leading { rank, recent, prompt } => self.lead(rank, recent, prompt),
            Held::Merged { recent } => self.merge(recent),
        }
    }

    fn remove(&mut self, entry: usize) {
        self.entries.remove(entry);
        self.keys.drain(entry * self.key..(entry + 1) * self.key);
        self.values.drain(entry * self.value..(entry + 1) * self.value);
    }

    /// Keeps the last of a prompt, and of the others those with most votes around them.
    fn observe(&mut self, tokens: usize) {
        let old = self.entries.len().saturating_sub(OBSERVING.min(tokens));
        let around = |i: usize| {
            let range = i.saturating_sub(REACH)..(i + REACH + 1).min(old);
            self.votes[range].iter().copied().fold(0.0, f32::max)
        };
        let mut order: Vec<(f32, usize)> = (0..old).map(|i| (around(i), i)).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let most = tokens.saturating_sub(self.entries.len() - old);
        let mut gone: Vec<usize> = order.iter().skip(most).map(|(_, i)| *i).collect();
        gone.sort_unstable_by(|a, b| b.cmp(a));
        gone.into_iter().for_each(|i| self.remove(i));
    }

    /// Once a group of tokens is older than the recent ones, its keys are rounded channel by channel; values are token by token.
    fn group(&mut self, keys: u32, values: u32, recent: usize) {
        while self.entries.len() >= self.settled + GROUP + recent {
            let (first, width) = (self.settled, self.key);
            for channel in (0..width).filter(|_| keys > 0) {
                round_group(&mut self.keys[first * width + channel..], width, GROUP, keys);
            }
            let rows = &mut self.values[first * self.value..(first + GROUP) * self.value];
            for group in rows.chunks_exact_mut(GROUP).filter(|_| values > 0) {
                round_group(group, 1, GROUP, values);
            }
            self.settled += GROUP;
        }
    }

    fn lead(&mut self, rank: usize, recent: usize, prompt: usize) {
        if self.tokens == prompt {
            self.subspace = Some(Subspace::of(&self.keys, self.key, rank));
        }
        let Some(subspace) = &self.subspace else { return };
        let old = self.entries.len().saturating_sub(recent);
        if old > self.settled {
            subspace.keep(&mut self.keys[self.settled * self.key..old * self.key]);
            self.settled = old;
        }
    }

    /// Once a page is older than the recent tokens, half of it is merged into the other half.
    fn merge(&mut self, recent: usize) {
        while self.entries.len() >= self.settled + PAGE + recent {
            let first = self.settled;
            let pairs = merge_page(&self.keys[first * self.key..(first + PAGE) * self.key], self.key);
            for (gone, stays) in &pairs {
                let (gone, stays) = (first + gone, first + stays);
                let counts = [self.entries[stays].count, self.entries[gone].count];
                for (rows, width) in [(&mut self.keys, self.key), (&mut self.values, self.value)] {
                    for i in 0..width {
                        let mixed = rows[stays * width + i] * counts[0] + rows[gone * width + i] * counts[1];
                        rows[stays * width + i] = mixed / (counts[0] + counts[1]);
                    }
                }
                self.entries[stays].count += counts[1];
            }
            let mut gone: Vec<usize> = pairs.iter().map(|(gone, _)| first + gone).collect();
            gone.sort_unstable_by(|a, b| b.cmp(a));
            gone.into_iter().for_each(|i| self.remove(i));
            self.settled += PAGE - pairs.len();
        }
    }
}

/// Values times the shares that follow from scores, in F16 from token to token. The shares are those of the largest score so far:
/// where a larger one comes, what there is shrinks.
#[inline(always)]
fn sum_in_halves<'a>(scores: &[f32], sink: Option<f32>, values: impl Iterator<Item = &'a [f32]>, to: &mut [f32]) {
    let (mut most, mut all) = (f32::NEG_INFINITY, 0.0);
    let mut halves = vec![f16::ZERO; to.len()];
    to.fill(0.0);
    let mut round = |to: &mut [f32]| {
        halves.convert_from_f32_slice(to);
        halves.convert_to_f32_slice(to);
    };
    for (score, value) in scores.iter().zip(values).filter(|(score, _)| **score > f32::NEG_INFINITY) {
        let mut share = 1.0;
        if *score > most {
            let kept = (most - score).exp();
            (most, all) = (*score, all * kept);
            to.iter_mut().for_each(|to| *to *= kept);
            round(to);
        } else {
            share = (score - most).exp();
        }
        to.iter_mut().zip(value).for_each(|(to, x)| *to += share * x);
        round(to);
        all += share;
    }
    let all = all + sink.map_or(0.0, |sink| (sink - most).exp());
    to.iter_mut().for_each(|to| *to /= all);
}
