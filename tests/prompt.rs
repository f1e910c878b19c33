//! Prompts made shorter: what is kept is a part of the text within the budget, and changes the answer less than dropping words
//! without scores.

mod common;

use common::devices::devices;
use common::jobs::{computing, follow};
use serde_json::Value as Json;
use std::sync::Arc;
use tuck::engine::{
    Budget, Command, DeviceChoice, Engine, EventKind, PromptReport, PromptRequest, PromptScores, PromptSource,
};
use tuck::model::Model;
use tuck::tokenizer::Encoder;

const EVALUATION: &str = include_str!("../assets/sample/evaluation.txt");

/// A piece of the evaluation text, of about 400 tokens.
fn piece(n: usize) -> String {
    let at = |place: usize| EVALUATION.floor_char_boundary(place);
    EVALUATION[at(6000 + n * 9000)..at(7600 + n * 9000)].to_owned()
}

fn source(text: &str, question: &str) -> PromptSource {
    PromptSource::Text { text: text.to_owned(), question: question.to_owned(), keep: Vec::new() }
}

fn request(of: PromptSource, budget: Budget, answer: usize) -> PromptRequest {
    PromptRequest {
        model: Arc::new(Model::open(&common::sample()).unwrap()),
        of,
        budget: Some(budget),
        answer,
        chat: true,
        computing: computing(&DeviceChoice::Cpu),
    }
}

fn run(request: PromptRequest) -> Result<Arc<PromptReport>, String> {
    let mut engine = Engine::start(Box::new(|| {}));
    let job = engine.submit(Command::Prompt(request));
    match follow(&engine, job, |_| {}) {
        EventKind::Prompt(report) => Ok(report),
        EventKind::Failed(message) => Err(message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn scores_change_the_answer_less_than_dropping_words_without_them() {
    const PIECES: usize = 4;
    let half = Budget::Share(0.5);
    let scored = |n| Arc::clone(&run(request(source(&piece(n), ""), half, 0)).unwrap().scores);
    let pieces: Vec<Arc<PromptScores>> = (0..PIECES).map(scored).collect();
    for share in [0.5, 0.25] {
        let mut sums = std::collections::BTreeMap::<&str, f64>::new();
        let mut against = 0.0;
        for scores in &pieces {
            let asked = |scores: PromptScores| {
                run(request(PromptSource::Scores(Arc::new(scores)), Budget::Share(share), 16)).unwrap()
            };
            let report = asked(PromptScores::clone(scores));
            let effect = report.effect.as_ref().unwrap();
            assert!((1..=16).contains(&effect.answer_tokens));
            for row in &effect.rows {
                assert!(row.tokens <= report.kept.as_ref().unwrap().tokens, "{}", row.name);
                assert_eq!(row.by_token.len(), effect.answer_tokens);
                *sums.entry(row.name).or_default() += row.divergence.value / PIECES as f64;
            }
            // The other way round: what helps least comes first. The ends are kept all the same.
            let mut turned = PromptScores::clone(scores);
            turned.scored.gains.iter_mut().for_each(|gain| *gain = -*gain);
            let other = asked(turned);
            assert_eq!(other.effect.as_ref().unwrap().answer, effect.answer);
            against += other.effect.as_ref().unwrap().rows[0].divergence.value / PIECES as f64;
        }
        let own = sums["compressed"];
        println!("{share}: {sums:?}, against the scores {against}");
        for other in ["evenly", "random"] {
            assert!(own < sums[other] / 2.0, "at {share}: {own}, {other} {}", sums[other]);
        }
        assert!(own < against, "at {share}: {own}, against the scores {against}");
    }
}

#[test]
fn what_is_kept_is_within_the_budget_and_part_of_the_text() {
    let text = format!("{} Zahlen: 12, 34. これは文です。次の文です。🦀🦀\n\tEnde", piece(1));
    let model = Model::open(&common::sample()).unwrap();
    let encoder = Encoder::of(&model.path, &model.metadata, true).unwrap();
    let first = run(request(source(&text, "What is it?"), Budget::Share(0.5), 0)).unwrap();
    let all = first.scores.scored.prompt.tokens();
    assert_eq!(all, encoder.encode(&text, false).unwrap().len());
    let budgets = [8, 9, 50, 133, all / 2, all - 1, all].map(Budget::Tokens);
    for budget in budgets.into_iter().chain([0.1, 0.33, 1.0].map(Budget::Share)) {
        let report = run(request(PromptSource::Scores(Arc::clone(&first.scores)), budget, 0)).unwrap();
        assert!(Arc::ptr_eq(&report.scores, &first.scores) && report.effect.is_none());
        let kept = report.kept.as_ref().unwrap();
        assert_eq!(kept.budget, budget.tokens(all));
        assert_eq!(kept.tokens, encoder.encode(&kept.text, false).unwrap().len());
        // Less than a word of the budget is left over, but for cuts that fall otherwise.
        assert!(kept.tokens <= kept.budget && kept.tokens + 8 >= kept.budget, "{} of {budget:?}", kept.tokens);
        let runs = report.scores.scored.prompt.runs(&kept.words);
        assert_eq!(runs.iter().map(|(_, bytes)| &text[bytes.clone()]).collect::<String>(), text);
        let own: String = runs.iter().filter(|(is_kept, _)| *is_kept).map(|(_, bytes)| &text[bytes.clone()]).collect();
        assert_eq!(own, kept.text);
    }
}

#[test]
fn the_whole_prompt_changes_nothing() {
    let report = run(request(source(&piece(0), "And then?"), Budget::Share(1.0), 4)).unwrap();
    for row in &report.effect.as_ref().unwrap().rows {
        assert_eq!((row.divergence.value, row.same_top.value), (0.0, 1.0), "{}", row.name);
    }
    assert!(report.effect.as_ref().unwrap().better().is_none());
}

#[test]
fn patterns_keep_words_and_a_question_counts() {
    let text = piece(2);
    let word = text.split_whitespace().filter(|word| word.len() > 6).nth(20).unwrap();
    let keep = vec![regex::escape(word)];
    let of = PromptSource::Text { text: text.clone(), question: String::new(), keep };
    let report = run(request(of, Budget::Tokens(60), 0)).unwrap();
    assert!(report.kept.as_ref().unwrap().text.contains(word));
    // What is asked decides what stays.
    let prompt = &report.scores.scored.prompt;
    let sentence = |n: usize| {
        let words = &prompt.sentences[n];
        text[prompt.words[words.start].bytes.start..prompt.words[words.end - 1].bytes.end].trim()
    };
    let most = |gains: &[f64]| (0..gains.len()).max_by(|a, b| gains[*a].total_cmp(&gains[*b])).unwrap();
    let mut found = 0;
    let asked: Vec<usize> = (0..prompt.sentences.len()).filter(|n| sentence(*n).len() > 40).take(4).collect();
    for n in &asked {
        let report = run(request(source(&text, sentence(*n)), Budget::Share(0.5), 0)).unwrap();
        found += usize::from(most(&report.scores.scored.gains) == *n);
    }
    assert!(asked.len() > 1 && found == asked.len(), "{found} of {} sentences make themselves likeliest", asked.len());
}

#[test]
fn a_prompt_longer_than_the_context_is_read_in_windows() {
    let model = Model::open(&common::sample()).unwrap();
    let text = &EVALUATION[..EVALUATION.floor_char_boundary(9000)];
    let report = run(request(source(text, ""), Budget::Tokens(200), 4)).unwrap();
    let all = report.scores.scored.prompt.tokens();
    assert!(all as u64 > model.hparams.context);
    assert!(report.scores.windows[0] > 1 && report.scores.windows[1] as u64 == model.hparams.context);
    assert!(report.scores.scored.surprises[1..].iter().all(|surprise| *surprise > 0.0));
    assert!(report.kept.as_ref().unwrap().tokens <= 200);
    assert!(report.effect.is_none() && report.unmeasured.as_ref().unwrap().contains("none to compare with"));
}

#[test]
fn what_cannot_be_shortened_is_refused() {
    let refused = |of: PromptSource, budget: Budget| run(request(of, budget, 4)).unwrap_err();
    let half = Budget::Share(0.5);
    let text = piece(0);
    assert!(refused(source("", ""), half).contains("empty"));
    assert!(refused(source(" \n\t", ""), half).contains("empty"));
    assert!(refused(source(&"x".repeat(5 << 20), ""), half).contains("bytes"));
    assert!(refused(source(&text, &"why ".repeat(20_000)), half).contains("the question has 79999 bytes"));
    assert!(refused(source(&text, &"why ".repeat(700)), half).contains("more than half"));
    for share in [0.0, -1.0, 1.5, f64::NAN, f64::INFINITY] {
        assert!(refused(source(&text, ""), Budget::Share(share)).contains("more than 0"), "{share}");
    }
    assert!(refused(source(&text, ""), Budget::Tokens(0)).contains("at least 8"));
    let of = |pattern: &str| PromptSource::Text {
        text: text.clone(),
        question: String::new(),
        keep: vec![pattern.to_owned()],
    };
    assert!(refused(of("("), half).contains("no regular expression"));
    assert!(refused(of("."), half).contains("always stay"));
    // No word, no sentence, no end.
    for odd in ["a", "\u{0}\u{0}\u{0}", "....", &"a".repeat(3000), "<|endoftext|>", "\u{301}\u{301} \u{200b}"] {
        let report = run(request(source(odd, ""), Budget::Share(1.0), 0)).unwrap();
        assert_eq!(report.kept.as_ref().unwrap().text, odd);
    }
}

#[test]
fn a_device_finds_the_same_as_the_processor() {
    let text = piece(3);
    let of = || source(&text[..text.floor_char_boundary(600)], "What is said?");
    let expected = run(request(of(), Budget::Share(0.4), 4)).unwrap();
    for device in devices() {
        let named = computing(&DeviceChoice::Named(device.name().to_owned()));
        let found = run(PromptRequest { computing: named, ..request(of(), Budget::Share(0.4), 4) }).unwrap();
        let pairs = found.scores.scored.surprises.iter().zip(&expected.scores.scored.surprises);
        let gains = found.scores.scored.gains.iter().zip(&expected.scores.scored.gains);
        for (a, b) in pairs.chain(gains) {
            assert!((a - b).abs() < 0.02 * (1.0 + b.abs()), "{a} on {device}, {b}");
        }
        assert!(found.effect.as_ref().unwrap().rows[0].divergence.value.is_finite());
    }
}

#[test]
fn a_cancelled_job_ends_soon() {
    let mut engine = Engine::start(Box::new(|| {}));
    let job = engine.submit(Command::Prompt(request(source(EVALUATION, ""), Budget::Share(0.5), 4)));
    let cancel = engine.canceller();
    let mut told = false;
    let ended = follow(&engine, job, |event| {
        if let (EventKind::Progress(_), false) = (event, told) {
            told = true;
            cancel(job);
        }
    });
    assert!(told && matches!(ended, EventKind::Cancelled), "{ended:?}");
}

#[test]
fn the_command_line_shows_what_was_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let (file, output) = (folder.path().join("prompt.txt"), folder.path().join("short.txt"));
    std::fs::write(&file, piece(0)).unwrap();
    let sample = common::sample();
    let [sample, file, output] = [&sample, &file, &output].map(|path| path.to_str().unwrap());
    let arguments = ["prompt", sample, "--file", file, "--device", "cpu", "--answer", "4", "--ratio", "40%"];
    let shown = common::tuck_ok(&[&arguments[..], &["-o", output]].concat());
    for part in ["[-", "-]", "tokens, ", "compressed", "random", "Same choice"] {
        assert!(shown.contains(part), "{part} is missing:\n{shown}");
    }
    let kept = std::fs::read_to_string(output).unwrap();
    let json: Json = serde_json::from_str(&common::tuck_ok(&[&arguments[..], &["--json"]].concat())).unwrap();
    assert_eq!(json["kept"].as_str(), Some(kept.as_str()));
    let parts = json["parts"].as_array().unwrap();
    assert_eq!(parts.iter().map(|part| part["text"].as_str().unwrap()).collect::<String>(), piece(0));
    assert_eq!(json["effect"]["rows"].as_array().unwrap().len(), 5);
    assert_eq!(common::tuck_ok(&[&arguments[..7], &["0", "--ratio", "0.4", "-o", "-"]].concat()), kept);
    let bytes = folder.path().join("bytes.bin");
    std::fs::write(&bytes, [0xff, 0xfe, 0x00]).unwrap();
    let bytes = bytes.to_str().unwrap();
    for (wrong, about) in [
        (&["--file", file, "-o", output][..], "--force"),
        (&["--file", bytes], "UTF-8"),
        (&["--file", folder.path().to_str().unwrap()], "a file of at most"),
        (&["--file", "nowhere.txt"], "could not be read"),
        (&["--file", file, "--ratio", "0"], "a share of more than 0"),
        (&["--file", file, "--ratio", "150%"], "a share of more than 0"),
        (&["--file", file, "--tokens", "2"], "at least 8"),
        (&["--text", ""], "empty"),
    ] {
        let found = common::tuck(&[&["prompt", sample, "--device", "cpu"], wrong].concat());
        let said = String::from_utf8_lossy(&found.stderr).into_owned();
        assert!(!found.status.success() && said.contains(about), "{wrong:?}: {said}");
    }
}
