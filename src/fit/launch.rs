//! What to tell llama.cpp, Ollama and LM Studio so that they run a model as it was reckoned.

use super::place::Spread;
use super::settings::Settings;
use super::subject::Subject;
use crate::quant::F16;

/// Experts of every layer, as `-ot` finds them.
const EXPERTS: &str = "exps=CPU";

/// The ways to say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// A command line of llama.cpp.
    pub llama_cpp: String,
    /// Ollama's Modelfile; what the server has to be told is in its comments.
    pub modelfile: String,
    /// LM Studio's settings, as it names them.
    pub lm_studio: Vec<(&'static str, String)>,
}

impl Launch {
    /// For `file`, which is quoted where a shell needs it.
    pub fn new(file: &str, subject: &Subject, settings: &Settings, spread: &Spread) -> Self {
        let layers = if spread.gpus.is_empty() { 0 } else { spread.gpu_layers.min(subject.placeable()) };
        let experts = spread.experts_on_host && layers > 0;
        Self {
            llama_cpp: llama_cpp(file, settings, layers, experts),
            modelfile: modelfile(file, settings, layers, experts),
            lm_studio: lm_studio(subject, settings, layers, experts),
        }
    }
}

fn llama_cpp(file: &str, settings: &Settings, layers: u64, experts: bool) -> String {
    let usual = Settings::default();
    let mut words = vec![format!("llama-server -m {} -ngl {layers} -c {}", quoted(file), settings.context)];
    if experts {
        words.push(format!("-ot \"{EXPERTS}\""));
    }
    words.push(format!("-fa {}", on(settings.flash_attention)));
    if settings.keys != usual.keys || settings.values != usual.values {
        words.push(format!("-ctk {} -ctv {}", name(settings.keys.name), name(settings.values.name)));
    }
    for (flag, value, usual) in
        [("-np", settings.sequences, 1), ("-b", settings.batch, usual.batch), ("-ub", settings.ubatch, usual.ubatch)]
    {
        if value != usual || flag == "-np" {
            words.push(format!("{flag} {value}"));
        }
    }
    if settings.full_windows {
        words.push("--swa-full".to_owned());
    }
    words.join(" ")
}

fn modelfile(file: &str, settings: &Settings, layers: u64, experts: bool) -> String {
    let each = settings.context / settings.sequences.max(1);
    let mut lines = vec![
        format!("FROM {file}"),
        format!("PARAMETER num_ctx {each}"),
        format!("PARAMETER num_gpu {layers}"),
        format!("PARAMETER num_batch {}", settings.ubatch),
    ];
    let mut server = vec![format!("OLLAMA_FLASH_ATTENTION={}", u8::from(settings.flash_attention))];
    if settings.keys != &F16 {
        server.push(format!("OLLAMA_KV_CACHE_TYPE={}", name(settings.keys.name)));
    }
    server.push(format!("OLLAMA_NUM_PARALLEL={}", settings.sequences));
    lines.push(format!("# Start the server with {} ollama serve", server.join(" ")));
    if settings.keys != settings.values {
        lines.push(
            "# Ollama has one type for keys and values; the smaller of the two is not used for either.".to_owned(),
        );
    }
    if experts {
        lines.push("# Ollama places experts itself; with num_gpu alone it may need more than reckoned.".to_owned());
    }
    lines.join("\n") + "\n"
}

fn lm_studio(subject: &Subject, settings: &Settings, layers: u64, experts: bool) -> Vec<(&'static str, String)> {
    let depth = subject.layers.len() as u64;
    let mut rows = vec![
        ("Context Length", (settings.context / settings.sequences.max(1)).to_string()),
        ("GPU Offload", format!("{} of {depth}", layers.min(depth))),
        ("Evaluation Batch Size", settings.ubatch.to_string()),
        ("Flash Attention", on(settings.flash_attention).to_owned()),
        ("K Cache Quantization Type", name(settings.keys.name)),
        ("V Cache Quantization Type", name(settings.values.name)),
    ];
    if settings.sequences > 1 {
        rows.push(("Max Concurrent Predictions", settings.sequences.to_string()));
    }
    if experts {
        rows.push(("Force Model Expert Weights onto CPU", "on".to_owned()));
    }
    rows
}

fn on(yes: bool) -> &'static str {
    if yes { "on" } else { "off" }
}

/// As the programs write types.
fn name(format: &str) -> String {
    format.to_lowercase()
}

/// As a shell takes it.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/\\:._-".contains(c);
    match path {
        _ if path.chars().all(plain) => path.to_owned(),
        _ if cfg!(windows) => format!("\"{path}\""),
        _ => format!("'{}'", path.replace('\'', r"'\''")),
    }
}
