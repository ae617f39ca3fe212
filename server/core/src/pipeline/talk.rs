//! Talking to a story's agent: an answer to its question, a message for its next prompt, one more prompt.

use super::asks::{Plan, Step, refused};
use super::track::Work;
use super::{GRACE_STOP_MS, Pipeline};
use crate::effect::{Effect, Sent, Topic};
use crate::facts::Edit;
use crate::front_matter::SAID_BYTES_MAX;
use crate::ids::StoryId;
use crate::leave::Verdict;
use crate::memory;
use crate::message::{MESSAGE_BYTES_MAX, MESSAGES_MAX, Message};
use crate::request::Refusal;
use crate::stage::Stage;
use crate::story::{Kind, Story};

impl Pipeline {
    /// Writes an answer into the file; a daemon takes it at once, and without one it stays open until then.
    pub(super) fn plan_answer(&self, story: &Story, text: String) -> Plan {
        let text = words(text, SAID_BYTES_MAX)?;
        let Some(question) = &story.question else {
            return Err(refused(
                format!("{} has no open question", story.id),
                "`storkit send` tells its agent something unasked",
            ));
        };
        let number = question.value;
        let answer = Edit::Answer { number, text };
        let edits = if self.offline { vec![answer] } else { vec![answer, Edit::Question(None)] };
        Ok((vec![Step::Edit(edits)], format!("question {number} answered")))
    }

    /// An answer that is in the file and taken: the next run gets it.
    pub(super) fn answer_written(&mut self, id: &StoryId, edits: &[Edit]) {
        let answered = edits.iter().find_map(|edit| match edit {
            Edit::Answer { number, text } => Some((*number, text)),
            _ => None,
        });
        if let Some((number, text)) = answered.filter(|_| edits.contains(&Edit::Question(None))) {
            let memory = self.track_mut(id).change();
            memory.asked_in = None;
            memory.answered = Some(number);
            memory.leave.answer(number, Verdict::of_answer(text));
        }
    }

    pub(super) fn plan_send(&self, story: &Story, from: Option<&str>, text: String) -> Plan {
        let from = from.map(|name| self.resolve(name)).transpose()?;
        let message = self.message(story, from, text)?;
        let running = self.tracks.get(&story.id).is_some_and(Self::is_running);
        let said = if running {
            "the message waits for its next prompt (`storkit attach` types into this run)"
        } else {
            "the message goes into its next prompt"
        };
        Ok((vec![Step::Send(message)], said.to_owned()))
    }

    /// One more prompt: a message, and a start.
    pub(super) fn plan_continue(&mut self, story: &Story, text: String) -> Plan {
        let id = &story.id;
        let message = self.message(story, None, text)?;
        if !matches!(story.stage, Stage::Backlog | Stage::Current) {
            return Err(refused(
                format!("{id} is in {}: only a story in backlog or current can be continued", story.stage),
                format!("`storkit reject {id} -m …` sends it back to its coder with what is wrong"),
            ));
        }
        let track = self.tracks.get(id);
        if track.is_some_and(|track| track.work.run().is_some() && !track.abandoned) {
            return Err(refused(
                format!("{id} is running"),
                "`storkit attach` types into its terminal; `storkit send` tells its next run",
            ));
        }
        if track.is_some_and(|track| Self::question_is_open(story, track)) {
            return Err(refused(
                format!("{id} waits for an answer to its question"),
                format!("`storkit answer {id} -m …`"),
            ));
        }
        let (mut steps, _) = self.plan_start(story, None)?;
        // The gates would judge what is about to change.
        if matches!(self.tracks.get(id).map(|track| &track.work), Some(Work::Gating(_))) {
            self.cancel(id, GRACE_STOP_MS);
        }
        if self.tracks.get(id).is_some_and(|track| track.memory.step == memory::Step::Gate) {
            self.track_mut(id).change().step = memory::Step::Begin;
        }
        // Before the file moves, so that the run which that starts has it.
        let at = steps.iter().position(|step| matches!(step, Step::Move(_))).unwrap_or(steps.len());
        steps.insert(at, Step::Send(message));
        Ok((steps, "goes on with the message as soon as an agent is free".to_owned()))
    }

    /// A message to a story that an agent will work on, or why there cannot be one.
    fn message(&self, story: &Story, from: Option<StoryId>, text: String) -> Result<Message, Refusal> {
        let id = &story.id;
        let text = words(text, MESSAGE_BYTES_MAX)?;
        if story.kind == Kind::Epic {
            return Err(refused(
                format!("{id} is an epic: no agent works on it"),
                "its text is in the prompts of its stories",
            ));
        }
        if story.stage.is_closed() {
            return Err(refused(
                format!("{id} is in {}: no agent will work on it", story.stage),
                format!("`storkit move {id} current` opens it again; then it can be told something"),
            ));
        }
        if self.tracks.get(id).is_some_and(|track| !track.memory.messages.has_room()) {
            return Err(refused(
                format!("{MESSAGES_MAX} messages wait for {id} already"),
                "its next run takes them",
            ));
        }
        Ok(Message { from, at: self.now.wall, text, run: None })
    }

    /// Puts a message where the next run finds it.
    pub(super) fn deliver(&mut self, id: &StoryId, message: Message) {
        let from = message.from.as_ref().map_or("a person".to_owned(), ToString::to_string);
        self.tell(Topic::Message, Some(id), format!("a message from {from}"));
        self.out.push(Effect::Sent(Box::new(Sent { story: id.clone(), message: message.clone() })));
        self.track_mut(id).change().messages.put(message);
        self.touched.insert(id.clone());
    }
}

/// What somebody says, where it says something and is not too long to be kept whole.
pub(super) fn words(text: String, bytes_max: usize) -> Result<String, Refusal> {
    if text.chars().all(|c| c.is_control() || c.is_whitespace()) {
        return Err(Refusal {
            code: 2,
            ..refused("the text is empty", "-m TEXT, or -m - for standard input")
        });
    }
    if text.len() > bytes_max {
        return Err(refused(
            format!("the text is larger than {} KiB", bytes_max / 1024),
            "long material belongs into the story's file or the repository",
        ));
    }
    Ok(text)
}
