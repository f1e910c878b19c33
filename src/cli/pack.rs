//! `tuck pack`.

use super::computing::Computing;
use super::cut::Cutting;
use super::error_adapter::{self, ErrorAdapter, Making};
use super::importance::Importance;
use super::lora::Lora;
use super::metadata::Metadata;
use super::mix::goal::Goal;
use super::mix::measure;
use super::mix::report::Chosen;
use super::output;
use super::prune;
use super::session::{Quit, Session, exit, print_json};
use super::stack::Stack;
use crate::engine::{
    Command, EventKind, MeasureReport, OpenRequest, OutputReport, PackOutput, PackReport, PackRequest,
};
use crate::imatrix::{Gram, Imatrix};
use crate::model::lint::{self, Severity};
use crate::model::{Model, Pruning};
use crate::quant::Effort;
use crate::recipe::{Beside, Coverage, FallbackGroup, Level, Mix, Plan, Recipe, RecipeError, Split, named_format};
use crate::units;
use serde_json::{Value as Json, json};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The type that a mix is put into.
const KEPT: &str = "COPY";

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A Hugging Face folder, a .safetensors or a .gguf file (any part, where it is split).
    path: PathBuf,
    /// The type, in any case: COPY, F16, Q8_0, Q4_K_M, IQ4_XS...; tuck inspect lists them with their sizes. Several, with
    /// commas between them, become as many files from one read of the model.
    #[arg(
        long = "type",
        short = 't',
        value_name = "TYPE",
        value_delimiter = ',',
        required_unless_present = "goal",
        conflicts_with = "goal"
    )]
    presets: Vec<String>,
    #[command(flatten)]
    goal: Goal,
    /// The file to write, or a folder; {type} in it stands for the type. Without it, NAME-TYPE.gguf in this folder.
    #[arg(long, short, value_name = "OUT.gguf")]
    output: Option<PathBuf>,
    #[command(flatten)]
    computing: Computing,
    /// A type for the tensors whose GGUF name matches a regular expression, such as attn_v=Q8_0. Can be given again; the
    /// first match wins.
    #[arg(long = "tensor-type", value_name = "PATTERN=TYPE")]
    tensor_types: Vec<String>,
    /// With --type, how long to look for the scales of each block: fast, or best for files of the same size, a little closer.
    /// With a size, also what is measured before types are chosen: fast measures the model as a whole, balanced (as
    /// without this) every tensor alone, best on more text.
    #[arg(long, value_enum)]
    effort: Option<Level>,
    #[command(flatten)]
    importance: Importance,
    /// Choose blocks by error feedback: a file of tuck calibrate --gram. Same size, closer to the original model, but minutes
    /// rather than seconds.
    #[arg(long, value_name = "FILE")]
    gram: Option<PathBuf>,
    #[command(flatten)]
    adapter: ErrorAdapter,
    #[command(flatten)]
    lora: Lora,
    /// Cut the output into files of at most so many bytes of tensors, such as 2G or 500M, named and marked as
    /// llama-gguf-split does.
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes, group = "split")]
    max_shard_size: Option<u64>,
    /// Cut the output into files of at most so many tensors.
    #[arg(long, value_name = "COUNT", group = "split")]
    max_shard_tensors: Option<NonZeroUsize>,
    /// Cut the output as the model's own files are cut.
    #[arg(long, group = "split")]
    keep_split: bool,
    /// Give every matrix the main format of the type, without more bits for some.
    #[arg(long)]
    pure: bool,
    /// A type for output.weight.
    #[arg(long, value_name = "TYPE", conflicts_with = "leave_output_tensor")]
    output_tensor_type: Option<String>,
    /// A type for token_embd.weight.
    #[arg(long, value_name = "TYPE")]
    token_embedding_type: Option<String>,
    /// Leave output.weight as it is.
    #[arg(long)]
    leave_output_tensor: bool,
    /// Leave these layers out, counted from 0; the rest are counted anew.
    #[arg(long, value_name = "L0,L1,...")]
    prune_layers: Option<String>,
    /// Cut text before merging as llama.cpp does under this name, whatever the model's own tokenizer states. Where that
    /// is none that llama.cpp knows, tuck inspect shows the nearest, and what it would cut differently.
    #[arg(long, value_name = "NAME")]
    pre_tokenizer: Option<String>,
    #[command(flatten)]
    cutting: Cutting,
    /// Replace the output where it exists.
    #[arg(long)]
    force: bool,
    /// Go on where weights are NaN or infinite; they count as 0 in block formats.
    #[arg(long)]
    allow_nonfinite: bool,
    /// Say what would be written, and write nothing.
    #[arg(long, conflicts_with = "adapter")]
    dry_run: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    metadata: Metadata,
}

impl Arguments {
    /// The effort that was asked for, or that a mix was made with.
    fn level(&self, mix: Option<&Mix>) -> Level {
        self.effort.unwrap_or_else(|| mix.map_or(Level::Fast, |mix| mix.level))
    }

    fn split(&self) -> Split {
        match (self.max_shard_size, self.max_shard_tensors) {
            (Some(bytes), _) => Split::MaxBytes(bytes),
            (_, Some(count)) => Split::MaxTensors(count.get()),
            _ if self.keep_split => Split::Kept,
            _ => Split::Whole,
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit(pack(arguments))
}

fn pack(arguments: &Arguments) -> Result<(), Quit> {
    let failed = |error: &dyn std::error::Error| Quit::Failed(error.to_string());
    let settings = arguments.metadata.settings().map_err(Quit::Failed)?;
    let pruning = arguments.prune_layers.as_deref().map(Pruning::parse).transpose();
    let pruning = pruning.map_err(|error| failed(&error))?.unwrap_or_default();
    // An imatrix and Gram matrices name the layers as they were.
    let imatrix = arguments.importance.open()?;
    let imatrix = imatrix.map(|imatrix| Arc::new(imatrix.renamed(|name| pruning.rename(name))));
    let gram = arguments.gram.as_deref().map(Gram::open).transpose().map_err(Quit::Failed)?;
    let gram = gram.map(|gram| Arc::new(gram.renamed(|name| pruning.rename(name))));
    let given = arguments.goal.given()?;
    // A recipe without statistics is as good as a type.
    let typed = given.as_ref().filter(|(_, mix)| mix.identity.is_none());
    let is_chosen = arguments.goal.is_given() && typed.is_none();
    if is_chosen && imatrix.is_some() {
        return Err(Quit::Failed("a mix has an importance matrix of its own, so --imatrix is not needed".to_owned()));
    }
    let written = given.as_ref().map(|(_, mix)| mix.beside.clone()).unwrap_or_default();
    let named = arguments.cutting.cut();
    let cut = if named.is_nothing() { written.cut.unwrap_or_default() } else { named };
    let adapter = arguments.adapter.choice()?.or(written.adapter);
    if arguments.goal.measure.is_some() && !is_chosen && adapter.is_none() && cut.is_nothing() {
        return Err(Quit::Failed(
            "--measure goes with a size, an adapter or pruning; a type is measured by tuck measure --type".to_owned(),
        ));
    }
    let known = |recipe: Recipe| Recipe { imatrix: imatrix.clone(), gram: gram.clone(), ..recipe };
    let mut recipes = match (typed, is_chosen) {
        (Some((recipe, mix)), _) => {
            let mix = Some(Arc::new(mix.clone()));
            vec![known(Recipe { effort: arguments.level(mix.as_deref()).effort(), mix, ..recipe.clone() })]
        }
        (None, true) => vec![known(recipe(arguments, KEPT).map_err(|error| failed(&error))?)],
        (None, false) => {
            let recipes = arguments.presets.iter().map(|name| recipe(arguments, name).map(known));
            recipes.collect::<Result<Vec<Recipe>, RecipeError>>().map_err(|error| failed(&error))?
        }
    };
    if arguments.goal.recipe_out.is_some() && recipes.len() > 1 {
        return Err(Quit::Failed("a recipe is of one type; name one for --recipe-out".to_owned()));
    }
    let mut session = Session::start();
    let open = OpenRequest { path: arguments.path.clone(), adapters: arguments.lora.choices()? };
    let EventKind::Opened(model) = session.run(Command::Open(open))? else {
        return Err(Quit::Failed("the engine gave no model".to_owned()));
    };
    let model = match &arguments.pre_tokenizer {
        Some(name) => Arc::new(model.with_pre_tokenizer(name).map_err(|error| failed(&error))?),
        None => model,
    };
    if let Some(question) = &model.question {
        return Err(Quit::Failed(format!(
            "{}: {question}; tuck inspect shows them, and --pre-tokenizer {} uses it all the same",
            model.path.display(),
            question.nearest
        )));
    }
    let model = Arc::new(model.edited(&settings, &pruning).map_err(|error| failed(&error))?);
    for finding in lint::check(&model).iter().filter(|finding| finding.severity >= Severity::Caution) {
        eprintln!("tuck: {}: {finding}; {}", finding.severity.label(), lower(&finding.advice));
    }
    let computing = arguments.computing.choice();
    if !cut.is_nothing() && recipes.iter().any(|recipe| recipe.imatrix.is_some() || recipe.gram.is_some()) {
        return Err(Quit::Failed(
            "--imatrix and --gram are of the model before it is pruned; leave them out, or prune first (tuck prune) and make them \
             of what is left"
                .to_owned(),
        ));
    }
    // Of several types each would need a pass of its own, and types that are still to be chosen are for later.
    let quantizing = recipes.first().filter(|_| recipes.len() == 1 && !is_chosen).cloned();
    let stack = Stack::new(&mut session, model, cut, quantizing, (&arguments.goal, &computing))?;
    if !arguments.json {
        stack.print();
    }
    let model = stack.model();
    let mut chosen = None;
    if is_chosen {
        let level = arguments.effort.unwrap_or_default();
        let found =
            arguments.goal.choose(&mut session, model, (recipes.remove(0), level), arguments.split(), &computing)?;
        recipes.push(found.recipe.clone());
        chosen = Some(found);
    }
    let level = arguments.level(recipes[0].mix.as_deref());
    if let Some(path) = &arguments.goal.recipe_out {
        let mix = match recipes[0].mix.as_deref() {
            Some(mix) => mix.clone(),
            None => Mix::of(&recipes[0], model, level).map_err(|error| failed(&error))?,
        };
        let beside = Beside { cut: stack.gone(), adapter };
        let written = std::fs::write(path, Mix::write(&recipes[0], &Mix { beside, ..mix }));
        written.map_err(|error| Quit::Failed(format!("{}: {error}", path.display())))?;
    }
    let count = recipes.len();
    let output = |recipe: Recipe| {
        let name = recipe.name();
        let path = output::path(arguments.output.as_deref(), name, count, model.default_file_name(name))?;
        Ok(PackOutput { recipe, path })
    };
    let outputs: Vec<PackOutput> = recipes.into_iter().map(output).collect::<Result<_, _>>().map_err(Quit::Failed)?;
    let measured = match (&chosen, &arguments.goal.measure) {
        (Some(chosen), Some(text)) => Some(measure(&mut session, model, &chosen.recipe, text.as_deref(), &computing)?),
        _ => None,
    };
    let mix_json = |json: Json| with_mix(json, chosen.as_ref(), measured.as_deref());
    if arguments.dry_run {
        let split = |output: &PackOutput| Plan::new(model, &output.recipe)?.split(model, arguments.split());
        let plan = |output: &PackOutput| Ok((output.path.clone(), split(output)?));
        let plans: Result<Vec<(PathBuf, Plan)>, RecipeError> = outputs.iter().map(plan).collect();
        let plans = plans.map_err(|error| failed(&error))?;
        let coverage = plans.first().and_then(|(_, plan)| plan.coverage(model));
        coverage.iter().flat_map(Coverage::warnings).for_each(|warning| eprintln!("tuck: warning: {warning}"));
        for (_, plan) in &plans {
            plan.warnings.iter().for_each(|warning| eprintln!("tuck: warning: {}: {warning}", plan.recipe.name()));
        }
        match arguments.json {
            true => print_json(&mix_json(plans_json(model, &plans))),
            false => {
                plans.iter().for_each(|(path, plan)| print_plan(model, path, plan));
                chosen.iter().for_each(|chosen| chosen.print(plans[0].1.file_bytes, measured.as_deref()));
            }
        }
        return Ok(());
    }
    let paths: Vec<PathBuf> = outputs.iter().map(|output| output.path.clone()).collect();
    let making = adapter.map(|(size, format)| Making {
        size,
        format,
        goal: &arguments.goal,
        level,
        lineage: stack.lineage(),
        observed: if is_chosen { model } else { stack.dense() },
        overwrite: arguments.force,
        computing: &computing,
    });
    making.as_ref().map_or(Ok(()), |making| making.check(&paths))?;
    let recipes: Vec<Recipe> = outputs.iter().map(|output| output.recipe.clone()).collect();
    let request = PackRequest {
        model: Arc::clone(model),
        outputs,
        split: arguments.split(),
        overwrite: arguments.force,
        allow_nonfinite: arguments.allow_nonfinite,
        // --recipe-out has a place of its own.
        recipes: false,
        computing: computing.clone(),
    };
    let EventKind::Packed(report) = session.run(Command::Pack(request))? else {
        return Err(Quit::Failed("the engine gave no report".to_owned()));
    };
    let mut adapters = Vec::new();
    let mut standings = Vec::new();
    for (recipe, output) in recipes.iter().zip(&report.outputs) {
        match &making {
            Some(making) => adapters.push(making.make(&mut session, (model, recipe, output))?),
            None => standings.extend(stack.weigh(&mut session, (recipe, output), level)?),
        }
    }
    if arguments.json {
        let mut json = mix_json(report_json(&report));
        if let Some(pruned) = &stack.pruned {
            json["pruned"] = prune::steps_json(pruned);
        }
        if !adapters.is_empty() {
            json["adapters"] = adapters.iter().map(|adapter| error_adapter::as_json(adapter)).collect();
        }
        if !standings.is_empty() {
            json["compared"] = standings.iter().map(|standings| prune::standings_json(standings)).collect();
        }
        print_json(&json);
        return Ok(());
    }
    print(&report);
    chosen.iter().for_each(|chosen| chosen.print(report.outputs[0].file_bytes, measured.as_deref()));
    standings.iter().for_each(|standings| prune::print_standings(standings));
    adapters.iter().for_each(|adapter| error_adapter::print(adapter, stack.pruned.is_some()));
    for (index, output) in report.outputs.iter().enumerate() {
        let label = if index == 0 { "\nTry it:" } else { "       " };
        let adapter = adapters.get(index).and_then(|adapter| adapter.path.as_ref());
        let lora = adapter.map(|path| format!(" --lora {}", path.display())).unwrap_or_default();
        println!("{label}  llama-cli -m {}{lora}", output.path.display());
    }
    Ok(())
}

/// A report with what is told of a mix.
fn with_mix(mut json: Json, chosen: Option<&Chosen>, measured: Option<&MeasureReport>) -> Json {
    if let Some(chosen) = chosen {
        json["mix"] = chosen.json(measured);
    }
    json
}

/// A sentence as the rest of another.
fn lower(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

fn recipe(arguments: &Arguments, name: &str) -> Result<Recipe, RecipeError> {
    let named = |name: &Option<String>| name.as_deref().map(named_format).transpose();
    Ok(Recipe {
        pure: arguments.pure,
        output: named(&arguments.output_tensor_type)?,
        token_embedding: named(&arguments.token_embedding_type)?,
        leave_output: arguments.leave_output_tensor,
        effort: arguments.effort.unwrap_or(Level::Fast).effort(),
        ..Recipe::parse(name, &arguments.tensor_types)?
    })
}

/// `m.gguf: 56 of 57 searched tensors weighted (20 chunks of calibration.txt)`.
fn imatrix_line((imatrix, coverage): (&Imatrix, &Coverage)) -> String {
    let weighted = coverage.weighted.len();
    format!(
        "{}: {} of {} quantized tensors weighted ({} chunks of {})",
        imatrix.path.display(),
        weighted,
        weighted + coverage.plain.len(),
        imatrix.chunks,
        if imatrix.datasets.is_empty() { "unknown text".to_owned() } else { imatrix.datasets.join(", ") }
    )
}

fn imatrix_json((imatrix, coverage): (&Imatrix, &Coverage)) -> Json {
    json!({
        "file": imatrix.path,
        "chunks": imatrix.chunks,
        "datasets": imatrix.datasets,
        "weighted": coverage.weighted.len(),
        "plain": coverage.plain,
        "unused": coverage.unused,
    })
}

/// `gram.gguf: error feedback chose 98.2 % of the quantized weights`.
fn feedback_line((path, share): (&Path, f64)) -> String {
    format!("{}: error feedback chose {} of the quantized weights", path.display(), units::percent(share))
}

fn feedback_json((path, share): (&Path, f64)) -> Json {
    json!({ "file": path, "share": share })
}

/// One output as it is; several as a list, beside what they have in common.
fn one_or_list(mut outputs: Vec<Json>, common: Json) -> Json {
    let mut json = match outputs.len() {
        1 => outputs.remove(0),
        _ => json!({ "outputs": outputs }),
    };
    if let (Json::Object(json), Json::Object(common)) = (&mut json, common) {
        json.extend(common);
    }
    json
}

fn plans_json(model: &Model, plans: &[(PathBuf, Plan)]) -> Json {
    let one = |(path, plan): &(PathBuf, Plan)| {
        let tensors = model.tensors.iter().zip(&plan.tensors);
        let files: Vec<(PathBuf, u64)> = files(path, plan);
        json!({
            "output": files[0].0,
            "files": files_json(&files),
            "type": plan.recipe.name(),
            "file_bytes": plan.file_bytes,
            "bits_per_weight": plan.bits_per_weight,
            "effort": plan.recipe.effort.name(),
            "tensors": tensors.map(|(t, p)| json!({
                "name": t.name, "format": p.format.name, "bytes": p.bytes, "file": p.file, "offset": p.offset
            })).collect::<Vec<_>>(),
            "imatrix": plan.recipe.imatrix.as_deref().zip(plan.coverage(model).as_ref()).map(imatrix_json),
            "feedback": plan.recipe.gram.as_ref().map(|gram| gram.path()).zip(plan.feedback_share(model)).map(feedback_json),
            "fallbacks": plan.fallbacks.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "warnings": plan.warnings,
        })
    };
    one_or_list(plans.iter().map(one).collect(), json!({}))
}

fn files(path: &Path, plan: &Plan) -> Vec<(PathBuf, u64)> {
    plan.paths(path).into_iter().zip(plan.files.iter().map(|file| file.file_bytes)).collect()
}

fn files_json(files: &[(PathBuf, u64)]) -> Json {
    files.iter().map(|(path, bytes)| json!({"path": path, "bytes": bytes})).collect()
}

fn print_plan(model: &Model, path: &Path, plan: &Plan) {
    println!(
        "{} would have {} bytes ({:.2} bits a weight)",
        path.display(),
        units::grouped(plan.file_bytes),
        plan.bits_per_weight
    );
    print_files(&files(path, plan));
    for group in FallbackGroup::of(&plan.fallbacks) {
        println!("  {}\n    {}", group.sentence(), group.names());
    }
    if let Some(used) = plan.recipe.imatrix.as_deref().zip(plan.coverage(model).as_ref()) {
        println!("  Imatrix: {}", imatrix_line(used));
    }
    if let Some(used) = plan.recipe.gram.as_ref().map(|gram| gram.path()).zip(plan.feedback_share(model)) {
        println!("  Gram: {}", feedback_line(used));
    }
}

pub(super) fn report_json(report: &PackReport) -> Json {
    let one = |output: &OutputReport| {
        json!({
            "output": output.path,
            "files": files_json(&output.files),
            "type": output.recipe,
            "file_bytes": output.file_bytes,
            "bits_per_weight": output.bits_per_weight,
            "effort": output.effort.name(),
            "formats": output.formats.iter().map(|(format, tensors, bytes)| json!({
                "format": format.name, "tensors": tensors, "bytes": bytes
            })).collect::<Vec<_>>(),
            "imatrix": output.imatrix.as_ref().map(|(imatrix, coverage)| imatrix_json((imatrix, coverage))),
            "feedback": output.feedback.as_ref().map(|(path, share)| feedback_json((path, *share))),
            "fallbacks": output.fallbacks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    };
    let common = json!({
        "source_bytes": report.source_bytes,
        "weights": report.weights,
        "device": report.device,
        "seconds": report.elapsed.as_secs_f64(),
        "verified": true,
    });
    one_or_list(report.outputs.iter().map(one).collect(), common)
}

pub(super) fn print(report: &PackReport) {
    for output in &report.outputs {
        print_output(output);
        if report.outputs.len() > 1 {
            println!();
        }
    }
    let seconds = report.elapsed.as_secs_f64();
    println!(
        "  Time      {} on {} ({} of weights read, {})",
        units::duration(report.elapsed),
        report.device,
        units::bytes(report.source_bytes),
        units::rate(report.source_bytes as f64 / seconds)
    );
    println!("  Verified  every tensor read back as written");
}

/// The files of an output that has several.
fn print_files(files: &[(PathBuf, u64)]) {
    for (path, bytes) in files.iter().filter(|_| files.len() > 1) {
        println!("  {}  {} bytes", path.file_name().unwrap_or_default().display(), units::grouped(*bytes));
    }
}

fn print_output(output: &OutputReport) {
    println!("{}", output.path.display());
    print_files(&output.files);
    println!("  Type      {} ({:.2} bits a weight)", output.recipe, output.bits_per_weight);
    println!("  Size      {} ({} bytes)", units::bytes(output.file_bytes), units::grouped(output.file_bytes));
    for (index, (format, tensors, bytes)) in output.formats.iter().enumerate() {
        let label = if index == 0 { "Tensors" } else { "" };
        println!("  {label:<9} {tensors:>4} as {:<5} {}", format.name, units::bytes(*bytes));
    }
    if output.effort != Effort::default() {
        println!("  Effort    {}", output.effort.name());
    }
    if let Some((imatrix, coverage)) = &output.imatrix {
        println!("  Imatrix   {}", imatrix_line((imatrix, coverage)));
    }
    if let Some((path, share)) = &output.feedback {
        println!("  Gram      {}", feedback_line((path, *share)));
    }
    for (index, group) in FallbackGroup::of(&output.fallbacks).iter().enumerate() {
        let label = if index == 0 { "Fallbacks" } else { "" };
        println!("  {label:<9} {}\n            {}", group.sentence(), group.names());
    }
}
