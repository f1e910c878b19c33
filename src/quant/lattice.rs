//! The search of the IQ1, IQ2 and IQ3 types: four or eight weights are a point of a grid times a scale.
//!
//! What a point takes off the squared error is a sum over its weights. So the sums over the first and over the second
//! half of a point are made once, for every combination of levels, and then each point of the grid costs one addition:
//! the search is exhaustive, and needs no table of neighbours.

use super::f16;
use super::lanes::{Floats, LANES, inverse};
use super::search::Effort;
use super::weight::Weight;

/// A grid of points, and how blocks use it.
pub(super) struct Lattice {
    /// The values of a level, rising, in units of the scale; a second set where blocks choose between two.
    levels: &'static [&'static [f32]],
    /// Weights of a point.
    pub(super) weights: usize,
    /// Bits of a level's number in a point of the grid.
    bits: usize,
    points: &'static [u16],
    /// Scales are d · `unit` · (2 s + 1) for s in 0..=`top`.
    unit: f32,
    top: f32,
    /// Weights that share a choice of levels, where there is one.
    choice: usize,
    /// Scales to try for a sub-block where time counts, of the three there are: the nearest to what plain rounding would
    /// take, the next on its other side, and the one beyond.
    tries: usize,
    /// The second halves of the points, in fours; the fours of one first half after those of another, the last second half
    /// repeated to fill them.
    fours: Vec<[u8; 4]>,
    /// And the numbers of those points.
    numbers: Vec<[u16; 4]>,
    /// Where the fours of each first half end.
    ends: Vec<usize>,
}

impl Lattice {
    pub(super) fn new(
        levels: &'static [&'static [f32]],
        bits: usize,
        points: &'static [u16],
        unit: f32,
        top: f32,
        choice: usize,
        tries: usize,
    ) -> Self {
        let weights = if bits == 2 { 8 } else { 4 };
        let count = levels[0].len();
        let half = |point: u16, first: usize| {
            let level = |i: usize| usize::from(point >> (bits * i)) & ((1 << bits) - 1);
            (first..first + weights / 2).rev().fold(0, |half, i| half * count + level(i))
        };
        let mut found: Vec<Vec<(u8, u16)>> = vec![vec![]; count.pow(weights as u32 / 2)];
        for (number, &point) in points.iter().enumerate() {
            found[half(point, 0)].push((half(point, weights / 2) as u8, number as u16));
        }
        let (mut fours, mut numbers, mut ends) = (vec![], vec![], vec![]);
        for found in &found {
            for few in found.chunks(4) {
                let four: [(u8, u16); 4] = std::array::from_fn(|i| few[i.min(few.len() - 1)]);
                fours.push(four.map(|point| point.0));
                numbers.push(four.map(|point| point.1));
            }
            ends.push(fours.len());
        }
        Self { levels, weights, bits, points, unit, top, choice, tries, fours, numbers, ends }
    }

    /// What a kernel needs of the grid, in words: the points, two a word; where the fours of each first half end; the
    /// fours; and their points' numbers, two a word.
    pub(super) fn table(&self) -> Vec<u32> {
        let pair = |few: &[u16]| u32::from(few[0]) | u32::from(few[1]) << 16;
        let mut words: Vec<u32> = self.points.chunks(2).map(pair).collect();
        words.extend(self.ends.iter().map(|&end| end as u32));
        words.extend(self.fours.iter().map(|&four| u32::from_le_bytes(four)));
        words.extend(self.numbers.iter().flat_map(|four| four.chunks(2).map(pair)));
        words
    }

    /// The value of weight `i` of a point.
    #[inline(always)]
    pub(super) fn value(&self, set: usize, point: usize, i: usize) -> f32 {
        self.levels[set][usize::from(self.points[point] >> (self.bits * i)) & ((1 << self.bits) - 1)]
    }

    /// The scale of a sub-block if any levels could go together.
    #[inline(always)]
    fn start<V: Floats, const N: usize, W: Weight<V>>(&self, x: &[V; N], w: &[W; N]) -> V {
        let levels = self.levels[0];
        let top = levels[levels.len() - 1];
        let mut size = V::zero();
        for v in x {
            size = size.max(v.abs());
        }
        let unit = size.inverse();
        // Where the next level is nearer, and how far it is.
        let (mut middles, mut gaps) = ([V::zero(); 7], [V::zero(); 7]);
        for (k, pair) in levels.windows(2).enumerate() {
            middles[k] = V::splat((pair[0] + pair[1]) / 2.0);
            gaps[k] = V::splat(pair[1] - pair[0]);
        }
        let (mut scale, mut gain) = (V::zero(), V::splat(-1.0));
        for step in STEPS {
            let inverse = V::splat(top * step) * unit;
            let (mut qq, mut xq) = (V::zero(), V::zero());
            for i in 0..N {
                let v = x[i] * inverse;
                let mut q = V::splat(levels[0]);
                for k in 0..levels.len() - 1 {
                    q = q + v.if_gt(middles[k], gaps[k], V::zero());
                }
                let wq = w[i] * q;
                qq = qq + wq * q;
                xq = xq + wq * x[i];
            }
            let explained = xq * xq * qq.inverse();
            scale = explained.if_gt(gain, xq * qq.inverse(), scale);
            gain = explained.max(gain);
        }
        scale.max(V::zero())
    }
}

/// Where the largest weight is tried, in highest levels; the first for weights that are all alike.
const STEPS: [f32; 7] = [0.0625, 0.8, 1.0, 1.2, 1.45, 1.75, 2.1];

/// Sums over half a point's weights, for every combination of their levels. As long as a byte can count.
type Half<V> = [V; 256];

/// What the search writes down on its way, made once for a super-block.
struct Scratch<V> {
    /// What each level takes off a weight's squared error.
    terms: [[V; 8]; 8],
    first: Half<V>,
    last: Half<V>,
}

/// What each combination of levels takes off the squared error of weights x, in two halves. Returns the most of the
/// second.
#[inline(always)]
fn halves<V: Floats, W: Weight<V>>(
    x: &[V],
    w: &[W],
    levels: &[f32],
    scale: V,
    Scratch { terms, first, last }: &mut Scratch<V>,
) -> V {
    for (k, &level) in levels.iter().enumerate() {
        let y = V::splat(level) * scale;
        for i in 0..x.len() {
            terms[i][k] = w[i] * (y * ((x[i] + x[i]) - y));
        }
    }
    let n = levels.len();
    if x.len() == 4 {
        for b in 0..n {
            for a in 0..n {
                first[a + n * b] = terms[0][a] + terms[1][b];
                last[a + n * b] = terms[2][a] + terms[3][b];
            }
        }
        return largest(&terms[2][..n]) + largest(&terms[3][..n]);
    }
    let (low, high) = terms.split_at(4);
    for (half, terms) in [(first, low), (last, high)] {
        let mut low = [V::zero(); 9];
        for b in 0..3 {
            for a in 0..3 {
                low[a + 3 * b] = terms[0][a] + terms[1][b];
            }
        }
        for b in 0..3 {
            for a in 0..3 {
                let high = terms[2][a] + terms[3][b];
                for (i, &low) in low.iter().enumerate() {
                    half[i + 9 * (a + 3 * b)] = low + high;
                }
            }
        }
    }
    let [.., a, b, c, d] = &*terms;
    (largest(&a[..3]) + largest(&b[..3])) + (largest(&c[..3]) + largest(&d[..3]))
}

#[inline(always)]
fn largest<V: Floats>(terms: &[V]) -> V {
    let mut most = V::splat(-f32::MAX);
    for &term in terms {
        most = most.max(term);
    }
    most
}

/// The most of the second halves.
#[inline(always)]
fn most<V: Floats>(fours: &[[u8; 4]], last: &Half<V>) -> V {
    let at = |second: u8| last[usize::from(second)];
    let mut most = V::splat(-f32::MAX);
    for &[a, b, c, d] in fours {
        most = most.max(at(a).max(at(b)).max(at(c).max(at(d))));
    }
    most
}

/// The points chosen for a sub-block.
struct Placed<V, const N: usize> {
    /// What they take off the squared error.
    gain: V,
    /// The number of each, at its first weight.
    points: [[u16; LANES]; N],
    /// The set of levels it is of.
    sets: [[u8; LANES]; N],
}

impl Lattice {
    /// The most that any point takes off, and the number of the first half of the first that does; `top` is the most of
    /// all second halves.
    #[inline(always)]
    fn best<V: Floats>(&self, first: &Half<V>, last: &Half<V>, top: V) -> (V, V) {
        let (mut best, mut best_half) = (V::splat(-f32::MAX), V::zero());
        let mut start = 0;
        for (half, &end) in self.ends.iter().enumerate() {
            // Most halves cannot win in any lane.
            let first = first[half & 255];
            if (first + top).any_gt(best) {
                let sum = first + most(&self.fours[start..end], last);
                best_half = sum.if_gt(best, V::splat(half as f32), best_half);
                best = best.max(sum);
            }
            start = end;
        }
        (best, best_half)
    }

    /// The first point of each lane that takes off the most.
    #[inline(always)]
    fn find<V: Floats>(&self, first: &Half<V>, last: &Half<V>, best: V, best_half: V) -> [u16; LANES] {
        let (best, halves) = (best.to_array(), V::pack4([best_half, V::zero(), V::zero(), V::zero()]));
        let mut points = [0; LANES];
        for lane in 0..LANES {
            let half = halves[lane] as usize & 255;
            let range = if half == 0 { 0 } else { self.ends[half - 1] }..self.ends[half];
            let first = first[half].lanes()[lane];
            let seconds = self.fours[range.clone()].as_flattened();
            let found = |&second: &u8| first + last[usize::from(second)].lanes()[lane] == best[lane];
            if let Some(at) = seconds.iter().position(found) {
                points[lane] = self.numbers[range].as_flattened()[at];
            }
        }
        points
    }

    /// The best points at a scale.
    #[inline(always)]
    fn place<V: Floats, const N: usize, W: Weight<V>>(
        &self,
        x: &[V; N],
        w: &[W; N],
        scale: V,
        scratch: &mut Scratch<V>,
    ) -> Placed<V, N> {
        let mut placed = Placed { gain: V::zero(), points: [[0; LANES]; N], sets: [[0; LANES]; N] };
        for begin in (0..N).step_by(self.choice) {
            let mut most = V::splat(-f32::MAX);
            for (number, levels) in self.levels.iter().enumerate() {
                let (mut total, mut points) = (V::zero(), [[0; LANES]; 8]);
                for (k, at) in (begin..begin + self.choice).step_by(self.weights).enumerate() {
                    let range = at..at + self.weights;
                    let top = halves(&x[range.clone()], &w[range], levels, scale, scratch);
                    let (best, half) = self.best(&scratch.first, &scratch.last, top);
                    points[k] = self.find(&scratch.first, &scratch.last, best, half);
                    total = total + best;
                }
                let (better, worse) = (total.to_array(), most.to_array());
                for lane in (0..LANES).filter(|&lane| better[lane] > worse[lane]) {
                    for (k, at) in (begin..begin + self.choice).step_by(self.weights).enumerate() {
                        placed.points[at][lane] = points[k][lane];
                        placed.sets[at][lane] = number as u8;
                    }
                }
                most = most.max(total);
            }
            placed.gain = placed.gain + most;
        }
        placed
    }
}

/// A super-block of `H` · 8 sub-blocks of `N` weights.
pub(super) struct Super<const N: usize, const H: usize> {
    /// f16 bits.
    pub(super) d: u16,
    pub(super) scales: [[u8; LANES]; H],
    /// The number of each point, and the set of levels it is of: at the point's first weight.
    pub(super) points: [[[u16; LANES]; N]; H],
    pub(super) sets: [[[u8; LANES]; N]; H],
}

impl<const N: usize, const H: usize> Super<N, H> {
    fn nothing() -> Self {
        Self { d: 0, scales: [[0; LANES]; H], points: [[[0; LANES]; N]; H], sets: [[[0; LANES]; N]; H] }
    }
}

/// The guess of d, relative to the one that lets the largest sub-block have the scale of plain rounding: points of the
/// grid have fewer large levels.
const START: f32 = 1.06;

/// The best super-block of weights `x`, whose signs are dealt with.
#[inline(always)]
pub(super) fn super_block<V: Floats, const N: usize, const H: usize, W: Weight<V>>(
    lattice: &Lattice,
    x: &[[V; N]; H],
    w: &[[W; N]; H],
    effort: Effort,
) -> Super<N, H> {
    let zero = V::zero();
    let mut scratch = Scratch { terms: [[zero; 8]; 8], first: [zero; 256], last: [zero; 256] };
    let top = V::splat(lattice.top);
    let mut fits = [V::zero(); H];
    let mut largest = 0.0f32;
    for h in 0..H {
        fits[h] = lattice.start(&x[h], &w[h]);
        for fit in fits[h].to_array() {
            largest = if fit > largest { fit } else { largest };
        }
    }
    let d = START * largest / (lattice.unit * (2.0 * lattice.top + 1.0));
    let step = V::splat(d * lattice.unit);
    let tries = match effort {
        Effort::Fast => lattice.tries,
        Effort::Best => 3,
    };
    let mut found = Super::nothing();
    let (mut p, mut a) = (0.0, 0.0);
    for h in 0..H {
        let wanted = ((fits[h] * step.inverse() - V::splat(1.0)) * V::splat(0.5)).max(V::zero()).min(top);
        let start = wanted.round();
        let side = wanted.if_gt(start, V::splat(1.0), V::splat(-1.0));
        let (mut scale, mut most) = (V::zero(), V::splat(-f32::MAX));
        for change in [V::zero(), side, V::zero() - side].into_iter().take(tries) {
            let tried = (start + change).max(V::zero()).min(top);
            let placed = lattice.place(&x[h], &w[h], odd(tried) * step, &mut scratch);
            let (better, worse) = (placed.gain.to_array(), most.to_array());
            for lane in (0..LANES).filter(|&lane| better[lane] > worse[lane]) {
                for at in (0..N).step_by(lattice.weights) {
                    found.points[h][at][lane] = placed.points[at][lane];
                    found.sets[h][at][lane] = placed.sets[at][lane];
                }
            }
            scale = placed.gain.if_gt(most, tried, scale);
            most = placed.gain.max(most);
        }
        let (mut xq, mut qq) = (V::zero(), V::zero());
        for at in (0..N).step_by(lattice.weights) {
            let (points, sets) = (found.points[h][at], found.sets[h][at]);
            for i in 0..lattice.weights {
                let mut q = [0.0; LANES];
                for lane in 0..LANES {
                    q[lane] = lattice.value(usize::from(sets[lane]), usize::from(points[lane]), i);
                }
                let q = V::from_array(q);
                let wq = w[h][at + i] * q;
                qq = qq + wq * q;
                xq = xq + wq * x[h][at + i];
            }
        }
        // The scale that is best for these points.
        let wanted = (xq * qq.inverse() * step.inverse() - V::splat(1.0)) * V::splat(0.5);
        let scale = wanted.max(V::zero()).min(top).round();
        found.scales[h] = scale.to_array().map(|s| s as u8);
        let unit = odd(scale) * V::splat(lattice.unit);
        p += (unit * xq).sum();
        a += (unit * unit * qq).sum();
    }
    found.d = f16::encode_scale(p * inverse(a));
    if found.d == 0 { Super::nothing() } else { found }
}

/// 2 s + 1.
#[inline(always)]
fn odd<V: Floats>(s: V) -> V {
    s + s + V::splat(1.0)
}

/// Magnitudes of weights, and a byte of signs for every eight: 1 for negative, the first lowest.
pub(super) struct Signs<V, const N: usize> {
    pub(super) magnitudes: [V; N],
    /// At the first weight of the eight.
    pub(super) bytes: [[u8; LANES]; N],
}

/// Splits off the signs. If only an even number of eight can be stored as negative, the weight that matters least
/// takes the wrong sign where it has to: its magnitude is negative.
#[inline(always)]
pub(super) fn signs<V: Floats, const N: usize, W: Weight<V>>(x: &[V; N], w: &[W; N], even: bool) -> Signs<V, N> {
    let one = V::splat(1.0);
    let mut signs = Signs { magnitudes: *x, bytes: [[0; LANES]; N] };
    for at in (0..N).step_by(8) {
        let (mut least, mut index, mut count) = (V::splat(f32::MAX), V::zero(), V::zero());
        for i in 0..8 {
            let cost = w[at + i] * x[at + i].abs();
            index = least.if_gt(cost, V::splat(i as f32), index);
            least = least.min(cost);
            count = count + V::zero().if_gt(x[at + i], one, V::zero());
        }
        // Half of an odd count rounds to a half off.
        let half = count * V::splat(0.5);
        let odd = if even { (half - half.round()).abs() } else { V::zero() };
        let mut byte = V::zero();
        for i in 0..8 {
            let v = x[at + i];
            let negative = V::zero().if_gt(v, one, V::zero());
            let here = (index - V::splat(i as f32)).abs();
            let flip = odd.if_gt(here, one, V::zero());
            signs.magnitudes[at + i] = flip.if_gt(V::zero(), V::zero() - v.abs(), v.abs());
            byte = byte + (negative - flip).abs() * V::splat((1 << i) as f32);
        }
        signs.bytes[at] = byte.to_array().map(|byte| byte as u8);
    }
    signs
}

/// The signs of 32 weights of a lane, seven bits for eight.
pub(super) fn pack_signs<V>(signs: &Signs<V, 32>, lane: usize) -> u32 {
    (0..4).fold(0, |bits, i| bits | u32::from(signs.bytes[8 * i][lane] & 127) << (7 * i))
}

/// Eight signs from seven (the low bits): their number is even. `ksigns_iq2xs` of ggml-common.h is this as a table.
#[inline(always)]
pub(super) fn eight_signs(seven: u16) -> u8 {
    let seven = seven as u8 & 127;
    seven | (seven.count_ones() as u8 & 1) << 7
}

/// Reads the weights of a point: 1 in `signs` for negative, the first lowest.
#[inline(always)]
pub(super) fn decode(lattice: &Lattice, set: usize, point: u16, signs: u8, scale: f32, weights: &mut [f32]) {
    for (i, weight) in weights.iter_mut().enumerate() {
        let value = scale * lattice.value(set, usize::from(point), i);
        *weight = if signs >> i & 1 == 1 { -value } else { value };
    }
}
