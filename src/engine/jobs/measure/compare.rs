//! Letting models answer the same prompts, in step with each other as long as they say the same.

use super::gpu::{self, Gpu};
use super::same_tokens;
use super::speaker::Speaker;
use super::weights::Weights;
use crate::chat::{Message, Template};
use crate::engine::command::{CompareRequest, Computing, DeviceChoice, Subject};
use crate::engine::device::Devices;
use crate::engine::event::{Answer, CompareReport, Comparison, EventKind, Parting, Preference, Spoken, Stage};
use crate::engine::jobs::feedback::Chooser;
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::eval::{Agreement, parting};
use crate::forward::{Sampling, probability};
use crate::model::{CHAT_TEMPLATE, Model};
use crate::recipe::{Plan, Recipe};
use crate::tokenizer::{Decoder, Encoder};
use crate::units;
use std::sync::Arc;
use std::time::Instant;

/// Lets the models of a request answer its prompts.
pub(in crate::engine) fn compare(
    devices: &mut Devices,
    request: &CompareRequest,
    context: &Context<'_>,
) -> Result<CompareReport, Stop> {
    let started = Instant::now();
    let first = match &request.subjects[..] {
        [one] => &one.model,
        [one, other] => {
            same_tokens(&one.model, &other.model)?;
            if one.model.value(CHAT_TEMPLATE) != other.model.value(CHAT_TEMPLATE) && request.chat {
                context.warn(format!(
                    "{} and {} have different chat templates; that of the first is used for both",
                    one.model.path.display(),
                    other.model.path.display()
                ));
            }
            &one.model
        }
        subjects => {
            return Err(Stop::Failed(format!("{} models were given, and one or two can answer", subjects.len())));
        }
    };
    let encode = |prompt: &String| {
        let tokens = encode(first, prompt, request.chat)?;
        fits(first, tokens.len(), request.tokens).map(|()| tokens)
    };
    let prompts = request.prompts.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
    let longest = prompts.iter().map(Vec::len).max().unwrap_or(0) + request.tokens;
    let mut weights = Vec::new();
    for Subject { model, recipe } in &request.subjects {
        let plan = recipe.as_ref().map(|recipe| Plan::new(model, recipe)).transpose()?;
        let chooser = Chooser::open(devices, &request.computing, &plan)?;
        weights.push(Weights::new(model, plan, context).on(chooser));
    }
    let total = weights.iter().map(Weights::bytes).sum();
    let meter = Meter::new(context, Stage::Generating, total);
    let gpu = find_gpu(devices, &request.computing, total, context)?;
    let load = |weights| Speaker::load(weights, longest, gpu.as_ref(), &meter);
    let mut speakers = weights.into_iter().map(load).collect::<Result<Vec<_>, _>>()?;
    let room = Room { decoder: Decoder::of(&first.metadata), request, meter: &meter, context };
    let mut comparisons = Vec::new();
    for (number, tokens) in prompts.iter().enumerate() {
        let comparison = Arc::new(room.answer(&mut speakers, number, tokens)?);
        context.send(EventKind::Answered(Arc::clone(&comparison)));
        comparisons.push(comparison);
    }
    let pairs = comparisons.iter().filter_map(|comparison| match &comparison.answers[..] {
        [a, b] => Some([a.tokens.as_slice(), b.tokens.as_slice()]),
        _ => None,
    });
    let subject = |subject: &Subject| (subject.model.path.clone(), subject.recipe.as_ref().map(Recipe::name));
    Ok(CompareReport {
        subjects: request.subjects.iter().map(subject).collect(),
        agreement: (request.subjects.len() == 2).then(|| Agreement::of(pairs)),
        comparisons,
        device: gpu::name(gpu.as_ref()),
        elapsed: started.elapsed(),
    })
}

/// Where models of so many bytes answer: on the chosen GPU. Where it was not chosen by name and they do not fit it, on the
/// processor.
pub(super) fn find_gpu(
    devices: &mut Devices,
    computing: &Computing,
    bytes: u64,
    context: &Context<'_>,
) -> Result<Option<Gpu>, Stop> {
    let Some(gpu) = gpu::open(devices, computing)? else { return Ok(None) };
    let runner = gpu.borrow();
    if computing.device == DeviceChoice::Auto && bytes > runner.budget() {
        context.warn(format!(
            "the weights take {}, and {} has {} for them; the processor answers instead",
            units::bytes(bytes),
            runner.name(),
            units::bytes(runner.budget())
        ));
        return Ok(None);
    }
    drop(runner);
    Ok(Some(gpu))
}

/// A prompt as the model is given it; with `chat`, in its chat template.
pub(super) fn encode(model: &Model, prompt: &str, chat: bool) -> Result<Vec<u32>, Stop> {
    let refuse = |problem: String| Stop::Failed(format!("{}: {problem}", model.path.display()));
    let template = model.value(CHAT_TEMPLATE).and_then(|template| template.as_str()).filter(|_| chat);
    let text = match template {
        None => prompt.to_owned(),
        Some(template) => {
            let messages = [Message { role: "user", content: prompt }];
            let rendered = Template::parse(template).and_then(|t| t.render(&messages, &model.template_texts(), true));
            let advice = "give the prompt as it is with --raw, or repair the template with pack --chat-template";
            rendered.map_err(|error| refuse(format!("its chat template cannot be used: {error}; {advice}")))?
        }
    };
    let encoder = Encoder::of(&model.path, &model.metadata, true)?;
    let mut tokens = encoder.encode(&text, template.is_none())?;
    if let Some(begin) = encoder.begin().filter(|begin| tokens.first() != Some(begin)) {
        tokens.insert(0, begin);
    }
    if tokens.is_empty() {
        return Err(refuse("the prompt is empty, and the model begins no text by itself; give a prompt".to_owned()));
    }
    Ok(tokens)
}

/// Refuses a prompt and an answer of so many tokens where they are longer than what the model was made for.
pub(super) fn fits(model: &Model, prompt: usize, answer: usize) -> Result<(), Stop> {
    let most = model.hparams.context;
    if (prompt + answer) as u64 <= most {
        return Ok(());
    }
    Err(Stop::Failed(format!(
        "{}: a prompt of {prompt} tokens with an answer of {answer} is longer than the {most} that the model was made for; ask \
         for fewer --tokens",
        model.path.display()
    )))
}

/// What answers need.
struct Room<'a, 'c> {
    decoder: Decoder<'a>,
    request: &'a CompareRequest,
    meter: &'a Meter<'a, 'c>,
    context: &'a Context<'c>,
}

/// An answer as it grows.
#[derive(Default)]
struct Growing {
    tokens: Vec<u32>,
    probabilities: Vec<f64>,
    /// Bytes that were not told yet, for they may be the beginning of a character.
    untold: Vec<u8>,
    ended: bool,
}

impl Room<'_, '_> {
    fn answer(&self, speakers: &mut [Speaker<'_>], prompt: usize, tokens: &[u32]) -> Result<Comparison, Stop> {
        let mut logits = Vec::new();
        for speaker in speakers.iter_mut() {
            speaker.begin();
            logits.push(speaker.read(tokens, self.meter)?);
        }
        let mut answers: Vec<Growing> = speakers.iter().map(|_| Growing::default()).collect();
        let mut parted = None;
        for step in 0..self.request.tokens {
            for (side, answer) in answers.iter_mut().enumerate().filter(|(_, answer)| !answer.ended) {
                self.choose(answer, &mut logits[side], (prompt, side, step))?;
            }
            if let [a, b] = &answers[..]
                && parted.is_none()
                && let Some(at) = parting(&a.tokens, &b.tokens)
            {
                // Both have read the same so far, so each can be asked about the other's choice.
                let choices = [a.tokens[at], b.tokens[at]].map(|token| Preference {
                    token,
                    text: self.decoder.text(&[token]),
                    name: self.decoder.name(token).to_owned(),
                    probabilities: [probability(&logits[0], token), probability(&logits[1], token)],
                });
                parted = Some(Parting { at, same: self.decoder.text(&a.tokens[..at]), choices });
            }
            if answers.iter().all(|answer| answer.ended) || step + 1 == self.request.tokens {
                break;
            }
            for ((answer, speaker), logits) in answers.iter().zip(speakers.iter_mut()).zip(&mut logits) {
                if let (false, Some(last)) = (answer.ended, answer.tokens.last()) {
                    *logits = speaker.read(&[*last], self.meter)?;
                }
            }
        }
        let answers = answers.into_iter().map(|answer| {
            let text = self.decoder.text(&answer.tokens);
            Answer { text, tokens: answer.tokens, probabilities: answer.probabilities, ended: answer.ended }
        });
        Ok(Comparison {
            prompt: self.request.prompts[prompt].clone(),
            prompt_tokens: tokens.len(),
            answers: answers.collect(),
            parting: parted,
        })
    }

    fn choose(
        &self,
        answer: &mut Growing,
        logits: &mut [f32],
        (prompt, side, step): (usize, usize, usize),
    ) -> Result<(), Stop> {
        let ends = self.decoder.ends();
        if !self.request.stops {
            ends.iter().filter_map(|end| logits.get_mut(*end as usize).map(|logit| *logit = f32::MIN)).for_each(drop);
        }
        if logits.iter().any(|logit| !logit.is_finite()) {
            let path = self.request.subjects[side].model.path.display();
            return Err(Stop::Failed(format!(
                "{path}: its logits are not all finite numbers, so its weights are damaged; look with tuck verify"
            )));
        }
        let sampling: &Sampling = &self.request.sampling;
        let token = sampling.choose(logits, prompt as u64, step as u64);
        answer.tokens.push(token);
        answer.probabilities.push(probability(logits, token));
        answer.ended = self.request.stops && ends.binary_search(&token).is_ok();
        answer.untold.extend(self.decoder.bytes(token));
        let whole = match std::str::from_utf8(&answer.untold) {
            Ok(text) => text.len(),
            // What can never become a character is told as it is.
            Err(error) if error.error_len().is_some() => answer.untold.len(),
            Err(error) => error.valid_up_to(),
        };
        if whole > 0 {
            let told: Vec<u8> = answer.untold.drain(..whole).collect();
            let text = String::from_utf8_lossy(&told).into_owned();
            self.context.send(EventKind::Spoken(Spoken { prompt, subject: side, text }));
        }
        Ok(())
    }
}
