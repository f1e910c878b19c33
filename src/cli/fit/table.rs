//! The report as a table, with the terms and the flags of the first machine.

use super::{Report, Row};
use crate::fit::{Cost, Fit, Launch, NAMES, Terms};
use crate::units;

pub(super) fn print(report: &Report<'_>) {
    let Report { model, plan, settings, .. } = report;
    let kv = match settings.keys == settings.values {
        true => settings.keys.name.to_owned(),
        false => format!("{} keys, {} values", settings.keys.name, settings.values.name),
    };
    let flash = if settings.flash_attention { "flash attention" } else { "no flash attention" };
    println!("{} as {}, {}", model.card.name, plan.recipe.preset.name, units::bytes(plan.file_bytes));
    println!(
        "  {} tokens of context, {} at a time, KV cache {kv}, {flash}\n",
        units::grouped(settings.context),
        if settings.sequences == 1 { "1 sequence".to_owned() } else { format!("{} sequences", settings.sequences) }
    );
    let name_width = report.rows.iter().map(|row| row.machine.name.chars().count()).max().unwrap_or(0).max(7);
    println!(
        "  {:<name_width$}  {:<24} {:>9} {:>9} {:>9} {:>9} {:>11} {:>8}",
        "Machine", "Fits", "Needs", "Has", "Context", "Prompt/s", "Generates/s", "Best type"
    );
    for row in &report.rows {
        println!("  {:<name_width$}  {}", row.machine.name, line(row));
    }
    println!("\n  Needs, Has: GPU memory, or main memory where there is no GPU. Context: the largest that fits.");
    println!(
        "  Prompt, Generates: tokens a second at half of the context, estimated. Best type: the largest that fits fully."
    );
    if let Some(row) = report.rows.first() {
        first(report, row);
    }
}

fn line(row: &Row<'_>) -> String {
    let answer = &row.answer;
    let layers = |on_gpu: u64| match (answer.spread.experts_on_host, on_gpu) {
        (true, _) => "experts in main memory".to_owned(),
        (false, 0) => "main memory only".to_owned(),
        (false, n) => format!("{n} layers on the GPU"),
    };
    let fits = match answer.fit {
        Fit::Fully => "fully".to_owned(),
        Fit::Partly => format!("partly, {}", layers(answer.spread.gpu_layers)),
        Fit::Not => "no".to_owned(),
    };
    let (needs, has) = row.first_memory();
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), units::grouped);
    let speed = |speed: Option<f64>| speed.map_or_else(|| "-".to_owned(), units::rounded);
    format!(
        "{fits:<24} {:>9} {:>9} {:>9} {:>9} {:>11} {:>8}",
        units::bytes(needs),
        units::bytes(has),
        number(answer.up_to.or(answer.fully_up_to)),
        speed(answer.speed.map(|speed| speed.prompt)),
        speed(answer.speed.map(|speed| speed.generation)),
        row.largest.map_or("-", |candidate| candidate.preset.name),
    )
}

impl Row<'_> {
    /// What is needed and there where most of the model is: on the GPUs, or in main memory.
    pub(super) fn first_memory(&self) -> (u64, u64) {
        let on_gpus: u64 = self.answer.placement.gpus.iter().map(Terms::total).sum();
        if on_gpus == 0 {
            return (self.answer.placement.host.total(), self.machine.host.budget.usable);
        }
        (on_gpus, self.machine.gpus.iter().map(|gpu| gpu.pool.budget.usable).sum())
    }
}

fn first(report: &Report<'_>, row: &Row<'_>) {
    let Row { machine, answer, .. } = row;
    println!("\n  {}", machine.name);
    let devices = machine.gpus.iter().zip(&answer.placement.gpus).enumerate();
    for (at, (gpu, terms)) in devices {
        let name = if machine.gpus.len() > 1 { format!("GPU {at}") } else { "GPU".to_owned() };
        memory(&name, terms, gpu.pool.budget.usable, &gpu.pool.budget.rest, gpu.pool.budget.total);
    }
    let budget = &machine.host.budget;
    memory("Main memory", &answer.placement.host, budget.usable, &budget.rest, budget.total);
    for note in &machine.notes {
        println!("    Note: {note}.");
    }
    if let Some(cost) = answer.speed.and_then(|speed| Cost::of_a_million(machine, &speed)) {
        println!("    A million tokens: {:.2} kWh, {:.2} US dollars", cost.energy, cost.dollars);
    }
    if answer.fit == Fit::Not {
        return;
    }
    let file = report.model.default_file_name(report.plan.recipe.preset.name);
    let launch = Launch::new(&file, report.subject, &report.settings, &answer.spread);
    println!("\n  {}", launch.llama_cpp);
    println!("\n  Modelfile of Ollama:");
    launch.modelfile.lines().for_each(|line| println!("    {line}"));
    println!("\n  LM Studio:");
    launch.lm_studio.iter().for_each(|(name, value)| println!("    {name:<32} {value}"));
}

fn memory(name: &str, terms: &Terms, usable: u64, rest: &str, total: u64) {
    println!(
        "    {name}: {} of {} ({} less {} for {rest})",
        units::bytes(terms.total()),
        units::bytes(usable),
        units::bytes(total),
        units::bytes(total.saturating_sub(usable))
    );
    for (bytes, (name, about)) in terms.list().into_iter().zip(NAMES).filter(|(bytes, _)| *bytes > 0) {
        println!("      {name:<10} {:>9}  {about}", units::bytes(bytes));
    }
}
