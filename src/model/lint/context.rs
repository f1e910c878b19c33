//! The length of the context, and how it is stretched.

use super::{Finding, Severity};
use crate::gguf::Value;
use crate::model::{Model, Setting};

/// No useful model reads less.
const SHORTEST: u64 = 128;

/// The longest context of a known model is 10,485,760.
const LONGEST: u64 = 16 << 20;

/// A stretched context may be rounded up to a power of two.
const ROOM: f64 = 1.1;

pub(super) fn check(model: &Model) -> Vec<Finding> {
    let arch = &model.hparams.architecture;
    let key = |name: &str| format!("{arch}.{name}");
    let number = |name: &str| match model.value(&key(name))? {
        Value::F32(v) => Some(f64::from(*v)),
        Value::F64(v) => Some(*v),
        value => value.as_u64().map(|n| n as f64),
    };
    let context = model.hparams.context;
    let mut findings = Vec::new();
    if !(SHORTEST..=LONGEST).contains(&context) {
        let finding = Finding::new(Severity::Caution, key("context_length"), format!("it is {context} tokens"))
            .because(
                "No known model reads so few or so many; programs reserve memory by it, or cut conversations at it.",
            )
            .advise("Look up the right number, and give it with --context-length.");
        findings.push(finding);
    }
    let base = number("rope.freq_base");
    if let Some(base) = base.filter(|base| !base.is_finite() || *base <= 0.0) {
        let finding = Finding::new(Severity::Error, key("rope.freq_base"), format!("it is {base}"))
            .because("Positions become nonsense with a base that is not above 0.")
            .advise("Look up the model's rope_theta, and set it with --override-kv.");
        findings.push(finding);
    }
    findings.extend(scaling(model, &key, &number));
    findings
}

fn scaling(model: &Model, key: &dyn Fn(&str) -> String, number: &dyn Fn(&str) -> Option<f64>) -> Option<Finding> {
    let context = model.hparams.context as f64;
    let kind = model.value(&key("rope.scaling.type")).and_then(Value::as_str);
    let factor = number("rope.scaling.factor");
    let original = number("rope.scaling.original_context_length");
    let name = |kind: Option<&str>| kind.unwrap_or("of no type").to_owned();
    let finding = |about: &str, found: String| {
        let finding = Finding::new(Severity::Caution, key(about), found);
        finding.because("With the wrong positions a model gets worse with each thousand tokens, or from the first on.")
    };
    let is_stretched = kind.is_some_and(|kind| !["none", "longrope"].contains(&kind));
    match (factor, original) {
        (Some(factor), _) if !factor.is_finite() || factor <= 0.0 => {
            let finding = finding("rope.scaling.factor", format!("it is {factor}, which stretches nothing"));
            Some(finding.advise("Look up rope_scaling in the model's config.json."))
        }
        (None, _) if is_stretched => {
            let found = format!("the scaling is {}, and there is no rope.scaling.factor", name(kind));
            Some(
                finding("rope.scaling.type", found)
                    .advise("Look up the factor in the model's config.json, or leave the scaling out."),
            )
        }
        (Some(factor), _) if !is_stretched && kind != Some("longrope") && (factor - 1.0).abs() > 1e-6 => {
            let found = format!("it is {factor}, and the scaling is {}", name(kind));
            let finding = finding("rope.scaling.factor", found).advise("Leave the factor out, or say how it scales.");
            Some(finding.fixed_by(Setting::removal(&key("rope.scaling.factor")).ok()))
        }
        (_, Some(original)) if original > context * ROOM => {
            let found = format!("the model read {original} tokens before it was stretched, and reads {context} now");
            Some(finding("context_length", found).advise("Look up max_position_embeddings in the model's config.json."))
        }
        (Some(factor), Some(original)) if original * factor * ROOM < context => {
            let reach = original * factor;
            let found = format!("it is {context} tokens, and a scaling of {factor} times {original} reaches {reach}");
            let finding = finding("context_length", found).advise(format!("Set it to {reach} with --context-length."));
            let usual = crate::model::Usual::named("context-length")?;
            Some(finding.fixed_by(Setting::usual(usual, &reach.to_string()).ok()))
        }
        _ => None,
    }
}
