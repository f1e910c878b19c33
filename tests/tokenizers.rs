//! Tokenizers: the keys equal those of llama.cpp's own converter, and llama.cpp finds the tokens of the original.

mod common;

use common::tiny::Tiny;
use common::vocab;
use regex::Regex;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokenizers::Trainer;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tuck::checkpoint::Documents;
use tuck::gguf;
use tuck::model::Model;
use tuck::tokenizer::{self, Encoder, Family, Written};

fn cases() -> Vec<Json> {
    let cases = vocab::json(&vocab::data().join("tokenizers/cases.json"));
    cases.as_array().unwrap().clone()
}

/// Makes a case's folder and reads its tokenizer.
fn read(case: &Json, folder: &Path) -> (Documents, Written) {
    vocab::make(case, folder);
    let documents = Documents::read(folder).unwrap();
    let size = documents.config["vocab_size"].as_u64().unwrap();
    let family = Family::of(case["family"].as_str().unwrap());
    let written =
        tokenizer::metadata(&documents, size, &family).unwrap_or_else(|error| panic!("{}: {error}", case["name"]));
    assert_eq!(written.question, None, "{}", case["name"]);
    (documents, written)
}

/// The converter writes the names of templates in an order that changes from run to run.
fn in_order(mut entry: Json) -> Json {
    if entry[0] == "tokenizer.chat_templates"
        && let Some(names) = entry[2].as_array_mut()
    {
        names.sort_by_key(|name| name.to_string());
    }
    entry
}

#[test]
fn keys_equal_those_of_the_converter() {
    let scratch = tempfile::tempdir().unwrap();
    let references = vocab::json(&vocab::data().join("tokenizers/references.json"));
    let references: BTreeMap<&str, &Json> =
        references.as_array().unwrap().iter().map(|r| (r["name"].as_str().unwrap(), r)).collect();
    let differences = vocab::json(&vocab::data().join("tokenizers/differences.json"));
    let mut files = Vec::new();
    let cases = cases();
    for (index, case) in cases.iter().enumerate() {
        let (_, written) = read(case, &scratch.path().join(index.to_string()));
        let file = scratch.path().join(format!("{index}.gguf"));
        std::fs::write(&file, gguf::encode_header(&written.keys, &[], &[])).unwrap();
        files.push(file);
    }
    let paths: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let mut wrong = Vec::new();
    for (case, described) in cases.iter().zip(common::peer_json("describe.py", &paths)) {
        let name = case["name"].as_str().unwrap();
        let reference = references[name];
        assert!(reference["refused"].is_null(), "{name}: the converter refused it: {}", reference["refused"]);
        let deliberate = |key: &Json| {
            let listed = differences["keys"].as_array().unwrap().iter();
            listed.clone().any(|d| d["key"] == *key && d["cases"].as_array().unwrap().contains(&json!(name)))
        };
        let keys = |json: &Json| -> Vec<Json> {
            let listed = json["metadata"].as_array().unwrap().iter().filter(|entry| !deliberate(&entry[0]));
            listed.cloned().map(in_order).collect()
        };
        let (ours, theirs) = (keys(&described), keys(reference));
        if ours != theirs {
            let missing: Vec<&Json> = theirs.iter().filter(|entry| !ours.contains(entry)).collect();
            let extra: Vec<&Json> = ours.iter().filter(|entry| !theirs.contains(entry)).collect();
            wrong.push(format!("{name}:\n  the converter has {missing:?}\n  Tuck has {extra:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// So many lines count.
const LINES: usize = 2000;

/// What llama.cpp is asked to encode with: a name, the original encoder, and the file that Tuck wrote.
struct Subject {
    name: String,
    encoder: Encoder,
    file: PathBuf,
}

/// The encoder that a file's own keys describe; none for kinds of tokenizers that only encoders of texts have.
fn stored(file: &Path) -> Option<Encoder> {
    let bytes = std::fs::read(file).unwrap();
    let header = gguf::read_header(&bytes[..], bytes.len() as u64).unwrap();
    let model = header.metadata.iter().find(|(key, _)| key == "tokenizer.ggml.model").unwrap().1.as_str().unwrap();
    ["gpt2", "llama"].contains(&model).then(|| Encoder::of(file, &header.metadata, true).unwrap())
}

/// Encodes `count` lines with llama.cpp and with the originals. Lines may differ only as `differences.json` says: for these
/// subjects, in lines that match an expression, with the reason.
fn compare_tokens(subjects: &[Subject], count: usize, with_special: bool) {
    let scratch = tempfile::tempdir().unwrap();
    let lines = common::text::lines(count);
    assert!(lines.iter().map(String::len).sum::<usize>() < 150_000);
    let listed = scratch.path().join("lines.json");
    std::fs::write(&listed, json!(lines).to_string()).unwrap();
    let mut paths = vec![listed.to_str().unwrap()];
    paths.extend(subjects.iter().map(|subject| subject.file.to_str().unwrap()));
    let differences = vocab::json(&vocab::data().join("tokenizers/differences.json"));
    let mut wrong = Vec::new();
    for (subject, found) in subjects.iter().zip(common::peer_json("tokens.py", &paths)) {
        let Subject { name, encoder, .. } = subject;
        let listed = differences["tokens"].as_array().unwrap().iter();
        let allowed: Vec<Regex> = listed
            .filter(|difference| difference["subjects"].as_array().unwrap().contains(&json!(name)))
            .map(|difference| Regex::new(difference["lines"].as_str().unwrap()).unwrap())
            .collect();
        let mut seen = vec![false; allowed.len()];
        let tokens = found["tokens"].as_array().unwrap();
        assert_eq!(tokens.len(), lines.len(), "{name}");
        let mut unexplained = Vec::new();
        for (line, found) in lines.iter().zip(tokens) {
            let original = json!(encoder.encode(line, false).unwrap());
            if original != *found {
                match allowed.iter().position(|lines| lines.is_match(line)) {
                    Some(place) => seen[place] = true,
                    None => unexplained.push((line, original, found)),
                }
            }
        }
        unexplained.sort_by_key(|(line, ..)| line.len());
        for (line, original, found) in unexplained.iter().take(3) {
            wrong.push(format!(
                "{name} ({} lines): {line:?}\n  original  {original}\n  llama.cpp {found}",
                unexplained.len()
            ));
        }
        if let Some(place) = seen.iter().position(|seen| !seen).filter(|_| count == LINES) {
            wrong.push(format!("{name}: no line differs any more for {}", allowed[place]));
        }
        let stored = stored(&subject.file);
        // The rules of a name are those of the originals, which differ from llama.cpp's where it is listed.
        let differing = |(line, found): &(&String, &Json)| {
            stored.as_ref().is_some_and(|stored| {
                let own = stored.encode(line, false).unwrap();
                let as_original = || own == encoder.encode(line, false).unwrap();
                json!(own) != **found && !(allowed.iter().any(|lines| lines.is_match(line)) && as_original())
            })
        };
        let mut own: Vec<_> = lines.iter().zip(tokens).filter(differing).collect();
        own.sort_by_key(|(line, _)| line.len());
        for (line, found) in own.iter().take(3) {
            let count = own.len();
            let own = json!(stored.as_ref().unwrap().encode(line, false).unwrap());
            wrong
                .push(format!("{name}, by its keys ({count} lines): {line:?}\n  Tuck      {own}\n  llama.cpp {found}"));
        }
        let special = json!(encoder.encode(&lines[0], true).unwrap());
        if with_special && special != found["with_special"] {
            wrong.push(format!("{name}: a prompt\n  original  {special}\n  llama.cpp {}", found["with_special"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_vocabulary_has_a_case() {
    let cases = cases();
    for entry in std::fs::read_dir(vocab::data().join("vocab")).unwrap().map(|entry| entry.unwrap().path()) {
        let name = json!(entry.file_name().unwrap().to_str().unwrap());
        assert!(entry.is_file() || cases.iter().any(|case| case["vocab"] == name), "no case has {name}");
    }
}

#[test]
fn llama_cpp_finds_the_tokens_of_the_original() {
    let scratch = tempfile::tempdir().unwrap();
    let mut subjects = Vec::new();
    for (index, case) in cases().iter().enumerate() {
        let (documents, written) = read(case, &scratch.path().join(index.to_string()));
        // Some say why no tokens can be compared.
        if documents.tokenizer.is_null() || case["tokens"].is_string() {
            continue;
        }
        let file = scratch.path().join(format!("{index}.gguf"));
        vocab::write_gguf(&file, &written.keys);
        subjects.push(Subject {
            name: case["name"].as_str().unwrap().to_owned(),
            encoder: Encoder::open(&documents).unwrap(),
            file,
        });
    }
    for (name, folder) in [("sample", common::sample()), ("SmolLM2", common::smollm2())] {
        let documents = Documents::read(&folder).unwrap();
        let size = documents.config["vocab_size"].as_u64().unwrap();
        let file = scratch.path().join(format!("{name}.gguf"));
        vocab::write_gguf(&file, &tokenizer::metadata(&documents, size, &Family::LLAMA).unwrap().keys);
        subjects.push(Subject { name: name.to_owned(), encoder: Encoder::open(&documents).unwrap(), file });
    }
    assert!(subjects.len() > 40);
    compare_tokens(&subjects, LINES, true);
}

/// A vocabulary whose merges go across words, digits and lines, so that every cut shows in the tokens.
fn merges_across_everything() -> Json {
    let bytes = ByteLevel::new(false, true, false);
    let mut trainer = BpeTrainerBuilder::default()
        .vocab_size(1500)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let lines = common::text::lines(3000);
    let mut trained = BPE::default();
    trainer
        .feed(lines.iter().skip(2000), |line| {
            let mut text = tokenizers::PreTokenizedString::from(line);
            tokenizers::PreTokenizer::pre_tokenize(&bytes, &mut text)?;
            let pieces = text.get_splits(tokenizers::OffsetReferential::Normalized, tokenizers::OffsetType::Byte);
            Ok(pieces.into_iter().map(|(piece, _, _)| piece.to_owned()).collect())
        })
        .unwrap();
    trainer.train(&mut trained).unwrap();
    serde_json::to_value(&trained).unwrap()
}

#[test]
fn every_pre_tokenizer_cuts_as_it_is_stated() {
    let scratch = tempfile::tempdir().unwrap();
    let model = merges_across_everything();
    let size = model["vocab"].as_object().unwrap().len() as u64;
    let (mut subjects, mut alike, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for name in tokenizer::pre_tokenizers() {
        let rules = tokenizer::rules(name).unwrap();
        if !rules["normalizer"].is_null() {
            continue; // Its vocabulary is not one of bytes; the case "gemma3, json only" has it.
        }
        let mut model = model.clone();
        model["ignore_merges"] = rules["ignore_merges"].clone();
        let documents = Documents {
            tokenizer: json!({"added_tokens": [], "pre_tokenizer": rules["pre_tokenizer"], "model": model}),
            ..Documents::default()
        };
        let mut keys = tokenizer::metadata(&documents, size, &Family::BPE).unwrap().keys;
        let pre = keys.iter_mut().find(|(key, _)| key == "tokenizer.ggml.pre").unwrap();
        pre.1 = name.into();
        let file = scratch.path().join(format!("{name}.gguf"));
        vocab::write_gguf(&file, &keys);
        let subject = Subject { name: format!("pre {name}"), encoder: Encoder::open(&documents).unwrap(), file };
        // Names with the same rules are one for llama.cpp, so for these it is enough that it knows them.
        if seen.contains(&rules) {
            alike.push(subject);
        } else {
            seen.push(rules);
            subjects.push(subject);
        }
    }
    let counts = [subjects.len(), alike.len()];
    assert!(counts[0] > 25 && counts[1] > 30, "{counts:?}");
    compare_tokens(&subjects, LINES, false);
    compare_tokens(&alike, 20, false);
}

/// A tiny model whose digits go four by four.
fn four_digits(folder: &Path) -> PathBuf {
    let mut tiny = Tiny::default();
    let mut rules = tokenizer::rules("llama-bpe").unwrap()["pre_tokenizer"].take();
    let regex = &mut rules["pretokenizers"][0]["pattern"]["Regex"];
    *regex = json!(regex.as_str().unwrap().replace("{1,3}", "{1,4}"));
    tiny.tokenizer["pre_tokenizer"] = rules;
    tiny.tokenizer["model"]["ignore_merges"] = json!(true);
    let model = folder.join("model");
    tiny.write(&model);
    model
}

#[test]
fn an_unknown_pre_tokenizer_is_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let model = four_digits(folder.path());
    let path = model.to_str().unwrap();
    let inspected: Json = serde_json::from_str(&common::tuck_ok(&["inspect", path, "--json"])).unwrap();
    let question = &inspected["question"];
    assert_eq!(question["pre_tokenizer"], "llama-bpe");
    let differences = question["differences"].as_array().unwrap();
    assert!(!differences.is_empty() && differences.len() < 10);
    let shown = common::tuck_ok(&["inspect", path]);
    for words in ["nearest is llama-bpe", "--pre-tokenizer llama-bpe", "[1234]", "[123][4]"] {
        assert!(shown.contains(words), "inspect lacks {words:?}: {shown}");
    }
    let out = folder.path().join("out.gguf");
    let pack = |more: &[&str]| {
        let arguments = ["pack", path, "--type", "COPY", "--device", "cpu", "-o", out.to_str().unwrap()];
        let result = common::tuck(&[&arguments[..], more].concat());
        (result.status.code(), String::from_utf8_lossy(&result.stderr).into_owned())
    };
    for more in [&[][..], &["--dry-run"]] {
        let (code, message) = pack(more);
        assert_eq!(code, Some(1), "{message}");
        assert!(message.contains("--pre-tokenizer llama-bpe") && !out.exists(), "{message}");
    }
    let (code, message) = pack(&["--pre-tokenizer", "llama-4-bpe"]);
    assert!(code == Some(1) && message.contains("llama-4-bpe") && message.contains("deepseek-v3"), "{message}");
    let (code, message) = pack(&["--pre-tokenizer", "llama-bpe"]);
    assert_eq!(code, Some(0), "{message}");
    let described = common::peer_json("describe.py", &[out.to_str().unwrap()]).remove(0);
    let pre = json!(["tokenizer.ggml.pre", "STRING", "llama-bpe"]);
    assert!(described["metadata"].as_array().unwrap().contains(&pre));
}

#[test]
fn a_model_is_answered_for_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let model = Model::open(&four_digits(folder.path())).unwrap();
    assert_eq!(model.question.as_ref().unwrap().nearest, "llama-bpe");
    assert!(model.with_pre_tokenizer("no such name").is_err());
    let answered = model.with_pre_tokenizer("qwen2").unwrap();
    assert_eq!(answered.question, None);
    assert_eq!(answered.value("tokenizer.ggml.pre").unwrap().as_str(), Some("qwen2"));
}
