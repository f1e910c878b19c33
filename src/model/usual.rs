//! The pieces of metadata that people look at and change.

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub struct Usual {
    /// What the command line calls it.
    pub option: &'static str,
    /// For people.
    pub label: &'static str,
    /// The kind of value.
    pub kind: UsualKind,
    key: &'static str,
}

/// Kinds of values, and how each is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsualKind {
    /// Text on one line.
    Line,
    /// Text on any number of lines.
    Text,
    /// A whole number from 1 up.
    Count,
    /// A token, by its id or its text.
    Token,
    /// Yes or no.
    Flag,
    /// A chat template.
    Template,
}

/// Stands for the architecture's name in a key.
const ARCHITECTURE: &str = "{arch}";

/// In the order in which they are shown. The tokens' names are those of llama.cpp's `gguf_new_metadata.py`;
/// `seperator` is its own spelling.
pub static USUAL: &[Usual] = &[
    usual("name", "Name", UsualKind::Line, "general.name"),
    usual("author", "Author", UsualKind::Line, "general.author"),
    usual("organization", "Organization", UsualKind::Line, "general.organization"),
    usual("version", "Version", UsualKind::Line, "general.version"),
    usual("license", "Licence", UsualKind::Line, "general.license"),
    usual("description", "Description", UsualKind::Text, "general.description"),
    usual("context-length", "Context length", UsualKind::Count, "{arch}.context_length"),
    usual("chat-template", "Chat template", UsualKind::Template, CHAT_TEMPLATE),
    usual("bos", "Begin of text", UsualKind::Token, "tokenizer.ggml.bos_token_id"),
    usual("eos", "End of text", UsualKind::Token, "tokenizer.ggml.eos_token_id"),
    usual("eot", "End of turn", UsualKind::Token, "tokenizer.ggml.eot_token_id"),
    usual("eom", "End of message", UsualKind::Token, "tokenizer.ggml.eom_token_id"),
    usual("pad", "Padding", UsualKind::Token, "tokenizer.ggml.padding_token_id"),
    usual("unk", "Unknown", UsualKind::Token, "tokenizer.ggml.unknown_token_id"),
    usual("sep", "Separator", UsualKind::Token, "tokenizer.ggml.seperator_token_id"),
    usual("mask", "Mask", UsualKind::Token, "tokenizer.ggml.mask_token_id"),
    usual("fim_pre", "Fill in: before", UsualKind::Token, "tokenizer.ggml.fim_pre_token_id"),
    usual("fim_suf", "Fill in: after", UsualKind::Token, "tokenizer.ggml.fim_suf_token_id"),
    usual("fim_mid", "Fill in: between", UsualKind::Token, "tokenizer.ggml.fim_mid_token_id"),
    usual("add_bos", "Add begin of text", UsualKind::Flag, "tokenizer.ggml.add_bos_token"),
    usual("add_eos", "Add end of text", UsualKind::Flag, "tokenizer.ggml.add_eos_token"),
];

/// The key of the template for ordinary conversations.
pub const CHAT_TEMPLATE: &str = "tokenizer.chat_template";

const fn usual(option: &'static str, label: &'static str, kind: UsualKind, key: &'static str) -> Usual {
    Usual { option, label, kind, key }
}

impl Usual {
    /// The one with this name on the command line.
    pub fn named(option: &str) -> Option<&'static Self> {
        USUAL.iter().find(|usual| usual.option == option)
    }

    /// The one that a key of a model of this architecture holds.
    pub fn of_key(key: &str, architecture: &str) -> Option<&'static Self> {
        USUAL.iter().find(|usual| usual.key(architecture) == key)
    }

    /// Its key in a model of this architecture.
    pub fn key(&self, architecture: &str) -> String {
        self.key.replace(ARCHITECTURE, architecture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_keys_are_distinct() {
        for (index, usual) in USUAL.iter().enumerate() {
            let same =
                |other: &&Usual| other.option == usual.option || other.key == usual.key || other.label == usual.label;
            assert!(!USUAL[..index].iter().any(|other| same(&other)), "{usual:?}");
            assert_eq!(Usual::of_key(&usual.key("llama"), "llama"), Some(usual));
        }
        assert_eq!(Usual::named("context-length").unwrap().key("qwen3"), "qwen3.context_length");
    }
}
