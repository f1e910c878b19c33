//! Tuck makes a language model small enough for the machine in front of its owner.

pub mod arch;
pub mod checkpoint;
pub mod cli;
pub mod cpu;
pub mod engine;
pub mod fit;
pub mod gguf;
pub mod gpu;
pub mod graph;
pub mod gui;
pub mod model;
mod positioned;
pub mod quant;
pub mod recipe;
pub mod tokenizer;
pub mod units;
