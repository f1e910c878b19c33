//! `tuck devices`.

use super::session::{Quit, Session, exit, print_json};
use crate::engine::{Command, EventKind};
use serde_json::json;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit(list(arguments))
}

fn list(arguments: &Arguments) -> Result<(), Quit> {
    let EventKind::Devices(devices) = Session::start().run(Command::ListDevices)? else {
        return Err(Quit::Failed("the engine gave no list of devices".to_owned()));
    };
    if arguments.json {
        print_json(&json!({ "devices": devices }));
        return Ok(());
    }
    for (index, device) in devices.iter().enumerate() {
        let auto = if index == 0 { "  (auto)" } else { "" };
        println!("{}{auto}", device.name);
        let facts = [&device.kind, &device.backend, &device.driver].into_iter().filter(|fact| !fact.is_empty());
        println!("    {}", facts.cloned().collect::<Vec<_>>().join(", "));
    }
    Ok(())
}
