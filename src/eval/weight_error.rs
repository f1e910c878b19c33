//! How far weights are from those they stand for.

/// Weights that are summed side by side, which the compiler turns into vector code.
const LANES: usize = 8;

/// ErrorSums over pairs of weights, the candidate `c` and the reference `r`, each pair counting with a factor `f`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ErrorSums {
    /// Σ f; without factors, the number of pairs.
    pub factors: f64,
    /// Σ f (c - r)².
    pub difference: f64,
    /// Σ f c².
    pub candidate: f64,
    /// Σ f r².
    pub reference: f64,
    /// Σ f c r.
    pub product: f64,
}

impl ErrorSums {
    /// Root of the mean squared difference, in units of a weight.
    pub fn rmse(&self) -> f64 {
        if self.factors > 0.0 { (self.difference / self.factors).sqrt() } else { 0.0 }
    }

    /// The root mean square of the difference over that of the reference. Infinite where only the reference is zero.
    pub fn relative_rmse(&self) -> f64 {
        if self.difference > 0.0 { (self.difference / self.reference).sqrt() } else { 0.0 }
    }

    /// Cosine of the angle between both as vectors: 1 where they are equal, 0 where only one is zero.
    pub fn cosine(&self) -> f64 {
        match (self.candidate > 0.0, self.reference > 0.0) {
            (true, true) => self.product / (self.candidate * self.reference).sqrt(),
            (false, false) => 1.0,
            _ => 0.0,
        }
    }

    fn add(&mut self, more: &Self) {
        self.factors += more.factors;
        self.difference += more.difference;
        self.candidate += more.candidate;
        self.reference += more.reference;
        self.product += more.product;
    }

    fn add_pair(&mut self, candidate: f64, reference: f64, factor: f64) {
        let difference = candidate - reference;
        self.factors += factor;
        self.difference += factor * (difference * difference);
        self.candidate += factor * (candidate * candidate);
        self.reference += factor * (reference * reference);
        self.product += factor * (candidate * reference);
    }
}

/// The error of some weights: of a tensor, a part of one, or a whole model.
///
/// Pairs in which a weight is NaN or infinite are counted and take no part in the figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WeightError {
    /// Pairs of weights.
    pub weights: u64,
    /// Weights of the candidate that are NaN or infinite.
    pub nonfinite: u64,
    /// Weights of the reference that are NaN or infinite.
    pub reference_nonfinite: u64,
    /// The largest absolute difference.
    pub largest: f64,
    /// Every pair counts the same.
    pub plain: ErrorSums,
    /// Each pair counts as its column does, where an importance matrix says how much.
    pub weighted: Option<ErrorSums>,
}

impl WeightError {
    /// Measures `candidate` against `reference`, which is as long; so are `factors`, one for each weight. Pairs that are
    /// not finite are overwritten with zeros.
    pub fn measure(candidate: &mut [f32], reference: &mut [f32], factors: Option<&mut [f32]>) -> Self {
        let mut none = [];
        let weighted = factors.is_some();
        let factors = factors.unwrap_or(&mut none);
        let [nonfinite, reference_nonfinite, dropped] = drop_nonfinite(candidate, reference, factors);
        let mut plain = sum(candidate, reference, |_| 1.0);
        plain.factors -= dropped as f64;
        Self {
            weights: candidate.len() as u64,
            nonfinite,
            reference_nonfinite,
            largest: largest(candidate, reference),
            plain,
            weighted: weighted.then(|| sum(candidate, reference, |i| f64::from(factors[i]))),
        }
    }

    /// The sums that tell tensors apart: weighted, where an importance matrix says how.
    pub fn judged(&self) -> &ErrorSums {
        self.weighted.as_ref().unwrap_or(&self.plain)
    }

    /// Adds the pairs of `more`. The sums depend on the order of additions in their last bits, so parts are merged in the
    /// order of the tensor.
    pub fn merge(&mut self, more: &Self) {
        self.weights += more.weights;
        self.nonfinite += more.nonfinite;
        self.reference_nonfinite += more.reference_nonfinite;
        self.largest = self.largest.max(more.largest);
        self.plain.add(&more.plain);
        if let Some(more) = &more.weighted {
            self.weighted.get_or_insert_default().add(more);
        }
    }
}

/// Overwrites pairs that are not finite with zeros, and their factors. Returns how many weights of the candidate and of
/// the reference were so, and how many pairs that makes.
fn drop_nonfinite(candidate: &mut [f32], reference: &mut [f32], factors: &mut [f32]) -> [u64; 3] {
    let mut counts = [0; 3];
    // Without a branch a weight; almost always this is all.
    let any = |weights: &[f32]| weights.iter().fold(false, |any, w| any | !w.is_finite());
    if !any(candidate) && !any(reference) {
        return counts;
    }
    for (i, (c, r)) in candidate.iter_mut().zip(reference).enumerate() {
        let bad = [!c.is_finite(), !r.is_finite()];
        if bad != [false; 2] {
            (*c, *r) = (0.0, 0.0);
            if let Some(factor) = factors.get_mut(i) {
                *factor = 0.0;
            }
            let add = [bad[0], bad[1], true].map(u64::from);
            counts.iter_mut().zip(add).for_each(|(count, n)| *count += n);
        }
    }
    counts
}

#[inline(always)]
fn sum(candidate: &[f32], reference: &[f32], factor: impl Fn(usize) -> f64) -> ErrorSums {
    let mut lanes = [ErrorSums::default(); LANES];
    let (candidates, candidate_tail) = candidate.as_chunks::<LANES>();
    let (references, reference_tail) = reference.as_chunks::<LANES>();
    for (n, (c, r)) in candidates.iter().zip(references).enumerate() {
        for lane in 0..LANES {
            lanes[lane].add_pair(f64::from(c[lane]), f64::from(r[lane]), factor(n * LANES + lane));
        }
    }
    let start = candidates.len() * LANES;
    for (lane, (c, r)) in candidate_tail.iter().zip(reference_tail).enumerate() {
        lanes[lane].add_pair(f64::from(*c), f64::from(*r), factor(start + lane));
    }
    let mut total = ErrorSums::default();
    lanes.iter().for_each(|lane| total.add(lane));
    total
}

fn largest(candidate: &[f32], reference: &[f32]) -> f64 {
    let differences = candidate.iter().zip(reference).map(|(c, r)| (f64::from(*c) - f64::from(*r)).abs());
    differences.fold(0.0, |most, difference| if difference > most { difference } else { most })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn measure(candidate: &[f32], reference: &[f32], factors: Option<&[f32]>) -> WeightError {
        let mut factors = factors.map(<[f32]>::to_vec);
        WeightError::measure(&mut candidate.to_vec(), &mut reference.to_vec(), factors.as_deref_mut())
    }

    #[test]
    fn figures_of_a_small_case_are_those_by_hand() {
        let error = measure(&[3.0, 1.0], &[3.0, 4.0], Some(&[3.0, 1.0]));
        assert_eq!((error.weights, error.largest), (2, 3.0));
        assert_eq!(error.plain.rmse(), 4.5f64.sqrt());
        assert_eq!(error.plain.relative_rmse(), 0.6);
        assert_eq!(error.plain.cosine(), 13.0 / 250f64.sqrt());
        let weighted = error.weighted.unwrap();
        assert_eq!(weighted.rmse(), 1.5);
        assert_eq!(weighted.relative_rmse(), (9.0f64 / 43.0).sqrt());
        assert_eq!(weighted.cosine(), 31.0 / (28.0f64 * 43.0).sqrt());
    }

    #[test]
    fn zeros_have_figures_too() {
        let nothing = WeightError::default().plain;
        assert_eq!((nothing.rmse(), nothing.relative_rmse(), nothing.cosine()), (0.0, 0.0, 1.0));
        let lost = measure(&[0.0; 3], &[1.0; 3], None).plain;
        assert_eq!((lost.rmse(), lost.relative_rmse(), lost.cosine()), (1.0, 1.0, 0.0));
        let made_up = measure(&[1.0; 3], &[0.0; 3], None).plain;
        assert_eq!((made_up.rmse(), made_up.relative_rmse(), made_up.cosine()), (1.0, f64::INFINITY, 0.0));
    }

    #[test]
    fn what_is_not_finite_is_counted_and_left_out() {
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        let error = measure(&[nan, 1.0, 2.0, inf], &[1.0, 1.0, -inf, inf], Some(&[9.0, 1.0, 9.0, 9.0]));
        assert_eq!((error.weights, error.nonfinite, error.reference_nonfinite), (4, 2, 2));
        let expected = ErrorSums { factors: 1.0, difference: 0.0, candidate: 1.0, reference: 1.0, product: 1.0 };
        assert_eq!((error.plain, error.weighted), (expected, Some(expected)));
    }

    fn weights() -> impl Strategy<Value = Vec<(f32, f32, f32)>> {
        prop::collection::vec((-1e3f32..1e3, -1e3f32..1e3, 0f32..8.0), 0..100)
    }

    fn assert_near(ours: f64, naive: f64) {
        assert!((ours - naive).abs() <= 1e-12 * naive.abs().max(1e-300), "{ours:e}, and {naive:e} was expected");
    }

    proptest! {
        #[test]
        fn sums_are_the_naive_ones(pairs in weights()) {
            let column = |pick: fn(&(f32, f32, f32)) -> f32| pairs.iter().map(pick).collect::<Vec<_>>();
            let (c, r, f) = (column(|p| p.0), column(|p| p.1), column(|p| p.2));
            let error = measure(&c, &r, Some(&f));
            let naive = |of: fn(f64, f64, f64) -> f64| {
                pairs.iter().map(|(c, r, f)| of(f64::from(*c), f64::from(*r), f64::from(*f))).sum::<f64>()
            };
            assert_near(error.plain.factors, pairs.len() as f64);
            assert_near(error.plain.difference, naive(|c, r, _| (c - r).powi(2)));
            assert_near(error.plain.reference, naive(|_, r, _| r * r));
            let weighted = error.weighted.unwrap();
            assert_near(weighted.factors, naive(|_, _, f| f));
            assert_near(weighted.difference, naive(|c, r, f| f * (c - r).powi(2)));
            assert_near(weighted.candidate, naive(|c, _, f| f * c * c));
            assert_near(weighted.reference, naive(|_, r, f| f * r * r));
            let most = pairs.iter().map(|(c, r, _)| (f64::from(*c) - f64::from(*r)).abs()).fold(0.0, f64::max);
            prop_assert_eq!(error.largest, most);
        }

        #[test]
        fn parts_merge_to_the_whole(pairs in weights(), cut in 0usize..100) {
            let (c, r): (Vec<f32>, Vec<f32>) = pairs.iter().map(|(c, r, _)| (*c, *r)).unzip();
            let cut = cut.min(c.len());
            let mut merged = measure(&c[..cut], &r[..cut], None);
            merged.merge(&measure(&c[cut..], &r[cut..], None));
            let whole = measure(&c, &r, None);
            prop_assert_eq!((merged.weights, merged.largest), (whole.weights, whole.largest));
            assert_near(merged.plain.rmse(), whole.plain.rmse());
            assert_near(merged.plain.relative_rmse(), whole.plain.relative_rmse());
        }
    }
}
