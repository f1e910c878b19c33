//! Damaged and hostile tokenizer files: a refusal that names the file and what is wrong, no panic, and no more memory
//! than a few times the files.

mod common;

use common::vocab;
use serde_json::{Value as Json, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tuck::checkpoint::Documents;
use tuck::tokenizer::{self, Family};

/// Counts what is allocated, and the most that was at one time.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MOST.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One after the other, for memory is counted.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Spoils a copy of a small vocabulary and expects an error with all these words.
fn refused(what: &str, vocabulary: &str, family: &Family, words: &[&str], spoil: impl FnOnce(&Path)) {
    let result = read(what, vocabulary, family, spoil);
    let message = match result {
        Ok(()) => panic!("{what}: it was taken"),
        Err(message) => message,
    };
    for word in words {
        assert!(message.contains(word), "{what}: the message lacks {word:?}: {message}");
    }
    assert!(!message.contains('\n') && message.len() < 1000, "{what}: one paragraph: {message}");
}

/// The same where nothing is wrong enough to refuse it.
fn taken(what: &str, vocabulary: &str, family: &Family, spoil: impl FnOnce(&Path)) {
    read(what, vocabulary, family, spoil).unwrap_or_else(|message| panic!("{what}: {message}"));
}

fn read(what: &str, vocabulary: &str, family: &Family, spoil: impl FnOnce(&Path)) -> Result<(), String> {
    let alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("model");
    vocab::make(&json!({"vocab": vocabulary, "change": {"config.json": {"vocab_size": 640}}}), &folder);
    spoil(&folder);
    let bytes: u64 = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    let before = NOW.load(Relaxed);
    MOST.store(before, Relaxed);
    let result = Documents::read(&folder).and_then(|documents| {
        let size = documents.config["vocab_size"].as_u64().unwrap_or(640);
        tokenizer::metadata(&documents, size, family).map(drop)
    });
    let used = MOST.load(Relaxed) - before;
    drop(alone);
    // JSON takes most: a number of two bytes becomes a value of 32. Rules that are compared are compiled, too.
    assert!(used < 40 * bytes as usize + (256 << 20), "{what}: {used} bytes of memory for {bytes} of files");
    result.map_err(|error| error.to_string())
}

fn change(name: &'static str, change: impl FnOnce(&mut Json)) -> impl FnOnce(&Path) {
    move |folder| {
        let path = folder.join(name);
        let mut document = if path.exists() { vocab::json(&path) } else { json!({}) };
        change(&mut document);
        fs::write(path, document.to_string()).unwrap();
    }
}

fn write(name: &'static str, bytes: impl AsRef<[u8]>) -> impl FnOnce(&Path) {
    move |folder| fs::write(folder.join(name), bytes.as_ref()).unwrap()
}

#[test]
fn tokenizer_json() {
    let bpe = |what: &str, words: &[&str], spoil: fn(&mut Json)| {
        let words = [&["tokenizer.json"], words].concat();
        refused(what, "bpe-gpt2", &Family::BPE, &words, change("tokenizer.json", spoil));
    };
    taken("nothing wrong", "bpe-gpt2", &Family::BPE, |_| {});
    for (what, text) in [
        ("deep arrays", "[".repeat(1_000_000)),
        ("deep objects", "{\"a\":".repeat(200_000)),
        ("deep sequences", format!("{}null{}", "{\"pre_tokenizer\":{\"pretokenizers\":[".repeat(60), "]}}".repeat(60))),
        ("cut short", "{\"model\": {\"vocab\": {\"a\"".to_owned()),
        ("half a character", "{\"a\": \"\\ud83d\"}".to_owned()),
    ] {
        refused(what, "bpe-gpt2", &Family::BPE, &["tokenizer.json", "not valid JSON"], write("tokenizer.json", text));
    }
    refused("no UTF-8", "bpe-gpt2", &Family::BPE, &["UTF-8"], write("tokenizer.json", b"\xff\xfe"));
    let older = |what: &str, words: &[&str], spoil: &dyn Fn(&Path)| {
        refused(what, "bpe-gpt2", &Family::BPE, &[&["tokenizer.json"], words].concat(), |folder| {
            fs::remove_file(folder.join("tokenizer.json")).unwrap();
            spoil(folder);
        });
    };
    let put = |name: &'static str, text: &'static str| move |folder: &Path| fs::write(folder.join(name), text).unwrap();
    older("not there", &["not there"], &|folder| fs::remove_file(folder.join("vocab.json")).unwrap());
    older("neither merges", &["not there"], &|folder| fs::remove_file(folder.join("merges.txt")).unwrap());
    older(
        "a class without rules",
        &["CLIPTokenizer", "vocab.json"],
        &put("tokenizer_config.json", "{\"tokenizer_class\": \"CLIPTokenizer\"}"),
    );
    older("a merge of an unknown token, older", &["merge 0", "\"nonsense\""], &put("merges.txt", "a nonsense\n"));
    older("an id past the end, older", &["\"a\"", "9999"], &put("vocab.json", "{\"a\": 9999}"));
    taken("without tokenizer.json", "bpe-gpt2", &Family::BPE, |folder| {
        fs::remove_file(folder.join("tokenizer.json")).unwrap();
    });
    bpe("a list", &["no vocab"], |t| *t = json!([1, 2]));
    bpe("no model", &["no vocab"], |t| t["model"] = json!(null));
    bpe("another kind", &["Magic", "byte-level BPE"], |t| t["model"]["type"] = json!("Magic"));
    bpe("a vocabulary that is a list", &["no vocab"], |t| t["model"]["vocab"] = json!([["a", 0]]));
    bpe("an id below zero", &["\"a\"", "-1"], |t| t["model"]["vocab"]["a"] = json!(-1));
    bpe("an id that is no whole number", &["\"a\"", "1.5"], |t| t["model"]["vocab"]["a"] = json!(1.5));
    bpe("an id that is a text", &["\"a\"", "seven"], |t| t["model"]["vocab"]["a"] = json!("seven"));
    bpe("the largest id", &["\"a\"", "18446744073709551615"], |t| t["model"]["vocab"]["a"] = json!(u64::MAX));
    bpe("an id past the end", &["\"a\"", "640"], |t| t["model"]["vocab"]["a"] = json!(640));
    bpe("a shared id", &["share the id"], |t| t["model"]["vocab"]["a"] = t["model"]["vocab"]["b"].clone());
    bpe("an added token with the text of another", &["both \"a\"", "two tokens"], |t| {
        t["added_tokens"][0] = json!({"id": 600, "content": "a", "special": true});
    });
    bpe("an added token without an id", &["no id or no content"], |t| t["added_tokens"][0]["id"] = json!(null));
    bpe("an added token without a text", &["no id or no content"], |t| t["added_tokens"][0]["content"] = json!(7));
    bpe("an added token past the end", &["added token", "640 tokens"], |t| t["added_tokens"][0]["id"] = json!(640));
    bpe("merges that are none", &["list of merges"], |t| t["model"]["merges"] = json!({"a": "b"}));
    bpe("a merge of one", &["merge 0", "a pair"], |t| t["model"]["merges"][0] = json!("ab"));
    bpe("a merge of three", &["merge 1", "a pair"], |t| t["model"]["merges"][1] = json!(["a", "b", "c"]));
    bpe("a merge of numbers", &["merge 2", "a pair"], |t| t["model"]["merges"][2] = json!([1, 2]));
    bpe("a merge of an unknown token", &["merge 3", "\"nonsense\""], |t| t["model"]["merges"][3] = json!("a nonsense"));
    bpe("a merge to an unknown token", &["merge 4", "\"zq\""], |t| t["model"]["merges"][4] = json!(["z", "q"]));
    bpe("rules of an unknown kind", &["Magic", "not understood"], |t| t["pre_tokenizer"] = json!({"type": "Magic"}));
    bpe("rules without a kind", &["not understood"], |t| t["pre_tokenizer"] = json!({"pattern": 1}));
    bpe("a normalizer of an unknown kind", &["normalizer", "Magic"], |t| t["normalizer"] = json!({"type": "Magic"}));
    bpe("a table of characters", &["Precompiled"], |t| {
        t["normalizer"] = json!({"type": "Precompiled", "precompiled_charsmap": "//////////8="});
    });
    bpe("an expression that is none", &["not understood"], |t| {
        t["pre_tokenizer"] =
            json!({"type": "Split", "pattern": {"Regex": "(?<"}, "behavior": "Isolated", "invert": false});
    });
    bpe("an expression that fills the memory", &["not understood"], |t| {
        t["pre_tokenizer"] = json!({"type": "Split", "pattern": {"Regex": r"((\p{L}{1000}){1000}){1000}"}, "behavior": "Isolated", "invert": false});
    });
    bpe("a very long expression", &["bytes long"], |t| {
        t["pre_tokenizer"] = json!({"type": "Split", "pattern": {"Regex": "a|".repeat(100_000)}, "behavior": "Isolated", "invert": false});
    });
    taken(
        "an expression that looks for ever",
        "bpe-gpt2",
        &Family::BPE,
        change("tokenizer.json", |t| {
            t["pre_tokenizer"] = json!({"type": "Split", "pattern": {"Regex": r"(?=((\S+\S+)+)!)(x+x+)+y"}, "behavior": "Isolated", "invert": false});
        }),
    );
}

#[test]
fn documents_beside_it() {
    let beside = |what: &str, name: &'static str, words: &[&str], spoil: fn(&mut Json)| {
        refused(what, "bpe-gpt2", &Family::BPE, words, change(name, spoil));
    };
    for size in [u64::MAX, 1 << 62, 1 << 31, 5_000_000] {
        let words = ["tokenizer.json", &size.to_string(), "padding without end"];
        refused(
            "a vocabulary without end",
            "bpe-gpt2",
            &Family::BPE,
            &words,
            change("config.json", |c| c["vocab_size"] = json!(size)),
        );
    }
    beside("a smaller vocabulary", "config.json", &["gives the model 300 tokens"], |c| c["vocab_size"] = json!(300));
    beside("an added token without a text", "tokenizer_config.json", &["tokenizer_config.json", "no content"], |c| {
        c["added_tokens_decoder"]["7"] = json!({"special": true});
    });
    let any = |what: &str, name: &'static str, spoil: fn(&mut Json)| {
        taken(what, "bpe-llama3", &Family::LLAMA, change(name, spoil));
    };
    any("ids of any kind", "config.json", |c| {
        for (key, id) in [
            ("bos", json!(-5)),
            ("eos", json!([1, 2])),
            ("unk", json!("x")),
            ("pad", json!(1e99)),
            ("sep", json!(u64::MAX)),
        ] {
            c[format!("{key}_token_id")] = id;
        }
    });
    any("names of any kind", "tokenizer_config.json", |c| {
        for (key, name) in [
            ("bos", json!(7)),
            ("eos", json!({})),
            ("unk", json!([])),
            ("pad", json!({"content": 7})),
            ("sep", json!("")),
        ] {
            c[format!("{key}_token")] = name;
        }
        c["add_bos_token"] = json!("yes");
    });
    any("templates of any kind", "tokenizer_config.json", |c| {
        c["chat_template"] =
            json!([7, {}, {"name": 1}, {"name": "a"}, {"name": "", "template": "x"}, {"name": "*", "template": "y"}]);
    });
    any("added tokens of any kind", "tokenizer_config.json", |c| {
        for id in ["-1", "99999999999999999999", "x", ""] {
            c["added_tokens_decoder"][id] = json!({"content": "zz", "special": 5});
        }
    });
    any("a list of added tokens", "tokenizer_config.json", |c| c["added_tokens_decoder"] = json!([1, 2, 3]));
    any("a post-processor of any kind", "tokenizer.json", |t| {
        t["post_processor"] = json!({"processors": [7, {"type": "TemplateProcessing"}, {"type": "TemplateProcessing", "single": [1, 2], "pair": [3]},
            {"type": "TemplateProcessing", "single": [{}, {"SpecialToken": {"id": 9}}], "pair": [{"Sequence": {"id": "A"}}, {"Sequence": {"id": "B"}}]},
            {"type": "RobertaProcessing", "cls": 5}]});
    });
    refused("templates without end", "bpe-llama3", &Family::LLAMA, &["additional_chat_templates", "101"], |folder| {
        let templates = folder.join("additional_chat_templates");
        fs::create_dir(&templates).unwrap();
        fs::write(folder.join("chat_template.jinja"), "x").unwrap();
        (0..101).for_each(|n| fs::write(templates.join(format!("{n}.jinja")), "x").unwrap());
    });
}

/// A protobuf field of bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(bytes);
    out
}

fn piece(text: &[u8], more: &[u8]) -> Vec<u8> {
    field(1, &[field(1, text), more.to_vec()].concat())
}

#[test]
fn tokenizer_model() {
    let model = |what: &str, words: &[&str], bytes: Vec<u8>| {
        let words = [&["tokenizer.model"], words].concat();
        refused(what, "spm-llama2", &Family::LLAMA, &words, write("tokenizer.model", bytes));
    };
    let good = fs::read(vocab::data().join("vocab/spm-llama2/tokenizer.model")).unwrap();
    taken("nothing wrong", "spm-llama2", &Family::LLAMA, |_| {});
    model("empty", &["no pieces"], Vec::new());
    model("a text", &["no SentencePiece model"], b"hello, world: this is no model".to_vec());
    model("JSON", &["no SentencePiece model"], b"{\"model\": 1}".to_vec());
    model("zeros", &["no pieces"], vec![0; 1000]);
    model("ones", &["no SentencePiece model"], vec![0xff; 1000]);
    for length in [1, good.len() / 3, good.len() - 1] {
        model("cut short", &["no SentencePiece model", "are left"], good[..length].to_vec());
    }
    model("a length past the end", &["4294967295 bytes"], vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    model("the largest length", &["18446744073709551615 bytes"], [&[0x0a][..], &[0xff; 9], &[1]].concat());
    model("a number without end", &["more than ten bytes"], vec![0x08; 1].into_iter().chain([0x80; 20]).collect());
    model("a group", &["kind 3"], vec![0x0b]);
    model("a piece cut short", &["are left"], field(1, &[0x0a, 0x10, b'a']));
    model("a piece without a text", &["piece 0", "no text"], field(1, &[0x15, 0, 0, 0, 0]));
    model("a piece of half a character", &["piece 1", "UTF-8"], [piece(b"a", &[]), piece(&[0xe2, 0x96], &[])].concat());
    model("a piece of an unknown type", &["piece 0", "type 9"], piece(b"a", &[0x18, 9]));
    model(
        "a piece of the largest type",
        &["piece 0", "type 18446744073709551615"],
        piece(b"a", &[&[0x18][..], &[0xff; 9], &[1]].concat()),
    );
    for score in [f32::NAN, f32::INFINITY] {
        model(
            "a score that is no number",
            &["piece 0", "score"],
            piece(b"a", &[&[0x15][..], &score.to_le_bytes()].concat()),
        );
    }
    // The first three have other texts in tokenizer_config.json.
    model("two pieces with one text", &["tokens 3 and 4", "both \"a\""], piece(b"a", &[]).repeat(5));
    model("a word model", &["model type is 3"], [piece(b"a", &[]), field(2, &[0x18, 3])].concat());
    model("settings cut short", &["are left"], [piece(b"a", &[]), field(3, &[0x12, 0x7f])].concat());
    model("a million pieces", &["tokens 3 and 4"], piece(b"a", &[]).repeat(1_000_000));
    let spoil = |spoil: fn(&mut Json)| change("added_tokens.json", spoil);
    taken("added tokens past the end", "spm-llama2", &Family::LLAMA, spoil(|a| a["x"] = json!(u64::MAX)));
    taken("added tokens of another kind", "spm-llama2", &Family::LLAMA, spoil(|a| *a = json!([["x", 1]])));
    refused(
        "an added token with the text of a piece",
        "spm-llama2",
        &Family::LLAMA,
        &["both \"a\""],
        spoil(|a| {
            a["a"] = json!(600);
        }),
    );
}

#[test]
fn other_kinds() {
    let unigram = |what: &str, words: &[&str], spoil: fn(&mut Json)| {
        refused(what, "unigram-xlmr", &Family::BERT, words, |folder| {
            fs::remove_file(folder.join("sentencepiece.bpe.model")).unwrap();
            change("tokenizer.json", spoil)(folder);
        });
    };
    unigram("pieces that are none", &["no list of pieces"], |t| t["model"]["vocab"] = json!({}));
    unigram("a piece without a score", &["piece 3"], |t| t["model"]["vocab"][3] = json!(["a"]));
    unigram("a piece that is a number", &["piece 4"], |t| t["model"]["vocab"][4] = json!(7));
    unigram("two pieces with one text", &["both"], |t| t["model"]["vocab"][9] = t["model"]["vocab"][8].clone());
    unigram("a table that is no base64", &["base64", "precompiled_charsmap"], |t| {
        t["normalizer"] = json!({"type": "Precompiled", "precompiled_charsmap": "?"});
    });
    refused(
        "a model of four pieces too few",
        "unigram-xlmr",
        &Family::BERT,
        &["sentencepiece.bpe.model", "no pieces"],
        write("sentencepiece.bpe.model", []),
    );
    refused(
        "BPE in the place of unigram",
        "unigram-xlmr",
        &Family::BERT,
        &["type BPE"],
        write("sentencepiece.bpe.model", [piece(b"a", &[]), field(2, &[0x18, 2])].concat()),
    );
    refused(
        "WordPiece with one token twice",
        "wordpiece-cased",
        &Family::BERT,
        &["both"],
        change("tokenizer.json", |t| {
            t["model"]["vocab"]["##\u{2581}zz"] = json!(600);
            t["model"]["vocab"]["zz"] = json!(601);
        }),
    );
    refused("no tokenizer.model", "spm-gemma", &Family::GEMMA2, &["tokenizer.model", "not there"], |folder| {
        fs::remove_file(folder.join("tokenizer.model")).unwrap();
    });
    let json_only = |what: &str, words: &[&str], spoil: fn(&mut Json)| {
        refused(what, "spm-json-only", &Family::LLAMA, words, change("tokenizer.json", spoil));
    };
    json_only("a merge of an unknown token", &["merge 0", "\"zq\""], |t| t["model"]["merges"][0] = json!("z q"));
    json_only("no merges", &["list of merges"], |t| t["model"]["merges"] = json!(null));
    json_only("a shared text", &["both"], |t| {
        t["added_tokens"][0] = json!({"id": 600, "content": "a", "special": true})
    });
}
