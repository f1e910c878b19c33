//! Parsing and rendering a template within bounds.

use super::{Message, bounds, python};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, context, machinery};
use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt;

/// A longer template is not read, in bytes: the longest known has 30 kB.
pub const MAX_SOURCE: usize = 256 << 10;

/// Steps of a rendering. The engine counts 64 bytes of data as one more, so this bounds memory as well, to 13 MB. The
/// most that a known template takes for a short conversation is 20,000.
const FUEL: u64 = 200_000;

/// Macros within macros.
const DEPTH: usize = 64;

/// Bytes of output.
const MAX_OUTPUT: usize = 1 << 20;

/// A template that was understood.
#[derive(Clone, Debug)]
pub struct Template {
    source: String,
}

/// Why a template gives no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The line at fault, from 1, where it is known.
    pub line: Option<usize>,
    /// What kind of thing went wrong.
    pub trouble: Trouble,
    /// In the engine's words, or the template's own.
    pub problem: String,
}

/// What kind of thing goes wrong in a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is no valid Jinja.
    Syntax,
    /// It refuses the conversation by `raise_exception`.
    Refused,
    /// It takes more steps, depth or output than any honest template.
    Bounds,
    /// It fails on the way.
    Failed,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        self.line.map_or(Ok(()), |line| write!(f, " (line {line})"))
    }
}

impl std::error::Error for TemplateError {}

impl Template {
    /// Understands a template, without running it.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        if source.len() > MAX_SOURCE {
            let problem = format!("it has {} bytes, and one of more than {MAX_SOURCE} is not read", source.len());
            return Err(TemplateError { line: None, trouble: Trouble::Bounds, problem });
        }
        if !bounds::is_readable(source) {
            let problem = "one of its expressions is longer than any honest template's".to_owned();
            return Err(TemplateError { line: None, trouble: Trouble::Bounds, problem });
        }
        let source = python::without_generation_tags(source);
        environment().template_from_str(&source)?;
        Ok(Self { source })
    }

    /// What the model is given for a conversation. `tokens` are texts by the names that templates use, such as
    /// `bos_token`; with `opens_answer`, the beginning of the assistant's next turn is added.
    pub fn render(
        &self,
        messages: &[Message<'_>],
        tokens: &[(&str, &str)],
        opens_answer: bool,
    ) -> Result<String, TemplateError> {
        let message = |message: &Message<'_>| context! { role => message.role, content => message.content };
        let texts = tokens.iter().map(|(name, text)| (Value::from(*name), Value::from(*text)));
        let conversation = context! {
            messages => messages.iter().map(message).collect::<Vec<_>>(),
            add_generation_prompt => opens_answer,
        };
        let context = context! { ..conversation, ..Value::from_pairs(texts) };
        let environment = environment();
        let template = environment.template_from_str(&self.source)?;
        let instructions = bounds::bounded(machinery::get_compiled_template(&template));
        let mut output = String::new();
        let mut sink = machinery::make_string_output(&mut output);
        machinery::eval(&environment, &instructions, context, &BTreeMap::new(), &mut sink, AutoEscape::None)?;
        drop(sink);
        if output.len() > MAX_OUTPUT {
            return Err(Error::from(ErrorKind::OutOfFuel).into());
        }
        Ok(output)
    }
}

/// What a template runs in.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the usual delimiters"));
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEPTH);
    python::install(&mut environment);
    bounds::install(&mut environment);
    environment
}

impl From<Error> for TemplateError {
    fn from(error: Error) -> Self {
        let mut problem = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        let mut trouble = match error.kind() {
            ErrorKind::SyntaxError => Trouble::Syntax,
            ErrorKind::OutOfFuel => Trouble::Bounds,
            _ => Trouble::Failed,
        };
        // What a macro raises is the cause of a failed call.
        let mut cause = error.source();
        while let Some(inner) = cause {
            if let Some(python::Raised(message)) = inner.downcast_ref() {
                (trouble, problem) = (Trouble::Refused, message.clone());
            }
            cause = inner.source();
        }
        let is_deep = problem.contains("recursion limit");
        if trouble == Trouble::Bounds || is_deep {
            trouble = Trouble::Bounds;
            problem = "it takes more steps or memory than any honest template".to_owned();
        }
        Self { line: error.line(), trouble, problem }
    }
}
