//! `tuck adapter`.

use super::pack::{print, report_json};
use super::session::{Quit, Session, exit, print_json};
use crate::engine::{AdapterRequest, Command, Computing, DeviceChoice, EventKind, PackOutput, PackRequest};
use crate::recipe::{Recipe, Split, named_format};
use std::path::PathBuf;
use std::process::ExitCode;

/// The recipe that leaves every tensor as the adapter's own file wants it.
const AS_IT_IS: &str = "COPY";

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The folder of the adapter, as PEFT saves it.
    path: PathBuf,
    /// Its model: a Hugging Face folder, of which config.json is enough, or a .gguf file.
    #[arg(long, value_name = "MODEL")]
    base: PathBuf,
    /// The type of its matrices: F32, F16, BF16 or Q8_0, which become F16 where rows are too short for it.
    #[arg(long = "type", short = 't', value_name = "TYPE", default_value = "F32")]
    format: String,
    /// The file to write. Without it, NAME-TYPE.gguf in this folder.
    #[arg(long, short, value_name = "OUT.gguf")]
    output: Option<PathBuf>,
    /// Replace the output where it exists.
    #[arg(long)]
    force: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit(export(arguments))
}

fn export(arguments: &Arguments) -> Result<(), Quit> {
    let failed = |error: &dyn std::error::Error| Quit::Failed(error.to_string());
    let format = named_format(&arguments.format).map_err(|error| failed(&error))?;
    let recipe = Recipe::parse(AS_IT_IS, &[]).map_err(|error| failed(&error))?;
    let request = AdapterRequest { path: arguments.path.clone(), base: arguments.base.clone(), format };
    let mut session = Session::start();
    let EventKind::Opened(model) = session.run(Command::ExportAdapter(request))? else {
        return Err(Quit::Failed("the engine gave no adapter".to_owned()));
    };
    let path = arguments.output.clone().unwrap_or_else(|| model.default_file_name(format.name).into());
    let request = PackRequest {
        model,
        outputs: vec![PackOutput { recipe, path }],
        split: Split::Whole,
        overwrite: arguments.force,
        allow_nonfinite: false,
        recipes: false,
        computing: Computing { device: DeviceChoice::Cpu, memory: None },
    };
    let EventKind::Packed(report) = session.run(Command::Pack(request))? else {
        return Err(Quit::Failed("the engine gave no report".to_owned()));
    };
    if arguments.json {
        print_json(&report_json(&report));
        return Ok(());
    }
    print(&report);
    println!("\nTry it:  llama-cli -m BASE.gguf --lora {}", report.outputs[0].path.display());
    Ok(())
}
