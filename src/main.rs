//! Tuck: parse what was typed, then a command or the window.

use clap::Parser;
use std::process::ExitCode;
use tuck::cli::Cli;
use tuck::gui;

fn main() -> ExitCode {
    tuck::gpu::quiet_drivers();
    env_logger::init();
    match Cli::parse().run() {
        Ok(code) => code,
        Err(window) => {
            let options =
                gui::Options { path: window.path, screenshots: window.screenshots, ..gui::Options::default() };
            match gui::run(options) {
                Ok(()) => ExitCode::SUCCESS,
                Err(message) => {
                    eprintln!("tuck: {message}");
                    ExitCode::FAILURE
                }
            }
        }
    }
}
