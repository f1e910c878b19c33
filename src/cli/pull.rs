//! `tuck pull`.

use super::session::{Quit, Session, exit, print_json};
use crate::engine::{Command, EventKind};
use crate::hub::{Access, PullRequest, Pulled, RepoId};
use crate::units;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The model, as it stands over its page: owner/name.
    id: String,
    /// A branch, tag or commit of it.
    #[arg(long)]
    revision: Option<String>,
    /// The folder to put it into. Without it, NAME in this folder.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// The GGUF model to fetch where there are several: a part of its name, such as Q4_K_M; * stands for anything.
    #[arg(long, value_name = "PATTERN")]
    include: Option<String>,
    /// Replace files that are there and differ.
    #[arg(long)]
    force: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit(pull(arguments))
}

fn pull(arguments: &Arguments) -> Result<(), Quit> {
    let id = RepoId::parse(&arguments.id).map_err(|error| Quit::Failed(error.to_string()))?;
    let folder = arguments.to.clone().unwrap_or_else(|| id.name().into());
    let request = PullRequest {
        id,
        revision: arguments.revision.clone(),
        folder,
        include: arguments.include.clone(),
        replace: arguments.force,
    };
    match Session::start().run(Command::Pull(request, Access::from_environment())) {
        Ok(EventKind::Pulled(report)) if arguments.json => print_json(&as_json(&report)),
        Ok(EventKind::Pulled(report)) => print(&report),
        Ok(EventKind::Choices(_, message)) => return Err(Quit::Failed(message)),
        Ok(_) => return Err(Quit::Failed("the engine gave no report".to_owned())),
        Err(Quit::Cancelled) => return Err(Quit::Paused),
        Err(failed) => return Err(failed),
    }
    Ok(())
}

fn as_json(report: &Pulled) -> Json {
    json!({
        "model": report.model,
        "commit": report.commit,
        "fetched_bytes": report.fetched,
        "seconds": report.elapsed.as_secs_f64(),
        "files": report.files.iter().map(|file| json!({
            "path": file.path,
            "bytes": file.bytes,
            "was_there": file.was_there,
            "resumed_at": file.resumed_at,
            "verified": file.verified,
        })).collect::<Vec<_>>(),
    })
}

fn print(report: &Pulled) {
    for file in &report.files {
        let came = match (file.was_there, file.resumed_at) {
            (true, _) => ", was there".to_owned(),
            (false, 0) => String::new(),
            (false, at) => format!(", continued after {}", units::bytes(at)),
        };
        let verified = file
            .verified
            .map_or_else(|| "only its length is known, and right".to_owned(), |method| format!("{method} as listed"));
        println!("{}  {}{came}, {verified}", file.path.display(), units::bytes(file.bytes));
    }
    println!(
        "{} fetched in {} (commit {})",
        units::bytes(report.fetched),
        units::duration(report.elapsed),
        report.commit
    );
    println!("\nTry it:  tuck inspect {}", report.model.display());
}
