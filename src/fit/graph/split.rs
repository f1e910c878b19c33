//! A graph over several devices: passes 5 and 6 of `ggml_backend_sched_split_graph`.

use super::tape::{Device, HOST, Node, Place, Tape};
use std::collections::HashMap;

/// Copies what one device computes and another needs.
///
/// Operations that follow each other on one device are a run, which gets its copies at its start. A device gets one copy
/// of a tensor, whichever run of it is the first to need it. A weight that lies elsewhere starts a run of its own, so
/// that the room of the weight before can be used again.
///
/// With `several` steps under way each input and each copy is there so many times, and kept.
pub(super) fn split(tape: &mut Tape, several: usize) {
    if several > 1 {
        for input in tape.inputs.clone() {
            tape.keep(input);
            tape.keep_inputs_like(input, HOST, several - 1);
        }
    }
    let order = std::mem::take(&mut tape.order);
    let mut copies: HashMap<(Node, Device), Node> = HashMap::new();
    let (mut run, mut copied): (Vec<Node>, Vec<Node>) = Default::default();
    let mut current = HOST;
    for node in order {
        let device = tape.tensor(node).device;
        if matches!(tape.tensor(node).place, Place::Within(_)) {
            run.push(node);
            continue;
        }
        let borrows = tape.sources(node).iter().any(|source| {
            let source = tape.tensor(*source);
            source.place == Place::Elsewhere && source.device != device
        });
        if device != current || borrows && !copied.is_empty() {
            tape.order.append(&mut copied);
            tape.order.append(&mut run);
            current = device;
        }
        for at in 0..tape.sources(node).len() {
            let source = tape.sources(node)[at];
            if tape.tensor(source).device == device {
                continue;
            }
            let copy = copies.get(&(source, device)).copied().unwrap_or_else(|| {
                // The source is kept until it has been copied.
                if tape.tensor(source).place != Place::Elsewhere {
                    copied.push(tape.reader(source));
                }
                let copy = match several {
                    1 => {
                        let copy = tape.copy_to(source, device);
                        copied.push(copy);
                        copy
                    }
                    _ => tape.keep_inputs_like(source, device, several),
                };
                copies.insert((source, device), copy);
                copy
            });
            tape.replace_source(node, at, copy);
        }
        run.push(node);
    }
    tape.order.append(&mut copied);
    tape.order.append(&mut run);
}
