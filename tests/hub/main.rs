//! Models by name, from a hub on this machine that cuts, stalls, damages and refuses.

#[path = "../common/mod.rs"]
mod common;
mod server;

use common::tiny::{Tiny, safetensors};
use serde_json::{Value as Json, json};
use server::{COMMIT, Server, Trouble};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tuck::hub::{Access, HubError, PullRequest, Pulled, RepoId, Watch, pull};
use tuck::model::Model;

/// Cancels when so many bytes are there.
struct Until {
    bytes: u64,
    reached: AtomicU64,
    cancelled: Cell<Option<Instant>>,
}

impl Until {
    fn bytes(bytes: u64) -> Self {
        Self { bytes, reached: AtomicU64::new(0), cancelled: Cell::new(None) }
    }

    fn end() -> Self {
        Self::bytes(u64::MAX)
    }
}

impl Watch for Until {
    fn is_cancelled(&self) -> bool {
        let is_over = self.reached.load(Ordering::Relaxed) >= self.bytes;
        if is_over && self.cancelled.get().is_none() {
            self.cancelled.set(Some(Instant::now()));
        }
        is_over
    }

    fn progress(&self, done: u64, total: u64, _: (u64, Duration), _: &str) {
        assert!(done <= total, "{done} of {total}");
        self.reached.store(done, Ordering::Relaxed);
    }
}

fn request(folder: &Path) -> PullRequest {
    PullRequest {
        id: RepoId::parse("somebody/tiny").unwrap(),
        revision: None,
        folder: folder.to_owned(),
        include: None,
        replace: false,
    }
}

fn pull_from(server: &Server, request: &PullRequest) -> Result<Pulled, HubError> {
    pull(request, Access { endpoint: server.endpoint(), token: None, cache: None }, &Until::end())
}

/// Bytes that differ from each other.
fn content(length: usize) -> Vec<u8> {
    (0..length as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

/// A repository of one GGUF file, for which the content need not be one.
fn one_file(length: usize) -> (Vec<u8>, Server) {
    let content = content(length);
    let server = Server::start(&[("model.gguf", &content)]);
    (content, server)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).map(|entries| entries.map(|entry| entry.unwrap().file_name()));
    let mut names: Vec<String> =
        entries.into_iter().flatten().map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The program with this hub, and nothing else of the machine's settings.
fn tuck(endpoint: &str, home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tuck"));
    command.args(arguments).env("HF_ENDPOINT", endpoint).env("HF_HOME", home).env_remove("HF_TOKEN");
    for proxy in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        command.env_remove(proxy).env_remove(proxy.to_lowercase());
    }
    command
}

/// A repository of a model in two shards, with what else lies in repositories.
fn repository(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let tiny = Tiny::default();
    tiny.write_documents(folder);
    let (first, second) = tiny.tensors.split_at(5);
    let map: serde_json::Map<String, Json> =
        [(first, "model-00001-of-00002.safetensors"), (second, "model-00002-of-00002.safetensors")]
            .into_iter()
            .flat_map(|(tensors, file)| tensors.iter().map(move |tensor| (tensor.name.clone(), json!(file))))
            .collect();
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    [
        ("config.json", read("config.json")),
        ("tokenizer.json", read("tokenizer.json")),
        ("README.md", b"---\nlicense: mit\n---\n".to_vec()),
        ("model.safetensors.index.json", json!({"weight_map": map}).to_string().into_bytes()),
        ("model-00001-of-00002.safetensors", safetensors(first)),
        ("model-00002-of-00002.safetensors", safetensors(second)),
        ("consolidated.safetensors", content(1000)),
        ("pytorch_model.bin", content(1000)),
        ("modeling_tiny.py", b"raise SystemExit".to_vec()),
        ("onnx/model.onnx", content(100)),
    ]
    .map(|(name, bytes)| (name.to_owned(), bytes))
    .to_vec()
}

#[test]
fn a_model_is_fetched_verified_and_opens() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("models/tiny");
    let files = repository(home.path());
    let listed: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let server = Server::start(&listed);
    let arguments = ["pull", "somebody/tiny", "--json", "--to", folder.to_str().unwrap()];
    let output = tuck(&server.endpoint(), home.path(), &arguments).env("HF_TOKEN", "hf_secret").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["model"], &report["commit"]), (&json!(folder), &json!(COMMIT)));
    let expected = [
        "README.md",
        "config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "tokenizer.json",
    ];
    assert_eq!(names(&folder), expected);
    for file in report["files"].as_array().unwrap() {
        let is_large = file["path"].as_str().unwrap().ends_with(".safetensors");
        assert_eq!(file["verified"], if is_large { "SHA-256" } else { "git SHA-1" }, "{file}");
    }
    for (name, bytes) in files.iter().filter(|(name, _)| expected.contains(&name.as_str())) {
        assert_eq!(std::fs::read(folder.join(name)).unwrap(), *bytes, "{name}");
    }
    assert_eq!(Model::open(&folder).unwrap().card.layers, 2);
    let asked = server.asked();
    assert_eq!(asked[0].path, "/api/models/somebody/tiny/revision/main?blobs=true");
    assert!(asked.iter().all(|asked| asked.token.as_deref() == Some("hf_secret")), "{asked:?}");
    assert!(asked[1..].iter().all(|asked| asked.path.starts_with(&format!("/somebody/tiny/resolve/{COMMIT}/"))));

    // The second time, all is there, and only what may have changed is asked.
    let output =
        tuck(&server.endpoint(), home.path(), &arguments[..4]).current_dir(home.path().join("models")).output();
    let _ = output.unwrap();
    let output = tuck(&server.endpoint(), home.path(), &["pull", "somebody/tiny"])
        .current_dir(folder.parent().unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("was there, SHA-256 as listed") && text.contains("0 bytes fetched"), "{text}");
    assert_eq!(server.asked().iter().filter(|asked| asked.path.ends_with(".safetensors")).count(), 0);
}

#[test]
fn what_is_in_the_cache_of_other_programs_is_not_fetched() {
    let (content, server) = one_file(3 << 20);
    let home = tempfile::tempdir().unwrap();
    let blobs = home.path().join("hub/models--somebody--tiny/blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    let digest = server::sha256(&content);
    let run = |folder: &str| {
        let arguments = ["pull", "somebody/tiny", "--to", folder];
        let output = tuck(&server.endpoint(), home.path(), &arguments).current_dir(home.path()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    std::fs::write(blobs.join(&digest), &content).unwrap();
    assert_eq!(run("first"), (true, String::new()));
    assert_eq!(std::fs::read(home.path().join("first/model.gguf")).unwrap(), content);
    assert_eq!(server.asked().len(), 1, "the listing alone");

    // What is damaged there is fetched.
    let mut damaged = content.clone();
    damaged[1 << 20] ^= 1;
    std::fs::write(blobs.join(&digest), &damaged).unwrap();
    assert_eq!(run("second"), (true, String::new()));
    assert_eq!(std::fs::read(home.path().join("second/model.gguf")).unwrap(), content);
    assert_eq!(server.asked().len(), 2);
    // What is of another length is none of it.
    std::fs::write(blobs.join(&digest), &content[1..]).unwrap();
    assert_eq!(run("third"), (true, String::new()));
    assert_eq!(std::fs::read(home.path().join("third/model.gguf")).unwrap(), content);
}

#[test]
fn a_connection_that_breaks_is_taken_up_again() {
    let (content, server) = one_file(3 << 20);
    server.set(Trouble { cuts: vec![1 << 20, 0, 100_000], ..Trouble::default() });
    let folder = tempfile::tempdir().unwrap();
    let pulled = pull_from(&server, &request(folder.path())).unwrap();
    assert_eq!(std::fs::read(&pulled.model).unwrap(), content);
    assert_eq!(pulled.fetched, 3 << 20, "no byte came twice");
    let ranges: Vec<Option<String>> = server.asked().into_iter().skip(1).map(|asked| asked.range).collect();
    let from = |start: usize| Some(format!("bytes={start}-"));
    assert_eq!(ranges, [None, from(1 << 20), from(1 << 20), from((1 << 20) + 100_000)]);
    assert_eq!(names(folder.path()), ["model.gguf"]);
}

#[test]
fn a_cancel_is_immediate_and_what_came_is_kept() {
    let (content, server) = one_file(2 << 20);
    server.set(Trouble { stall: Some(1 << 20), ..Trouble::default() });
    let folder = tempfile::tempdir().unwrap();
    let watch = Until::bytes(1 << 20);
    let access = || Access { endpoint: server.endpoint(), token: None, cache: None };
    let stopped = pull(&request(folder.path()), access(), &watch);
    let since = watch.cancelled.get().expect("it was cancelled").elapsed();
    assert!(matches!(stopped, Err(HubError::Cancelled)), "{stopped:?}");
    assert!(since < Duration::from_millis(500), "{since:?}");
    let [part] = &names(folder.path())[..] else { panic!("{:?}", names(folder.path())) };
    assert!(part.starts_with("model.gguf.") && part.ends_with(".part"), "{part}");

    server.set(Trouble::default());
    server.asked();
    let pulled = pull_from(&server, &request(folder.path())).unwrap();
    assert_eq!(server.asked()[1].range, Some(format!("bytes={}-", 1 << 20)));
    assert_eq!((pulled.files[0].resumed_at, pulled.fetched), (1 << 20, 1 << 20));
    assert_eq!(std::fs::read(&pulled.model).unwrap(), content);
    assert_eq!(names(folder.path()), ["model.gguf"]);
}

#[test]
fn a_cancel_before_the_first_byte_leaves_nothing() {
    let (_, server) = one_file(1 << 20);
    server.set(Trouble { stall: Some(0), ..Trouble::default() });
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("new");
    let request = request(&folder);
    let access = Access { endpoint: server.endpoint(), token: None, cache: None };
    assert!(matches!(pull(&request, access, &Until::bytes(0)), Err(HubError::Cancelled)));
    assert_eq!(names(home.path()), [""; 0]);
}

#[test]
fn a_hub_that_heeds_no_ranges_is_asked_for_all() {
    let (content, server) = one_file(2 << 20);
    server.set(Trouble { cuts: vec![1 << 20], no_ranges: true, ..Trouble::default() });
    let folder = tempfile::tempdir().unwrap();
    let pulled = pull_from(&server, &request(folder.path())).unwrap();
    assert_eq!(std::fs::read(&pulled.model).unwrap(), content);
}

/// With these words.
fn fails(server: &Server, request: &PullRequest, words: &[&str]) {
    let error = pull_from(server, request).expect_err("a failure").to_string();
    words.iter().for_each(|word| assert!(error.contains(word), "{word:?} is not in: {error}"));
}

#[test]
fn damage_is_noticed_and_nothing_of_it_stays() {
    let (_, server) = one_file(300_000);
    let folder = tempfile::tempdir().unwrap();
    let request = request(folder.path());
    server.set(Trouble { damage: true, ..Trouble::default() });
    fails(&server, &request, &["model.gguf", "damaged on its way", "SHA-256", "pull again"]);
    assert_eq!(names(folder.path()), [""; 0]);
    server.set(Trouble { excess: 10, ..Trouble::default() });
    fails(&server, &request, &["more than the 300000 bytes"]);
    server.set(Trouble::default());
    pull_from(&server, &request).unwrap();

    // What somebody put there under the part's name does not get past the digest either.
    std::fs::remove_file(folder.path().join("model.gguf")).unwrap();
    server.set(Trouble { stall: Some(1000), ..Trouble::default() });
    let access = Access { endpoint: server.endpoint(), token: None, cache: None };
    assert!(pull(&request, access, &Until::bytes(1000)).is_err());
    let part = folder.path().join(&names(folder.path())[0]);
    std::fs::write(&part, vec![7; 5000]).unwrap();
    server.set(Trouble::default());
    fails(&server, &request, &["damaged"]);
    std::fs::write(&part, vec![7; 400_000]).unwrap();
    pull_from(&server, &request).unwrap();
    assert_eq!(names(folder.path()), ["model.gguf"]);
}

#[test]
fn refusals_say_what_to_do() {
    let (_, server) = one_file(1000);
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("new");
    let cases: &[((u16, &str), &[&str])] = &[
        ((401, "GatedRepo"), &["somebody/tiny", "accept its terms", "HF_TOKEN", "/settings/tokens"]),
        ((401, "RepoNotFound"), &["without a token", "check the name", "HF_TOKEN"]),
        ((403, "GatedRepo"), &["accept its terms"]),
        ((403, ""), &["does not let this account"]),
        ((404, "RepoNotFound"), &["there is no model somebody/tiny", "spelling"]),
        ((404, "RevisionNotFound"), &["no revision main"]),
        ((429, ""), &["429", "wait"]),
        ((503, ""), &["503", "later"]),
        ((418, ""), &["418"]),
    ];
    for (listing, words) in cases {
        server.set(Trouble { listing: Some(*listing), ..Trouble::default() });
        fails(&server, &request(&folder), words);
        assert!(!folder.exists());
    }
    server.set(Trouble { listing: Some((401, "")), ..Trouble::default() });
    let access = Access { endpoint: server.endpoint(), token: Some("hf_old".to_owned()), cache: None };
    let error = pull(&request(&folder), access, &Until::end()).unwrap_err().to_string();
    assert!(error.contains("does not accept the token"), "{error}");
    for answer in ["<html>", "{}"] {
        server.set(Trouble { answer: Some(answer.to_owned()), ..Trouble::default() });
        fails(&server, &request(&folder), &["the hub's answer", "HF_ENDPOINT"]);
    }
    server.set(Trouble { files: Some(403), ..Trouble::default() });
    fails(&server, &request(&folder), &["does not let this account"]);
    server.set(Trouble { sized: Some(("model.gguf", 1 << 60)), ..Trouble::default() });
    fails(&server, &request(&folder), &["1152922 TB", "free", "make room"]);
    assert!(!folder.exists());
    let wrong = PullRequest { revision: Some("../main".to_owned()), ..request(&folder) };
    fails(&server, &wrong, &["no branch, tag or commit"]);
}

#[test]
fn a_hub_that_keeps_failing_is_left_with_what_came() {
    let (_, server) = one_file(1000);
    server.set(Trouble { cuts: vec![600], ..Trouble::default() });
    let folder = tempfile::tempdir().unwrap();
    // After the cut, no more comes, whatever is asked.
    let stalled = thread::scope(|scope| {
        scope.spawn(|| {
            while server.asked().iter().all(|asked| asked.path.starts_with("/api/")) {
                thread::sleep(Duration::from_millis(2));
            }
            server.set(Trouble { files: Some(503), ..Trouble::default() });
        });
        let watch = Until::end();
        let access = Access { endpoint: server.endpoint(), token: None, cache: None };
        pull(&request(folder.path()), access, &watch)
    });
    let error = stalled.unwrap_err().to_string();
    for word in ["600 of 1000 bytes", "5 times none", "503", "goes on from there"] {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
    assert_eq!(names(folder.path()).len(), 1);
}

#[test]
fn being_offline_is_said_at_once() {
    let home = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for endpoint in [format!("http://127.0.0.1:{free}"), "https://no-such-hub.invalid".to_owned()] {
        let started = Instant::now();
        let output = tuck(&endpoint, home.path(), &["pull", "a/b"]).current_dir(home.path()).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1));
        for word in ["cannot be reached", "seems to be offline", endpoint.split_once("://").unwrap().1] {
            assert!(message.contains(word), "{word:?} is not in: {message}");
        }
        assert_eq!(message.trim().lines().count(), 1, "{message}");
        assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    }
    assert_eq!(names(home.path()), [""; 0]);
    for endpoint in ["ftp://x", "nonsense"] {
        let access = Access { endpoint: endpoint.to_owned(), token: None, cache: None };
        let error = pull(&request(home.path()), access, &Until::end()).unwrap_err().to_string();
        assert!(error.contains("HF_ENDPOINT"), "{error}");
    }
}

#[test]
fn what_is_there_and_differs_is_not_replaced_unasked() {
    let (content, server) = one_file(1000);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("model.gguf");
    for other in [vec![1; 1000], vec![2; 10]] {
        std::fs::write(&place, &other).unwrap();
        fails(&server, &request(folder.path()), &["model.gguf", "differs", "--force"]);
        assert_eq!(std::fs::read(&place).unwrap(), other);
    }
    pull_from(&server, &PullRequest { replace: true, ..request(folder.path()) }).unwrap();
    assert_eq!(std::fs::read(&place).unwrap(), content);
}

#[test]
fn the_token_goes_to_the_hub_alone() {
    let (content, server) = one_file(1000);
    // Another name is another host.
    server.set(Trouble { moved_to: Some(format!("http://localhost:{}", server.port)), ..Trouble::default() });
    let folder = tempfile::tempdir().unwrap();
    let access = Access { endpoint: server.endpoint(), token: Some("hf_secret".to_owned()), cache: None };
    let pulled = pull(&request(folder.path()), access, &Until::end()).unwrap();
    assert_eq!(std::fs::read(&pulled.model).unwrap(), content);
    let asked = server.asked();
    let [listing, file, elsewhere] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((listing.token.as_deref(), file.token.as_deref()), (Some("hf_secret"), Some("hf_secret")));
    assert!(elsewhere.path.starts_with("/elsewhere") && elsewhere.token.is_none(), "{elsewhere:?}");
}

#[test]
fn a_gguf_model_is_chosen_by_its_type() {
    let parts = ["Q8_0/M-Q8_0-00001-of-00002.gguf", "Q8_0/M-Q8_0-00002-of-00002.gguf", "M-Q4 K.gguf"];
    let contents: Vec<Vec<u8>> = (0..3).map(|n| content(100 + n)).collect();
    let files: Vec<(&str, &[u8])> =
        parts.iter().zip(&contents).map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    let server = Server::start(&files);
    let home = tempfile::tempdir().unwrap();
    let run = |include: &[&str]| {
        let arguments: Vec<&str> = ["pull", "somebody/tiny"].into_iter().chain(include.iter().copied()).collect();
        tuck(&server.endpoint(), home.path(), &arguments).current_dir(home.path()).output().unwrap()
    };
    let message = String::from_utf8(run(&[]).stderr).unwrap();
    assert!(message.contains("--include") && message.contains("00001-of-00002.gguf (201 bytes)"), "{message}");
    assert_eq!(names(home.path()), [""; 0]);
    let text = String::from_utf8(run(&["--include", "q8_0"]).stdout).unwrap();
    let first = Path::new("tiny").join(parts[0]);
    assert!(text.contains(&format!("tuck inspect {}", first.display())), "{text}");
    assert_eq!(names(&home.path().join("tiny/Q8_0")).len(), 2);
    let folder: PathBuf = home.path().join("tiny");
    let request = PullRequest { include: Some("Q4*K".to_owned()), ..request(&folder) };
    assert_eq!(std::fs::read(pull_from(&server, &request).unwrap().model).unwrap(), contents[2]);
}

#[test]
fn two_at_once_do_not_write_one_file() {
    let (content, server) = one_file(2 << 20);
    server.set(Trouble { stall: Some(1 << 20), ..Trouble::default() });
    let folder = tempfile::tempdir().unwrap();
    let request = request(folder.path());
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            let watch = Timed(Instant::now() + Duration::from_millis(600));
            pull(&request, Access { endpoint: server.endpoint(), token: None, cache: None }, &watch)
        });
        thread::sleep(Duration::from_millis(300));
        fails(&server, &request, &["being fetched already"]);
        assert!(matches!(first.join().unwrap(), Err(HubError::Cancelled)));
    });
    server.set(Trouble::default());
    assert_eq!(std::fs::read(pull_from(&server, &request).unwrap().model).unwrap(), content);
}

/// Cancels at a moment.
struct Timed(Instant);

impl Watch for Timed {
    fn is_cancelled(&self) -> bool {
        Instant::now() >= self.0
    }

    fn progress(&self, _: u64, _: u64, _: (u64, Duration), _: &str) {}
}
