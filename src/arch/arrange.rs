//! Ways in which the order of a tensor's weights changes, for [`Rule::arranged`](super::Rule::arranged).
//!
//! Each takes the view of a whole stored tensor, rows first; a bias has rows only.

use super::{Hparams, View};

/// Hugging Face stores a rotating head's rows as two halves that rotate with each other; llama.cpp's older kind of rope
/// wants the rows of a pair side by side: row `2 j + t` of a head comes from row `t head / 2 + j`.
pub(super) fn rope_pairs(stored: View, hparams: &Hparams) -> Vec<View> {
    let head = hparams.key_head;
    let heads = stored.axes[0].count.checked_div(head).unwrap_or(0);
    vec![stored.split(0, &[heads, 2, head / 2]).swap(1, 2)]
}
