//! Leading singular vectors, and what is made of them, against numpy.

mod common;

use common::grams::{gram, noise};
use common::{peer_json, sample};
use std::path::Path;
use tuck::feedback::Hessian;
use tuck::lowrank::{DEPTH, Factors, Host, add, leading};

const GO_ON: &(dyn Fn() -> bool + Sync) = &|| false;

/// How far a singular value may be from numpy's, by itself, and an approximation by the length of the matrix.
const CLOSE: f64 = 1e-4;

/// A matrix whose singular values fall like those of weights: `columns` directions, the n-th of which is smaller by n^-power.
fn falling(rows: usize, columns: usize, power: f64, seed: u64) -> Vec<f32> {
    let (left, right) = (noise(rows * columns, seed), noise(columns * columns, seed + 1));
    let mut matrix = vec![0.0f32; rows * columns];
    for n in 0..columns {
        let size = ((n + 1) as f64).powf(-power) as f32;
        for (row, matrix) in matrix.chunks_mut(columns).enumerate() {
            let factor = size * left[row * columns + n];
            matrix.iter_mut().zip(&right[n * columns..]).for_each(|(to, right)| *to += factor * right);
        }
    }
    matrix
}

fn write<T: bytemuck::NoUninit>(folder: &Path, name: &str, numbers: &[T]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytemuck::cast_slice(numbers)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// All singular values by numpy, and the best approximation.
fn numpy(matrix: &[f32], columns: usize, rank: usize, gram: Option<&[f32]>) -> (Vec<f64>, Vec<f64>) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("nearest.f64").to_str().unwrap().to_owned();
    let numbers = [matrix.len() / columns, columns, rank].map(|number| number.to_string());
    let mut arguments = vec![write(folder.path(), "matrix.f32", matrix)];
    arguments.extend(numbers);
    arguments.push(out.clone());
    arguments.extend(gram.map(|gram| write(folder.path(), "gram.f32", gram)));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let values = peer_json("svd.py", &arguments).remove(0);
    let values = values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    (values, bytemuck::pod_collect_to_vec(&std::fs::read(out).unwrap()))
}

fn check(what: &str, matrix: &[f32], columns: usize, rank: usize, gram: Option<&[f32]>, depth: usize) {
    let hessian = gram.map(|gram| Hessian::new(gram, columns, 0.01, GO_ON).unwrap().unwrap());
    let root = hessian.as_ref().map(Hessian::root);
    let found = leading(&mut Host::new(matrix, columns, root), rank, depth, GO_ON).unwrap().unwrap();
    let (values, nearest) = numpy(matrix, columns, rank, gram);
    assert_eq!(found.values.len(), rank.min(values.len()));
    for (n, (found, expected)) in found.values.iter().zip(&values).enumerate() {
        let off = (found - expected).abs() / expected.max(1e-3 * values[0]);
        assert!(off < CLOSE, "{what}: value {n} is {found}, and {expected} by numpy");
    }
    let factors = Factors::of(found.left, matrix, columns);
    let mut own = vec![0.0f32; matrix.len()];
    add(&mut own, columns, (factors.first(rank), &factors.second(rank, 1.0)), 1.0);
    let square = |number: f64| number * number;
    let difference: f64 = own.iter().zip(&nearest).map(|(own, other)| square(f64::from(*own) - other)).sum();
    let length: f64 = matrix.iter().map(|number| square(f64::from(*number))).sum();
    assert!((difference / length).sqrt() < CLOSE, "{what}: {} apart", (difference / length).sqrt());
}

#[test]
fn singular_values_and_approximations_are_numpys() {
    check("tall", &falling(300, 120, 1.0, 1), 120, 16, None, 10);
    check("wide", &falling(90, 400, 1.0, 2), 400, 8, None, 8);
    check("square", &falling(200, 200, 2.0, 3), 200, 24, None, 6);
    check("every direction", &noise(96 * 40, 4), 40, 32, None, 1);
    check("a row", &noise(70, 5), 70, 1, None, 1);
    check("for inputs", &falling(256, 160, 0.7, 6), 160, 12, Some(&gram(160, 7)), 12);
    check("noise for inputs", &noise(150 * 128, 8), 128, 120, Some(&gram(128, 9)), 1);
}

/// Errors of quantization are as good as noise: their singular values lie so close together that no few blocks tell them apart,
/// and it is enough to have what as much room can hold.
#[test]
fn of_noise_most_of_what_is_there_is_found() {
    let (rows, columns, rank) = (512, 384, 16);
    let matrix = noise(rows * columns, 10);
    let found = leading(&mut Host::new(&matrix, columns, None), rank, DEPTH, GO_ON).unwrap().unwrap();
    let (values, _) = numpy(&matrix, columns, rank, None);
    let energy = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>();
    let share = energy(&found.values) / energy(&values[..rank]);
    assert!((0.97..1.0001).contains(&share), "{share}");
}

#[test]
fn what_has_few_directions_is_found_whole() {
    let (rows, columns) = (60, 80);
    let mut matrix = vec![0.0; rows * columns];
    add(&mut matrix, columns, (&noise(3 * columns, 11), &noise(rows * 3, 12)), 0.5);
    let found = leading(&mut Host::new(&matrix, columns, None), 10, DEPTH, GO_ON).unwrap().unwrap();
    assert!(found.values[2] > 0.1 && found.values[3..].iter().all(|value| *value < 1e-4), "{:?}", found.values);
    let nothing = leading(&mut Host::new(&matrix, columns, None), 0, DEPTH, GO_ON).unwrap().unwrap();
    assert!(nothing.values.is_empty());
    assert!(leading(&mut Host::new(&matrix, columns, None), 3, DEPTH, &|| true).unwrap().is_none());
}

/// A short text to measure on.
fn text(folder: &Path) -> String {
    let whole = std::fs::read_to_string(sample().join("evaluation.txt")).unwrap();
    let end = (8_000..).find(|at| whole.is_char_boundary(*at)).unwrap();
    let path = folder.join("text.txt");
    std::fs::write(&path, &whole[..end]).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn an_adapter_beside_a_file_makes_good_what_was_lost_and_llama_cpp_runs_both() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (base, lora, measured) = (at("base.gguf"), at("base-lora.gguf"), text(folder.path()));
    let (model, observed) = (sample().to_str().unwrap().to_owned(), sample().join("calibration.txt"));
    let pack = |more: &[&str]| {
        let statistics = at("statistics.gguf");
        let mut arguments = vec!["pack", &model, "--type", "Q2_K", "-o", &base, "--device", "cpu", "--json"];
        arguments.extend(["--text", observed.to_str().unwrap(), "--chunks", "4", "--statistics", &statistics]);
        arguments.extend(["--measure", &measured]);
        arguments.extend(more);
        common::tuck(&arguments)
    };
    let report = |output: std::process::Output| {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        json["adapters"][0].clone()
    };
    let found = report(pack(&["--adapter-rank", "8"]));
    let bytes = |file: &str| std::fs::metadata(file).unwrap().len();
    assert_eq!(found["file_bytes"], bytes(&lora));
    assert_eq!(found["base"]["bytes"], bytes(&base));
    assert_eq!(found["with_adapter"]["bytes"], bytes(&base) + bytes(&lora));
    let alone = &found["same_bytes_by_quantization_alone"];
    assert!(alone["bytes"].as_u64().unwrap() <= bytes(&base) + bytes(&lora));
    let divergence = |of: &serde_json::Value| of["kl_divergence"]["value"].as_f64().unwrap();
    let (without, with) = (divergence(&found["base"]), divergence(&found["with_adapter"]));
    assert!(with < 0.9 * without, "{without} becomes {with}");
    assert!(divergence(alone) < without);
    let ranks: Vec<u64> = found["ranks"].as_object().unwrap().values().map(|rank| rank.as_u64().unwrap()).collect();
    assert!(ranks.len() == 56 && ranks.iter().max() > ranks.iter().min(), "{ranks:?}");

    let answer = |more: &[&str]| {
        let mut arguments = vec![base.as_str(), "--tokens", "8"];
        arguments.extend(more);
        peer_json("generate.py", &arguments).remove(0)["logprobs"].clone()
    };
    let (plain, adapted) = (answer(&[]), answer(&["--lora", &lora]));
    assert!(plain.is_array() && adapted.is_array() && plain != adapted, "{plain} {adapted}");

    let small = report(pack(&["--adapter-size", "200K", "--adapter-type", "Q8_0", "--force"]));
    assert!(small["file_bytes"].as_u64().unwrap() <= 200_000 && bytes(&lora) > 190_000, "{small}");
    assert!(divergence(&small["with_adapter"]) < without);
    let refused = pack(&["--adapter-size", "1K", "--force"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no room for a single rank"));
    std::fs::remove_file(&base).unwrap();
    let refused = pack(&["--adapter-rank", "1"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("base-lora.gguf exists"));
}
