use super::*;

/// Tokens as a tokenizer of words and signs cuts them, spaces in front.
fn prompt(text: &str) -> Prompt {
    let mut spans: Vec<Range<usize>> = Vec::new();
    for (at, c) in text.char_indices() {
        let is_new = !c.is_alphanumeric() || !text[..at].ends_with(char::is_alphanumeric);
        match spans.last_mut().filter(|_| !is_new || text[..at].ends_with(' ')) {
            Some(span) => span.end = at + c.len_utf8(),
            None => spans.push(at..at + c.len_utf8()),
        }
    }
    Prompt::new(text.to_owned(), &spans)
}

const TEXT: &str = "Cats sleep a lot.\nDogs run 12 miles a day. Birds fly over the hills.\n\nFish swim. 魚は泳ぐ。雨が降る。\nThe end \
                    of it all is near.";

/// Scores that are as good as by chance, but the same every time.
fn scored(text: &str) -> Scored {
    let prompt = prompt(text);
    let surprises = (0..prompt.words.len()).map(|n| (n * 37 % 11) as f64).collect();
    let gains = (0..prompt.sentences.len()).map(|n| (n * 29 % 7) as f64).collect();
    Scored { held: vec![false; prompt.words.len()], prompt, surprises, gains }
}

#[test]
fn sentences_are_words_of_one_sentence() {
    let prompt = prompt(TEXT);
    let found: Vec<&str> = prompt
        .sentences
        .iter()
        .map(|words| &TEXT[prompt.words[words.start].bytes.start..prompt.words[words.end - 1].bytes.end])
        .collect();
    assert_eq!(
        found[..4],
        ["Cats sleep a lot.\n", "Dogs run 12 miles a day.", " Birds fly over the hills.\n\n", "Fish swim."]
    );
    assert_eq!(found[4..], [" 魚は泳ぐ。", "雨が降る。\n", "The end of it all is near."]);
    assert_eq!(prompt.by_word(&vec![2.0; prompt.tokens()]), vec![2.0; prompt.words.len()]);
}

#[test]
fn a_sentence_without_an_end_is_cut() {
    let text = "word ".repeat(500);
    let prompt = prompt(&text);
    assert!(prompt.sentences.len() > 5);
    for sentence in &prompt.sentences {
        assert!(prompt.sentence_tokens(sentence).len() <= LONGEST);
    }
    assert_eq!(prompt.sentences.last().unwrap().end, prompt.words.len());
}

#[test]
fn what_is_kept_and_what_is_dropped_are_the_text() {
    let scored = scored(TEXT);
    let prompt = &scored.prompt;
    for budget in 0..=prompt.tokens() + 3 {
        let choices = BASELINES.iter().map(|baseline| baseline.keep(prompt, budget));
        for kept in choices.chain([scored.keep(budget)]) {
            assert!(prompt.tokens_of(&kept) <= budget);
            let runs = prompt.runs(&kept);
            assert_eq!(runs.iter().map(|(_, bytes)| &TEXT[bytes.clone()]).collect::<String>(), TEXT);
            assert!(runs.windows(2).all(|pair| pair[0].0 != pair[1].0));
            let whole = budget >= prompt.tokens();
            assert_eq!(prompt.text_of(&kept) == TEXT, whole, "{budget}");
        }
    }
}

#[test]
fn sentences_that_help_stay_and_the_rest_of_the_budget_goes_to_hard_words() {
    let mut scored = scored("One two three four five. Red green blue black white. Up 7 down left right far.");
    scored.gains = vec![0.0, 9.0, 1.0];
    let count = |text: &str| prompt(text).tokens();
    let least = count("One two three four") + count(" Red green blue black white.") + count(" left right far.");
    let text = |scored: &Scored, budget| scored.prompt.text_of(&scored.keep(budget));
    assert!(text(&scored, least).contains("Red green blue black white."), "{}", text(&scored, least));
    // Then a number before all that could be guessed.
    assert!(text(&scored, least + count(" 7")).contains(" 7"), "{}", text(&scored, least + 2));
    scored.held = scored.prompt.touched(std::slice::from_ref(&(4..5)));
    assert!(text(&scored, 1).starts_with(" two") && scored.held_tokens() == 1, "{:?}", text(&scored, 1));
}

#[test]
fn words_are_not_glued_together() {
    let scored = Scored { gains: vec![5.0, 0.0, 9.0], ..scored("alpha beta\ngamma delta\nepsilon zeta") };
    for budget in 4..scored.prompt.tokens() {
        let text = scored.prompt.text_of(&scored.keep(budget));
        assert!(text.split_whitespace().all(|word| TEXT_WORDS.contains(&word)), "{text:?}");
    }
}

const TEXT_WORDS: [&str; 6] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];

#[test]
fn both_ends_are_held() {
    let scored = scored(TEXT);
    let kept = scored.keep(16);
    assert_eq!(kept.last(), Some(&true));
    assert!(scored.prompt.text_of(&kept).starts_with("Cats"));
    let end = BASELINES[0].keep(&scored.prompt, 5);
    assert!(TEXT.ends_with(&scored.prompt.text_of(&end)));
    let ends = scored.prompt.text_of(&BASELINES[1].keep(&scored.prompt, 10));
    assert!(ends.starts_with("Cats sleep") && ends.ends_with("near."));
}
