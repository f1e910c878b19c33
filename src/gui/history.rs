//! Undo, for something small enough to keep whole.

use std::collections::VecDeque;

/// Steps that can be undone. Older ones are forgotten.
const STEPS: usize = 100;

/// What was before, and what was undone.
#[derive(Clone, Debug)]
pub struct History<T> {
    past: VecDeque<T>,
    future: Vec<T>,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self { past: VecDeque::new(), future: Vec::new() }
    }
}

impl<T> History<T> {
    /// Remembers how it was before a change. What was undone cannot be redone any more.
    pub fn record(&mut self, before: T) {
        if self.past.len() == STEPS {
            self.past.pop_front();
        }
        self.past.push_back(before);
        self.future.clear();
    }

    /// Takes the last change back; false where there is none.
    pub fn undo(&mut self, now: &mut T) -> bool {
        let Some(before) = self.past.pop_back() else { return false };
        self.future.push(std::mem::replace(now, before));
        true
    }

    /// Makes the change again that was taken back last; false where there is none.
    pub fn redo(&mut self, now: &mut T) -> bool {
        let Some(after) = self.future.pop() else { return false };
        self.past.push_back(std::mem::replace(now, after));
        true
    }

    /// Whether there is something to undo.
    pub fn can_undo(&self) -> bool {
        !self.past.is_empty()
    }

    /// Whether there is something to redo.
    pub fn can_redo(&self) -> bool {
        !self.future.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number and its history; every change adds one.
    fn counted(changes: u32) -> (u32, History<u32>) {
        let (mut now, mut history) = (0, History::default());
        for _ in 0..changes {
            history.record(now);
            now += 1;
        }
        (now, history)
    }

    #[test]
    fn undo_and_redo_walk_the_same_way() {
        let (mut now, mut history) = counted(3);
        assert!(history.undo(&mut now) && history.undo(&mut now));
        assert_eq!(now, 1);
        assert!(history.redo(&mut now));
        assert_eq!(now, 2);
        history.record(now);
        now = 9;
        assert!(!history.can_redo() && !history.redo(&mut now), "a new change ends what could be redone");
        assert!(history.undo(&mut now));
        assert_eq!(now, 2);
    }

    #[test]
    fn it_is_bounded() {
        let (mut now, mut history) = counted(5 * STEPS as u32);
        let mut undone = 0;
        while history.undo(&mut now) {
            undone += 1;
        }
        assert_eq!((undone, now), (STEPS, 4 * STEPS as u32));
    }
}
