//! The window, without a display: the real application and engine, driven by accessible labels.

mod adapter;
mod adapters;
#[path = "../common/mod.rs"]
mod common;
mod download;
mod fit;
mod fixture;
mod flows;
mod kv;
mod layout;
mod metadata;
mod places;
mod pre_tokenizer;
mod prompt;
mod pruning;
mod quality;
mod screenshots;
#[path = "../hub/server.rs"]
mod server;
mod size;
