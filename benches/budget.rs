//! How long it takes to choose formats for a model of 1,000 tensors by 12 formats, and what the choices lose over the bound
//! that no choice can go below; and how long a whole move of the window's slider takes for such a model: mix and plan.
//!
//!     cargo bench --bench budget

#[path = "../tests/common/sparse.rs"]
mod sparse;

use std::time::{Duration, Instant};
use tuck::imatrix::{Alone, GramPlan, GramWriter, Identity, Statistics, Tables};
use tuck::model::Model;
use tuck::quant::{FORMATS, FormatRef, Q3_K};
use tuck::recipe::budget::{Choice, Curve};
use tuck::recipe::{Level, Mixer, Plan, Prediction, Recipe, preset_from_name};

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
    moves();
}

/// Formats of 256 weights a block, of which tensors can have all.
fn formats() -> Vec<FormatRef> {
    FORMATS.iter().copied().filter(|format| !format.is_float() && format.block_weights == 256).take(12).collect()
}

/// A model of holes, statistics that somebody thought of, and the slider from one end to the other.
fn moves() {
    let folder = tempfile::tempdir().expect("a folder for a model of holes");
    sparse::sparse_llama(folder.path(), 111, 4096, 14336, 32, 8, 128_256);
    let model = Model::open(folder.path()).expect("a Llama of holes");
    let statistics = invented(&model, &folder.path().join("statistics.gguf"));
    let begin = Instant::now();
    let prediction = Prediction::new(&statistics, true, true);
    let base = Recipe::new(preset_from_name("COPY").expect("in the list"));
    let made = (Level::Balanced, statistics.identity.clone());
    let mixer = Mixer::new(&model, &prediction, base, made, &formats(), &[]).expect("every tensor can have them");
    let (from, to) = (mixer.smallest(), mixer.points().last().expect("a curve").bytes);
    let standards = mixer.standards().len();
    println!("{} tensors: curve and {standards} standards in {:.1} ms", model.tensors.len(), ms(begin.elapsed()));
    let mut times = Vec::new();
    for part in 0..=40 {
        let begin = Instant::now();
        let mixed = mixer.solve(from + (to - from) / 40 * part).expect("more than the smallest");
        let plan = Plan::new(&model, &mixed.recipe).expect("a recipe of this model");
        assert_eq!(plan.file_bytes, mixed.total.bytes);
        times.push(begin.elapsed());
    }
    times.sort();
    println!("a move: median {:.1} ms, worst {:.1} ms", ms(times[times.len() / 2]), ms(times[times.len() - 1]));
}

fn invented(model: &Model, path: &std::path::Path) -> Statistics {
    let names =
        model.tensors.iter().filter(|tensor| tuck::recipe::quantizable(tensor)).map(|tensor| tensor.name.clone());
    let mut tables = Tables::unknown(names);
    for (place, tensor) in tables.tensors.iter_mut().enumerate() {
        // Somewhere between 1e-6 and 3e-3.
        let divergence = ((place * 7919 % 1000) as f64 / 125.0).exp() * 1e-6;
        tensor.alone = Some(Alone { divergence, error: 0.0, chunks: 2, format: &Q3_K });
        let of = Tables::formats().zip(&mut tensor.errors);
        of.for_each(|(format, error)| *error = Some(4f64.powf(-format.bits_per_weight())));
    }
    let identity = Identity { model: "holes".to_owned(), text: "none".to_owned() };
    let planned = GramPlan { metadata: tables.metadata(&identity), tables: tables.shapes([]), ..GramPlan::default() };
    let (mut writer, _) = GramWriter::begin(&path.with_extension("partial"), &planned, false).expect("a new file");
    for (name, numbers) in tables.encode() {
        writer.fill(name, &numbers).expect("a planned table");
    }
    writer.finish(path).expect("a name for the file");
    Statistics::open(path).expect("what was written")
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
