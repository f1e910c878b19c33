//! What a user can do. Each action is one value that owns its label, its explanation and its shortcut, so menus,
//! buttons, dialogs and the keyboard say and do the same. Panels ask for actions; `perform.rs` carries them out.

use super::fit::Change;
use super::kv::Keep;
use super::metadata::Page;
use super::prompt::Shorten;
use super::pruning::Trim;
use super::quality::Inquiry;
use super::selection::Select;
use super::size::Wish;
use super::state::{Column, Tab, Target};
use crate::chat::EXAMPLES;
use crate::engine::DeviceChoice;
use crate::model::{Usual, UsualKind};
use crate::quant::FormatRef;
use crate::recipe::Preset;
use egui::{Key, KeyboardShortcut, Modifiers, ThemePreference};
use std::path::PathBuf;

/// One thing a user can ask for.
#[derive(Clone, Debug)]
pub enum Action {
    /// Choose a model folder in a dialog.
    OpenFolder,
    /// Choose a model file in a dialog.
    OpenFile,
    /// Open this, or ask first where a pack is running.
    Open(Target),
    /// Fetch a model by name, in a dialog.
    Download,
    /// Fetch what the dialog says.
    StartDownload,
    /// Type the name of the model to fetch.
    NameDownload(String),
    /// Type the branch, tag or commit to fetch.
    ReviseDownload(String),
    /// Choose one of several models of a repository.
    PickDownload(String),
    /// Choose the folder to fetch into in a dialog.
    ChooseDownloadFolder,
    /// Fetch into this folder.
    DownloadInto(PathBuf),
    /// Choose the folder of a LoRA adapter in a dialog.
    ChooseAdapter,
    /// Choose the folder of the adapter's model in a dialog.
    ChooseBaseFolder,
    /// Choose the adapter's model, a file, in a dialog.
    ChooseBaseFile,
    /// The adapter's model is this.
    UseBase(PathBuf),
    /// Type how strongly to merge the adapter.
    ScaleAdapter(String),
    /// Merge the adapter into its model.
    MergeAdapter,
    /// Open the adapter as what its own GGUF file is to be.
    ExportAdapter,
    /// Do without an adapter that was merged, by its place.
    RemoveAdapter(usize),
    /// Show what has to be decided before packing.
    Ask,
    /// Cut text as this pre-tokenizer does, although the model's own differs.
    UsePreTokenizer(&'static str),
    /// Cancel the running pack and open this.
    CancelAndOpen(Target),
    /// Stop opening, or stop packing.
    Cancel,
    /// Choose a type.
    ChooseType(&'static Preset),
    /// Write a type besides the others, or no longer.
    Tick(&'static Preset),
    /// Show only types with this in their name or explanation.
    FindType(String),
    /// The next smaller type of the list.
    NextType,
    /// The next larger type of the list.
    PreviousType,
    /// Choose an importance matrix in a dialog.
    UseImatrix,
    /// Read this importance matrix and use it.
    OpenImatrix(PathBuf),
    /// Do without the importance matrix.
    RemoveImatrix,
    /// Choose rows of the table.
    Select(Select),
    /// Give the chosen tensors this type, or none of their own.
    GiveType(Option<FormatRef>),
    /// Let all tensors follow the recipe again.
    ResetTypes,
    /// Add an empty pattern.
    AddPattern,
    /// Change a pattern's text.
    EditPattern(usize, String),
    /// Drop a pattern.
    RemovePattern(usize),
    /// Take the last choice back.
    Undo,
    /// Make the choice again that was taken back last.
    Redo,
    /// Show only tensors whose name has this.
    Filter(String),
    /// Type into the filter.
    FocusFilter,
    /// Sort the tensors by this column, or the other way round.
    Sort(Column),
    /// Bring a tab to the front.
    Show(Tab),
    /// Show this part of the metadata.
    Turn(Page),
    /// Show only metadata with this in its key or value.
    FilterMetadata(String),
    /// Tell more of a finding, by its place, or no longer.
    UnfoldFinding(usize),
    /// Make the change that a finding proposes, by its place.
    Fix(usize),
    /// Type another value for a piece of metadata.
    EditValue(&'static Usual),
    /// Go on typing it.
    TypeValue(String),
    /// Set it to what was typed.
    SetValue,
    /// Leave it as it was.
    LeaveValue,
    /// Leave a piece of metadata out of the file, by its key.
    RemoveValue(String),
    /// Give a piece of metadata the value that the model came with, by its key.
    RestoreValue(String),
    /// Choose a chat template in a dialog.
    ReadTemplate,
    /// Use this chat template, or say why it cannot be read.
    UseTemplate(Result<String, String>),
    /// Show what the chat template makes of this conversation, by its place.
    Preview(usize),
    /// List the tensors of a group of fallbacks, by its place, or no longer.
    Unfold(usize),
    /// Tell more of this one of the files written.
    ShowOutput(usize),
    /// Change something in the fit tab.
    Fit(Change),
    /// Measure ways to keep keys and values, or change how.
    Kv(Keep),
    /// Shorten a prompt, or change how.
    Prompt(Shorten),
    /// Ask for a size, or change how.
    Size(Wish),
    /// Leave something out of the model, or change what.
    Trim(Trim),
    /// Measure, or let models answer, or change how.
    Quality(Inquiry),
    /// Compute here.
    ChooseDevice(DeviceChoice),
    /// Choose the output in a dialog.
    SaveAs,
    /// Choose the folder of several outputs in a dialog.
    ChooseFolder,
    /// Write to this file.
    SaveTo(PathBuf),
    /// Write to this folder, under the types' own names.
    SaveInto(PathBuf),
    /// Write the files.
    Pack,
    /// Write the files over those that are there.
    Replace,
    /// Write the files although weights are NaN or infinite.
    PackAnyway,
    /// Choose a file to compare with the opened model in a dialog.
    CompareWith,
    /// Measure how far this file is from the opened model.
    Verify(PathBuf),
    /// Stop measuring.
    CancelVerify,
    /// Put text on the clipboard.
    Copy(String),
    /// Show a file's folder in the system's file manager.
    ShowInFolder(PathBuf),
    /// Put the warnings away.
    DismissWarnings,
    /// Close the dialog.
    Dismiss,
    /// Light if it is dark, dark if it is light.
    ToggleTheme,
    /// Light, dark, or as the system.
    Theme(ThemePreference),
    /// Show the keyboard's shortcuts.
    ShowShortcuts,
    /// Close the window, or ask first where a pack is running.
    Quit,
    /// Close the window.
    QuitNow,
}

/// Control, or Command on a Mac.
const COMMAND: Modifiers = Modifiers::COMMAND;
const COMMAND_SHIFT: Modifiers = COMMAND.plus(Modifiers::SHIFT);

impl Action {
    /// Those with shortcuts. Shortcuts with more modifiers come first, because a shorter one would match as well.
    pub fn with_shortcuts() -> Vec<Self> {
        vec![
            Self::OpenFile,
            Self::SaveAs,
            Self::ToggleTheme,
            Self::Redo,
            Self::OpenFolder,
            Self::Pack,
            Self::FocusFilter,
            Self::Undo,
            Self::Select(Select::Shown),
            Self::Quit,
            Self::Cancel,
            Self::PreviousType,
            Self::NextType,
        ]
    }

    /// What buttons and menus call it.
    pub fn label(&self) -> String {
        match self {
            Self::OpenFolder => "Open folder…",
            Self::OpenFile => "Open file…",
            Self::Open(Target::Sample) => "Open the sample",
            Self::Open(target) => return format!("Open {}", target.name()),
            Self::Download => "Download by name…",
            Self::StartDownload => "Download",
            Self::NameDownload(_) => "Model",
            Self::ReviseDownload(_) => "Revision",
            Self::PickDownload(name) => name,
            Self::ChooseDownloadFolder | Self::DownloadInto(_) => "Choose folder…",
            Self::ChooseAdapter => "Merge LoRA adapter…",
            Self::ChooseBaseFolder => "Folder…",
            Self::ChooseBaseFile => "File…",
            Self::UseBase(_) => "Model",
            Self::ScaleAdapter(_) => "Scale",
            Self::MergeAdapter => "Merge",
            Self::ExportAdapter => "Export as GGUF",
            Self::RemoveAdapter(_) => "Remove adapter",
            Self::Ask => "Decide…",
            Self::UsePreTokenizer(name) => return format!("Use {name}"),
            Self::CancelAndOpen(_) => "Cancel the pack and open",
            Self::Cancel | Self::CancelVerify => "Cancel",
            Self::ChooseType(preset) => preset.name,
            Self::Tick(preset) => return format!("Write {}", preset.name),
            Self::FindType(_) => "Find a type",
            Self::NextType => "Next type",
            Self::PreviousType => "Previous type",
            Self::UseImatrix | Self::OpenImatrix(_) => "Use importance matrix…",
            Self::RemoveImatrix => "Remove importance matrix",
            Self::Select(Select::Shown) => "Select all tensors",
            Self::Select(Select::Nothing) => "Clear the selection",
            Self::Select(_) => "Select",
            Self::GiveType(Some(format)) => format.name,
            Self::GiveType(None) => "Follow the recipe",
            Self::ResetTypes => "Reset",
            Self::AddPattern => "Add pattern",
            Self::EditPattern(..) => "Pattern",
            Self::RemovePattern(_) => "Remove pattern",
            Self::Undo => "Undo",
            Self::Redo => "Redo",
            Self::Filter(_) | Self::FocusFilter => "Filter tensors",
            Self::Sort(column) => column.label(),
            Self::Show(tab) => tab.label(),
            Self::Turn(page) => page.label(),
            Self::FilterMetadata(_) => "Filter metadata",
            Self::UnfoldFinding(_) => "Tell more",
            Self::Fix(_) => "Fix",
            Self::EditValue(usual) if usual.kind == UsualKind::Template => "Edit template",
            Self::EditValue(usual) => return format!("Edit {}", usual.label),
            Self::TypeValue(_) => "Value",
            Self::SetValue => "Set",
            Self::LeaveValue => "Leave it",
            Self::RemoveValue(_) => "Remove",
            Self::RestoreValue(_) => "Undo this change",
            Self::ReadTemplate => "Load from file…",
            Self::UseTemplate(_) => "Use this chat template",
            Self::Preview(example) => EXAMPLES[*example].name,
            Self::Unfold(_) => "List the tensors",
            Self::ShowOutput(_) => "About this file",
            Self::Fit(change) => return change.label(),
            Self::Size(wish) => return wish.label(),
            Self::Kv(keep) => return keep.label(),
            Self::Prompt(shorten) => return shorten.label(),
            Self::Trim(trim) => return trim.label(),
            Self::Quality(inquiry) => return inquiry.label(),
            Self::ChooseDevice(DeviceChoice::Auto) => "Automatic",
            Self::ChooseDevice(DeviceChoice::Cpu) => "Processor",
            Self::ChooseDevice(DeviceChoice::Named(name)) => name,
            Self::SaveAs => "Save as…",
            Self::ChooseFolder => "Choose folder…",
            Self::SaveTo(_) | Self::SaveInto(_) => "Save here",
            Self::Pack => "Pack",
            Self::Replace => "Replace what is there",
            Self::PackAnyway => "Pack anyway",
            Self::CompareWith => "Compare with…",
            Self::Verify(_) => "Verify",
            Self::Copy(_) => "Copy",
            Self::ShowInFolder(_) => "Show in folder",
            Self::DismissWarnings | Self::Dismiss => "Close",
            Self::ToggleTheme => "Light or dark",
            Self::Theme(ThemePreference::System) => "As the system",
            Self::Theme(ThemePreference::Light) => "Light",
            Self::Theme(ThemePreference::Dark) => "Dark",
            Self::ShowShortcuts => "Keyboard shortcuts",
            Self::Quit => "Quit",
            Self::QuitNow => "Cancel the pack and quit",
        }
        .to_owned()
    }

    /// One sentence for the pointer to find, where the label does not say it all.
    pub fn tooltip(&self) -> &'static str {
        match self {
            Self::OpenFolder => "Open a Hugging Face model folder, with its config.json and .safetensors files.",
            Self::OpenFile => "Open a .safetensors file beside its config.json, or a .gguf file.",
            Self::Open(Target::Sample) => "Open the small model that comes with Tuck.",
            Self::Download => "Fetch a model from Hugging Face by its name. Nothing else in Tuck uses the network.",
            Self::StartDownload => "Fetch the files that Tuck reads, verify them, and open the model.",
            Self::ChooseAdapter => "Open the folder of a LoRA adapter, as PEFT saves it, and merge it into a model.",
            Self::ChooseBaseFolder => "Choose the Hugging Face folder of the model that the adapter was made for.",
            Self::ChooseBaseFile => "Choose a .gguf or .safetensors file of the model that the adapter was made for.",
            Self::ScaleAdapter(_) => "How strongly: 1 is as it was trained, 0.5 half of it, -1 takes it away.",
            Self::MergeAdapter => "Add what the adapter learnt to the model’s weights, while they are packed.",
            Self::ExportAdapter => "Make a small file of the adapter alone, which llama.cpp loads beside the model.",
            Self::RemoveAdapter(_) => "Leave the model as it was without this adapter.",
            Self::ReadTemplate => "Use the chat template of a file of Jinja text.",
            Self::Fix(_) => "Make this change. Undo takes it back.",
            Self::RemoveValue(_) => "Leave it out of the file.",
            Self::RestoreValue(_) => "Give it the value that the model came with.",
            Self::Cancel => "Stop; nothing is left behind.",
            Self::ChooseType(preset) => preset.about,
            Self::Tick(_) => "Ticked types are written together, from one read of the model.",
            Self::FindType(_) => "Show only types with this in their name or explanation.",
            Self::UseImatrix => {
                "Open a file of llama-imatrix, .gguf or .dat: how much each column of the weights counts. It makes every type \
                 better, and the smallest ones possible."
            }
            Self::RemoveImatrix => "Let all weights count the same again.",
            Self::Select(Select::Shown) => "Select every tensor that the table shows.",
            Self::Select(Select::Nothing) => "Select no tensor.",
            Self::GiveType(Some(format)) => format.about,
            Self::GiveType(None) => "Give these tensors the type that the recipe has for them.",
            Self::ResetTypes => "Give all tensors chosen in the table the type that the recipe has for them.",
            Self::AddPattern => "Give the tensors whose name matches a pattern a type of their own.",
            Self::RemovePattern(_) => "Remove this pattern.",
            Self::Undo => "Take back the last choice.",
            Self::Redo => "Make the choice again that was taken back last.",
            Self::FocusFilter => "Show only the tensors whose name contains this text.",
            Self::Sort(_) => "Sort by this column; again for the other way round.",
            Self::ChooseDevice(DeviceChoice::Auto) => "The fastest GPU, or the processor where there is none.",
            Self::ChooseDevice(DeviceChoice::Cpu) => "The processor, without any graphics driver.",
            Self::Size(wish) => wish.tooltip(),
            Self::Kv(keep) => keep.tooltip(),
            Self::Prompt(shorten) => shorten.tooltip(),
            Self::Trim(trim) => trim.tooltip(),
            Self::Quality(inquiry) => inquiry.tooltip(),
            Self::SaveAs => "Choose the folder and name of the file to write.",
            Self::ChooseFolder => "Choose the folder for the files to write.",
            Self::Pack => "Write the model as a GGUF file: of each ticked type, or of the size that is chosen.",
            Self::PackAnyway => "Weights that are NaN or infinite count as 0 in block formats.",
            Self::CompareWith => "Measure how far the weights of another file are from this model's.",
            Self::Verify(_) => "Measure how far the file's weights are from the model's.",
            Self::ShowInFolder(_) => "Open the folder the file is in.",
            Self::ToggleTheme => "Change between the light and the dark theme.",
            Self::Theme(ThemePreference::System) => "Follow the light or dark setting of the system.",
            _ => "",
        }
    }

    /// The keys that do the same.
    pub fn shortcut(&self) -> Option<KeyboardShortcut> {
        let (modifiers, key) = match self {
            Self::OpenFolder => (COMMAND, Key::O),
            Self::OpenFile => (COMMAND_SHIFT, Key::O),
            Self::SaveAs => (COMMAND_SHIFT, Key::S),
            Self::Pack => (COMMAND, Key::P),
            Self::FocusFilter => (COMMAND, Key::F),
            Self::Undo => (COMMAND, Key::Z),
            Self::Redo => (COMMAND_SHIFT, Key::Z),
            Self::Select(Select::Shown) => (COMMAND, Key::A),
            Self::ToggleTheme => (COMMAND_SHIFT, Key::L),
            Self::Quit => (COMMAND, Key::Q),
            Self::Cancel => (Modifiers::NONE, Key::Escape),
            Self::PreviousType => (Modifiers::NONE, Key::ArrowUp),
            Self::NextType => (Modifiers::NONE, Key::ArrowDown),
            _ => return None,
        };
        Some(KeyboardShortcut::new(modifiers, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortcuts_are_distinct_and_listed() {
        let actions = Action::with_shortcuts();
        let shortcuts: Vec<_> = actions.iter().map(|action| action.shortcut().expect("listed")).collect();
        for (i, shortcut) in shortcuts.iter().enumerate() {
            assert!(!shortcuts[..i].contains(shortcut), "{shortcut:?} means two things");
        }
    }

    #[test]
    fn longer_shortcuts_come_first() {
        let shifted: Vec<bool> =
            Action::with_shortcuts().iter().map(|a| a.shortcut().unwrap().modifiers.shift).collect();
        assert!(shifted.is_sorted_by(|a, b| a >= b), "{shifted:?}");
    }
}
