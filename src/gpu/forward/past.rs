//! Keys and values of a text that goes on, on a device.

use super::device::{Device, View};
use super::rows::{Arrange, arrange};
use crate::forward::{Op, Program};
use crate::graph::RunError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a program has seen of a text: how many tokens, and their keys and values in its attention.
pub struct Past {
    /// Tokens that were run.
    pub(super) tokens: u64,
    /// Tokens that there is room for.
    room: u64,
    /// Keys and values, and the numbers of a row of each.
    kept: Option<[(View, u64); 2]>,
    /// Bytes of all buffers of the device.
    all: Arc<AtomicU64>,
}

impl Drop for Past {
    fn drop(&mut self) {
        let bytes: u64 = self.kept.iter().flatten().map(|(view, _)| view.buffer.size()).sum();
        self.all.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Past {
    pub(super) fn new(device: &mut Device, program: &Program, tokens: usize) -> Result<Self, RunError> {
        let attention = program.steps.iter().find(|step| matches!(step.op, Op::Attention(_)));
        let kept = attention.map(|step| {
            [step.from[1], step.from[2]].map(|register| {
                let width = program.widths[register.0] as u64;
                (device.keep("past", 4 * width * tokens as u64), width)
            })
        });
        let past = Self { tokens: 0, room: tokens as u64, kept, all: Arc::clone(&device.allocated) };
        let largest = past.kept.iter().flatten().map(|(view, _)| view.bytes).max().unwrap_or(0);
        if largest > device.binding_limit {
            return Err(RunError::OutOfMemory {
                device: device.open.name.clone(),
                bytes: largest,
                reason: format!(
                    "the keys of {tokens} tokens need that, and a buffer has at most {}; ask for fewer --tokens",
                    device.binding_limit
                ),
            });
        }
        device.open.check(largest)?;
        Ok(past)
    }

    /// Forgets the text.
    pub fn begin(&mut self) {
        self.tokens = 0;
    }

    /// Refuses more tokens than there is room for.
    pub(super) fn check(&self, device: &Device, tokens: usize) -> Result<(), RunError> {
        let all = self.tokens + tokens as u64;
        if all <= self.room {
            return Ok(());
        }
        let reason = format!("{all} tokens are more than the {} that there is room for", self.room);
        Err(RunError::Unsupported { device: device.open.name.clone(), reason })
    }

    /// All keys and values: those there were, and then these of so many tokens.
    pub(super) fn extend(&self, device: &mut Device, rows: [&View; 2], tokens: u64) -> Result<[&View; 2], RunError> {
        let kept = self.kept.as_ref().expect("the program has attention");
        for ((view, width), rows) in kept.iter().zip(rows) {
            let append = Arrange::Append { at: self.tokens * width };
            arrange(device, append, rows, view, tokens * width, *width)?;
        }
        Ok([&kept[0].0, &kept[1].0])
    }
}
