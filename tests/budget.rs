//! Files by size: never larger than asked, better than any standard recipe, and the same again from their recipe.

mod common;

use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;
use tuck::recipe::preset_from_name;

const SAMPLE_TEXT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/sample/calibration.txt");
const FEW: [&str; 4] = ["--text", SAMPLE_TEXT, "--chunks", "2"];

/// Statistics of the sample, made once.
fn statistics() -> &'static Path {
    static MADE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("statistics.gguf");
        let made = dry(&path, &["--target-size", "9M"]);
        assert_eq!(made["mix"]["statistics"]["reused"], false);
        (folder, path)
    });
    path
}

fn arguments<'a>(statistics: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["--statistics", statistics.to_str().unwrap(), "--device", "cpu", "--json"];
    all.extend(FEW.into_iter().chain(more.iter().copied()));
    all
}

/// What would be packed.
fn dry(statistics: &Path, more: &[&str]) -> Json {
    let sample = common::sample();
    let mut all = vec!["pack", sample.to_str().unwrap(), "--dry-run"];
    all.extend(arguments(statistics, more));
    serde_json::from_str(&common::tuck_ok(&all)).unwrap()
}

fn refused(model: &Path, statistics: &Path, more: &[&str], words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.gguf");
    let mut all = vec!["pack", model.to_str().unwrap(), "-o", output.to_str().unwrap()];
    all.extend(arguments(statistics, more));
    let refused = common::tuck(&all);
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{more:?}: {stderr}");
    assert!(words.iter().all(|word| stderr.contains(word)), "{stderr} lacks some of {words:?}");
    assert!(!output.exists());
}

fn predicted(json: &Json) -> f64 {
    json["mix"]["predicted_kl_divergence"].as_f64().unwrap()
}

#[test]
fn a_file_is_no_larger_than_asked_and_comes_again_from_its_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let sample = common::sample();
    let pack = |output: &Path, statistics: &Path, more: &[&str]| -> Json {
        let mut all = vec!["pack", sample.to_str().unwrap(), "-o", output.to_str().unwrap()];
        all.extend(arguments(statistics, more));
        serde_json::from_str(&common::tuck_ok(&all)).unwrap()
    };
    let mut before = f64::MAX;
    for asked in [2_700_000, 4_036_768, 6_172_832u64] {
        let (output, size) = (at(&format!("{asked}.gguf")), asked.to_string());
        let recipe = at(&format!("{asked}.toml"));
        let report = pack(&output, statistics(), &["--target-size", &size, "--recipe-out", recipe.to_str().unwrap()]);
        let bytes = std::fs::metadata(&output).unwrap().len();
        assert!(bytes <= asked && bytes + 20_000 > asked, "{bytes} of {asked}");
        assert_eq!((report["file_bytes"].as_u64(), &report["type"]), (Some(bytes), &Json::from("MIX")));
        assert!(predicted(&report) < before);
        before = predicted(&report);
        let packed = common::packed::tensors(&output);
        let tensors = report["mix"]["tensors"].as_array().unwrap();
        assert_eq!(tensors.len(), 57);
        for tensor in tensors {
            let name = tensor["name"].as_str().unwrap();
            assert_eq!(packed[name].format.name, tensor["format"], "{name}");
            assert!(tensor["kl_divergence_alone"]["value"].as_f64().unwrap() > 0.0, "{tensor}");
        }
        // What llama.cpp is told is a type that it knows.
        let bytes = std::fs::read(&output).unwrap();
        let header = tuck::gguf::read_header(&bytes[..], bytes.len() as u64).unwrap();
        let (_, file_type) = header.metadata.iter().find(|(key, _)| key == "general.file_type").unwrap();
        assert_eq!(preset_from_name(&file_type.to_string()).unwrap().name, report["mix"]["type"]);

        let (again, elsewhere) = (at("again.gguf"), at("elsewhere.gguf"));
        std::fs::copy(statistics(), &elsewhere).unwrap();
        let report = pack(&again, &elsewhere, &["--recipe", recipe.to_str().unwrap(), "--force"]);
        assert_eq!(report["mix"]["statistics"]["reused"], true);
        assert!(std::fs::read(&again).unwrap() == bytes, "the recipe made another file");
    }
}

/// Matrices that are quantized one after the other lose less, and come again from the recipe.
#[test]
fn what_follows_the_text_loses_less() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let sample = common::sample();
    let pack = |name: &str, more: &[&str]| -> (Vec<u8>, Json) {
        let (output, statistics) = (at(name), at("statistics"));
        let mut all = vec!["pack", sample.to_str().unwrap(), "-o", &output, "--statistics", &statistics];
        all.extend(["--device", "cpu", "--json", "--text", SAMPLE_TEXT, "--chunks", "10"]);
        all.extend(more);
        let report = serde_json::from_str(&common::tuck_ok(&all)).unwrap();
        (std::fs::read(&output).unwrap(), report)
    };
    let recipe = at("recipe.toml");
    let size = ["--target-size", "3700000", "--measure"];
    let (best, of_best) = pack("best.gguf", &[&size[..], &["--effort", "best", "--recipe-out", &recipe]].concat());
    let (balanced, of_balanced) = pack("balanced.gguf", &[&size[..], &["--effort", "balanced"]].concat());
    let (again, _) = pack("again.gguf", &["--recipe", &recipe]);
    assert!(best == again, "the recipe made another file");
    let refused = ["--chunks", "10", "--recipe", &recipe, "--statistics", &at("statistics")];
    let refused = common::tuck(&[&["pack", sample.to_str().unwrap(), "-o", &at("other.gguf")], &refused[..]].concat());
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && stderr.contains("another; name that text (--text)"), "{stderr}");
    assert!(best.len() <= 3_700_000 && balanced.len() <= 3_700_000 && best != balanced);
    let measured = |report: &Json| report["mix"]["measured_kl_divergence"]["value"].as_f64().unwrap();
    let (best, balanced) = (measured(&of_best), measured(&of_balanced));
    assert!(best < 0.97 * balanced, "{best} and {balanced}");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 5, "files, a recipe and statistics, and nothing of what was followed");
}

#[test]
fn no_standard_recipe_is_better_at_its_size() {
    let first = dry(statistics(), &["--bpw", "4.2"]);
    assert!(first["bits_per_weight"].as_f64().unwrap() <= 4.2);
    let standards = first["mix"]["standards"].as_array().unwrap();
    let names: Vec<&str> = standards.iter().map(|standard| standard["type"].as_str().unwrap()).collect();
    assert!(["Q2_K", "Q3_K_M", "Q4_K_M", "IQ4_XS", "Q6_K"].iter().all(|name| names.contains(name)), "{names:?}");
    for standard in standards {
        let bytes = standard["file_bytes"].to_string();
        let own = dry(statistics(), &["--target-size", &bytes]);
        let theirs = standard["predicted_kl_divergence"].as_f64().unwrap();
        assert!(own["file_bytes"].as_u64() <= standard["file_bytes"].as_u64());
        assert!(predicted(&own) <= theirs * (1.0 + 1e-9), "{standard}: {}", predicted(&own));
    }
}

#[test]
fn what_is_said_of_single_tensors_stays() {
    let formats = |more: &[&str]| -> Vec<(String, String)> {
        let json = dry(statistics(), &[&["--target-size", "4.4M"], more].concat());
        let text = |json: &Json| json.as_str().unwrap().to_owned();
        let tensors = json["mix"]["tensors"].as_array().unwrap();
        tensors.iter().map(|tensor| (text(&tensor["name"]), text(&tensor["format"]))).collect()
    };
    let layer = |name: &str| name.split('.').nth(1).unwrap().to_owned();
    let few = formats(&["--types", "Q3_K,Q5_K", "--tensor-type", "attn_v=Q8_0"]);
    assert!(few.iter().all(|(name, format)| match name.contains("attn_v") {
        true => format == "Q8_0",
        false => ["Q3_K", "Q5_K"].contains(&format.as_str()),
    }));
    let free = formats(&[]);
    let alike = formats(&["--alike", "attn_[qk]\\.", "--alike", "ffn_(gate|up)"]);
    let differ = |formats: &[(String, String)], [a, b]: [&str; 2]| {
        let of = |part: &str| formats.iter().filter(|(name, _)| name.contains(part)).cloned().collect::<Vec<_>>();
        let pairs = of(a).into_iter().zip(of(b));
        pairs.filter(|((one, a), (other, b))| layer(one) == layer(other) && a != b).count()
    };
    for pair in [["attn_q.", "attn_k."], ["ffn_gate", "ffn_up"]] {
        assert_eq!(differ(&alike, pair), 0);
        assert!(differ(&free, pair) > 0, "{pair:?} are alike unasked, so this shows nothing");
    }
}

#[test]
fn what_cannot_be_is_told() {
    let sample = common::sample();
    let smallest = {
        let output = common::tuck(&{
            let mut all = vec!["pack", sample.to_str().unwrap(), "--dry-run", "--target-size", "1000000"];
            all.extend(arguments(statistics(), &[]));
            all
        });
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("1000000 bytes were asked for") && stderr.contains("--types"), "{stderr}");
        stderr.split("has ").nth(1).unwrap().split(';').next().unwrap().to_owned()
    };
    let least = dry(statistics(), &["--target-size", &smallest]);
    assert_eq!(least["file_bytes"].to_string(), smallest);
    assert!(least["mix"]["tensors"].as_array().unwrap().iter().all(|tensor| tensor["format"] == "Q2_K"));

    let asked = ["--target-size", "5M"];
    let folder = tempfile::tempdir().unwrap();
    let other = common::pack(&sample, "F16", folder.path(), &["--device", "cpu"]);
    refused(&other, statistics(), &asked, &["another model"]);
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/sample/evaluation.txt");
    let mut all = vec!["pack", sample.to_str().unwrap(), "--dry-run", "--target-size", "5M", "--text", text];
    all.extend(["--statistics", statistics().to_str().unwrap()]);
    let output = common::tuck(&all);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("another text"));

    let recipe = folder.path().join("recipe.toml");
    dry(statistics(), &["--target-size", "5M", "--recipe-out", recipe.to_str().unwrap()]);
    let written = std::fs::read_to_string(&recipe).unwrap();
    let bad = folder.path().join("bad.toml");
    for (from, to, words) in [
        ("blk.0.attn_q.weight", "blk.99.attn_q.weight", &["blk.99.attn_q.weight", "another"][..]),
        ("blk.0.attn_q.weight", "blk.0.attn_norm.weight", &["blk.0.attn_norm.weight"]),
        ("model = \"", "model = \"f", &["another model"]),
        ("text = \"", "text = \"f", &["another text"]),
        ("version = 1", "version = \"one\"", &["bad.toml", "no recipe"]),
    ] {
        std::fs::write(&bad, written.replacen(from, to, 1)).unwrap();
        refused(&sample, statistics(), &["--recipe", bad.to_str().unwrap()], words);
    }
    refused(&sample, statistics(), &["--target", "no such machine"], &["no such machine"]);
}

#[test]
fn damaged_statistics_are_refused_and_never_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.gguf");
    let whole = std::fs::read(statistics()).unwrap();
    let sample = common::sample();
    for length in [0, 3, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        refused(&sample, &path, &["--target-size", "5M"], &["damaged.gguf"]);
    }
    let find = |text: &str| whole.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    for (text, to) in
        [("statistics.version", "statistics.Version"), ("IQ4_XS", "IQ4_XT"), ("sensitivities", "sensibilities")]
    {
        let mut damaged = whole.clone();
        damaged[find(text)..][..to.len()].copy_from_slice(to.as_bytes());
        std::fs::write(&path, damaged).unwrap();
        refused(&sample, &path, &["--target-size", "5M"], &["damaged.gguf"]);
    }
}

#[test]
fn the_curve_falls_is_drawn_and_is_near_what_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("curve.svg");
    let sample = common::sample();
    let mut all = vec!["curve", sample.to_str().unwrap(), "--measure", "3", "--svg", picture.to_str().unwrap()];
    // Of all the text: what is fitted to a little of it is worse on others than can be foreseen.
    let statistics = folder.path().join("statistics.gguf");
    all.extend(["--statistics", statistics.to_str().unwrap(), "--device", "cpu", "--json", "--text", SAMPLE_TEXT]);
    let curve: Json = serde_json::from_str(&common::tuck_ok(&all)).unwrap();
    let figure = |point: &Json, key: &str| point[key].as_f64().unwrap();
    let points = curve["points"].as_array().unwrap();
    assert!(points.len() > 100);
    assert!(points.is_sorted_by(|a, b| {
        figure(a, "file_bytes") < figure(b, "file_bytes")
            && figure(a, "predicted_kl_divergence") >= figure(b, "predicted_kl_divergence")
    }));
    let measured = curve["measured"].as_array().unwrap();
    assert_eq!(measured.len(), 3);
    for point in measured {
        let found = point["measured_kl_divergence"]["value"].as_f64().unwrap();
        let ratio = figure(point, "predicted_kl_divergence") / found;
        assert!((0.75..1.25).contains(&ratio), "{point}: {ratio}");
    }
    let drawn = std::fs::read_to_string(&picture).unwrap();
    assert!(drawn.contains("<polyline") && drawn.contains("Q4_K_M") && drawn.matches("<circle").count() > 12);
}

/// The largest file that fits a machine fits it, and a larger machine gets no smaller file.
#[test]
fn a_machine_says_how_large() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("tuck");
    std::fs::create_dir_all(&config).unwrap();
    let sizes = [0.024, 0.028, 0.03, 0.034, 0.1];
    let entry = "[[target]]\nname = 'Pocket'\nkind = 'phone'\nbandwidth = 10\ntflops = 0.1\n";
    std::fs::write(config.join("targets.toml"), format!("{entry}memory = {sizes:?}\n")).unwrap();
    let run = |all: &[&str]| -> Json {
        let output = Command::new(env!("CARGO_BIN_EXE_tuck")).args(all).env("XDG_CONFIG_HOME", folder.path()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{all:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let sample = common::sample();
    let output = folder.path().join("out.gguf");
    let mut found = Vec::new();
    for size in sizes {
        let name = format!("Pocket {size} GB");
        let mut all = vec!["pack", sample.to_str().unwrap(), "-o", output.to_str().unwrap(), "--force"];
        all.extend(arguments(statistics(), &["--target", &name, "--ctx", "256"]));
        found.push(run(&all)["file_bytes"].as_u64().unwrap());
        let fit = run(&["fit", output.to_str().unwrap(), "--target", &name, "--ctx", "256", "--json"]);
        assert_eq!(fit["machines"][0]["fits"], "fully", "{fit}");
    }
    assert!(found.is_sorted() && found[0] < found[1], "{found:?}");
    let largest = dry(statistics(), &["--target-size", "1G"]);
    assert_eq!(found.last().copied(), largest["file_bytes"].as_u64());
}

/// Several files have several headers, and still no more bytes than were asked for.
#[test]
fn parts_count_together() {
    for parts in ["--max-shard-size=1M", "--max-shard-tensors=5"] {
        let json = dry(statistics(), &["--target-size", "4500000", parts]);
        let files = json["files"].as_array().unwrap();
        let bytes: u64 = files.iter().map(|file| file["bytes"].as_u64().unwrap()).sum();
        assert!(files.len() > 4 && bytes <= 4_500_000 && bytes > 4_480_000, "{bytes} in {} files", files.len());
    }
}

/// What was found before an end is not looked for again, and the same comes out.
#[test]
fn killed_statistics_go_on_where_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, cut] = ["whole", "cut"].map(|name| folder.path().join(format!("{name}.gguf")));
    let asked = ["--target-size", "5M", "--effort", "fast"];
    let plan = dry(&whole, &asked);
    let sample = common::sample();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tuck"));
    command.args(["pack", sample.to_str().unwrap(), "--dry-run"]).args(arguments(&cut, &asked));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !cut.exists() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    let _ = child.kill();
    child.wait().unwrap();
    let again = dry(&cut, &asked);
    assert_eq!(again["mix"]["statistics"]["reused"], true);
    assert!(std::fs::read(&whole).unwrap() == std::fs::read(&cut).unwrap(), "the statistics differ");
    assert_eq!(again["tensors"], plan["tensors"]);
}
