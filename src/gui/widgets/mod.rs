//! Small pieces that panels are made of. They know no state, only what they are given.

mod bar;
mod button;
mod chip;
mod fact;
mod field;
mod tick;

pub(super) use bar::{Segment, bar};
pub(super) use button::{button, choice, cross, explain, menu_item, primary};
pub(super) use chip::chip;
pub(super) use fact::fact_list;
pub(super) use field::{Field, field, labelled, text_area};
pub(super) use tick::tick;
