//! From logits to the next token.

/// How tokens are drawn. The steps come in the order of the fields, as in llama.cpp: `top_k`, `top_p`, `min_p`, then the
/// temperature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Only so many of the most likely; 0 for all.
    pub top_k: usize,
    /// Only the most likely that together reach this probability; 1 for all.
    pub top_p: f32,
    /// Only those at least this likely, relative to the most likely; 0 for all.
    pub min_p: f32,
    /// Logits are divided by this; at 0 the most likely token is taken.
    pub temperature: f32,
    /// Where the chances come from.
    pub seed: u64,
}

impl Sampling {
    /// Always the most likely token.
    pub const GREEDY: Self = Self { top_k: 0, top_p: 1.0, min_p: 0.0, temperature: 0.0, seed: 0 };

    /// The token after `step` others of the text with that number. The chance depends on these two and the seed alone, so
    /// models that are near each other say the same.
    pub fn choose(&self, logits: &[f32], text: u64, step: u64) -> u32 {
        if self.temperature <= 0.0 {
            return most_likely(logits);
        }
        let mut kept: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
        kept.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        if self.top_k > 0 {
            kept.truncate(self.top_k);
        }
        let probabilities = softmax(&kept, 1.0);
        let mut before = 0.0;
        let mut is_kept = |probability: &f64| {
            let reached = before >= f64::from(self.top_p);
            before += probability;
            !reached && *probability >= f64::from(self.min_p) * probabilities[0]
        };
        let count = probabilities.iter().take_while(|probability| is_kept(probability)).count();
        kept.truncate(count.max(1));
        let mut chance = uniform(self.seed, text, step);
        for ((token, _), probability) in kept.iter().zip(softmax(&kept, f64::from(self.temperature))) {
            if chance < probability {
                return *token;
            }
            chance -= probability;
        }
        kept[0].0
    }
}

/// The token of the largest logit, the first of several.
pub fn most_likely(logits: &[f32]) -> u32 {
    let better = |best: usize, i: usize| if logits[i] > logits[best] { i } else { best };
    (0..logits.len()).reduce(better).unwrap_or(0) as u32
}

/// The probability of a token.
pub fn probability(logits: &[f32], token: u32) -> f64 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - most).exp()).sum();
    logits.get(token as usize).map_or(0.0, |logit| f64::from(logit - most).exp() / sum)
}

/// Draws a token as likely as the logits say, by [`uniform`] chance, and makes of the logits the gradient of the logarithm of its
/// probability by them.
pub fn draw_gradient(logits: &mut [f32], seed: u64, text: u64, step: u64) {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits.iter_mut().for_each(|logit| *logit = (*logit - most).exp());
    let sum: f64 = logits.iter().map(|power| f64::from(*power)).sum();
    let mut left = uniform(seed, text, step) * sum;
    let drawn = logits.iter().position(|power| {
        left -= f64::from(*power);
        left < 0.0
    });
    logits.iter_mut().for_each(|power| *power *= (-1.0 / sum) as f32);
    // Rounding may leave nothing to draw; then that of the end.
    let drawn = drawn.unwrap_or(logits.len() - 1);
    logits[drawn] += 1.0;
}

fn softmax(logits: &[(u32, f32)], temperature: f64) -> Vec<f64> {
    let powers: Vec<f64> =
        logits.iter().map(|(_, logit)| (f64::from(logit - logits[0].1) / temperature).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// From 0 to 1, by SplitMix64 (Steele and others 2014).
fn uniform(seed: u64, text: u64, step: u64) -> f64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |state: u64| {
        let state = state.wrapping_add(STEP);
        let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^ (state >> 31)
    };
    (mix(mix(mix(seed) ^ text) ^ step) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Probabilities 1/2, 1/4, 1/8, 1/8.
    const LOGITS: [f32; 4] = [-2.0, 0.0, -1.0, -2.0];

    fn logits() -> Vec<f32> {
        LOGITS.iter().map(|power| power * std::f32::consts::LN_2).collect()
    }

    fn shares(sampling: Sampling) -> Vec<f64> {
        const DRAWS: u64 = 20_000;
        let mut counts = vec![0.0; LOGITS.len()];
        (0..DRAWS).for_each(|step| counts[sampling.choose(&logits(), 1, step) as usize] += 1.0 / DRAWS as f64);
        counts
    }

    fn near(found: &[f64], expected: &[f64]) -> bool {
        found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 0.02)
    }

    #[test]
    fn tokens_come_as_often_as_they_are_likely() {
        let all = Sampling { temperature: 1.0, seed: 3, ..Sampling::GREEDY };
        assert!(near(&shares(all), &[0.125, 0.5, 0.25, 0.125]), "{:?}", shares(all));
        assert!(near(&shares(Sampling { top_k: 2, ..all }), &[0.0, 2.0 / 3.0, 1.0 / 3.0, 0.0]));
        assert!(near(&shares(Sampling { top_p: 0.6, ..all }), &[0.0, 2.0 / 3.0, 1.0 / 3.0, 0.0]));
        assert!(near(&shares(Sampling { min_p: 0.4, ..all }), &[0.0, 2.0 / 3.0, 1.0 / 3.0, 0.0]));
        let hot = shares(Sampling { temperature: 1e6, ..all });
        assert!(near(&hot, &[0.25; 4]), "{hot:?}");
        let cold = shares(Sampling { temperature: 0.5, top_k: 2, ..all });
        assert!(near(&cold, &[0.0, 0.8, 0.2, 0.0]), "{cold:?}");
    }

    #[test]
    fn drawn_gradients_are_those_of_tokens_as_often_as_they_are_likely() {
        const DRAWS: u64 = 20_000;
        let (mut mean, mut counts) = ([0.0; 4], [0.0; 4]);
        for step in 0..DRAWS {
            let mut gradient = logits();
            draw_gradient(&mut gradient, 5, 0, step);
            assert!(gradient.iter().sum::<f32>().abs() < 1e-6);
            counts[gradient.iter().position(|g| *g > 0.0).unwrap()] += 1.0 / DRAWS as f64;
            mean.iter_mut().zip(&gradient).for_each(|(mean, g)| *mean += f64::from(*g) / DRAWS as f64);
        }
        assert!(near(&counts, &[0.125, 0.5, 0.25, 0.125]), "{counts:?}");
        assert!(near(&mean, &[0.0; 4]), "{mean:?}");
    }

    #[test]
    fn a_seed_says_the_same_twice_and_another_something_else() {
        let drawn = |seed: u64, text: u64| -> Vec<u32> {
            let sampling = Sampling { temperature: 1.0, seed, ..Sampling::GREEDY };
            (0..40).map(|step| sampling.choose(&logits(), text, step)).collect()
        };
        assert_eq!(drawn(1, 0), drawn(1, 0));
        assert_ne!(drawn(1, 0), drawn(2, 0));
        assert_ne!(drawn(1, 0), drawn(1, 1));
    }

    #[test]
    fn greedy_takes_the_first_of_the_largest() {
        assert_eq!(Sampling::GREEDY.choose(&[0.0, 2.0, 2.0], 0, 0), 1);
        assert!((probability(&logits(), 1) - 0.5).abs() < 1e-6);
        assert_eq!(probability(&logits(), 9), 0.0);
    }
}
