//! The system's file dialogs and file manager. They run beside the window; what was chosen comes back as an action.

use super::action::Action;
use super::prompt::Shorten;
use super::quality::Inquiry;
use super::size::Wish;
use super::state::Target;
use crate::chat::MAX_SOURCE;
use crate::engine::read_prompt;
use rfd::{AsyncFileDialog, FileHandle};
use std::future::Future;
use std::io::{self, Read};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// Open dialogs and what they answer.
pub(super) struct Pickers {
    ctx: egui::Context,
    answers: Receiver<Action>,
    answer: Sender<Action>,
}

impl Pickers {
    pub(super) fn new(ctx: &egui::Context) -> Self {
        let (answer, answers) = channel();
        Self { ctx: ctx.clone(), answers, answer }
    }

    /// What was chosen since the last call.
    pub(super) fn poll(&self) -> Vec<Action> {
        self.answers.try_iter().collect()
    }

    pub(super) fn folder(&self) {
        let dialog = AsyncFileDialog::new().set_title("Open a model folder");
        self.wait(dialog.pick_folder(), |path| Action::Open(Target::Path(path.to_owned())));
    }

    pub(super) fn file(&self) {
        let dialog = models("Open a model file");
        self.wait(dialog.pick_file(), |path| Action::Open(Target::Path(path.to_owned())));
    }

    pub(super) fn adapter(&self) {
        let dialog = AsyncFileDialog::new().set_title("Open the folder of a LoRA adapter");
        self.wait(dialog.pick_folder(), |path| Action::Open(Target::Path(path.to_owned())));
    }

    pub(super) fn base_folder(&self) {
        let dialog = AsyncFileDialog::new().set_title("Choose the adapter’s model");
        self.wait(dialog.pick_folder(), |path| Action::UseBase(path.to_owned()));
    }

    pub(super) fn base_file(&self) {
        self.wait(models("Choose the adapter’s model").pick_file(), |path| Action::UseBase(path.to_owned()));
    }

    pub(super) fn compare(&self) {
        self.wait(models("Compare with a model file").pick_file(), |path| Action::Verify(path.to_owned()));
    }

    pub(super) fn imatrix(&self) {
        let dialog = AsyncFileDialog::new()
            .set_title("Open an importance matrix")
            .add_filter("Importance matrices", &["gguf", "dat", "imatrix"])
            .add_filter("All files", &["*"]);
        self.wait(dialog.pick_file(), |path| Action::OpenImatrix(path.to_owned()));
    }

    pub(super) fn text(&self) {
        let dialog = texts("Choose a text to measure on");
        self.wait(dialog.pick_file(), |path| Action::Quality(Inquiry::Text(Some(path.to_owned()))));
    }

    pub(super) fn observed_text(&self) {
        let dialog = texts("Choose a text to observe the model on");
        self.wait(dialog.pick_file(), |path| Action::Size(Wish::Text(Some(path.to_owned()))));
    }

    pub(super) fn prompt(&self) {
        let dialog = texts("Choose a text to shorten");
        self.wait(dialog.pick_file(), |path| Action::Prompt(Shorten::Read(read_prompt(path))));
    }

    pub(super) fn template(&self) {
        let dialog = AsyncFileDialog::new()
            .set_title("Open a chat template")
            .add_filter("Chat templates", &["jinja", "jinja2", "j2", "txt"])
            .add_filter("All files", &["*"]);
        self.wait(dialog.pick_file(), |path| Action::UseTemplate(read_template(path)));
    }

    pub(super) fn download_folder(&self, proposed: &Path) {
        let dialog = AsyncFileDialog::new().set_title("Choose a folder for models").set_directory(proposed);
        self.wait(dialog.pick_folder(), |path| Action::DownloadInto(path.to_owned()));
    }

    pub(super) fn output_folder(&self, proposed: &Path) {
        let dialog = AsyncFileDialog::new().set_title("Choose a folder for the packed models").set_directory(proposed);
        self.wait(dialog.pick_folder(), |path| Action::SaveInto(path.to_owned()));
    }

    pub(super) fn save(&self, proposed: &Path) {
        let mut dialog = AsyncFileDialog::new().set_title("Save the packed model").add_filter("GGUF", &["gguf"]);
        if let Some(folder) = proposed.parent() {
            dialog = dialog.set_directory(folder);
        }
        if let Some(name) = proposed.file_name() {
            dialog = dialog.set_file_name(name.to_string_lossy());
        }
        self.wait(dialog.save_file(), |path| Action::SaveTo(path.to_owned()));
    }

    /// Waits for the user on a thread of its own.
    fn wait(
        &self,
        dialog: impl Future<Output = Option<FileHandle>> + Send + 'static,
        action: impl FnOnce(&Path) -> Action + Send + 'static,
    ) {
        let (ctx, answer) = (self.ctx.clone(), self.answer.clone());
        thread::spawn(move || {
            if let Some(file) = pollster::block_on(dialog) {
                // The window is gone when nobody listens.
                let _ = answer.send(action(file.path()));
                ctx.request_repaint();
            }
        });
    }
}

/// A dialog for files that can be opened.
fn models(title: &str) -> AsyncFileDialog {
    let dialog = AsyncFileDialog::new().set_title(title);
    dialog.add_filter("Models", &["safetensors", "gguf"]).add_filter("All files", &["*"])
}

/// A dialog for texts.
fn texts(title: &str) -> AsyncFileDialog {
    let dialog = AsyncFileDialog::new().set_title(title);
    dialog.add_filter("Texts", &["txt", "md", "raw", "json", "jsonl"]).add_filter("All files", &["*"])
}

/// Whether a file is an importance matrix by its name, as those that people publish are: `imatrix.gguf`, `model.dat`.
pub(super) fn is_imatrix(file: &Path) -> bool {
    let name = file.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    name.contains("imatrix") || name.ends_with(".dat")
}

/// The text of a file that should be a chat template.
fn read_template(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    file.take(MAX_SOURCE as u64 + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

/// Shows a file in the system's file manager.
pub(super) fn show_in_folder(file: &Path) -> io::Result<()> {
    let mut command;
    if cfg!(target_os = "macos") {
        command = Command::new("open");
        command.arg("-R").arg(file);
    } else if cfg!(windows) {
        command = Command::new("explorer");
        command.arg("/select,").arg(file);
    } else {
        command = Command::new("xdg-open");
        command.arg(file.parent().unwrap_or(file));
    }
    let mut child = command.spawn()?;
    thread::spawn(move || child.wait());
    Ok(())
}
