//! Bounds on what a template can build.
//!
//! The engine counts steps and bytes (its fuel), but takes a list for as large as it has entries. A list of two lists of
//! two lists and so on is small in memory and, where it is compared or written out, larger than any disk; so is one that
//! holds itself. Here every list and map is measured with all that is in it at the moment it is built or looked up, by a
//! call put into the compiled template behind each instruction that brings one. The engine offers no other way, nor a
//! stable one: this is the one place that names its instructions.

use minijinja::machinery::{CompiledTemplate, Instruction, Instructions, Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};

/// Bytes of all texts in a list or map and in those within, and of its entries.
const MAX_SIZE: usize = 256 << 10;

/// Of an entry.
const ENTRY: usize = 8;

/// Lists within lists.
const MAX_DEPTH: usize = 24;

/// What no template can call or define, for its space.
const CHECK: &str = "within bounds";

/// Words and signs in one pair of braces: the most that a known template has is 56. The engine's reader calls itself for
/// some of them, and has no bound of its own on these.
const MAX_TOKENS: usize = 500;

/// `elif`s in one template, for the same reason.
const MAX_BRANCHES: usize = 500;

/// Whether the engine can read a template without running out of stack.
pub(super) fn is_readable(source: &str) -> bool {
    let (mut length, mut branches) = (0, 0);
    tokenize(source, false, SyntaxConfig::default()).map_while(Result::ok).all(|(token, _)| {
        length = if matches!(token, Token::BlockStart | Token::VariableStart) { 0 } else { length + 1 };
        branches += usize::from(matches!(token, Token::Ident("elif")));
        length <= MAX_TOKENS && branches <= MAX_BRANCHES
    })
}

pub(super) fn install(environment: &mut Environment<'_>) {
    environment.add_function(CHECK, check);
}

/// The template with a check behind all that brings a value.
pub(super) fn bounded<'s>(template: &CompiledTemplate<'s>) -> Instructions<'s> {
    let plain = &template.instructions;
    let all: Vec<&Instruction<'s>> = (0..).map_while(|index| plain.get(index)).collect();
    // Where each instruction comes to stand, and where the end does.
    let mut places = Vec::with_capacity(all.len() + 1);
    let mut place = 0;
    for instruction in &all {
        places.push(place);
        place += 1 + u32::from(brings_value(instruction));
    }
    places.push(place);
    let moved = |target: u32| places.get(target as usize).copied().unwrap_or(place);
    let mut checked = Instructions::new(plain.name(), plain.source());
    for (index, instruction) in (0..).zip(all) {
        let mut copy = instruction.clone();
        match &mut copy {
            Instruction::Iterate(target)
            | Instruction::Jump(target)
            | Instruction::JumpIfFalse(target)
            | Instruction::JumpIfFalseOrPop(target)
            | Instruction::JumpIfTrueOrPop(target)
            | Instruction::BuildMacro(_, target, _) => *target = moved(*target),
            _ => {}
        }
        let line = plain.get_line(index).and_then(|line| u16::try_from(line).ok()).unwrap_or_default();
        checked.add_with_line(copy, line);
        if brings_value(instruction) {
            checked.add_with_line(Instruction::CallFunction(CHECK, Some(1)), line);
        }
    }
    checked
}

fn brings_value(instruction: &Instruction<'_>) -> bool {
    matches!(
        instruction,
        Instruction::Lookup(_)
            | Instruction::GetAttr(_)
            | Instruction::GetItem
            | Instruction::Slice
            | Instruction::BuildList(_)
            | Instruction::BuildTuple(_)
            | Instruction::BuildMap(_)
            | Instruction::Add
            | Instruction::Mul
            | Instruction::ApplyFilter(..)
            | Instruction::CallFunction(..)
            | Instruction::CallMethod(..)
            | Instruction::CallObject(_)
    )
}

/// Hands a value on, and charges for what is in it.
fn check(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    let mut left = MAX_SIZE;
    if is_container(&value) {
        measure(&value, MAX_DEPTH, &mut left).ok_or(ErrorKind::OutOfFuel)?;
        state.consume_fuel((MAX_SIZE - left) as u64 / 64)?;
    }
    Ok(value)
}

/// What has entries that can be counted. Others are only ever taken one by one.
fn is_container(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable) && value.len().is_some()
}

/// Takes the size of a value from what is left; none where that does not suffice.
fn measure(value: &Value, depth: usize, left: &mut usize) -> Option<()> {
    let own = value.as_str().map_or(0, str::len) + value.as_bytes().map_or(0, <[u8]>::len);
    *left = left.checked_sub(own + ENTRY)?;
    if !is_container(value) {
        return Some(());
    }
    // Before the first entry is made: a list that is repeated is no longer than its description until it is walked.
    left.checked_sub(value.len().unwrap_or_default().checked_mul(ENTRY)?)?;
    let depth = depth.checked_sub(1)?;
    for entry in value.try_iter().ok()? {
        measure(&entry, depth, left)?;
        if value.kind() == ValueKind::Map {
            measure(&value.get_item(&entry).ok()?, depth, left)?;
        }
    }
    Some(())
}
