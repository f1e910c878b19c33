//! The window, without a display: the real application and engine, driven by accessible labels.

mod fixture;
mod flows;
mod layout;
mod screenshots;
