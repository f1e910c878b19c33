//! What templates find in Python's Jinja, as transformers sets it up: functions, filters and methods.

use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, ErrorKind, State};
use minijinja_contrib::pycompat;
use regex::Regex;
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use std::fmt;
use std::io::{self, Write};
use std::sync::LazyLock;

/// Gives an environment all that templates count on.
pub(super) fn install(environment: &mut Environment<'static>) {
    environment.remove_global("debug");
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    environment.add_filter("tojson", tojson);
    environment.set_unknown_method_callback(method);
}

/// `{% generation %}` marks what a model is trained on, and leaves the text as it is.
pub(super) fn without_generation_tags(source: &str) -> String {
    static TAG: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(\{%[-+]?\s*)(end)?generation(\s*[-+]?%\})").expect("a constant pattern"));
    let always = |tag: &regex::Captures<'_>| {
        let word = if tag.get(2).is_some() { "endif" } else { "if true" };
        format!("{}{word}{}", &tag[1], &tag[3])
    };
    TAG.replace_all(source, always).into_owned()
}

/// The template's own refusal of a conversation.
#[derive(Debug)]
pub(super) struct Raised(pub(super) String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, "raised").with_source(Raised(message)))
}

/// The same day at every call, so that a template gives the same text each time: 26 July 2024, noon.
fn strftime_now(format: &str) -> String {
    const NOW: &[(&str, &str)] = &[
        ("%Y", "2024"),
        ("%y", "24"),
        ("%m", "07"),
        ("%B", "July"),
        ("%b", "Jul"),
        ("%-d", "26"),
        ("%d", "26"),
        ("%A", "Friday"),
        ("%a", "Fri"),
        ("%j", "208"),
        ("%H", "12"),
        ("%I", "12"),
        ("%p", "PM"),
        ("%M", "00"),
        ("%S", "00"),
        ("%Z", "UTC"),
        ("%z", "+0000"),
    ];
    NOW.iter().fold(format.to_owned(), |text, (directive, value)| text.replace(directive, value))
}

/// As `json.dumps`, which puts a space after commas and colons; Jinja's own filter would escape `<` for HTML.
fn tojson(value: &Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    for other in ["ensure_ascii", "separators", "sort_keys"] {
        options.get::<Option<Value>>(other)?;
    }
    options.assert_all_used()?;
    let mut out = Vec::new();
    let written = match indent {
        Some(width) => {
            let spaces = vec![b' '; width.min(16)];
            value.serialize(&mut Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(&spaces)))
        }
        None => value.serialize(&mut Serializer::with_formatter(&mut out, Spaced)),
    };
    let refuse = |error: serde_json::Error| Error::new(ErrorKind::InvalidOperation, format!("tojson: {error}"));
    written.map_err(refuse)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, is_first: bool) -> io::Result<()> {
        writer.write_all(if is_first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, is_first: bool) -> io::Result<()> {
        writer.write_all(if is_first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

/// Methods of Python's strings, lists and dicts. The engine bounds what its filters make, but knows nothing of these
/// until they return, so those that can make much of little go through filters or pay first.
fn method(state: &mut State<'_, '_>, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let text = value.as_str().unwrap_or_default();
    // A list of single characters takes 24 bytes for each; a step pays for 64.
    state.consume_fuel(text.len() as u64 / 2)?;
    match (name, arguments) {
        ("replace", [from, to]) => state.apply_filter("replace", &[value.clone(), from.clone(), to.clone()]),
        ("replace", [_, to, ..]) => {
            let longest = to.as_str().unwrap_or_default().len().saturating_mul(text.len() + 1);
            state.consume_fuel(longest as u64 / 64)?;
            pycompat::unknown_method_callback(state, value, name, arguments)
        }
        ("join", [items]) => state.apply_filter("join", &[items.clone(), value.clone()]),
        ("format", _) if has_wide_field(text) => {
            Err(Error::new(ErrorKind::InvalidOperation, "format: a field of ten thousand characters or more"))
        }
        _ => pycompat::unknown_method_callback(state, value, name, arguments),
    }
}

fn has_wide_field(format: &str) -> bool {
    let mut digits = 0;
    format.bytes().any(|byte| {
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        digits > 4
    })
}
