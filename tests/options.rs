//! What a pack can be asked for beyond a type: layers left out, metadata set, types for single tensors.

mod common;

use common::tiny::Tiny;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap};
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;
use tuck::gguf::{Array, Value, ValueType, read_header};
use tuck::imatrix::Imatrix;
use tuck::model::{Model, Pruning, Setting};
use tuck::quant::{Q6_K, Q8_0};
use tuck::recipe::{Plan, Recipe, RecipeError};

/// Packs the sample and reads the file with the package `gguf`; a dry run has to know its length.
fn packed_sample(folder: &Path, name: &str, options: &[&str]) -> (std::path::PathBuf, Json) {
    let sample = common::sample();
    let mut arguments = vec!["pack", sample.to_str().unwrap(), "--dry-run", "--json", "--type", "COPY"];
    arguments.extend(options);
    let plan: Json = serde_json::from_str(&common::tuck_ok(&arguments)).unwrap();
    let folder = folder.join(name);
    std::fs::create_dir(&folder).unwrap();
    let file = common::pack(&sample, "COPY", &folder, options);
    assert_eq!(plan["file_bytes"], std::fs::metadata(&file).unwrap().len());
    let described = common::peer_json("describe.py", &[file.to_str().unwrap()]).remove(0);
    (file, described)
}

/// Of `[name, shape, type, hash]` and `[key, type, value]`: the rest, by the first.
fn by_name(listed: &Json) -> HashMap<String, Vec<Json>> {
    let pair = |entry: &Json| (entry[0].as_str().unwrap().to_owned(), entry.as_array().unwrap()[1..].to_vec());
    listed.as_array().unwrap().iter().map(pair).collect()
}

#[test]
fn pruned_layers_are_gone_and_the_rest_are_counted_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (_, whole) = packed_sample(folder.path(), "whole", &[]);
    let (file, pruned) = packed_sample(folder.path(), "pruned", &["--prune-layers", "5,2"]);
    let (whole_tensors, tensors) = (by_name(&whole["tensors"]), by_name(&pruned["tensors"]));
    let stayed = [0, 1, 3, 4, 6, 7];
    for (new, old) in stayed.iter().enumerate() {
        let in_layer = |n: usize, tensors: &HashMap<String, Vec<Json>>| -> BTreeMap<String, Vec<Json>> {
            let prefix = format!("blk.{n}.");
            let rest =
                |(name, tensor): (&String, &Vec<Json>)| Some((name.strip_prefix(&prefix)?.to_owned(), tensor.clone()));
            tensors.iter().filter_map(rest).collect()
        };
        let (was, is) = (in_layer(*old, &whole_tensors), in_layer(new, &tensors));
        assert_eq!(was, is, "layer {old} became {new}");
        assert!(!is.is_empty());
    }
    assert_eq!(tensors["token_embd.weight"], whole_tensors["token_embd.weight"]);
    assert_eq!(whole_tensors.len() - tensors.len(), 2 * (tensors.len() - 2) / 6);
    let mut metadata = by_name(&whole["metadata"]);
    metadata.insert("llama.block_count".to_owned(), vec![json!("UINT32"), json!(6)]);
    assert_eq!(by_name(&pruned["metadata"]), metadata);

    let spoken = common::peer_json("generate.py", &[file.to_str().unwrap(), "--tokens", "8"]).remove(0);
    assert_eq!(spoken["tokens"].as_array().map(Vec::len), Some(8), "{spoken}");
}

#[test]
fn settings_replace_and_add_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let (_, before) = packed_sample(folder.path(), "before", &[]);
    let set = [
        ("llama.context_length=int:77", json!(["UINT32", 77])),
        ("llama.rope.freq_base=float:5e5", json!(["FLOAT32", 500_000.0])),
        ("tokenizer.ggml.add_bos_token=bool:false", json!(["BOOL", false])),
        ("general.name=str:A = B: \"C\"", json!(["STRING", "A = B: \"C\""])),
        ("mine.number=int:4294967295", json!(["UINT32", 4_294_967_295_u32])),
        ("mine.text=str:", json!(["STRING", ""])),
    ];
    let options: Vec<&str> = set.iter().flat_map(|(text, _)| ["--override-kv", text]).collect();
    let (_, after) = packed_sample(folder.path(), "after", &options);
    let mut expected = by_name(&before["metadata"]);
    for (text, value) in &set {
        expected.insert(text.split('=').next().unwrap().to_owned(), value.as_array().unwrap().clone());
    }
    assert_eq!(by_name(&after["metadata"]), expected);
    assert_eq!(before["tensors"], after["tensors"]);
}

#[test]
fn an_edited_model_knows_what_it_is() {
    let model = Model::open(&common::sample()).unwrap();
    let named =
        [Setting::parse("general.name=str:Half").unwrap(), Setting::parse("llama.context_length=int:9").unwrap()];
    let half = model.edited(&named, &Pruning::parse("1,3,5,7").unwrap()).unwrap();
    assert_eq!((half.card.name.as_str(), half.card.layers, half.card.context), ("Half", 4, 9));
    assert!(half.card.parameters < model.card.parameters && half.card.bytes < model.card.bytes);
    let same = model.edited(&[], &Pruning::default()).unwrap();
    assert_eq!((same.header_len, &same.metadata), (model.header_len, &model.metadata));
}

#[test]
fn lists_with_an_entry_for_each_layer_are_cut() {
    let mut model = Model::open(&common::sample()).unwrap();
    let list = |numbers: &[u32]| Value::Array(Array::new(ValueType::U32, numbers.iter().copied()));
    let eight = list(&[0, 1, 2, 3, 4, 5, 6, 7]);
    let keys = ["llama.windows", "llama.rope.dimension_sections", "general.numbers"];
    model.metadata.extend(keys.map(|key| (key.to_owned(), eight.clone())));
    let pruned = model.edited(&[], &Pruning::parse("0, 6").unwrap()).unwrap();
    assert_eq!(pruned.value("llama.windows"), Some(&list(&[1, 2, 3, 4, 5, 7])));
    assert_eq!(pruned.value("llama.rope.dimension_sections"), Some(&eight), "these are no layers");
    assert_eq!(pruned.value("general.numbers"), Some(&eight), "nor are these");
}

#[test]
fn importance_follows_a_layer_to_its_new_name() {
    let columns = |layers: &[u32]| -> BTreeMap<String, Vec<f32>> {
        layers.iter().enumerate().map(|(n, old)| (format!("blk.{n}.ffn_up.weight"), vec![*old as f32])).collect()
    };
    let imatrix = Imatrix { chunks: 3, columns: columns(&[0, 1, 2, 3]), ..Imatrix::default() };
    let pruning = Pruning::parse("0,2").unwrap();
    let renamed = imatrix.renamed(|name| pruning.rename(name));
    assert_eq!(renamed, Imatrix { columns: columns(&[1, 3]), ..imatrix });
}

/// With these words in the message.
#[test]
fn nonsense_is_refused() {
    let model = Model::open(&common::sample()).unwrap();
    let prunings: &[(&str, &[&str])] = &[
        ("", &["no list of layers", "20,21"]),
        ("1,x", &["1,x", "no list of layers"]),
        ("-1", &["no list of layers"]),
        ("3,8", &["layer 8", "8 layers", "counted from 0"]),
        ("18446744073709551615", &["layer 18446744073709551615"]),
        ("0,1,2,3,4,5,6,7", &["all that the model has", "at least one"]),
    ];
    for (text, words) in prunings {
        let edited = Pruning::parse(text).and_then(|pruning| model.edited(&[], &pruning));
        said(text, &edited.unwrap_err().to_string(), words);
    }
    let settings: &[(&str, &[&str])] = &[
        ("llama.context_length", &["KEY=TYPE:VALUE"]),
        ("llama.context_length=77", &["KEY=TYPE:VALUE"]),
        ("=int:1", &["no valid key", "inspect --metadata"]),
        ("a b=int:1", &["no valid key"]),
        (&format!("{}=int:1", "k".repeat(128)), &["no valid key"]),
        ("a=double:1", &["unknown type", "int, float, bool and str"]),
        ("a=int:-1", &["whole number", "4294967295"]),
        ("a=int:4294967296", &["whole number"]),
        ("a=float:nan", &["finite number"]),
        ("a=float:1e39", &["finite number"]),
        ("a=bool:yes", &["true nor false"]),
        ("general.file_type=int:7", &["the file itself"]),
        ("general.alignment=int:7", &["the file itself"]),
        ("general.architecture=str:qwen2", &["the file itself"]),
        ("llama.context_length=float:77", &["does not fit", "u32"]),
        ("general.name=int:1", &["does not fit", "string"]),
        ("tokenizer.ggml.tokens=str:x", &["does not fit", "array"]),
        ("llama.context_length=int:0", &["llama.context_length=int:0", "no valid model"]),
        ("llama.block_count=int:7", &["8 layers", "prune"]),
        ("llama.embedding_length=int:512", &["another shape", "512 instead of 256"]),
        ("llama.attention.head_count_kv=int:4", &["another shape", "256 instead of 128"]),
        ("llama.vocab_size=int:5", &["another shape", "5 instead of 4096"]),
    ];
    for (text, words) in settings {
        let edited = Setting::parse(text).and_then(|setting| model.edited(&[setting], &Pruning::default()));
        said(text, &edited.unwrap_err().to_string(), words);
    }
}

fn said(what: &str, message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "{what}: the message lacks {word:?}: {message}");
    }
}

#[test]
fn the_header_names_the_importance_matrix_and_has_room_for_it() {
    let mut model = Model::open(&common::sample()).unwrap();
    let imatrix = Imatrix {
        path: "/some/where/far away.imatrix.gguf".into(),
        datasets: vec!["a.txt".to_owned(), "b.txt".to_owned()],
        chunks: 12,
        columns: BTreeMap::from([("blk.0.ffn_up.weight".to_owned(), vec![1.0; 256])]),
        ..Imatrix::default()
    };
    let expected = [
        ("quantize.imatrix.file", Value::from("far away.imatrix.gguf")),
        ("quantize.imatrix.dataset", Value::from("a.txt, b.txt")),
        ("quantize.imatrix.entries_count", Value::U32(1)),
        ("quantize.imatrix.chunks_count", Value::U32(12)),
    ];
    let recipe = Recipe { imatrix: Some(Arc::new(imatrix)), ..Recipe::parse("Q4_0", &[]).unwrap() };
    // The second time, the model itself names an older one.
    for _ in 0..2 {
        let plan = Plan::new(&model, &recipe).unwrap();
        let found = read_header(Cursor::new(plan.header(&model, 0)), plan.file_bytes).unwrap();
        assert_eq!(found.metadata, plan.metadata(&model));
        for (key, value) in &expected {
            assert_eq!(found.metadata.iter().find(|(k, _)| k == key).map(|(_, v)| v), Some(value), "{key}");
        }
        let first = found.tensors.iter().map(|tensor| tensor.offset).min().unwrap();
        assert_eq!(first, plan.files[0].header_bytes, "the data begins where the header ends");
        model.metadata.push(("quantize.imatrix.file".to_owned(), Value::from("older, with a name of another length")));
        model = model.edited(&[], &Pruning::default()).unwrap();
    }
}

#[test]
fn formats_named_for_output_and_token_embedding() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny");
    let mut tiny = Tiny::default();
    let mut output = tiny.get("model.embed_tokens.weight").clone();
    output.name = "lm_head.weight".to_owned();
    tiny.tensors.push(output);
    tiny.config["tie_word_embeddings"] = json!(false);
    tiny.write(&path);
    let model = Model::open(&path).unwrap();
    let named = |recipe: Recipe| {
        let plan = Plan::new(&model, &recipe).unwrap();
        let of = |name: &str| plan.tensors[model.tensors.iter().position(|t| t.name == name).unwrap()].format.name;
        (of("output.weight"), of("token_embd.weight"))
    };
    let q4 = || Recipe::parse("Q4_K_M", &[]).unwrap();
    assert_eq!(named(q4()), ("Q6_K", "Q4_K"));
    assert_eq!(named(Recipe { pure: true, ..q4() }), ("Q4_K", "Q4_K"));
    assert_eq!(named(Recipe { output: Some(&Q8_0), ..q4() }), ("Q8_0", "Q4_K"));
    assert_eq!(named(Recipe { token_embedding: Some(&Q8_0), ..q4() }), ("Q6_K", "Q8_0"));
    assert_eq!(named(Recipe { leave_output: true, output: Some(&Q8_0), ..q4() }), ("F16", "Q4_K"));
}

#[test]
fn a_named_format_that_does_not_fit_is_refused() {
    let model = Model::open(&common::smollm2()).unwrap();
    let recipe = Recipe { token_embedding: Some(&Q6_K), ..Recipe::parse("Q4_K_M", &[]).unwrap() };
    let refused = Plan::new(&model, &recipe).unwrap_err();
    assert!(matches!(refused, RecipeError::Rows { columns: 576, .. }));
    said("Q6_K", &refused.to_string(), &["token_embd.weight", "576", "256", "Q8_0"]);
}

#[test]
fn warnings_say_what_will_be_lost() {
    let folder = tempfile::tempdir().unwrap();
    let q8_0 = common::pack(&common::sample(), "Q8_0", folder.path(), &["--device", "cpu"]);
    let warnings = |path: &Path, recipe: &Recipe| Plan::new(&Model::open(path).unwrap(), recipe).unwrap().warnings;
    let recipe = |name: &str| Recipe::parse(name, &[]).unwrap();
    let sample = common::sample();

    assert_eq!(warnings(&sample, &recipe("Q4_K_M")), [""; 0]);
    let again = warnings(&q8_0, &recipe("Q4_K_M"));
    said("again", &again.join("|"), &["57 of 74 tensors are already quantized", "F16 or BF16"]);
    assert_eq!(warnings(&q8_0, &recipe("COPY")), [""; 0]);

    let without = warnings(&sample, &recipe("IQ2_XS"));
    said("without", &without.join("|"), &["47 tensors become IQ2_XS without an importance matrix", "larger type"]);
    said("Q2_K_S", &warnings(&sample, &recipe("Q2_K_S")).join("|"), &["become Q2_K without"]);
    assert_eq!(warnings(&sample, &recipe("Q2_K")), [""; 0]);
    let model = Model::open(&sample).unwrap();
    let listed = model.tensors.iter().filter(|t| t.layer() != Some(7));
    let columns = listed.map(|t| (t.name.clone(), vec![1.0; t.columns() as usize])).collect();
    let partial = Imatrix { path: "partial.gguf".into(), columns, ..Imatrix::default() };
    let partial = warnings(&sample, &Recipe { imatrix: Some(Arc::new(partial)), ..recipe("IQ2_XS") });
    said("partial", &partial.join("|"), &["partial.gguf says nothing about them"]);

    let left = warnings(&sample, &Recipe { leave_output: true, ..recipe("Q4_K_M") });
    said("left", &left.join("|"), &["no output.weight", "token embedding"]);
    let tied = warnings(&sample, &Recipe { output: Some(&Q8_0), ..recipe("Q4_K_M") });
    assert_eq!(tied, [""; 0], "a tied token embedding is the output");
    assert_eq!(warnings(&sample, &Recipe { output: Some(&Q8_0), ..recipe("F16") }).len(), 1);
}
