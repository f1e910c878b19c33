//! The command line: what was typed becomes commands for the engine, its events become lines and JSON.

mod adapter;
mod calibrate;
mod compare;
mod computing;
mod curve;
mod cut;
mod devices;
mod effort;
mod error_adapter;
mod fit;
mod importance;
mod inspect;
mod kv;
mod lora;
mod lowrank;
mod measure;
mod metadata;
mod mix;
mod output;
mod pack;
mod prompt;
mod prune;
mod pull;
mod sensitivity;
mod session;
mod stack;
mod svg;
mod verify;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  tuck                                             open the window
  tuck ./Llama-3.2-1B-Instruct                     open the window on a model
  tuck inspect ./Llama-3.2-1B-Instruct             what it is, and its size in every type
  tuck pack ./Llama-3.2-1B-Instruct --type Q4_K_M  write Llama-3.2-1B-Instruct-Q4_K_M.gguf here
  tuck pack ./model --type Q4_K_M,Q6_K,Q8_0 -o out/  three files from one read
  tuck pack model.gguf --type Q5_K_M --tensor-type attn_v=Q8_0 -o out.gguf
  tuck pack ./model --target-size 4.5GB            the file of that size that loses least
  tuck pack ./model --target 'RTX 4060' --ctx 16384
                                                   the same for the largest that fits there
  tuck curve ./model --svg curve.svg               what every size loses, beside the standard recipes
  tuck pack ./base --lora ./my-adapter=0.8 --type Q6_K
                                                   a model with a LoRA adapter merged into it
  tuck pack ./model --type Q3_K_M --adapter-rank 16
                                                   an adapter beside it that makes good what was lost, measured
  tuck adapter ./my-adapter --base ./base -o my-adapter.gguf
                                                   the adapter by itself, for llama-cli --lora
  tuck pull Qwen/Qwen3-0.6B                        fetch a model into ./Qwen3-0.6B
  tuck fit model.gguf --ctx 32768 --kv-type q8_0   where it fits, how fast it is, and the flags for it
  tuck verify out.gguf --against model.gguf        how far its weights are from those it was packed from
  tuck measure out.gguf --against model.gguf --text book.txt
                                                   perplexity of both, and the KL divergence between them
  tuck sensitivity model.gguf --type Q3_K_M --chunks 1 --svg map.svg
                                                   which tensors lose most, by layer and role
  tuck compare model.gguf out.gguf --prompt 'Why is the sky blue?'
                                                   both answers side by side, and where they part
  tuck kv model.gguf --ctx 32768 --budget 1G       what each way to keep a text's keys and values costs and loses
  tuck prompt model.gguf --file long.txt --question 'Who pays?' --ratio 30%
                                                   the part of a prompt that the answer needs, and what that changes
  tuck prune ./model --drop-layers auto:2 -o smaller.gguf
                                                   without the two layers that are missed least
  tuck calibrate model.gguf --text book.txt -o imatrix.gguf
                                                   how much each column counts, for pack --imatrix

Exit codes: 0 done, 1 failed (one paragraph on stderr says why), 2 wrong usage, 130 cancelled.";

/// Makes a language model small enough for the machine in front of its owner.
#[derive(Parser)]
#[command(name = "tuck", version, about, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    window: Window,
}

/// What the window is started with.
#[derive(Args, Clone, Debug, Default)]
pub struct Window {
    /// A model to open in the window: a Hugging Face folder, a .safetensors or a .gguf file.
    pub path: Option<PathBuf>,
    /// Pack the sample, save a picture before, during and after into this folder, and end.
    #[arg(long, hide = true, value_name = "DIR")]
    pub screenshots: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Show what a model is: family, settings, tensors, and its size in every type.
    Inspect(inspect::Arguments),
    /// Write a model as a GGUF file.
    Pack(Box<pack::Arguments>),
    /// Write a LoRA adapter as a GGUF file of its own, for llama.cpp's --lora.
    Adapter(adapter::Arguments),
    /// Write matrices as products of two factors of low rank, in a folder of safetensors.
    Lowrank(lowrank::Arguments),
    /// Fetch a model from Hugging Face by name: the one command that uses the network.
    Pull(pull::Arguments),
    /// Tell on which machines a model fits, with how much context, and how fast it is there.
    Fit(Box<fit::Arguments>),
    /// Measure how far a model's weights are from those of another.
    Verify(verify::Arguments),
    /// Measure how well a model predicts a text, and how far its predictions are from another's.
    Measure(measure::Arguments),
    /// Measure what quantizing each tensor alone does to a model's predictions.
    Sensitivity(sensitivity::Arguments),
    /// Let two models answer the same prompts, side by side, and mark where they part; or one alone.
    Compare(Box<compare::Arguments>),
    /// Measure what each way to keep keys and values costs and loses: types of cache, dropped and merged tokens, low rank.
    Kv(kv::Arguments),
    /// Make a long prompt shorter: keep what the answer needs, by the model's own scores, and measure what that changes.
    Prompt(prompt::Arguments),
    /// Show what each size of a model loses, by the best choice of a type for every tensor, beside the standard recipes.
    Curve(curve::Arguments),
    /// Gather how much each column of a model's matrices counts, as an importance matrix for pack --imatrix.
    Calibrate(calibrate::Arguments),
    /// Leave layers, heads, channels, experts or single weights out of a model, and say what that costs beside plain
    /// quantization to as many bytes.
    Prune(Box<prune::Arguments>),
    /// List the devices that can compute.
    Devices(devices::Arguments),
}

impl Cli {
    /// Runs the command that was typed, or hands back what the window needs.
    pub fn run(self) -> Result<ExitCode, Window> {
        match self.command {
            None => Err(self.window),
            Some(Command::Inspect(arguments)) => Ok(inspect::run(&arguments)),
            Some(Command::Pack(arguments)) => Ok(pack::run(&arguments)),
            Some(Command::Adapter(arguments)) => Ok(adapter::run(&arguments)),
            Some(Command::Lowrank(arguments)) => Ok(lowrank::run(&arguments)),
            Some(Command::Pull(arguments)) => Ok(pull::run(&arguments)),
            Some(Command::Fit(arguments)) => Ok(fit::run(&arguments)),
            Some(Command::Verify(arguments)) => Ok(verify::run(&arguments)),
            Some(Command::Measure(arguments)) => Ok(measure::run(&arguments)),
            Some(Command::Sensitivity(arguments)) => Ok(sensitivity::run(&arguments)),
            Some(Command::Compare(arguments)) => Ok(compare::run(&arguments)),
            Some(Command::Kv(arguments)) => Ok(kv::run(&arguments)),
            Some(Command::Prompt(arguments)) => Ok(prompt::run(&arguments)),
            Some(Command::Curve(arguments)) => Ok(curve::run(&arguments)),
            Some(Command::Calibrate(arguments)) => Ok(calibrate::run(&arguments)),
            Some(Command::Prune(arguments)) => Ok(prune::run(&arguments)),
            Some(Command::Devices(arguments)) => Ok(devices::run(&arguments)),
        }
    }
}
