//! Tuck makes a language model small enough for the machine in front of its owner.

pub mod graph;
pub mod quant;
pub mod cpu;
pub mod gpu;
