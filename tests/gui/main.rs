//! The window, without a display: the real application and engine, driven by accessible labels.

mod download;
mod fixture;
mod flows;
mod layout;
mod metadata;
mod screenshots;
#[path = "../hub/server.rs"]
mod server;
