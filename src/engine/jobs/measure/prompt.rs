//! A prompt made shorter, and what that does to the answer.
//!
//! Scoring takes the prompt through the layers once, in windows where it is longer than the model's context, and beside it each
//! sentence with what is asked behind it. The answer to the whole prompt is then given greedily; the same tokens are read after
//! each shorter prompt, and the predictions compared.

use super::compare::{encode, find_gpu, fits};
use super::gpu;
use super::passages::{Passage, surprises};
use super::speaker::Speaker;
use super::weights::Weights;
use crate::engine::command::Computing;
use crate::engine::device::Devices;
use crate::engine::event::Stage;
use crate::engine::meter::Meter;
use crate::engine::prompt::{
    Budget, MOST_BYTES, PromptEffect, PromptReport, PromptRequest, PromptRow, PromptScores, PromptSource, Shortened,
};
use crate::engine::worker::{Context, Stop};
use crate::eval::Divergence;
use crate::forward::most_likely;
use crate::model::Model;
use crate::prompt::{BASELINES, Prompt, Scored};
use crate::tokenizer::{Decoder, Encoder};
use regex::Regex;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// No question is read that has more bytes.
const MOST_ASKED: usize = 64 << 10;
/// Tokens of a window, where the model's context allows; half of them are read again for the next.
const WINDOW: usize = 2048;
/// So that half of one has room for a sentence.
const LEAST_WINDOW: usize = 256;
/// Tokens of a prompt's end that stand for a question where there is none.
const TAIL: usize = 64;
/// No shorter prompt is asked for.
const LEAST: usize = 8;
/// Comes between a prompt and its question.
const BETWEEN: &str = "\n\n";

/// Does what a request names.
pub(in crate::engine) fn prompt(
    devices: &mut Devices,
    request: &PromptRequest,
    context: &Context<'_>,
) -> Result<PromptReport, Stop> {
    let started = Instant::now();
    let model = &*request.model;
    let encoder = Encoder::of(&model.path, &model.metadata, true)?;
    let reader = Reader { model, encoder, computing: &request.computing, context };
    let scores = match &request.of {
        PromptSource::Scores(scores) => Arc::clone(scores),
        PromptSource::Text { text, question, keep } => Arc::new(reader.score(devices, text, question, keep)?),
    };
    let mut report = PromptReport {
        model: model.path.clone(),
        kept: None,
        effect: None,
        unmeasured: None,
        device: scores.device.clone(),
        elapsed: started.elapsed(),
        scores: Arc::clone(&scores),
    };
    if let Some(budget) = request.budget {
        let kept = reader.shorten(&scores, budget)?;
        if request.answer > 0 {
            let effect = Effect { reader: &reader, scores: &scores, kept: &kept, answer: request.answer };
            match effect.longest(request.chat) {
                Err(why) => report.unmeasured = Some(why),
                Ok(longest) => {
                    let (found, device) = effect.measure(devices, request.chat, longest)?;
                    (report.effect, report.device) = (Some(Arc::new(found)), device);
                }
            }
        }
        report.kept = Some(Arc::new(kept));
    }
    Ok(PromptReport { elapsed: started.elapsed(), ..report })
}

/// A model that reads prompts.
struct Reader<'a, 'c> {
    model: &'a Model,
    encoder: Encoder,
    computing: &'a Computing,
    context: &'a Context<'c>,
}

impl Reader<'_, '_> {
    fn refuse(&self, problem: &str) -> Stop {
        Stop::Failed(format!("the prompt for {}: {problem}", self.model.path.display()))
    }

    /// What the model says of a prompt's parts.
    fn score(&self, devices: &mut Devices, text: &str, question: &str, keep: &[String]) -> Result<PromptScores, Stop> {
        let started = Instant::now();
        let question = question.trim();
        for (text, most, what) in [(text, MOST_BYTES, "it"), (question, MOST_ASKED, "the question")] {
            if text.len() > most {
                let found = text.len();
                return Err(self.refuse(&format!("{what} has {found} bytes, and at most {most} were expected")));
            }
        }
        let (tokens, spans): (Vec<u32>, Vec<Range<usize>>) = self.encoder.spans(text)?.into_iter().unzip();
        if text.trim().is_empty() || tokens.is_empty() {
            return Err(self.refuse("it is empty; give a text to shorten"));
        }
        let prompt = Prompt::new(text.to_owned(), &spans);
        let asked = match question {
            "" => tokens[tokens.len().saturating_sub(TAIL)..].to_vec(),
            _ => self.encoder.encode(&format!("{BETWEEN}{question}"), false)?,
        };
        let window = WINDOW.min(self.model.hparams.context as usize);
        if window < LEAST_WINDOW {
            return Err(self.refuse(&format!(
                "the model reads {window} tokens at once, and at least {LEAST_WINDOW} were expected; take another to score it"
            )));
        }
        if asked.len() > window / 2 {
            return Err(self.refuse(&format!(
                "the question has {} tokens, more than half of the {window} that are read at once; ask a shorter one, and put what \
                 it needs into the prompt",
                asked.len()
            )));
        }
        let held = self.held(&prompt, &tokens, keep)?;
        let weights = Weights::new(self.model, None, self.context);
        let gpu = gpu::open(devices, self.computing)?;
        let windows = windows(tokens.len(), window - usize::from(self.encoder.begin().is_some()));
        let passages = self.passages(&tokens, &asked, &prompt, &windows);
        let found = surprises(&weights, &passages, gpu.as_ref(), self.context)?;
        let (of_windows, of_sentences) = found.split_at(windows.len());
        let mut all = of_windows.concat();
        // Nothing predicts the first token where no other begins a text; it stays anyway.
        all.splice(0..0, vec![0.0; tokens.len() - all.len()]);
        let mean = |surprises: &[f64]| surprises.iter().sum::<f64>() / surprises.len().max(1) as f64;
        let alone = mean(&of_sentences[0]);
        let gains = of_sentences[1..].iter().map(|with| alone - mean(with)).collect();
        Ok(PromptScores {
            scored: Scored { surprises: prompt.by_word(&all), prompt, gains, held },
            question: question.to_owned(),
            windows: [windows.len(), window],
            device: gpu::name(gpu.as_ref()),
            elapsed: started.elapsed(),
        })
    }

    /// Windows of the prompt, what is asked by itself, and what is asked after each sentence.
    fn passages(&self, tokens: &[u32], asked: &[u32], prompt: &Prompt, windows: &[[usize; 3]]) -> Vec<Passage> {
        let begin: Vec<u32> = self.encoder.begin().into_iter().collect();
        let passage = |parts: [&[u32]; 2], from: usize| {
            let from = begin.len() + from;
            Passage { tokens: [&begin, parts[0], parts[1]].concat(), from: from.max(1) }
        };
        let of_windows = windows.iter().map(|[start, from, end]| passage([&tokens[*start..*end], &[]], from - start));
        // The first token of what is asked says more of where it stands than of what.
        let alone = passage([&[], asked], 1);
        let sentences = prompt.sentences.iter().map(|sentence| {
            let own = &tokens[prompt.sentence_tokens(sentence)];
            passage([own, asked], own.len() + 1)
        });
        of_windows.chain([alone]).chain(sentences).collect()
    }

    /// The words that always stay: those that a pattern matches, and control tokens, without which a conversation is none.
    fn held(&self, prompt: &Prompt, tokens: &[u32], keep: &[String]) -> Result<Vec<bool>, Stop> {
        let mut ranges = Vec::new();
        for pattern in keep {
            let found = Regex::new(pattern).map_err(|error| {
                self.refuse(&format!(
                    "{pattern:?} is no regular expression: {error}; put a \\ before signs that stand for themselves"
                ))
            })?;
            ranges.extend(found.find_iter(&prompt.text).map(|found| found.range()).filter(|range| !range.is_empty()));
        }
        let decoder = Decoder::of(&self.model.metadata);
        let mut held = prompt.touched(&ranges);
        for (held, word) in held.iter_mut().zip(&prompt.words) {
            *held |= tokens[word.tokens.clone()].iter().any(|token| decoder.bytes(*token).is_empty());
        }
        Ok(held)
    }

    /// Tokens of a text by itself.
    fn count(&self, text: &str) -> Result<usize, Stop> {
        Ok(self.encoder.encode(text, false)?.len())
    }

    /// What is kept in a budget. Neighbours that were none before can be cut into more tokens than they were; then less is kept.
    fn within(&self, prompt: &Prompt, budget: usize, choose: impl Fn(usize) -> Vec<bool>) -> Result<Shortened, Stop> {
        let mut goal = budget;
        loop {
            let words = choose(goal);
            let text = prompt.text_of(&words);
            let tokens = self.count(&text)?;
            if tokens <= budget || goal == 0 {
                return Ok(Shortened { words, text, tokens, budget });
            }
            goal = goal.saturating_sub(tokens - budget);
            if self.context.is_cancelled() {
                return Err(Stop::Cancelled);
            }
        }
    }

    fn shorten(&self, scores: &PromptScores, budget: Budget) -> Result<Shortened, Stop> {
        let scored = &scores.scored;
        let all = scored.prompt.tokens();
        if let Budget::Share(share) = budget
            && !(share > 0.0 && share <= 1.0)
        {
            return Err(
                self.refuse(&format!("a share of {share} was asked for, and more than 0 and at most 1 was expected"))
            );
        }
        let (wanted, held) = (budget.tokens(all), scored.held_tokens());
        if wanted < LEAST.min(all) {
            return Err(self.refuse(&format!(
                "{wanted} of its {all} tokens were asked for, and at least {} were expected",
                LEAST.min(all)
            )));
        }
        let kept = self.within(&scored.prompt, wanted, |goal| scored.keep(goal))?;
        if kept.tokens > wanted {
            return Err(self.refuse(&format!(
                "{held} of its {all} tokens always stay, by a pattern or as control tokens, and the budget is {wanted}; ask for more \
                 tokens, or keep less"
            )));
        }
        Ok(kept)
    }
}

/// Where windows start, where what is new in each begins, and where they end.
fn windows(tokens: usize, window: usize) -> Vec<[usize; 3]> {
    let mut windows = vec![[0, 0, tokens.min(window)]];
    while let Some([start, _, end]) = windows.last().copied().filter(|[.., end]| *end < tokens) {
        let start = start + window.div_ceil(2);
        windows.push([start, end, tokens.min(start + window)]);
    }
    windows
}

/// What is measured of a shorter prompt.
struct Effect<'a, 'c> {
    reader: &'a Reader<'a, 'c>,
    scores: &'a PromptScores,
    kept: &'a Shortened,
    answer: usize,
}

impl Effect<'_, '_> {
    /// A prompt with the question, as the model is asked.
    fn asked(&self, text: &str, chat: bool) -> Result<Vec<u32>, Stop> {
        let text = match self.scores.question.as_str() {
            "" => text.to_owned(),
            question => format!("{text}{BETWEEN}{question}"),
        };
        encode(self.reader.model, &text, chat)
    }

    /// Tokens of the longest text that is read, or why there is no answer to compare with.
    fn longest(&self, chat: bool) -> Result<usize, String> {
        let model = self.reader.model;
        if self.kept.text.trim().is_empty() && self.scores.question.is_empty() {
            return Err("Nothing is left of the prompt, for its words are longer than the budget.".to_owned());
        }
        let asked = self.asked(&self.scores.scored.prompt.text, chat);
        let refused = |stop| match stop {
            Stop::Failed(why) => why,
            Stop::Cancelled => "it was cancelled".to_owned(),
        };
        let tokens = asked.map_err(refused)?.len();
        fits(model, tokens, self.answer).map(|()| tokens + self.answer).map_err(|_| {
            format!(
                "The whole prompt has {tokens} tokens, and {} reads {} with the answer, so it gives none to compare with.",
                model.path.display(),
                model.hparams.context
            )
        })
    }

    fn measure(&self, devices: &mut Devices, chat: bool, longest: usize) -> Result<(PromptEffect, String), Stop> {
        let Reader { model, computing, context, .. } = self.reader;
        let (scored, budget) = (&self.scores.scored, self.kept.tokens);
        let mut shorter =
            vec![("compressed", "Sentences by what they do for the question, words by surprise.", self.kept.clone())];
        for baseline in &BASELINES {
            let kept = self.reader.within(&scored.prompt, budget, |goal| baseline.keep(&scored.prompt, goal))?;
            // Of a few long words nothing may be left, and nothing is no prompt.
            if !kept.text.trim().is_empty() || !self.scores.question.is_empty() {
                shorter.push((baseline.name, baseline.about, kept));
            }
        }
        let weights = Weights::new(model, None, context);
        let bytes = weights.bytes();
        let meter = Meter::new(context, Stage::Generating, bytes);
        let gpu = find_gpu(devices, computing, bytes, context)?;
        let mut speaker = Speaker::load(weights, longest, gpu.as_ref(), &meter)?;
        let decoder = Decoder::of(&model.metadata);
        let prompt = self.asked(&scored.prompt.text, chat)?;
        let mut logits = vec![speaker.read(&prompt, &meter)?];
        let mut answer = Vec::new();
        while let Some(last) = logits.last() {
            if last.iter().any(|logit| !logit.is_finite()) {
                let path = model.path.display();
                return Err(Stop::Failed(format!(
                    "{path}: its logits are not all finite numbers, so its weights are damaged; look with tuck verify"
                )));
            }
            let token = most_likely(last);
            answer.push(token);
            if answer.len() == self.answer || decoder.ends().binary_search(&token).is_ok() {
                break;
            }
            logits.push(speaker.read(&[token], &meter)?);
        }
        let mut rows = Vec::new();
        for (name, about, kept) in shorter {
            let asked = self.asked(&kept.text, chat)?;
            speaker.begin();
            let mut divergence = Divergence::default();
            let mut own = speaker.read(&asked, &meter)?;
            for (n, (reference, token)) in logits.iter().zip(&answer).enumerate() {
                divergence.add_against(&own, reference, *token as usize);
                if n + 1 < answer.len() {
                    own = speaker.read(&[*token], &meter)?;
                }
            }
            rows.push(PromptRow {
                name,
                about,
                tokens: kept.tokens,
                divergence: divergence.mean(),
                same_top: divergence.same_top(),
                by_token: divergence.divergences,
            });
        }
        let effect = PromptEffect {
            answer: decoder.text(&answer),
            answer_tokens: answer.len(),
            prompt_tokens: prompt.len(),
            rows,
        };
        Ok((effect, gpu::name(gpu.as_ref())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_score_each_token_once() {
        for (tokens, window) in [(5, 8), (8, 8), (9, 8), (100, 8), (100, 7), (1, 8)] {
            let found = windows(tokens, window);
            assert!(found.iter().all(|[start, from, end]| end - start <= window && start <= from && from < end));
            let mut next = 0;
            for [_, from, end] in found {
                assert_eq!(from, next);
                next = end;
            }
            assert_eq!(next, tokens);
        }
    }
}
