//! Conversations to try a template on, and to show what comes of it.

/// One thing that was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// `system`, `user` or `assistant`.
    pub role: &'a str,
    /// What was said.
    pub content: &'a str,
}

/// A few messages, the last one by the user.
#[derive(Debug, PartialEq, Eq)]
pub struct Conversation {
    /// For people.
    pub name: &'static str,
    /// In order.
    pub messages: &'static [Message<'static>],
}

const fn says(role: &'static str, content: &'static str) -> Message<'static> {
    Message { role, content }
}

const SYSTEM: Message<'static> = says("system", "Answer in one short sentence.");
const QUESTION: Message<'static> = says("user", "What is the capital of France?");
const ANSWER: Message<'static> = says("assistant", "It is the city of Paris.");
const NEXT: Message<'static> = says("user", "And how many people live there?");

/// From the simplest, which every template has to take, to the one that shows most.
pub static EXAMPLES: &[Conversation] = &[
    Conversation { name: "A question", messages: &[QUESTION] },
    Conversation { name: "Several turns", messages: &[QUESTION, ANSWER, NEXT] },
    Conversation { name: "With a system message", messages: &[SYSTEM, QUESTION] },
];
