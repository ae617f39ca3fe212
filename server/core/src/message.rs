//! Messages to a story's agent: kept until a run has worked with them, and bounded.

use serde::{Deserialize, Serialize};

use crate::ids::{RunId, StoryId};
use crate::time::Wall;

/// Most messages that wait for a story's next run.
pub const MESSAGES_MAX: usize = 20;
/// Most bytes of one message.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024;

/// What somebody says to a story's agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The story whose agent says it; none is a person.
    pub from: Option<StoryId>,
    /// When.
    pub at: Wall,
    /// What.
    pub text: String,
    /// The run that has it in its prompt.
    #[serde(default)]
    pub run: Option<RunId>,
}

/// The messages of one story, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Messages(Vec<Message>);

impl Messages {
    /// Whether one more may be put in.
    pub fn has_room(&self) -> bool {
        self.0.len() < MESSAGES_MAX
    }

    /// Adds one. Whoever puts it in has asked for room.
    pub fn put(&mut self, message: Message) {
        self.0.push(message);
    }

    /// Those that no run has yet.
    pub fn waiting(&self) -> impl Iterator<Item = &Message> {
        self.0.iter().filter(|message| message.run.is_none())
    }

    /// Gives all of them to a run that begins: also what an earlier run had and did not come to work with.
    pub fn hand_over(&mut self, run: RunId) -> Vec<Message> {
        for message in &mut self.0 {
            message.run = Some(run);
        }
        self.0.clone()
    }

    /// A run is over: what it had is done with where it came to `work` with it; else the next run gets it again.
    pub fn settle(&mut self, run: RunId, worked: bool) {
        if worked {
            self.0.retain(|message| message.run != Some(run));
        } else {
            for message in self.0.iter_mut().filter(|message| message.run == Some(run)) {
                message.run = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_given_once_to_a_run_that_works_and_again_after_one_that_did_not() {
        let run = |digit: u8| RunId(uuid::Uuid::from_bytes([digit; 16]));
        let said = |text: &str| Message { from: None, at: Wall(0), text: text.to_owned(), run: None };
        let mut messages = Messages::default();
        messages.put(said("one"));
        assert_eq!(messages.hand_over(run(1)).len(), 1);
        messages.put(said("two"));
        assert_eq!(messages.waiting().map(|message| message.text.as_str()).collect::<Vec<_>>(), ["two"]);
        messages.settle(run(1), false);
        let texts: Vec<_> = messages.hand_over(run(2)).into_iter().map(|message| message.text).collect();
        assert_eq!(texts, ["one", "two"]);
        messages.put(said("three"));
        messages.settle(run(2), true);
        assert_eq!(messages.hand_over(run(3)).len(), 1);
        messages.settle(run(2), true);
        assert_eq!(messages.waiting().count(), 0);
        while messages.has_room() {
            messages.put(said("more"));
        }
        assert_eq!(messages.0.len(), MESSAGES_MAX);
    }
}
