//! Tuck: parse what was typed, then a command or the window.

use clap::Parser;
use std::process::ExitCode;
use tuck::cli::Cli;

fn main() -> ExitCode {
    tuck::gpu::quiet_drivers();
    env_logger::init();
    match Cli::parse().run() {
        Ok(code) => code,
        Err(window) => {
            eprintln!("no window yet: {window:?}");
            ExitCode::FAILURE
        }
    }
}
