//! What `tuck pack` is told about the metadata of the file.

use crate::chat::MAX_SOURCE;
use crate::model::{EditError, Setting, Usual};
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
#[command(next_help_heading = "Metadata")]
pub(super) struct Metadata {
    /// The model's name; the file is named after it, too.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Who made it.
    #[arg(long, value_name = "TEXT")]
    author: Option<String>,
    /// Its licence, such as apache-2.0.
    #[arg(long, value_name = "ID")]
    license: Option<String>,
    /// What it is, in a few sentences.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The chat template, as a file of Jinja text.
    #[arg(long, visible_alias = "chat-template-file", value_name = "FILE")]
    chat_template: Option<PathBuf>,
    /// The longest context, in tokens.
    #[arg(long, value_name = "TOKENS")]
    context_length: Option<String>,
    /// A token with a meaning of its own, by its id or its text, such as eot=128009 or 'eos=</s>'. Kinds are bos, eos, eot,
    /// eom, pad, unk, sep, mask, fim_pre, fim_suf and fim_mid. Can be given again.
    #[arg(long = "token-id", value_name = "KIND=TOKEN")]
    tokens: Vec<String>,
    /// Any other piece of metadata, such as llama.rope.freq_base=float:500000; the types are int, float, bool and str. Can
    /// be given again.
    #[arg(long = "override-kv", value_name = "KEY=TYPE:VALUE")]
    overrides: Vec<String>,
    /// Leave a piece of metadata out, by its key. Can be given again.
    #[arg(long = "remove-metadata", value_name = "KEY")]
    removed: Vec<String>,
}

impl Metadata {
    /// As changes to a model, in the order of the fields above; overrides come first.
    pub(super) fn settings(&self) -> Result<Vec<Setting>, String> {
        let mut settings = Vec::new();
        let mut add = |setting: Result<Setting, EditError>| {
            settings.push(setting.map_err(|error| error.to_string())?);
            Ok::<(), String>(())
        };
        self.overrides.iter().try_for_each(|text| add(Setting::parse(text)))?;
        let template = self.chat_template.as_deref().map(read).transpose()?;
        let usual = [
            ("name", &self.name),
            ("author", &self.author),
            ("license", &self.license),
            ("description", &self.description),
            ("chat-template", &template),
            ("context-length", &self.context_length),
        ];
        for (option, typed) in usual {
            if let (Some(usual), Some(typed)) = (Usual::named(option), typed) {
                add(Setting::usual(usual, typed))?;
            }
        }
        self.tokens.iter().try_for_each(|text| add(Setting::token(text)))?;
        self.removed.iter().try_for_each(|key| add(Setting::removal(key)))?;
        Ok(settings)
    }
}

/// The text of a file that should be a template.
fn read(path: &Path) -> Result<String, String> {
    let refuse = |problem: String| format!("{}: {problem}", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| refuse(format!("it cannot be read: {error}")))?;
    match file.take(MAX_SOURCE as u64 + 1).read_to_string(&mut text) {
        Ok(_) if text.trim().is_empty() => Err(refuse("it is empty, and no chat template".to_owned())),
        Ok(_) => Ok(text),
        Err(error) => Err(refuse(format!("it is no text: {error}"))),
    }
}
