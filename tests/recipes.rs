//! Every recipe gives every tensor the type that llama-quantize gives it.
//!
//! `tests/data/recipe_types.json` was written by llama.cpp's own quantizer (`tests/peers/recipe_types.py`).

use serde_json::Value as Json;
use tuck::arch::{ARCHS, Hparams, Source, Tensor};
use tuck::quant::{F32, FORMATS, format_from_name};
use tuck::recipe::{PRESETS, Recipe, choose_formats};

const DATA: &str = include_str!("data/recipe_types.json");

/// The models in the data of families that are still to come.
const OTHER_FAMILIES: &[&str] = &["moe-8", "qwen3moe-128", "phi3", "falcon"];

fn hparams(json: &Json) -> Option<Hparams> {
    let number = |key: &str| json[key].as_u64().unwrap();
    let arch = ARCHS.iter().find(|arch| json["arch"] == arch.name).filter(|_| number("n_expert") == 0)?;
    Some(Hparams {
        arch,
        layers: number("n_layer"),
        context: 4096,
        hidden: number("n_embd"),
        feed_forward: number("n_ff"),
        heads: number("n_head"),
        kv_heads: number("n_head_kv"),
        head_dim: number("head_dim"),
        vocabulary: number("n_vocab"),
        experts: number("n_expert"),
        rope_factors: None,
    })
}

fn tensors(listed: &Json, layers: u64) -> Vec<Tensor> {
    let mut tensors = Vec::new();
    for entry in listed.as_array().unwrap() {
        let name = entry[0].as_str().unwrap();
        let copies = if name.contains('*') { layers } else { 1 };
        for layer in 0..copies {
            tensors.push(Tensor {
                name: name.replace('*', &layer.to_string()),
                stored_name: String::new(),
                shape: entry[1].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect(),
                format: format_from_name(entry[2].as_str().unwrap()).unwrap(),
                source: Source::Computed(Vec::new()),
            });
        }
    }
    tensors.sort_by(|a, b| (a.layer(), &a.name).cmp(&(b.layer(), &b.name)));
    tensors
}

#[test]
fn types_equal_those_of_llama_quantize() {
    let data: Json = serde_json::from_str(DATA).unwrap();
    let mut checked = 0;
    for (model, json) in data["models"].as_object().unwrap() {
        let Some(hparams) = hparams(&json["hparams"]) else {
            assert!(OTHER_FAMILIES.contains(&model.as_str()), "{model} is of a family that Tuck should know");
            continue;
        };
        let tensors = tensors(&json["tensors"], hparams.layers);
        for preset in PRESETS {
            let expected = &json["recipes"][preset.name];
            assert!(expected.is_object(), "the data has no recipe {}", preset.name);
            let (formats, fallbacks) = choose_formats(&Recipe::new(preset), &hparams, &tensors);
            for (tensor, format) in tensors.iter().zip(formats) {
                let named = expected.get(&tensor.name).and_then(Json::as_str);
                let rule = if *tensor.format == F32 { "F32" } else { expected["*"].as_str().unwrap() };
                assert_eq!(format.name, named.unwrap_or(rule), "{model}, {}, {}", preset.name, tensor.name);
                checked += 1;
            }
            for fallback in fallbacks {
                assert!(!fallback.wanted.divides(fallback.columns), "{fallback}");
            }
        }
    }
    assert!(checked > 40_000, "only {checked} tensors were compared");
}

#[test]
fn overrides_win_in_order_and_fall_back_too() {
    let data: Json = serde_json::from_str(DATA).unwrap();
    let json = &data["models"]["smollm2"];
    let hparams = hparams(&json["hparams"]).unwrap();
    let tensors = tensors(&json["tensors"], hparams.layers);
    let given = [r"blk\.0\.attn_v=Q8_0", "attn_v=Q6_K", "token_embd=F16", "ffn_down=q4_1"].map(str::to_owned);
    let recipe = Recipe::parse("q4_k", &given).unwrap();
    assert_eq!(recipe.preset.name, "Q4_K_M");
    let (formats, fallbacks) = choose_formats(&recipe, &hparams, &tensors);
    let of = |name: &str| formats[tensors.iter().position(|t| t.name == name).unwrap()].name;
    assert_eq!(of("blk.0.attn_v.weight"), "Q8_0");
    assert_eq!(of("blk.1.attn_v.weight"), "Q8_0", "Q6_K does not divide rows of 576");
    assert!(fallbacks.iter().any(|f| f.tensor == "blk.1.attn_v.weight" && f.wanted.name == "Q6_K"));
    assert_eq!(of("token_embd.weight"), "F16");
    assert_eq!(of("blk.7.ffn_down.weight"), "Q4_1");
    assert_eq!(of("blk.7.attn_norm.weight"), "F32", "norms are never quantized");
}

#[test]
fn every_preset_is_explained_and_every_format_used_by_one() {
    for preset in PRESETS {
        assert!(preset.about.ends_with('.') && preset.about.len() > 30, "{}", preset.name);
    }
    for format in FORMATS {
        assert!(PRESETS.iter().any(|preset| preset.format == Some(format)), "{format}");
    }
}
