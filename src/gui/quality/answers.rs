//! What both models say, as it grows.

use crate::engine::{Comparison, Spoken};
use std::sync::Arc;

/// Answers of the original and of what would be packed of it.
#[derive(Clone, Debug)]
pub struct Answers {
    /// Who answers.
    pub names: [String; 2],
    /// What was asked.
    pub prompt: String,
    /// What each said so far, in the pieces in which it came: most often a token each.
    pub pieces: [Vec<String>; 2],
    /// Whether more is to come.
    pub is_growing: bool,
    /// All of it, when both have ended.
    pub comparison: Option<Arc<Comparison>>,
}

impl Answers {
    /// To a question that was just asked.
    pub fn new(names: [String; 2], prompt: String) -> Self {
        Self { names, prompt, pieces: Default::default(), is_growing: true, comparison: None }
    }

    /// Takes in the next piece.
    pub(super) fn hear(&mut self, spoken: Spoken) {
        if let Some(pieces) = self.pieces.get_mut(spoken.subject) {
            pieces.push(spoken.text);
        }
    }

    /// What one of them says: what is the same in both, the piece where they part, and what comes after.
    pub fn parts(&self, side: usize) -> [String; 3] {
        let [a, b] = &self.pieces;
        let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let own = &self.pieces[side];
        // A piece that the other has not said yet may still be the same.
        let parts = same < a.len().min(b.len()) || self.comparison.is_some();
        let marked = if parts { (same + 1).min(own.len()) } else { own.len() };
        let until = if parts { same } else { own.len() };
        [own[..until].concat(), own[until..marked].concat(), own[marked..].concat()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(left: &[&str], right: &[&str]) -> Answers {
        let mut answers = Answers::new(Default::default(), String::new());
        for (subject, pieces) in [left, right].into_iter().enumerate() {
            pieces.iter().for_each(|text| answers.hear(Spoken { prompt: 0, subject, text: (*text).to_owned() }));
        }
        answers
    }

    #[test]
    fn the_first_piece_that_differs_is_marked() {
        let answers = said(&["A", " cat", " sat"], &["A", " dog"]);
        assert_eq!(answers.parts(0), ["A", " cat", " sat"]);
        assert_eq!(answers.parts(1), ["A", " dog", ""]);
    }

    #[test]
    fn what_may_still_come_is_not_marked() {
        let mut answers = said(&["A", " cat"], &["A"]);
        assert_eq!(answers.parts(0), ["A cat", "", ""]);
        answers.comparison =
            Some(Arc::new(Comparison { prompt: String::new(), prompt_tokens: 1, answers: Vec::new(), parting: None }));
        assert_eq!(answers.parts(0), ["A", " cat", ""], "the other has ended before");
        assert_eq!(answers.parts(1), ["A", "", ""]);
    }
}
