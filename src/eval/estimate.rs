//! Figures with their error bars.

/// A figure and its standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// One standard deviation of it.
    pub error: f64,
}

impl Estimate {
    /// The mean of independent samples; the error is 0 below two of them.
    pub fn mean(samples: &[f64]) -> Self {
        let n = samples.len() as f64;
        let value = samples.iter().sum::<f64>() / n.max(1.0);
        let squares: f64 = samples.iter().map(|sample| (sample - value).powi(2)).sum();
        Self { value, error: if n > 1.0 { (squares / (n - 1.0) / n).sqrt() } else { 0.0 } }
    }

    /// The quantile `q` of sorted samples, interpolated. Its error is half the distance of the order statistics one
    /// standard deviation of a binomial count apart, `sqrt(n q (1 - q))`.
    pub fn quantile(sorted: &[f64], q: f64) -> Self {
        let last = sorted.len().saturating_sub(1) as f64;
        let at = |position: f64| {
            let position = position.clamp(0.0, last);
            let (below, part) = (position.floor() as usize, position.fract());
            let value = |i: usize| sorted.get(i).copied().unwrap_or(0.0);
            value(below) + part * (value((below + 1).min(last as usize)) - value(below))
        };
        let spread = (sorted.len() as f64 * q * (1.0 - q)).sqrt();
        let middle = q * last;
        Self { value: at(middle), error: (at(middle + spread) - at(middle - spread)) / 2.0 }
    }

    /// `f` of the figure, whose error follows by the slope `f'` there.
    pub fn map(self, f: impl Fn(f64) -> f64, slope: impl Fn(f64) -> f64) -> Self {
        Self { value: f(self.value), error: self.error * slope(self.value).abs() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_quantiles_come_with_their_errors() {
        let mean = Estimate::mean(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(mean.value, 2.5);
        assert!((mean.error - (5.0f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
        let sorted: Vec<f64> = (0..=100).map(f64::from).collect();
        let median = Estimate::quantile(&sorted, 0.5);
        assert_eq!(median.value, 50.0);
        assert!((median.error - (101.0f64 * 0.25).sqrt()).abs() < 1e-9);
        assert_eq!(Estimate::quantile(&[], 0.5), Estimate::default());
        assert_eq!(Estimate::mean(&[7.0]), Estimate { value: 7.0, error: 0.0 });
    }

    #[test]
    fn a_function_of_a_figure_has_the_error_of_its_slope() {
        let perplexity = Estimate { value: 2.0, error: 0.1 }.map(f64::exp, f64::exp);
        assert_eq!(perplexity, Estimate { value: 2.0f64.exp(), error: 0.1 * 2.0f64.exp() });
    }
}
