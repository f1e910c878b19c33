//! Metadata: what the command line can change, what it refuses, and what is found to be wrong before a file is written.

mod common;

use serde_json::Value as Json;
use std::path::Path;
use tuck::gguf::{Array, Value, ValueType};
use tuck::model::lint::{Finding, Severity, check};
use tuck::model::{CHAT_TEMPLATE, Model, Pruning, Setting, USUAL, Usual};

/// As ChatML has it, with `<s>` and `</s>` for its tokens.
const TEMPLATE: &str = "{% for message in messages %}<s>{{ message.role }}\n{{ message.content }}</s>\n{% endfor %}\
                        {% if add_generation_prompt %}<s>assistant\n{% endif %}";

/// The sample with a licence, a template and a vocabulary in which 1 is `<s>`, 2 is `</s>` and 3 is `<|eot_id|>`: nothing
/// is wrong with it.
fn sound() -> Model {
    let mut model = Model::open(&common::sample()).unwrap();
    for (key, value) in &mut model.metadata {
        let (key, Value::Array(Array { values, .. })) = (key.as_str(), value) else { continue };
        match key {
            "tokenizer.ggml.tokens" => {
                for (id, text) in [(1, "<s>"), (2, "</s>"), (3, "<|eot_id|>")] {
                    values[id] = text.into();
                }
            }
            "tokenizer.ggml.token_type" => values[1..4].fill(Value::I32(3)),
            _ => {}
        }
    }
    let id = |kind: &str, id| (format!("tokenizer.ggml.{kind}_token_id"), Value::U32(id));
    let texts =
        [("general.license", "mit"), (CHAT_TEMPLATE, TEMPLATE)].map(|(key, text)| (key.to_owned(), text.into()));
    for (key, value) in [id("bos", 1), id("eos", 2), id("padding", 0)].into_iter().chain(texts) {
        set(&mut model, &key, value);
    }
    model
}

fn set(model: &mut Model, key: &str, value: Value) {
    model.metadata.retain(|(known, _)| known != key);
    model.metadata.push((key.to_owned(), value));
}

fn remove(model: &mut Model, key: &str) {
    model.metadata.retain(|(known, _)| known != key);
}

fn usual(option: &str, typed: &str) -> Setting {
    Setting::usual(Usual::named(option).unwrap(), typed).unwrap()
}

#[test]
fn nothing_is_wrong_with_a_sound_model() {
    assert_eq!(check(&sound()), []);
}

/// What spoils a model, and the severity, key and words of the only finding. With a fix, nothing is wrong any more.
type Spoilt = (fn(&mut Model), Severity, &'static str, &'static [&'static str], bool);

#[test]
fn each_mistake_is_found_and_fixed_where_it_can_be() {
    const EOS: &str = "tokenizer.ggml.eos_token_id";
    const EOT: &str = "tokenizer.ggml.eot_token_id";
    const PAD: &str = "tokenizer.ggml.padding_token_id";
    const BOS: &str = "tokenizer.ggml.add_bos_token";
    const CONTEXT: &str = "llama.context_length";
    let cases: &[Spoilt] = &[
        (|m| remove(m, EOS), Severity::Error, EOS, &["ends with </s>", "there is no end of text"], true),
        (
            |m| {
                remove(m, EOS);
                template(m, &TEMPLATE.replace("<s>", "\n").replace("</s>", "\n"));
            },
            Severity::Error,
            EOS,
            &["no token that ends an answer"],
            false,
        ),
        (|m| set(m, PAD, Value::U32(4096)), Severity::Error, PAD, &["4096", "counted from 0"], true),
        (|m| set(m, EOT, Value::I32(-1)), Severity::Error, EOT, &["it is -1"], true),
        (|m| set(m, PAD, Value::U32(2)), Severity::Note, PAD, &["token 2 both ends"], false),
        (|m| remove(m, "general.license"), Severity::Note, "general.license", &["which licence"], false),
        (|m| set(m, "general.name", "  ".into()), Severity::Note, "general.name", &["no name"], false),
        (
            |m| {
                remove(m, CHAT_TEMPLATE);
                set(m, "general.name", "Sample 7M-Instruct".into());
            },
            Severity::Caution,
            CHAT_TEMPLATE,
            &["no chat template", "for chat"],
            false,
        ),
        (|m| template(m, "{% for"), Severity::Error, CHAT_TEMPLATE, &["cannot be understood", "line 1"], false),
        (|m| template(m, "{{ messages | nothing }}"), Severity::Error, CHAT_TEMPLATE, &["does not render"], false),
        (|m| set(m, CHAT_TEMPLATE, Value::U32(1)), Severity::Error, CHAT_TEMPLATE, &["no text"], false),
        (
            |m| {
                template(
                    m,
                    &TEMPLATE.replace(
                        "{% for",
                        "{% if messages[0].role == 'system' %}{{ raise_exception('No.') }}{% endif %}{% for",
                    ),
                )
            },
            Severity::Note,
            CHAT_TEMPLATE,
            &["takes no system message", "No."],
            false,
        ),
        (
            |m| {
                template(
                    m,
                    &TEMPLATE.replace(
                        "{{ message.role",
                        "{% if message.role == 'system' %}{% continue %}{% endif %}{{ message.role",
                    ),
                )
            },
            Severity::Caution,
            CHAT_TEMPLATE,
            &["leaves out what the system says"],
            false,
        ),
        (
            |m| template(m, &TEMPLATE.replace("{{ message.content }}", "{{ messages[-1].content }}")),
            Severity::Error,
            CHAT_TEMPLATE,
            &["leaves out what the user says", "several turns"],
            false,
        ),
        (
            |m| template(m, &TEMPLATE.replace("<s>", "<|im_start|>")),
            Severity::Caution,
            CHAT_TEMPLATE,
            &["writes <|im_start|>", "no such token"],
            false,
        ),
        (
            |m| template(m, &TEMPLATE.replace("</s>", "<|eot_id|>")),
            Severity::Caution,
            EOT,
            &["ends with <|eot_id|>", "the end of text is </s>"],
            true,
        ),
        (
            |m| template(m, &TEMPLATE.replace("</s>", "")),
            Severity::Note,
            CHAT_TEMPLATE,
            &["no token after an answer"],
            false,
        ),
        (
            |m| {
                template(m, &TEMPLATE.replace("<s>", "").replace("{% for", "{{- bos_token -}}\n{% for"));
                set(m, BOS, Value::Bool(true));
            },
            Severity::Note,
            BOS,
            &["add <s> to every text"],
            true,
        ),
        (
            |m| template(m, &format!("You will help people to buy more things.\n{TEMPLATE}")),
            Severity::Note,
            CHAT_TEMPLATE,
            &["“You will help people to buy more things.”"],
            false,
        ),
        (
            |m| template(m, &TEMPLATE.replace("</s>", "{# \u{200b} #}</s>")),
            Severity::Caution,
            CHAT_TEMPLATE,
            &["nobody sees", "line 2"],
            false,
        ),
        (
            |m| set(m, "tokenizer.chat_template.tool_use", "{{ ''.__class__ }}".into()),
            Severity::Caution,
            "tokenizer.chat_template.tool_use",
            &["__class__"],
            false,
        ),
        (|m| m.hparams.context = 7, Severity::Caution, CONTEXT, &["it is 7 tokens"], false),
        (|m| m.hparams.context = 1 << 30, Severity::Caution, CONTEXT, &["1073741824 tokens"], false),
        (
            |m| set(m, "llama.rope.freq_base", Value::F32(0.0)),
            Severity::Error,
            "llama.rope.freq_base",
            &["it is 0"],
            false,
        ),
        (
            |m| scaling(m, "yarn", None, None),
            Severity::Caution,
            "llama.rope.scaling.type",
            &["no rope.scaling.factor"],
            false,
        ),
        (
            |m| scaling(m, "none", Some(4.0), None),
            Severity::Caution,
            "llama.rope.scaling.factor",
            &["it is 4, and the scaling is none"],
            true,
        ),
        (
            |m| scaling(m, "linear", Some(0.0), None),
            Severity::Caution,
            "llama.rope.scaling.factor",
            &["stretches nothing"],
            false,
        ),
        (|m| scaling(m, "yarn", Some(2.0), Some(128)), Severity::Caution, CONTEXT, &["reaches 256"], true),
        (|m| scaling(m, "yarn", Some(2.0), Some(8192)), Severity::Caution, CONTEXT, &["8192 tokens before"], false),
        (
            |m| tokens(m, |values| values.truncate(4000)),
            Severity::Error,
            "tokenizer.ggml.tokens",
            &["4000 tokens", "4096 rows"],
            false,
        ),
    ];
    for (spoil, severity, key, words, is_fixed) in cases {
        let mut model = sound();
        spoil(&mut model);
        let findings = check(&model);
        let [finding] = &findings[..] else { panic!("{words:?}: {findings:#?}") };
        assert_eq!((finding.severity, finding.key.as_str()), (*severity, *key), "{words:?}: {finding:?}");
        words.iter().for_each(|word| assert!(finding.found.contains(word), "{word:?} is not in {finding:?}"));
        assert!(
            finding.why.ends_with('.') && finding.advice.ends_with('.') && !finding.found.ends_with('.'),
            "{finding:?}"
        );
        assert_eq!(finding.fix.is_some(), *is_fixed, "{finding:?}");
        if let Some(fix) = &finding.fix {
            let fixed = model.edited(std::slice::from_ref(fix), &Pruning::default()).unwrap();
            assert_eq!(check(&fixed), [], "{fix:?}");
        }
    }
}

fn template(model: &mut Model, source: &str) {
    set(model, CHAT_TEMPLATE, source.into());
}

/// The sample's context is 512 tokens.
fn scaling(model: &mut Model, kind: &str, factor: Option<f32>, original: Option<u32>) {
    set(model, "llama.rope.scaling.type", kind.into());
    factor.into_iter().for_each(|factor| set(model, "llama.rope.scaling.factor", Value::F32(factor)));
    let key = "llama.rope.scaling.original_context_length";
    original.into_iter().for_each(|original| set(model, key, Value::U32(original)));
}

fn tokens(model: &mut Model, change: impl Fn(&mut Vec<Value>)) {
    for (key, value) in &mut model.metadata {
        if let ("tokenizer.ggml.tokens" | "tokenizer.ggml.token_type", Value::Array(array)) = (key.as_str(), value) {
            change(&mut array.values);
        }
    }
}

#[test]
fn a_hostile_vocabulary_is_read_without_harm() {
    let mut model = sound();
    tokens(&mut model, Vec::clear);
    assert!(check(&model).iter().any(|finding| finding.found.contains("no tokens")));
    set(&mut model, "tokenizer.ggml.tokens", Array::new(ValueType::U32, [1, 2, 3]).into());
    set(&mut model, "tokenizer.ggml.token_type", "normal".into());
    assert!(check(&model).iter().any(|finding| finding.severity == Severity::Error));
    set(&mut model, "tokenizer.ggml.tokens", Array::new(ValueType::String, vec!["é<|"; 4096]).into());
    let _: Vec<Finding> = check(&model);
}

#[test]
fn usual_settings_are_made_and_removed() {
    let model = sound();
    let settings = [
        usual("name", "Renamed"),
        usual("author", "somebody"),
        usual("description", "Two\nlines."),
        usual("context-length", "1024"),
        Setting::token("eot=<|eot_id|>").unwrap(),
        Setting::token("pad=7").unwrap(),
        usual("add_bos", "no"),
        Setting::removal("general.license").unwrap(),
    ];
    let edited = model.edited(&settings, &Pruning::default()).unwrap();
    let expected = [
        ("general.name", Value::from("Renamed")),
        ("general.author", Value::from("somebody")),
        ("general.description", Value::from("Two\nlines.")),
        ("llama.context_length", Value::U32(1024)),
        ("tokenizer.ggml.eot_token_id", Value::U32(3)),
        ("tokenizer.ggml.padding_token_id", Value::U32(7)),
        ("tokenizer.ggml.add_bos_token", Value::Bool(false)),
    ];
    for (key, value) in expected {
        assert_eq!(edited.value(key), Some(&value), "{key}");
    }
    assert_eq!(edited.value("general.license"), None);
    assert_eq!((edited.card.name.as_str(), edited.card.context), ("Renamed", 1024));
    assert_ne!(edited.header_len, model.header_len);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let model = sound();
    let long = "x".repeat(2000);
    let huge = "x".repeat(300 << 10);
    let typed: &[(&str, &str, &[&str])] = &[
        ("name", "  ", &["empty"]),
        ("name", "two\nlines", &["one line"]),
        ("name", &long, &["one line", "1000"]),
        ("description", "a\0b", &["zero character"]),
        ("context-length", "0", &["from 1"]),
        ("context-length", "8k", &["whole number"]),
        ("eos", "", &["no token"]),
        ("eos", "4096", &["the token 4096", "has 4096"]),
        ("eos", "-1", &["names no token", "4096"]),
        ("eos", "<|nothing|>", &["names no token"]),
        ("add_bos", "maybe", &["neither yes nor no"]),
        ("chat-template", "{% for %}", &["no chat template", "line 1"]),
        ("chat-template", &huge, &["no chat template", "262144"]),
    ];
    for (option, text, words) in typed {
        let setting = Setting::usual(Usual::named(option).unwrap(), text);
        let error = setting.and_then(|setting| model.edited(&[setting], &Pruning::default())).unwrap_err().to_string();
        words.iter().for_each(|word| assert!(error.contains(word), "{option} {text:.20}: {word:?} is not in {error}"));
    }
    let removed: &[(&str, &[&str])] = &[
        ("no.such.key", &["does not have", "inspect --metadata"]),
        ("general.architecture", &["the file itself"]),
        ("tokenizer.ggml.tokens", &["can do without"]),
        ("llama.context_length", &["can do without"]),
        ("a b", &["no valid key"]),
    ];
    for (key, words) in removed {
        let setting = Setting::removal(key);
        let error = setting.and_then(|setting| model.edited(&[setting], &Pruning::default())).unwrap_err().to_string();
        words.iter().for_each(|word| assert!(error.contains(word), "{key}: {word:?} is not in {error}"));
    }
    let id = Setting::parse("tokenizer.ggml.eos_token_id=int:99999").unwrap();
    assert!(model.edited(&[id], &Pruning::default()).unwrap_err().to_string().contains("99999"));
    for text in ["eos", "end=1", "name=x", "=1"] {
        assert!(Setting::token(text).unwrap_err().to_string().contains("bos, eos, eot"), "{text}");
    }
}

/// What the command line was told, as llama.cpp's own reader finds it in the file.
#[test]
fn the_command_line_edits_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("template.jinja");
    std::fs::write(&template, TEMPLATE).unwrap();
    let options = ["--name", "My Model", "--license", "mit", "--author", "me", "--description", "A sample."];
    let more = ["--context-length", "256", "--token-id", "eot=3", "--token-id", "bos=1", "--override-kv", "a.b=int:7"];
    let last = ["--remove-metadata", "general.size_label", "--chat-template", template.to_str().unwrap()];
    let options: Vec<&str> = options.into_iter().chain(more).chain(last).collect();
    let file = common::pack(&common::sample(), "COPY", folder.path(), &options);
    let described = common::peer_json("describe.py", &[file.to_str().unwrap()]).remove(0);
    let found = |key: &str| {
        let listed = described["metadata"].as_array().unwrap();
        listed.iter().find(|entry| entry[0] == key).map_or(Json::Null, |entry| entry[2].clone())
    };
    assert_eq!(found("general.name"), "My Model");
    assert_eq!(found("general.license"), "mit");
    assert_eq!(found("general.author"), "me");
    assert_eq!(found("general.description"), "A sample.");
    assert_eq!(found("llama.context_length"), 256);
    assert_eq!(found("tokenizer.ggml.eot_token_id"), 3);
    assert_eq!(found("tokenizer.ggml.bos_token_id"), 1);
    assert_eq!(found("a.b"), 7);
    assert_eq!(found("general.size_label"), Json::Null);
    assert_eq!(found("tokenizer.chat_template"), TEMPLATE);
}

#[test]
fn the_command_line_refuses_and_tells() {
    let sample = common::sample();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.gguf");
    let pack = |options: &[&str]| {
        let mut arguments =
            vec!["pack", sample.to_str().unwrap(), "--type", "F16", "--dry-run", "-o", out.to_str().unwrap()];
        arguments.extend(options);
        common::tuck(&arguments)
    };
    let missing = folder.path().join("none.jinja");
    for (options, word) in [
        (["--token-id", "eos=99999"], "99999"),
        (["--chat-template", missing.to_str().unwrap()], "none.jinja"),
        (["--chat-template", folder.path().to_str().unwrap()], "it"),
        (["--context-length", "many"], "many"),
    ] {
        let result = pack(&options);
        let message = String::from_utf8_lossy(&result.stderr).into_owned();
        assert!(result.status.code() == Some(1) && message.contains(word), "{options:?}: {message}");
        assert_eq!(message.trim().lines().count(), 1, "{message}");
    }
    let result = pack(&["--name", "Sample Chat", "--token-id", "pad=3"]);
    let message = String::from_utf8_lossy(&result.stderr).into_owned();
    assert!(result.status.success() && message.contains("caution: tokenizer.chat_template: there is no"), "{message}");

    let inspected: Json =
        serde_json::from_str(&common::tuck_ok(&["inspect", sample.to_str().unwrap(), "--json"])).unwrap();
    let findings = inspected["findings"].as_array().unwrap();
    assert!(findings.iter().any(|finding| finding["key"] == "general.license" && finding["severity"] == "note"));
    let text = common::tuck_ok(&["inspect", sample.to_str().unwrap()]);
    assert!(text.contains("Findings") && text.contains("--license"), "{text}");
}

#[test]
fn the_help_names_every_kind_of_token() {
    let help = common::tuck_ok(&["pack", "--help"]).split_whitespace().collect::<Vec<_>>().join(" ");
    let kinds = USUAL.iter().filter(|usual| usual.kind == tuck::model::UsualKind::Token);
    for usual in kinds {
        let listed = help.contains(&format!("{},", usual.option)) || help.contains(&format!("{} and", usual.option));
        assert!(listed || help.contains(&format!("and {}.", usual.option)), "{} is not in the help", usual.option);
    }
    assert!(Path::new(env!("CARGO_BIN_EXE_tuck")).is_file());
}
