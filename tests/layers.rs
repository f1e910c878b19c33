//! The dependency rule of `src/lib.rs`, read off the `use` lines and paths of the source.

use std::fs;
use std::path::{Path, PathBuf};

/// A crate, and the rooms that may name it.
const CRATES: &[(&str, &[&str])] = &[
    ("wgpu", &["gpu"]),
    ("ash", &["gpu"]),
    ("egui", &["gui"]),
    ("eframe", &["gui"]),
    ("rfd", &["gui"]),
    ("egui_extras", &["gui"]),
    ("egui_plot", &["gui"]),
    ("clap", &["cli", "main.rs"]),
    ("indicatif", &["cli"]),
    ("sysinfo", &["fit"]),
    ("toml", &["fit", "recipe"]),
    ("tokenizers", &["tokenizer"]),
    ("minijinja", &["chat"]),
    ("minijinja_contrib", &["chat"]),
    ("hf_hub", &["hub"]),
    ("ureq", &["hub"]),
    ("gemm", &["cpu", "feedback"]),
    ("nalgebra", &["lowrank"]),
];

/// A room, and the rooms it may use. Nothing points back up.
const ROOMS: &[(&str, &[&str])] = &[
    ("quant", &[]),
    ("graph", &["quant"]),
    ("cache", &["quant"]),
    ("forward", &["cache", "quant", "gguf", "arch", "model"]),
    ("cpu", &["cache", "quant", "graph", "forward", "wide"]),
    ("feedback", &["quant", "wide"]),
    ("lowrank", &["feedback"]),
    ("wide.rs", &[]),
    ("prune", &["quant", "feedback"]),
    ("gpu", &["cache", "quant", "graph", "forward", "feedback", "lowrank", "prune"]),
    ("gguf", &["quant"]),
    ("positioned.rs", &[]),
    ("units.rs", &[]),
    ("fit", &["quant", "gguf", "arch", "model", "recipe"]),
    ("checkpoint", &["quant", "gguf", "positioned"]),
    ("arch", &["quant", "gguf", "checkpoint"]),
    ("tokenizer", &["gguf", "checkpoint"]),
    ("chat", &[]),
    ("hub", &["units"]),
    ("model", &["quant", "gguf", "checkpoint", "arch", "tokenizer", "chat"]),
    ("imatrix", &["gguf", "quant", "positioned"]),
    ("recipe", &["quant", "gguf", "checkpoint", "arch", "model", "imatrix", "feedback", "prune", "units"]),
    ("eval", &[]),
    ("prompt", &[]),
    (
        "engine",
        &[
            "cache",
            "chat",
            "eval",
            "feedback",
            "lowrank",
            "forward",
            "quant",
            "imatrix",
            "gguf",
            "checkpoint",
            "arch",
            "model",
            "prompt",
            "prune",
            "recipe",
            "tokenizer",
            "graph",
            "cpu",
            "gpu",
            "positioned",
            "hub",
            "fit",
        ],
    ),
    (
        "cli",
        &[
            "cache",
            "chat",
            "forward",
            "hub",
            "eval",
            "quant",
            "imatrix",
            "gguf",
            "checkpoint",
            "arch",
            "tokenizer",
            "model",
            "prompt",
            "prune",
            "recipe",
            "engine",
            "fit",
            "units",
        ],
    ),
    (
        "gui",
        &[
            "cache",
            "chat",
            "forward",
            "hub",
            "eval",
            "quant",
            "imatrix",
            "gguf",
            "checkpoint",
            "arch",
            "tokenizer",
            "model",
            "prompt",
            "prune",
            "recipe",
            "engine",
            "fit",
            "units",
            "cli",
        ],
    ),
];

fn sources() -> Vec<(String, PathBuf, String)> {
    fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "rs") {
                out.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    let read = |path: PathBuf| {
        let room = path.strip_prefix(&root).unwrap().components().next().unwrap();
        let room = room.as_os_str().to_string_lossy().into_owned();
        let code: String = fs::read_to_string(&path)
            .unwrap()
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .flat_map(|line| [line, "\n"])
            .collect();
        (room, path, code)
    };
    files.into_iter().map(read).collect()
}

/// Whether `code` names `path::`, not as the tail of a longer name.
fn names(code: &str, path: &str) -> bool {
    let wanted = format!("{path}::");
    code.match_indices(&wanted).any(|(at, _)| {
        !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') || code[..at].ends_with("use ::")
    })
}

#[test]
fn crates_stay_in_their_rooms() {
    for (room, path, code) in sources() {
        for (name, rooms) in CRATES {
            assert!(
                rooms.contains(&room.as_str()) || !names(&code, name),
                "{} names {name}, which belongs under {rooms:?}",
                path.display()
            );
        }
    }
}

#[test]
fn nothing_points_back_up() {
    for (room, path, code) in sources() {
        if ["lib.rs", "main.rs"].contains(&room.as_str()) {
            continue;
        }
        let (_, allowed) =
            ROOMS.iter().find(|(name, _)| *name == room).unwrap_or_else(|| panic!("{room} is not in ROOMS"));
        for (other, _) in ROOMS {
            let other = other.trim_end_matches(".rs");
            let own = other == room.trim_end_matches(".rs");
            assert!(
                own || allowed.contains(&other) || !names(&code, &format!("crate::{other}")),
                "{} uses crate::{other}, and {room} may use only {allowed:?}",
                path.display()
            );
        }
    }
}

#[test]
fn the_check_itself_can_fail() {
    assert!(names("use wgpu::Device;", "wgpu"));
    assert!(names("let d: wgpu::Device = x;", "wgpu"));
    assert!(!names("use egui_wgpu::wgpu::Device;", "wgpu"));
    assert!(names("use crate::gui::State;", "crate::gui"));
}
