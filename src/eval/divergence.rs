//! How well a model predicts text, and how far its predictions are from another's, as llama-perplexity measures them.

use super::Estimate;

/// What a model says about one token of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// -log p of the token that came, in nats.
    pub surprise: f64,
    /// The token held most likely.
    pub top: usize,
}

impl Prediction {
    /// From the logits of a position and the token that came next.
    pub fn of(logits: &[f32], next: usize) -> Self {
        let softmax = Softmax::of(logits);
        Self { surprise: -softmax.log(logits[next]), top: softmax.top }
    }
}

/// The normalisation of a row of logits.
struct Softmax {
    top: usize,
    /// log Σ exp(logit).
    log_sum: f64,
}

impl Softmax {
    fn of(logits: &[f32]) -> Self {
        let mut top = 0;
        for (i, logit) in logits.iter().enumerate() {
            if *logit > logits[top] {
                top = i;
            }
        }
        let most = logits[top];
        let sum: f64 = logits.iter().map(|logit| f64::from((logit - most).exp())).sum();
        Self { top, log_sum: f64::from(most) + sum.ln() }
    }

    fn log(&self, logit: f32) -> f64 {
        f64::from(logit) - self.log_sum
    }
}

/// Predictions of a model, and of the one it is measured against, over the same tokens.
#[derive(Clone, Debug, Default)]
pub struct Divergence {
    /// -log p of each token, by the model.
    pub surprises: Vec<f64>,
    /// By the reference; empty where there is none.
    pub reference: Vec<f64>,
    /// KL divergence of the model's distribution from the reference's, token by token.
    pub divergences: Vec<f64>,
    /// How many of the model's most likely tokens are the reference's.
    pub same_top: usize,
}

impl Divergence {
    /// Adds a token without a reference.
    pub fn add(&mut self, logits: &[f32], next: usize) {
        self.surprises.push(Prediction::of(logits, next).surprise);
    }

    /// Adds a token with the reference's logits for it: Σ p_r (log p_r − log p).
    pub fn add_against(&mut self, logits: &[f32], reference: &[f32], next: usize) {
        let (own, other) = (Softmax::of(logits), Softmax::of(reference));
        let terms = logits.iter().zip(reference).map(|(own_logit, other_logit)| {
            let log = other.log(*other_logit);
            log.exp() * (log - own.log(*own_logit))
        });
        // Rounding can make the sum of equal distributions slightly negative.
        self.divergences.push(terms.sum::<f64>().max(0.0));
        self.surprises.push(-own.log(logits[next]));
        self.reference.push(-other.log(reference[next]));
        self.same_top += usize::from(own.top == other.top);
    }

    /// Adds the tokens of another text after its own.
    pub fn append(&mut self, mut more: Self) {
        self.surprises.append(&mut more.surprises);
        self.reference.append(&mut more.reference);
        self.divergences.append(&mut more.divergences);
        self.same_top += more.same_top;
    }

    /// exp of the mean surprise of the model.
    pub fn perplexity(&self) -> Estimate {
        Estimate::mean(&self.surprises).map(f64::exp, f64::exp)
    }

    /// exp of the mean surprise of the reference.
    pub fn reference_perplexity(&self) -> Option<Estimate> {
        (!self.reference.is_empty()).then(|| Estimate::mean(&self.reference).map(f64::exp, f64::exp))
    }

    /// Mean KL divergence in nats.
    pub fn mean(&self) -> Estimate {
        Estimate::mean(&self.divergences)
    }

    /// Means of the KL divergence by place in chunks of which `each` tokens were scored, in so many equal parts.
    pub fn by_position(&self, each: usize, parts: usize) -> Vec<f64> {
        let mut sums = vec![(0.0, 0usize); parts];
        for (n, divergence) in self.divergences.iter().enumerate() {
            let (sum, count) = &mut sums[n % each.max(1) * parts / each.max(1)];
            *sum += divergence;
            *count += 1;
        }
        sums.into_iter().map(|(sum, count)| sum / count.max(1) as f64).collect()
    }

    /// Quantiles of the KL divergence.
    pub fn quantiles(&self, which: &[f64]) -> Vec<Estimate> {
        let mut sorted = self.divergences.clone();
        sorted.sort_by(f64::total_cmp);
        which.iter().map(|q| Estimate::quantile(&sorted, *q)).collect()
    }

    /// Root mean square of the change of the probability of the token that came.
    pub fn probability_change(&self) -> Estimate {
        let pairs = self.surprises.iter().zip(&self.reference);
        let squares: Vec<f64> = pairs.map(|(own, other)| ((-own).exp() - (-other).exp()).powi(2)).collect();
        Estimate::mean(&squares).map(f64::sqrt, |square| if square > 0.0 { 0.5 / square.sqrt() } else { 0.0 })
    }

    /// Share of tokens for which both hold the same token most likely.
    pub fn same_top(&self) -> Estimate {
        let n = self.divergences.len() as f64;
        let share = self.same_top as f64 / n.max(1.0);
        Estimate { value: share, error: (share * (1.0 - share) / (n - 1.0).max(1.0)).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_predictions_have_no_divergence() {
        let logits = [1.0, 2.0, 3.0];
        let mut divergence = Divergence::default();
        divergence.add_against(&logits, &logits, 2);
        assert_eq!(divergence.mean().value, 0.0);
        assert_eq!(divergence.same_top().value, 1.0);
        assert_eq!(divergence.perplexity().value, divergence.reference_perplexity().unwrap().value);
        assert!(divergence.probability_change().value.abs() < 1e-12);
    }

    #[test]
    fn places_are_those_within_each_chunk() {
        let divergence = Divergence { divergences: vec![1.0, 2.0, 5.0, 3.0, 4.0, 7.0], ..Divergence::default() };
        assert_eq!(divergence.by_position(3, 3), [2.0, 3.0, 6.0]);
        assert_eq!(divergence.by_position(3, 1), [22.0 / 6.0]);
    }

    #[test]
    fn the_divergence_of_two_coins_is_the_textbooks() {
        // Logits are logs of probabilities: a fair coin against one of 3 : 1.
        let (own, reference) = ([0.75f32.ln(), 0.25f32.ln()], [0.5f32.ln(), 0.5f32.ln()]);
        let mut divergence = Divergence::default();
        divergence.add_against(&own, &reference, 1);
        let expected = 0.5 * (0.5f64 / 0.75).ln() + 0.5 * (0.5f64 / 0.25).ln();
        assert!((divergence.mean().value - expected).abs() < 1e-6);
        assert!((divergence.perplexity().value - 4.0).abs() < 1e-5);
        assert_eq!(Prediction::of(&own, 0).top, 0);
    }
}
