//! Models with parts left out: what is chosen, what it costs, and whether others can use what is left.

mod common;

use common::jobs::{computing, follow};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tuck::engine::{
    Command, DeviceChoice, Engine, EventKind, ExportRequest, MeasureReport, MeasureRequest, PackOutput, PackRequest,
    PruneReport, PruneRequest,
};
use tuck::gguf::Value;
use tuck::model::{ChangedWeights, Model, Reshape};
use tuck::prune::{Cut, Layers, METHODS, Method, Pattern, Sparsity};
use tuck::recipe::{Recipe, Split};

/// Runs the program with a cache of its own, so that nothing is there from before.
fn tuck_ok(folder: &Path, arguments: &[&str]) -> String {
    let mut tuck = std::process::Command::new(env!("CARGO_BIN_EXE_tuck"));
    let output = tuck.args(arguments).env("XDG_CACHE_HOME", folder).output().unwrap();
    assert!(output.status.success(), "tuck {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Every so many pieces of a text of the sample's. Its kinds of text come one after the other, so its beginning is of other inputs.
fn some_of(folder: &Path, name: &str, every: usize) -> PathBuf {
    const PIECE: usize = 2000;
    let text = std::fs::read_to_string(common::sample().join(name)).unwrap();
    let mut some = String::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if (at / PIECE).is_multiple_of(every) {
            some.push_str(line);
        }
        at += line.len();
    }
    let path = folder.join(name);
    std::fs::write(&path, some).unwrap();
    path
}

/// An engine, the sample, and texts to observe it on and to measure it on.
struct Bench {
    engine: Engine,
    model: Arc<Model>,
    observed: PathBuf,
    measured: PathBuf,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let model = Arc::new(Model::open(&common::sample()).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let observed = some_of(folder.path(), "calibration.txt", 2);
        let measured = some_of(folder.path(), "evaluation.txt", 5);
        Self { engine: Engine::start(Box::new(|| {})), model, observed, measured, _folder: folder }
    }

    fn run(&mut self, command: Command) -> EventKind {
        let job = self.engine.submit(command);
        follow(&self.engine, job, |_| {})
    }

    fn prune(&mut self, cut: Cut) -> Arc<PruneReport> {
        self.prune_model(&Arc::clone(&self.model), cut)
    }

    fn prune_model(&mut self, model: &Arc<Model>, cut: Cut) -> Arc<PruneReport> {
        let request = PruneRequest {
            model: Arc::clone(model),
            cut,
            quantizing: None,
            text: Some(self.observed.clone()),
            chunks: None,
            comparing: None,
            computing: computing(&DeviceChoice::Cpu),
        };
        match self.run(Command::Prune(request)) {
            EventKind::Pruned(report) => report,
            other => panic!("{other:?}"),
        }
    }

    fn measure(&mut self, model: &Arc<Model>) -> Arc<MeasureReport> {
        let request = MeasureRequest {
            candidate: Arc::clone(model),
            recipe: None,
            reference: Some(Arc::clone(&self.model)),
            text: Some(self.measured.clone()),
            context: 512,
            chunks: None,
            computing: computing(&DeviceChoice::Cpu),
        };
        match self.run(Command::Measure(request)) {
            EventKind::Measured(report) => report,
            other => panic!("{other:?}"),
        }
    }

    fn loss(&mut self, cut: Cut) -> (f64, Arc<PruneReport>) {
        let report = self.prune(cut);
        (self.measure(&report.model).divergence.mean().value, report)
    }

    fn pack(&mut self, model: &Arc<Model>, path: &Path) {
        let request = PackRequest {
            model: Arc::clone(model),
            outputs: vec![PackOutput { recipe: Recipe::parse("F16", &[]).unwrap(), path: path.to_owned() }],
            split: Split::Whole,
            overwrite: false,
            allow_nonfinite: false,
            recipes: false,
            computing: computing(&DeviceChoice::Cpu),
        };
        assert!(matches!(self.run(Command::Pack(request)), EventKind::Packed(_)));
    }
}

/// The layer that goes is the best of the eight on another text too, and what its neighbour takes over is worth something.
#[test]
fn the_layer_that_goes_is_the_best_of_all() {
    let mut bench = Bench::new();
    let (corrected, report) = bench.loss(Cut { layers: Layers::Auto(1), ..Cut::default() });
    let [round] = &report.rounds[..] else { panic!("{:?}", report.rounds) };
    assert_eq!((round.losses.len(), report.model.hparams.layers, report.model.card.layers), (8, 7, 7));
    let losses: Vec<f64> =
        (0..8).map(|layer| bench.loss(Cut { layers: Layers::These(vec![layer]), ..Cut::default() }).0).collect();
    let best = (0..8).min_by(|a, b| losses[*a].total_cmp(&losses[*b])).unwrap();
    assert_eq!(best as u64, round.dropped, "{losses:?} {:?}", round.losses);
    assert_eq!(corrected, losses[best]);
    let plain = Cut { layers: Layers::These(vec![best as u64]), plain: true, ..Cut::default() };
    let (plain, report) = bench.loss(plain);
    assert!(corrected < 0.75 * plain, "{corrected} corrected, {plain} without");
    assert!(report.rounds[0].losses[0].folded.is_none());
    assert!(report.rounds[0].losses[0].influence > 0.0);
}

/// The published order at half of the weights, anywhere and 2:4.
#[test]
fn methods_come_in_the_published_order() {
    let mut bench = Bench::new();
    for pattern in [Pattern::Share(0.5), Pattern::Groups { kept: 2, of: 4 }] {
        let losses: Vec<f64> = METHODS
            .iter()
            .map(|&method| {
                let sparsity = Sparsity { pattern, method, scope: method.usual_scope() };
                let (loss, report) = bench.loss(Cut { sparsity: Some(sparsity), ..Cut::default() });
                let sparse = report.sparse.unwrap();
                assert_eq!(sparse.weights, 8 * (2 * 256 * 256 + 2 * 128 * 256 + 3 * 768 * 256));
                let share = sparse.zeros as f64 / sparse.weights as f64;
                assert!((0.5..0.5001).contains(&share), "{share}");
                assert!(sparse.entropy_coded.unwrap() < sparse.dense / 2, "{sparse:?}");
                loss
            })
            .collect();
        assert!(losses[2] < 0.98 * losses[1] && losses[1] < 0.98 * losses[0], "{pattern}: {losses:?}");
    }
}

/// llama.cpp loads a file, makes text with it, and finds the perplexity that Tuck does.
fn speaks_and_predicts_the_same_in_llama_cpp(path: &Path) {
    let path = path.to_str().unwrap();
    let answer = common::peer_json("generate.py", &[path, "--tokens", "8"]).remove(0);
    // A token that is part of a character is not listed.
    assert_eq!(answer["completion_tokens"], 8, "{answer}");
    let text = common::sample().join("evaluation.txt");
    let how = ["--ctx", "64", "--chunks", "4"];
    let theirs = common::peer_json("perplexity.py", &[&[path, text.to_str().unwrap()], &how[..]].concat()).remove(0);
    let measured = ["measure", path, "--text", text.to_str().unwrap(), "--device", "cpu", "--json"];
    let ours: Json = serde_json::from_str(&common::tuck_ok(&[&measured[..], &how[..]].concat())).unwrap();
    let (ours, theirs) = (ours["perplexity"]["value"].as_f64().unwrap(), theirs["perplexity"].as_f64().unwrap());
    assert!((ours / theirs - 1.0).abs() < 0.01, "{ours}, and {theirs} by llama.cpp");
}

/// Everything at once, with names and sizes that others understand.
#[test]
fn what_is_left_loads_in_llama_cpp_and_as_a_folder() {
    let mut bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let whole = Cut { layers: Layers::Auto(1), channels: 0.15, kv_heads: 1, ..Cut::default() };
    let report = bench.prune(whole.clone());
    let sizes = &report.model.hparams;
    assert_eq!((sizes.layers, sizes.feed_forward.first(), sizes.heads.first(), sizes.kv_heads.first()), (7, 640, 2, 1));
    let path = folder.path().join("left.gguf");
    bench.pack(&report.model, &path);
    speaks_and_predicts_the_same_in_llama_cpp(&path);

    let request = |folder: PathBuf, model: &Arc<Model>, compressed| {
        Command::Export(ExportRequest { model: Arc::clone(model), folder, compressed })
    };
    let dense = folder.path().join("dense");
    assert!(matches!(bench.run(request(dense.clone(), &report.model, false)), EventKind::Exported(_)));
    let again = Arc::new(Model::open(&dense).unwrap());
    let perplexity = |bench: &mut Bench, model: &Arc<Model>| bench.measure(model).divergence.perplexity().value;
    assert_eq!(perplexity(&mut bench, &again), perplexity(&mut bench, &report.model));
    let refused = bench.run(request(dense, &report.model, false));
    assert!(matches!(&refused, EventKind::Failed(why) if why.contains("no empty folder")), "{refused:?}");
    let refused = bench.run(request(folder.path().join("sparse"), &report.model, true));
    assert!(matches!(&refused, EventKind::Failed(why) if why.contains("2:4")), "{refused:?}");

    // Less is lost where what stays makes good.
    for cut in [
        Cut { layers: Layers::None, kv_heads: 0, ..whole.clone() },
        Cut { layers: Layers::None, channels: 0.0, ..whole },
    ] {
        let corrected = bench.loss(cut.clone()).0;
        let plain = bench.loss(Cut { plain: true, ..cut }).0;
        assert!(corrected < 0.9 * plain, "{corrected} corrected, {plain} without");
    }
}

/// Two of four neighbours and their bits, as another reader finds them.
#[test]
fn half_of_the_neighbours_are_not_written() {
    let mut bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let method = Method::Magnitude;
    let sparsity = Sparsity { pattern: Pattern::parse("2:4").unwrap(), method, scope: method.usual_scope() };
    let report = bench.prune(Cut { sparsity: Some(sparsity), ..Cut::default() });
    let paths = ["dense", "compressed"].map(|name| folder.path().join(name));
    for (path, compressed) in paths.iter().zip([false, true]) {
        let request = ExportRequest { model: Arc::clone(&report.model), folder: path.clone(), compressed };
        assert!(matches!(bench.run(Command::Export(request)), EventKind::Exported(_)));
    }
    let [dense, sparse] = paths.map(|path| std::fs::read(path.join("model.safetensors")).unwrap());
    assert!(sparse.len() < dense.len() * 2 / 3);
    let (dense, sparse) = (
        safetensors::SafeTensors::deserialize(&dense).unwrap(),
        safetensors::SafeTensors::deserialize(&sparse).unwrap(),
    );
    let config: Json =
        serde_json::from_slice(&std::fs::read(folder.path().join("compressed/config.json")).unwrap()).unwrap();
    assert_eq!(config["quantization_config"]["sparsity_config"]["format"], "sparse-24-bitmask");
    let mut seen = 0;
    for (name, tensor) in dense.tensors() {
        let Some(module) = name.strip_suffix(".weight").filter(|_| name.contains("_proj")) else {
            assert_eq!(sparse.tensor(&name).unwrap().data(), tensor.data());
            continue;
        };
        let part = |part: &str| sparse.tensor(&format!("{module}.{part}")).unwrap();
        let (rows, columns) = (tensor.shape()[0], tensor.shape()[1]);
        assert_eq!(
            (part("compressed").shape(), part("bitmask").shape()),
            (&[rows, columns / 2][..], &[rows, columns / 8][..])
        );
        let (bits, bits_data) = (part("bitmask"), part("compressed"));
        let mut values = bits_data.data().chunks_exact(2);
        let unpacked: Vec<u8> = (0..rows * columns)
            .flat_map(|n| {
                let is_there = bits.data()[n / columns * (columns / 8) + n % columns / 8] >> (n % 8) & 1 == 1;
                if is_there { values.next().unwrap().to_vec() } else { vec![0, 0] }
            })
            .collect();
        assert_eq!(unpacked, tensor.data(), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 8 * 7);
}

/// The experts that few tokens come to go, of a small random model in which these are known: their rows of the router are 0, and
/// of the others the best two are better nearly always.
#[test]
fn experts_that_are_hardly_chosen_go() {
    const IDLE: [usize; 2] = [3, 6];
    let mut bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let made = common::peer("family_models.py", &[folder.path().to_str().unwrap(), "qwen3-moe"]);
    let whole = Model::open(Path::new(made.trim())).unwrap();
    let router = |layer: usize| format!("blk.{layer}.ffn_gate_inp.weight");
    let mut weights = ChangedWeights::begin(folder.path()).unwrap();
    for layer in 0..2 {
        let tensor = whole.tensors.iter().find(|tensor| tensor.name == router(layer)).unwrap();
        let (columns, mut rows) = (tensor.columns() as usize, common::floats(&whole, &tensor.name));
        assert_eq!(rows.len(), 8 * columns);
        IDLE.iter().for_each(|idle| rows[idle * columns..][..columns].fill(0.0));
        weights.put(tensor, &tensor.shape, &rows).unwrap();
    }
    let model = Arc::new(whole.with_weights(weights, &Reshape::default()).unwrap());
    let report = bench.prune_model(&model, Cut { experts: 2, ..Cut::default() });
    let left = &report.model;
    assert_eq!((left.hparams.experts, left.hparams.experts_used), (6, 2));
    assert_eq!(left.value("qwen3moe.expert_count"), Some(&Value::U32(6)));
    for layer in 0..2 {
        let parts = ["ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"].map(|name| format!("blk.{layer}.{name}.weight"));
        for name in parts.into_iter().chain([router(layer)]) {
            let all = common::floats(&model, &name);
            let each = all.len() / 8;
            let kept = (0..8).filter(|expert| !IDLE.contains(expert)).flat_map(|expert| &all[expert * each..][..each]);
            assert_eq!(common::floats(left, &name), kept.copied().collect::<Vec<f32>>(), "{name}");
        }
    }
    let path = folder.path().join("left.gguf");
    bench.pack(left, &path);
    speaks_and_predicts_the_same_in_llama_cpp(&path);
}

/// Layers, weights, a type and an adapter at once; the recipe makes the same files again.
#[test]
fn everything_is_stacked_in_one_go_and_again_by_its_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let text = common::sample().join("calibration.txt");
    let some = std::fs::read_to_string(common::sample().join("evaluation.txt")).unwrap();
    let end = (6_000..).find(|at| some.is_char_boundary(*at)).unwrap();
    std::fs::write(at("some.txt"), &some[..end]).unwrap();
    let pack = |output: &str, more: &[&str]| -> Json {
        let (model, measured) = (common::sample().to_str().unwrap().to_owned(), at("some.txt"));
        let mut arguments = vec!["pack", &model, "-o", output, "--device", "cpu", "--json", "--measure", &measured];
        arguments.extend(["--text", text.to_str().unwrap(), "--chunks", "6"]);
        arguments.extend(more);
        serde_json::from_str(&tuck_ok(folder.path(), &arguments)).unwrap()
    };
    let (first, second, recipe) = (at("first.gguf"), at("second.gguf"), at("recipe.toml"));
    let stack = ["--drop-layers", "auto:2", "--sparsity", "2:4", "--adapter-rank", "16", "--type", "Q3_K_M"];
    let report = pack(&first, &[&stack[..], &["--recipe-out", &recipe]].concat());
    let gone: Vec<u64> =
        report["pruned"]["rounds"].as_array().unwrap().iter().map(|r| r["dropped"].as_u64().unwrap()).collect();
    assert_eq!(gone.len(), 2);
    assert_eq!(report["pruned"]["sparse"]["gone"], 6 * (2 * 256 * 256 + 2 * 128 * 256 + 3 * 768 * 256) / 2);
    let adapter = &report["adapters"][0];
    let loss = |of: &Json| of["kl_divergence"]["value"].as_f64().unwrap();
    assert!(loss(&adapter["with_adapter"]) < loss(&adapter["base"]), "{adapter}");
    let bytes = |path: &str| std::fs::read(path).unwrap();
    let files = |path: &str| [bytes(path), bytes(&path.replace(".gguf", "-lora.gguf"))];
    let total: u64 = files(&first).iter().map(|bytes| bytes.len() as u64).sum();
    assert_eq!(adapter["with_adapter"]["bytes"], total);
    let alone = &adapter["same_bytes_by_quantization_alone"];
    assert!(alone["bytes"].as_u64().unwrap() <= total && loss(alone) > 0.0, "{alone}");

    let written = std::fs::read_to_string(&recipe).unwrap();
    assert!(written.contains(&format!("drop_layers = \"{},{},\"", gone[0], gone[1])), "{written}");
    pack(&second, &["--recipe", &recipe]);
    assert!(files(&first) == files(&second));

    // Without an adapter the file itself is measured beside the same.
    let plain = pack(&at("third.gguf"), &["--drop-layers", "3,", "--type", "Q4_K_M"]);
    let labels: Vec<&str> =
        plain["compared"][0].as_array().unwrap().iter().map(|row| row["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["Pruned, Q4_K_M", "Not pruned, Q4_K_M", "Same bytes by quantization alone"]);
}

/// Zeros alone make no file smaller, which is told, beside what they would take entropy coded.
#[test]
fn zeros_are_set_beside_quantization_alone() {
    let (sample, cache) = (common::sample(), tempfile::tempdir().unwrap());
    let prune = |more: &[&str]| {
        let how = ["--chunks", "4", "--measure-chunks", "2", "--sparsity-method", "magnitude", "--device", "cpu"];
        let all = [&["prune", sample.to_str().unwrap(), "--sparsity", "2:4"], &how[..], more].concat();
        tuck_ok(cache.path(), &all)
    };
    let report: Json = serde_json::from_str(&prune(&["--json"])).unwrap();
    let row = |n: usize| &report["compared"][n];
    let number = |json: &Json| json.as_f64().unwrap_or_else(|| panic!("{report}"));
    assert_eq!(row(1)["label"], "Same bytes by quantization alone");
    assert_eq!(row(2)["label"], "Bytes of it entropy coded, the same way");
    let sparse = &report["sparse"];
    let coded = number(&row(0)["bytes"]) - number(&sparse["bytes"]) + number(&sparse["entropy_coded_bytes"]);
    assert!(number(&row(2)["bytes"]) <= coded && coded < 0.6 * number(&row(0)["bytes"]));
    for n in [1, 2] {
        assert!(number(&row(n)["kl_divergence"]["value"]) < number(&row(0)["kl_divergence"]["value"]), "{report}");
    }
    let told = prune(&[]);
    for wanted in ["it gains nothing", "Pruning is the worse use of bytes", "entropy coded", "The original"] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
}

#[test]
fn what_cannot_go_is_said() {
    let sample = common::sample();
    let refused = |arguments: &[&str]| {
        let output = common::tuck(&[&["prune", sample.to_str().unwrap(), "--no-measure"], arguments].concat());
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for (arguments, wanted) in [
        (&[][..], "nothing was named"),
        (&["--drop-layers", "8"], "leave at least one"),
        (&["--drop-layers", "3,8"], "counted from 0"),
        (&["--drop-layers", "no"], "names no layers"),
        (&["--drop-kv-heads", "2"], "leave at least one"),
        (&["--drop-experts", "1"], "no experts"),
        (&["--channels", "1%"], "another share"),
        (&["--sparsity", "4:4"], "such as 50%"),
        (&["--sparsity", "50%", "--sparsity-method", "luck"], "magnitude, wanda, sparsegpt"),
        (&["--sparsity", "50%", "--type", "Q4_K_M", "-o", "folder"], "name a .gguf file"),
        (&["--sparsity", "2:4", "--compressed", "-o", "x.gguf"], "name a folder"),
    ] {
        let found = refused(arguments);
        assert!(found.contains(wanted), "{arguments:?}: {found}");
    }
}
