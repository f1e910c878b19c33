//! The report for machines.

use super::{Report, Row};
use crate::fit::{Cost, ELECTRICITY, Fit, LIFETIME, Launch, NAMES, Terms};
use serde_json::{Value as Json, json};

pub(super) fn report(report: &Report<'_>) -> Json {
    let Report { model, plan, settings, rows, .. } = report;
    json!({
        "name": model.card.name,
        "type": plan.recipe.preset.name,
        "file_bytes": plan.file_bytes,
        "settings": {
            "context": settings.context,
            "sequences": settings.sequences,
            "batch": settings.batch,
            "ubatch": settings.ubatch,
            "keys": settings.keys.name,
            "values": settings.values.name,
            "flash_attention": settings.flash_attention,
            "full_windows": settings.full_windows,
        },
        "terms": NAMES.iter().map(|(name, about)| json!({"name": name, "about": about})).collect::<Vec<_>>(),
        "cost_assumes": {"dollars_per_kwh": ELECTRICITY, "hours_of_use": LIFETIME},
        "machines": rows.iter().map(|row| machine(report, row)).collect::<Vec<_>>(),
    })
}

fn machine(report: &Report<'_>, row: &Row<'_>) -> Json {
    let Row { machine, answer, largest } = row;
    let host = &machine.host.budget;
    let gpus = machine
        .gpus
        .iter()
        .zip(&answer.placement.gpus)
        .map(|(gpu, terms)| device(gpu.backend.name, terms, gpu.pool.budget.total, gpu.pool.budget.usable));
    let host = device("CPU", &answer.placement.host, host.total, host.usable);
    let file = report.model.default_file_name(report.plan.recipe.preset.name);
    let launch = Launch::new(&file, report.subject, &report.settings, &answer.spread);
    let cost = answer.speed.and_then(|speed| Cost::of_a_million(machine, &speed));
    json!({
        "machine": machine.name,
        "notes": machine.notes,
        "one_memory": machine.is_unified,
        "fits": match answer.fit { Fit::Fully => "fully", Fit::Partly => "partly", Fit::Not => "no" },
        "gpu_layers": if answer.spread.gpus.is_empty() { 0 } else { answer.spread.gpu_layers },
        "layers": report.subject.placeable(),
        "experts_in_main_memory": answer.spread.experts_on_host,
        "devices": gpus.chain([host]).collect::<Vec<_>>(),
        "fully_up_to_context": answer.fully_up_to,
        "up_to_context": answer.up_to,
        "largest_type": largest.map(|candidate| json!({
            "type": candidate.preset.name, "file_bytes": candidate.file_bytes
        })),
        "prompt_tokens_per_second": answer.speed.map(|speed| speed.prompt),
        "generated_tokens_per_second": answer.speed.map(|speed| speed.generation),
        "million_tokens": cost.map(|cost| json!({"kwh": cost.energy, "dollars": cost.dollars})),
        "llama_cpp": launch.llama_cpp,
        "modelfile": launch.modelfile,
        "lm_studio": launch.lm_studio.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<serde_json::Map<_, _>>(),
    })
}

fn device(backend: &str, terms: &Terms, total: u64, usable: u64) -> Json {
    let named = terms.list().into_iter().zip(NAMES).map(|(bytes, (name, _))| (name.to_owned(), json!(bytes)));
    json!({
        "backend": backend,
        "bytes": terms.total(),
        "usable_bytes": usable,
        "total_bytes": total,
        "terms": named.collect::<serde_json::Map<_, _>>(),
    })
}
