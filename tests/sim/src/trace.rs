//! What happened, in lines, kept only when a failed schedule is run again to be shown.

use std::collections::VecDeque;

use storkit_core::effect::Effect;
use storkit_core::event::{Event, Outcome};

/// Most lines that are shown.
const LINES_MAX: usize = 400;

/// The last lines of what happened; none are kept where it is off.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    on: bool,
    lines: VecDeque<String>,
}

impl Trace {
    pub(crate) fn new(on: bool) -> Self {
        Self { on, lines: VecDeque::new() }
    }

    pub(crate) fn note(&mut self, now: u64, line: impl FnOnce() -> String) {
        if self.on {
            self.lines.push_back(format!("{now:>9} {}", line()));
            if self.lines.len() > LINES_MAX {
                self.lines.pop_front();
            }
        }
    }

    pub(crate) fn text(&self) -> String {
        self.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }
}

/// An effect in a line.
pub(crate) fn brief(effect: &Effect) -> String {
    match effect {
        Effect::Prepare(op, order) => format!("prepare {op} {}", order.story),
        Effect::Run(op, order) => {
            format!("run {op} {} by {} attempt {}", order.story, order.agent.name, order.attempt)
        }
        Effect::Gates(op, order) => {
            let names: Vec<_> = order.gates.iter().map(|gate| gate.name.as_str()).collect();
            format!("gates {op} {} {:?} {names:?}", order.story, order.place)
        }
        Effect::Inspect(op, story, _) => format!("inspect {op} {story}"),
        Effect::Close(op, story, _) => format!("close {op} {story}"),
        Effect::Squash(op, order) => format!("squash {op} {}", order.story),
        Effect::Rescan(keys) => format!("rescan {}", keys.first().map_or("", |key| &key.name)),
        Effect::Remember(story, None) => format!("forget {story}"),
        Effect::Remember(story, Some(memory)) => {
            format!("remember {story} {:?} {:?}", memory.stage, memory.step)
        }
        Effect::RunBegan(_) | Effect::RunOver(_) | Effect::Sent(_) | Effect::Asks(_) => "(ledger)".to_owned(),
        Effect::Tell(notice) => {
            format!(
                "tell {:?} {} {}",
                notice.topic,
                notice.story.as_ref().map_or("", |id| id.as_str()),
                notice.text
            )
        }
        other => format!("{other:?}"),
    }
}

/// An event in a line.
pub(crate) fn brief_event(event: &Event) -> String {
    match event {
        Event::Started(start) => format!("started {:?} {:?}", start.intents, start.paused),
        Event::Scanned(scan) => {
            let present: Vec<_> = scan
                .present
                .iter()
                .map(|seen| match seen.what.as_ref() {
                    Ok(story) => format!("{}:{}{}", seen.key.stage, story.id, keys_of(story)),
                    Err(_) => format!("{}:{} broken", seen.key.stage, seen.key.name),
                })
                .collect();
            let absent: Vec<_> =
                scan.absent.iter().map(|key| format!("{}:{}", key.stage, key.name)).collect();
            format!(
                "scanned from {} {} by_git {} there {present:?} not there {absent:?} no folder {:?}",
                scan.begin,
                if scan.complete { "all" } else { "some" },
                scan.by_git,
                scan.missing_folders,
            )
        }
        Event::Configured(config, _) => format!(
            "configured: qa {:?} retries {} agents {} gates {:?}",
            config.qa,
            config.max_retries,
            config.agents.len(),
            config.gates.iter().map(|gate| gate.name.as_str()).collect::<Vec<_>>()
        ),
        Event::Ended(op, Outcome::Run(facts)) => format!(
            "{op} ended: process {:?} cancelled {} limit {:?} question {:?} reject {:?} later {:?} ahead {}",
            facts.process,
            facts.cancelled,
            facts.time_limit,
            facts.question,
            facts.reject,
            facts.rate_limited_s,
            facts.branch.ahead
        ),
        Event::Ended(op, outcome) => format!("{op} ended: {outcome:?}"),
        other => format!("{other:?}"),
    }
}

fn keys_of(story: &storkit_core::story::Story) -> String {
    let mut text = String::new();
    if let Some(blocked) = &story.blocked {
        text += &format!(" blocked={:?}", blocked.value);
    }
    if let Some(hold) = &story.hold {
        text += &format!(" hold={:?}", hold.value.why);
    }
    if story.review_hold.is_some() {
        text += " review_hold";
    }
    if let Some(question) = &story.question {
        text += &format!(" question={} answered={}", question.value, story.answered);
    }
    for name in &story.depends_on {
        text += &format!(" needs={}", name.value);
    }
    text
}
