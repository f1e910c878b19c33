//! Models with other weights than their files have.

mod common;

use common::floats;
use common::jobs::{computing, follow};
use std::sync::Arc;
use tuck::engine::{Command, DeviceChoice, Engine, EventKind, MeasureRequest, PackOutput, PackRequest};
use tuck::gguf::Value;
use tuck::model::{ChangedWeights, Model, Pruning, Reshape};
use tuck::quant::{BF16, F32};
use tuck::recipe::{Recipe, Split};

fn perplexity(engine: &mut Engine, model: &Arc<Model>) -> f64 {
    let request = MeasureRequest {
        candidate: Arc::clone(model),
        recipe: None,
        reference: None,
        text: None,
        context: 128,
        chunks: Some(2),
        computing: computing(&DeviceChoice::Cpu),
    };
    let job = engine.submit(Command::Measure(request));
    match follow(engine, job, |_| {}) {
        EventKind::Measured(report) => report.divergence.perplexity().value,
        other => panic!("{other:?}"),
    }
}

/// Half of the channels of every MLP, and two layers less: the same model for whoever packs or measures it, in memory and in
/// a file.
#[test]
fn a_model_with_fewer_layers_and_channels_is_an_ordinary_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = Model::open(&common::sample()).unwrap();
    let mut weights = ChangedWeights::begin(folder.path()).unwrap();
    for tensor in model.tensors.iter().filter(|tensor| tensor.layer().is_some() && tensor.shape.len() == 2) {
        let kind = tensor.name.rsplit('.').nth(1).unwrap();
        let all = floats(&model, &tensor.name);
        let columns = tensor.columns() as usize;
        match kind {
            "ffn_gate" | "ffn_up" => drop(weights.put(tensor, &[256, 384], &all[..384 * columns]).unwrap()),
            "ffn_down" => {
                let half: Vec<f32> = all.chunks_exact(columns).flat_map(|row| &row[..384]).copied().collect();
                weights.put(tensor, &[384, 256], &half).unwrap();
            }
            _ => {}
        }
    }
    assert!(weights.has("blk.0.ffn_up.weight") && !weights.has("blk.0.attn_q.weight"));
    let reshape = Reshape { layers: Pruning::parse("2,5").unwrap(), sizes: vec![("feed_forward_length", 384)] };
    let changed = Arc::new(model.with_weights(weights, &reshape).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "its file has no name");
    assert_eq!((changed.hparams.layers, changed.hparams.feed_forward.at(5), changed.card.layers), (6, 384, 6));
    assert_eq!(changed.value("llama.block_count"), Some(&Value::U32(6)));
    let up = changed.tensors.iter().find(|tensor| tensor.name == "blk.2.ffn_up.weight").unwrap();
    assert_eq!(
        (up.format, &up.shape[..], up.stored_name.as_str()),
        (&BF16, &[256, 384][..], "model.layers.3.mlp.up_proj.weight")
    );
    assert_eq!(floats(&changed, "blk.2.ffn_up.weight"), floats(&model, "blk.3.ffn_up.weight")[..384 * 256]);

    let mut engine = Engine::start(Box::new(|| {}));
    let own = perplexity(&mut engine, &changed);
    let path = folder.path().join("changed.gguf");
    let request = PackRequest {
        model: Arc::clone(&changed),
        outputs: vec![PackOutput { recipe: Recipe::parse("COPY", &[]).unwrap(), path: path.clone() }],
        split: Split::Whole,
        overwrite: false,
        allow_nonfinite: false,
        recipes: false,
        computing: computing(&DeviceChoice::Cpu),
    };
    let job = engine.submit(Command::Pack(request));
    assert!(matches!(follow(&engine, job, |_| {}), EventKind::Packed(_)));
    let packed = perplexity(&mut engine, &Arc::new(Model::open(&path).unwrap()));
    assert_eq!(own, packed);
    assert!(own.is_finite() && own > 20.0, "{own} is no perplexity of half a model");
}

#[test]
fn weights_are_stored_as_they_were_or_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let model = Model::open(&common::sample()).unwrap();
    let norm = model.tensors.iter().find(|tensor| tensor.name == "output_norm.weight").unwrap();
    let mut weights = ChangedWeights::begin(folder.path()).unwrap();
    let numbers: Vec<f32> = (0..256).map(|n| n as f32 / 3.0).collect();
    weights.put(norm, &[256], &numbers).unwrap();
    let changed = model.with_weights(weights, &Reshape::default()).unwrap();
    let norm = changed.tensors.iter().find(|tensor| tensor.name == "output_norm.weight").unwrap();
    assert_eq!((norm.format, norm.stored_format()), (&F32, &BF16), "llama.cpp wants vectors in F32");
    let close =
        floats(&changed, "output_norm.weight").into_iter().zip(&numbers).all(|(a, b)| (a - b).abs() <= b / 256.0);
    assert!(close);

    let refused = model.with_weights(
        ChangedWeights::begin(folder.path()).unwrap(),
        &Reshape { layers: Pruning::parse("8").unwrap(), sizes: Vec::new() },
    );
    assert!(refused.unwrap_err().to_string().contains("8 layers"));
}
