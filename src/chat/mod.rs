//! Chat templates: how a model wants a conversation written down, as the Jinja text that comes with it.
//!
//! A template is a program by a stranger, so it is run by an engine without files, network or clock (minijinja), with
//! bounds on steps, memory, depth and output, and [`scan`] reads it for what has no place in one. The functions and
//! settings are those that `apply_chat_template` of transformers gives templates
//! (`src/transformers/utils/chat_template_utils.py`).

mod bounds;
mod conversation;
mod python;
mod scan;
mod template;

pub use conversation::{Conversation, EXAMPLES, Message};
pub use scan::{Suspicion, scan, special_tokens};
pub use template::{MAX_SOURCE, Template, TemplateError, Trouble};
