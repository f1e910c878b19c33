//! How long it takes to tell what fits where, for a model of 1,000 tensors and every target.
//!
//!     cargo bench --bench fit

#[path = "../tests/common/sparse.rs"]
mod sparse;

use rayon::prelude::*;
use std::time::{Duration, Instant};
use tuck::fit::{self, Fitter, Settings, Subject};
use tuck::model::Model;
use tuck::quant::{F16, Q8_0};
use tuck::recipe::{Plan, Recipe, preset_from_name};

/// What a change of a setting may take.
const LIMIT: Duration = Duration::from_millis(50);

fn main() {
    let folder = tempfile::tempdir().expect("a folder for a model of holes");
    sparse::sparse_llama(folder.path(), 111, 4096, 14336, 32, 8, 128_256);
    let model = Model::open(folder.path()).expect("a Llama of holes");
    let targets = fit::bundled();
    println!("{} tensors, {} targets", model.tensors.len(), targets.len());
    let mut worst = Duration::ZERO;
    for (preset, context, keys) in [
        ("Q4_K_M", 4096, &F16),
        ("Q8_0", 4096, &F16),
        ("Q2_K", 32768, &F16),
        ("Q4_K_M", 32768, &Q8_0),
        ("F16", 131_072, &Q8_0),
        ("IQ2_XS", 131_072, &F16),
    ] {
        let mut best = Duration::MAX;
        for _ in 0..3 {
            let begin = Instant::now();
            let preset = preset_from_name(preset).expect("in the list");
            let plan = Plan::new(&model, &Recipe::new(preset)).expect("without overrides");
            let subject = Subject::planned(&model, &plan);
            let settings = Settings { context, keys, values: keys, ..Settings::default() };
            let fitter = Fitter::new(&subject, settings);
            let answers: Vec<_> = targets.par_iter().map(|target| fitter.answer(&target.machine)).collect();
            std::hint::black_box(answers);
            best = best.min(begin.elapsed());
        }
        println!("{preset:<8} context {context:>7} KV {:<5} {:>8.1} ms", keys.name, best.as_secs_f64() * 1e3);
        worst = worst.max(best);
    }
    println!("worst {:.1} ms of {} ms", worst.as_secs_f64() * 1e3, LIMIT.as_millis());
}
