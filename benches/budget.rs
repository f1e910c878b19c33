//! How long it takes to choose formats for a model of 1,000 tensors by 12 formats, and what the choices lose over the bound
//! that no choice can go below.
//!
//!     cargo bench --bench budget

use std::time::{Duration, Instant};
use tuck::recipe::budget::{Choice, Curve};

const TENSORS: usize = 1000;
/// What a move of a slider may take.
const LIMIT: Duration = Duration::from_millis(100);
/// Bits a weight of twelve formats.
const BITS: [f64; 12] = [2.06, 2.31, 2.56, 2.625, 3.06, 3.4375, 4.25, 4.5, 5.5, 6.5625, 8.5, 16.0];

fn main() {
    let mut seed = 7u64;
    let mut chance = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 40) as f64 / f64::from(1 << 24)
    };
    let shapes = [4096.0 * 4096.0, 4096.0 * 1024.0, 4096.0 * 14336.0];
    let mut item = || {
        let (weights, scale) = (shapes[(chance() * 3.0) as usize % 3], (8.0 * chance()).exp() * 1e-6);
        let mut choice = |bits: &f64| {
            let luck = 0.8 + 0.4 * chance();
            Choice { bytes: (weights * bits / 8.0) as u64 / 32 * 32, loss: scale * luck * 4f64.powf(-bits) }
        };
        BITS.iter().map(&mut choice).collect::<Vec<_>>()
    };
    let items: Vec<Vec<Choice>> = (0..TENSORS).map(|_| item()).collect();
    let begin = Instant::now();
    let curve = Curve::new(items);
    let (first, last) = (curve.points()[0].bytes, curve.points()[curve.points().len() - 1].bytes);
    println!(
        "{TENSORS} tensors by {} formats: a curve of {} points in {:.1} ms",
        BITS.len(),
        curve.points().len(),
        ms(begin.elapsed())
    );
    let mut worst = Duration::ZERO;
    for part in 1..20 {
        let budget = first + (last - first) / 20 * part;
        let begin = Instant::now();
        let solution = curve.solve(budget).expect("more than the smallest");
        let elapsed = begin.elapsed();
        worst = worst.max(elapsed);
        // Between two points of the hull no choice loses less than the line.
        let next = curve.points().partition_point(|point| point.bytes <= budget);
        let (a, b) = (curve.points()[next - 1], curve.points()[next]);
        let bound = a.loss - (a.loss - b.loss) * (budget - a.bytes) as f64 / (b.bytes - a.bytes) as f64;
        println!(
            "{budget:>14} bytes  {:>6} left  loss {:.9} of a bound of {bound:.9}  {:>6.1} ms",
            budget - solution.total.bytes,
            solution.total.loss,
            ms(elapsed)
        );
    }
    println!("worst {:.1} ms of {} ms", ms(worst), LIMIT.as_millis());
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
