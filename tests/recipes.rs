//! Every recipe, with every option, gives every tensor the type that llama-quantize gives it.
//!
//! `tests/data/recipe_types.json` was written by llama.cpp's own quantizer (`tests/peers/recipe_types.py`).

use serde_json::Value as Json;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use tuck::arch::{Hparams, Position, Source, Tensor};
use tuck::gguf::Value;
use tuck::imatrix::Imatrix;
use tuck::model::Pruning;
use tuck::quant::{F32, FORMATS, format_from_name};
use tuck::recipe::{Override, PRESETS, Preset, Recipe, choose_formats, named_format, preset_from_name};

const DATA: &str = include_str!("data/recipe_types.json");

fn data() -> Json {
    serde_json::from_str(DATA).unwrap()
}

/// Settings as the quantizer was given them, and their keys in a GGUF file.
const SETTINGS: &[(&str, &str)] = &[
    ("n_layer", "block_count"),
    ("n_embd", "embedding_length"),
    ("n_ff", "feed_forward_length"),
    ("n_head", "attention.head_count"),
    ("n_head_kv", "attention.head_count_kv"),
    ("head_dim", "attention.key_length"),
    ("n_vocab", "vocab_size"),
    ("n_expert", "expert_count"),
];

fn hparams(json: &Json) -> Hparams {
    let name = json["arch"].as_str().unwrap();
    let key = |(from, to): &(&str, &str)| (format!("{name}.{to}"), Value::U64(json[from].as_u64().unwrap()));
    let mut metadata: Vec<(String, Value)> = SETTINGS.iter().map(key).collect();
    metadata.push(("general.architecture".to_owned(), name.into()));
    metadata.push((format!("{name}.context_length"), Value::U64(4096)));
    Hparams::read(Path::new(name), &metadata).unwrap()
}

fn tensors(listed: &Json, layers: u64) -> Vec<Tensor> {
    let mut tensors = Vec::new();
    for entry in listed.as_array().unwrap() {
        let name = entry[0].as_str().unwrap();
        let copies = if name.contains('*') { layers } else { 1 };
        let format = format_from_name(entry[2].as_str().unwrap()).unwrap();
        for layer in 0..copies {
            let shape: Vec<u64> = entry[1].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
            tensors.push(Tensor {
                name: name.replace('*', &layer.to_string()),
                stored_name: String::new(),
                format,
                source: Source::whole(Position { file: 0, offset: 0 }, format, shape.iter().product()),
                shape,
            });
        }
    }
    sorted(tensors)
}

fn sorted(mut tensors: Vec<Tensor>) -> Vec<Tensor> {
    tensors.sort_by(|a, b| (a.layer(), &a.name).cmp(&(b.layer(), &b.name)));
    tensors
}

/// From `{"*": "Q4_K", "Q6_K": ["output", "blk.0-3,6.attn_v"]}` to the type of each tensor.
fn expected<'a>(listed: &'a Json, tensors: &[Tensor]) -> Vec<&'a str> {
    let mut named: HashMap<String, &str> = HashMap::new();
    for (kind, names) in listed.as_object().unwrap().iter().filter(|(kind, _)| *kind != "*") {
        for name in names.as_array().unwrap().iter().map(|name| name.as_str().unwrap()) {
            match name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) {
                Some((layers, rest)) => {
                    named.extend(ranges(layers).map(|layer| (format!("blk.{layer}.{rest}"), kind.as_str())));
                }
                None => _ = named.insert(name.to_owned(), kind),
            }
        }
    }
    let rule = |tensor: &Tensor| if *tensor.format == F32 { "F32" } else { listed["*"].as_str().unwrap() };
    let of = |tensor: &Tensor| {
        named.remove(tensor.name.strip_suffix(".weight").unwrap_or(&tensor.name)).unwrap_or_else(|| rule(tensor))
    };
    let types = tensors.iter().map(of).collect();
    assert!(named.is_empty(), "not among the tensors: {named:?}");
    types
}

/// The numbers of `0-3,6`.
fn ranges(text: &str) -> impl Iterator<Item = u64> + '_ {
    let number = |text: &str| text.parse::<u64>().unwrap();
    text.split(',').flat_map(move |run| {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        number(first)..=number(last)
    })
}

fn recipe(preset: &'static Preset, options: &Json) -> Recipe {
    let format = |key: &str| options[key].as_str().map(|name| format_from_name(name).unwrap());
    let pattern = |pair: &Json| {
        let text = format!("{}={}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
        Override::parse(&text).unwrap()
    };
    Recipe {
        pure: options["pure"] == true,
        leave_output: options["leave"] == true,
        output: format("output"),
        token_embedding: format("embedding"),
        overrides: options["patterns"].as_array().into_iter().flatten().map(pattern).collect(),
        imatrix: (options["imatrix"] == true).then(|| Arc::new(Imatrix::default())),
        ..Recipe::new(preset)
    }
}

/// Where Tuck does more than llama-quantize, on purpose: what is asked of single tensors also holds where all others keep
/// their type or become floats.
fn goes_further(preset: &Preset, options: &Json) -> bool {
    let is_mixed = preset.format.is_some_and(|format| !format.is_float());
    let asks = |key: &str| !options[key].is_null();
    (!is_mixed && asks("patterns")) || (preset.format.is_none() && (asks("output") || asks("embedding")))
}

#[test]
fn types_equal_those_of_llama_quantize() {
    let data = data();
    let mut checked: HashMap<&str, usize> = HashMap::new();
    for (model, json) in data["models"].as_object().unwrap() {
        let hparams = hparams(&json["hparams"]);
        let all = tensors(&json["tensors"], hparams.layers);
        for (variant, options) in data["options"].as_object().unwrap() {
            let layers: Vec<String> =
                options["prune"].as_array().into_iter().flatten().map(ToString::to_string).collect();
            let tensors = if layers.is_empty() {
                all.clone()
            } else {
                let pruning = Pruning::parse(&layers.join(",")).unwrap();
                let renamed = |t: &Tensor| Some(Tensor { name: pruning.rename(&t.name)?, ..t.clone() });
                sorted(all.iter().filter_map(renamed).collect())
            };
            let Some(recipes) = json.get(variant) else { continue };
            for preset in PRESETS.iter().filter(|preset| !goes_further(preset, options)) {
                let listed = recipes.get(preset.name).unwrap_or(&json["plain"][preset.name]);
                let (formats, fallbacks) = choose_formats(&recipe(preset, options), &hparams, &tensors);
                for fallback in &fallbacks {
                    assert!(!fallback.wanted.divides(fallback.columns), "{fallback}");
                    assert!(fallback.got.divides(fallback.columns), "{fallback}");
                }
                if listed.is_null() {
                    // llama-quantize gives up, for it knows nothing smaller than Q1_0.
                    assert!(fallbacks.iter().any(|f| f.wanted.name == "Q1_0"), "{model}, {variant}, {}", preset.name);
                    continue;
                }
                for ((tensor, format), expected) in tensors.iter().zip(formats).zip(expected(listed, &tensors)) {
                    assert_eq!(format.name, expected, "{model}, {variant}, {}, {}", preset.name, tensor.name);
                    *checked.entry(variant).or_default() += 1;
                }
            }
        }
    }
    assert_eq!(checked.len(), data["options"].as_object().unwrap().len());
    assert!(checked.values().all(|count| *count > 20_000), "too few tensors were compared: {checked:?}");
}

#[test]
fn recipes_that_need_an_importance_matrix_are_those_that_llama_quantize_refuses_without() {
    let data = data();
    let refused: HashSet<&str> = data["needs_imatrix"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
    let told: HashSet<&str> = PRESETS.iter().filter(|preset| preset.needs_imatrix).map(|preset| preset.name).collect();
    assert_eq!(told, refused);
    for preset in PRESETS.iter().filter(|preset| preset.needs_imatrix) {
        assert!(preset.about.contains("importance matrix"), "{}", preset.name);
    }
}

#[test]
fn overrides_win_in_order_and_fall_back_too() {
    let data = data();
    let json = &data["models"]["smollm2"];
    let hparams = hparams(&json["hparams"]);
    let tensors = tensors(&json["tensors"], hparams.layers);
    let given =
        [r"blk\.0\.attn_v=Q8_0", "attn_v=Q6_K", "token_embd=F16", "ffn_down=q4_1", "attn_q=NVFP4", "attn_k=Q1_0"];
    let recipe = Recipe::parse("q4_k", &given.map(str::to_owned)).unwrap();
    assert_eq!(recipe.preset.name, "Q4_K_M");
    let (formats, fallbacks) = choose_formats(&recipe, &hparams, &tensors);
    let of = |name: &str| formats[tensors.iter().position(|t| t.name == name).unwrap()].name;
    assert_eq!(of("blk.0.attn_v.weight"), "Q8_0");
    assert_eq!(of("blk.1.attn_v.weight"), "Q8_0", "Q6_K does not divide rows of 576");
    assert!(fallbacks.iter().any(|f| f.tensor == "blk.1.attn_v.weight" && f.wanted.name == "Q6_K"));
    assert_eq!(of("token_embd.weight"), "F16");
    assert_eq!(of("blk.7.ffn_down.weight"), "Q4_1");
    assert_eq!(of("blk.7.attn_q.weight"), "NVFP4", "its blocks of 64 divide rows of 576");
    assert_eq!(of("blk.7.attn_k.weight"), "Q4_0", "the blocks of 128 of Q1_0 do not");
    assert_eq!(of("blk.7.attn_norm.weight"), "F32", "norms are never quantized");
}

#[test]
fn every_format_falls_back_to_one_of_shorter_blocks() {
    let data = data();
    let json = &data["models"]["rows-of-32"];
    let hparams = hparams(&json["hparams"]);
    let tensors = tensors(&json["tensors"], hparams.layers);
    for format in FORMATS.iter().filter(|format| format.block_weights > 32) {
        let recipe = Recipe::parse("F16", &[format!("attn_q={format}")]).unwrap();
        let (formats, fallbacks) = choose_formats(&recipe, &hparams, &tensors);
        assert_eq!(fallbacks.len() as u64, hparams.layers, "{format}");
        assert!(fallbacks.iter().all(|f| f.wanted == *format && f.got.block_weights == 32), "{format}");
        assert!(formats.iter().zip(&tensors).all(|(format, tensor)| format.divides(tensor.columns())));
    }
}

#[test]
fn every_preset_is_explained_and_found_by_name_and_number() {
    let mut groups = Vec::new();
    for preset in PRESETS {
        assert!(preset.about.ends_with('.') && preset.about.len() > 30, "{}", preset.name);
        assert!(!preset.group.title().is_empty());
        groups.push(preset.group);
        let found = |name: &str| preset_from_name(name).unwrap().name;
        assert_eq!(found(&preset.name.to_lowercase()), preset.name);
        if let Some(number) = preset.file_type {
            assert_eq!(found(&number.to_string()), preset.name);
        }
    }
    groups.dedup();
    assert_eq!(groups.iter().collect::<HashSet<_>>().len(), groups.len(), "a group's presets stand together");
    for (alias, meant) in [("Q3_K", "Q3_K_M"), ("q4_k", "Q4_K_M"), ("Q5_K", "Q5_K_M")] {
        assert_eq!(preset_from_name(alias).unwrap().name, meant);
    }
    assert!(["", "Q4", "99", "-1", "NVFP4"].iter().all(|name| preset_from_name(name).is_none()));
}

/// NVFP4 has no recipe in llama-quantize.
#[test]
fn every_format_is_that_of_a_preset_or_reached_by_name() {
    for format in FORMATS {
        let preset = PRESETS.iter().any(|preset| preset.format == Some(format));
        assert!(preset || format.name == "NVFP4", "{format}");
        assert_eq!(named_format(&format.name.to_lowercase()).unwrap(), *format);
    }
}
