//! Effects that only tell: into the ledger, and to whoever listens. They never wait.

use std::collections::BTreeSet;

use storkit_core::effect::{Asks, Effect, Notice, RunBegan, RunOrder, RunOver, Sent};
use storkit_core::ids::StoryId;

use crate::daemon::prompt;
use crate::daemon::world::{World, timestamp};
use crate::http::{CHANGED, EventLine};
use crate::ledger::{
    AnswerEntry, Entry, EventEntry, MessageEntry, QuestionEntry, RunEnd, RunStart, SessionEntry, UsageEntry,
};

/// The ledger's name for why nothing starts.
pub(in crate::daemon) const PAUSED: &str = "paused";

/// The ledger's name for the limits of runtimes' accounts.
pub(in crate::daemon) const LIMITS: &str = "limits";

/// Writes an effect of this kind down.
pub(in crate::daemon) fn record(world: &World, effect: Effect) {
    match effect {
        Effect::Remember(story, memory) => {
            let json = memory.and_then(|memory| serde_json::to_string(&memory).ok());
            world.ledger.record(Entry::StoryMemory { story, json });
        }
        Effect::RememberPause(why) => {
            world.ledger.record(Entry::Meta { key: PAUSED.to_owned(), value: why.unwrap_or_default() });
        }
        Effect::RememberLimits(limits) => {
            let value = serde_json::to_string(&limits).unwrap_or_default();
            world.ledger.record(Entry::Meta { key: LIMITS.to_owned(), value });
        }
        Effect::RunBegan(began) => world.ledger.record(Entry::RunStarted(started(world, &began))),
        Effect::RunOver(over) => ended(world, *over),
        Effect::Sent(sent) => world.ledger.record(Entry::Message(message(*sent))),
        Effect::Asks(asks) => world.ledger.record(Entry::Question(question(*asks))),
        Effect::Tell(notice) => tell(world, notice),
        _ => {}
    }
}

fn started(world: &World, began: &RunBegan) -> RunStart {
    let logs = world.layout.logs_of(&began.story);
    let relative = logs.strip_prefix(world.layout.root()).unwrap_or(&logs).display().to_string();
    RunStart {
        run: began.run,
        story: began.story.clone(),
        stage: began.stage.name().to_owned(),
        agent: began.agent.clone(),
        number: began.number,
        attempt: began.attempt,
        prompt: format!("{relative}/{}.prompt.md", began.run),
        log: format!("{relative}/{}.ndjson", began.run),
        at: timestamp(began.at),
    }
}

fn message(sent: Sent) -> MessageEntry {
    let Sent { story, message } = sent;
    MessageEntry { at: timestamp(message.at), from: message.from, to: story, text: message.text }
}

fn question(asks: Asks) -> QuestionEntry {
    let Asks { story, number, run, at, text } = asks;
    QuestionEntry { story, number, run, at: timestamp(at), text }
}

/// An answer reaches the agent that a run starts with.
pub(super) fn answered(world: &World, order: &RunOrder, number: u32) {
    let Some(text) = prompt::answer_in_file(&world.layout, order, number) else { return };
    let at = timestamp(world.now().wall);
    world.ledger.record(Entry::Answer(AnswerEntry { story: order.story.clone(), number, at, text }));
}

fn ended(world: &World, over: RunOver) {
    let at = timestamp(over.at);
    for usage in over.usage {
        let (run, story, agent) = (over.run, over.story.clone(), over.agent.clone());
        world.ledger.record(Entry::Usage(UsageEntry { run, story, agent, at, usage }));
    }
    if let Some(session) = over.session {
        let (run, story, agent) = (over.run, over.story.clone(), over.agent);
        world.ledger.record(Entry::Session(SessionEntry { story, agent, run, session, at }));
    }
    let how = over.why.map_or(over.how.clone(), |why| format!("{}: {why}", over.how));
    let end = RunEnd { run: over.run, at, how, exit: over.exit, signal: over.signal, summary: over.summary };
    world.ledger.record(Entry::RunEnded(end));
}

/// Most stories that are named when they look other than before; more are told of as the whole board.
const CHANGED_MAX: usize = 20;

/// Tells who listens that stories look other than before: what is seen of it now, so nobody keeps it.
pub(in crate::daemon) fn tell_changed(world: &World, changed: &BTreeSet<StoryId>) {
    let whole = changed.len() > CHANGED_MAX;
    let named = changed.iter().take(if whole { 1 } else { CHANGED_MAX });
    for id in named {
        world.hub.publish(EventLine {
            id: world.ledger.skip_event(),
            at: jiff::Timestamp::now().to_string(),
            kind: CHANGED.to_owned(),
            story: (!whole).then(|| id.to_string()),
            text: if whole { format!("{} stories changed", changed.len()) } else { "changed".to_owned() },
            json: None,
        });
    }
}

/// Tells people of something, now and later.
pub(super) fn tell(world: &World, notice: Notice) {
    let kind = serde_json::to_value(notice.topic).ok().and_then(|name| name.as_str().map(str::to_owned));
    let kind = kind.unwrap_or_default();
    let json = (!notice.gates.is_empty()).then(|| serde_json::json!({ "gates": notice.gates }));
    let at = timestamp(notice.at);
    tracing::info!(story = notice.story.as_ref().map(ToString::to_string), kind, "{}", notice.text);
    let event = EventEntry {
        at,
        story: notice.story.clone(),
        kind: kind.clone(),
        text: notice.text.clone(),
        json: json.as_ref().map(ToString::to_string),
    };
    let id = world.ledger.record_event(event);
    world.notifier.tell(id, &notice);
    let story = notice.story.map(|story| story.to_string());
    world.hub.publish(EventLine { id, at: at.to_string(), kind, story, text: notice.text, json });
}
