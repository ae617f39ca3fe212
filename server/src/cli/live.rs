//! What happens, as it happens: one line for each change, and in a terminal a spinner for each story at work.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use storkit_core::snapshot::{State, Status, StoryView};

use super::exit::Failure;
use super::out::Out;
use super::style::{self, paint};
use super::text::{self, clean, cut};
use crate::http::EventLine;
use crate::http::client::{Client, ClientError};

/// How long one wait for an event takes at most where somebody waits for an end or looks at spinners.
const TICK: Duration = Duration::from_millis(100);
/// The same where nobody does; the stream's end ends it at once.
const TICK_IDLE: Duration = Duration::from_secs(5);
/// The status is read again so soon after a change, and at least so often while spinners show spans of time.
const STATUS_AFTER: Duration = Duration::from_millis(50);
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// Why watching ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watched {
    /// What was waited for has come.
    Reached,
    /// The daemon has ended.
    DaemonEnded,
    /// The person wants no more of it.
    Stopped,
}

/// The view.
pub(super) struct Live {
    out: Out,
    /// None where nobody sees spinners: a pipe, a file, `-q`.
    spinners: Option<MultiProgress>,
    bars: BTreeMap<String, ProgressBar>,
}

impl Live {
    pub(super) fn new(out: Out) -> Self {
        let spinners = out.is_live().then(MultiProgress::new);
        Self { out, spinners, bars: BTreeMap::new() }
    }

    /// Shows what happens until `stop` is raised or the daemon ends. The whole board is read only where there are
    /// spinners to be drawn: of a large board it costs more than all that an idle daemon does.
    pub(super) fn follow(&mut self, client: &Client, stop: &AtomicBool) -> Result<Watched, Failure> {
        self.until(client, stop, None)
    }

    /// Shows what happens until `reached` says so of a board, `stop` is raised or the daemon ends.
    pub(super) fn watch(
        &mut self,
        client: &Client,
        stop: &AtomicBool,
        mut reached: impl FnMut(&Status) -> bool,
    ) -> Result<Watched, Failure> {
        self.until(client, stop, Some(&mut reached))
    }

    fn until(
        &mut self,
        client: &Client,
        stop: &AtomicBool,
        mut reached: Option<&mut dyn FnMut(&Status) -> bool>,
    ) -> Result<Watched, Failure> {
        let ended = |error: ClientError| match error {
            ClientError::NotRunning => Ok(Watched::DaemonEnded),
            error => Err(Failure::from(error)),
        };
        let mut events = match client.events(None) {
            Ok(events) => events,
            Err(error) => return ended(error),
        };
        let reads = reached.is_some() || self.spinners.is_some();
        let mut status_at = reads.then(Instant::now);
        loop {
            if stop.load(Ordering::Relaxed) {
                return Ok(Watched::Stopped);
            }
            if status_at.is_some_and(|at| Instant::now() >= at) {
                match client.status(true) {
                    Ok(status) => {
                        self.board(&status);
                        if reached.as_mut().is_some_and(|reached| reached(&status)) {
                            return Ok(Watched::Reached);
                        }
                    }
                    Err(error) => return ended(error),
                }
                let again = reached.is_some() || !self.bars.is_empty();
                status_at = again.then(|| Instant::now() + STATUS_EVERY);
            }
            match events.next(if status_at.is_some() { TICK } else { TICK_IDLE }) {
                Ok(Some(line)) => {
                    self.event(&line);
                    let soon = Instant::now() + STATUS_AFTER;
                    status_at = reads.then(|| status_at.map_or(soon, |at| at.min(soon)));
                }
                Ok(None) => {}
                Err(error) => return ended(error),
            }
        }
    }

    /// One line for one event.
    fn event(&self, line: &EventLine) {
        let text = one_line(line, !self.out.is_journal());
        match &self.spinners {
            // Printed above the spinners, so that both stay whole.
            Some(spinners) if self.out.has_color() => drop(spinners.println(text)),
            Some(spinners) => drop(spinners.println(anstream::adapter::strip_str(&text).to_string())),
            None => self.out.say(&text),
        }
    }

    /// A spinner for each story at work, and for no other.
    fn board(&mut self, status: &Status) {
        let Some(spinners) = &self.spinners else { return };
        let now = Timestamp::now();
        let at_work = |story: &&StoryView| {
            matches!(story.state, State::Preparing | State::Running | State::Gating | State::Merging)
        };
        let working: BTreeMap<&str, &StoryView> =
            status.stories.iter().filter(at_work).map(|story| (story.id.as_str(), story)).collect();
        self.bars.retain(|id, bar| {
            let stays = working.contains_key(id.as_str());
            if !stays {
                bar.finish_and_clear();
                spinners.remove(bar);
            }
            stays
        });
        for (id, story) in working {
            let bar = self.bars.entry(id.to_owned()).or_insert_with(|| {
                let bar = spinners.add(ProgressBar::new_spinner());
                let template = if self.out.has_color() { "{spinner:.blue} {msg}" } else { "{spinner} {msg}" };
                if let Ok(look) = ProgressStyle::with_template(template) {
                    bar.set_style(look);
                }
                bar.enable_steady_tick(TICK);
                bar
            });
            bar.set_message(cut(&working_line(story, now), self.out.columns().saturating_sub(3)));
        }
    }

    /// Takes the spinners away.
    pub(super) fn finish(mut self) {
        for (_, bar) in std::mem::take(&mut self.bars) {
            bar.finish_and_clear();
        }
    }
}

fn working_line(story: &StoryView, now: Timestamp) -> String {
    let mut line = format!("{}  {}", clean(&story.id), story.state.name());
    if let Some(agent) = &story.agent {
        line = format!("{line}  {}", clean(agent));
    }
    if story.attempt > 1 {
        line = format!("{line}  attempt {}", story.attempt);
    }
    let age = story.since.as_deref().map(|since| text::age(since, now)).unwrap_or_default();
    format!("{line}  {age}")
}

/// `12:03:04  42_story_login  green: tests`; the time only where whoever keeps the line adds none.
fn one_line(line: &EventLine, timed: bool) -> String {
    let at = line.at.parse::<Timestamp>().map(|at| at.to_zoned(jiff::tz::TimeZone::system()));
    let at = at.map(|at| at.strftime("%H:%M:%S").to_string()).unwrap_or_default();
    let at = if timed { format!("{}  ", paint(style::FAINT, &at)) } else { String::new() };
    let story = line.story.as_deref().map(|story| format!("{}  ", clean(story))).unwrap_or_default();
    let look = match line.kind.as_str() {
        "landed" | "green" => style::GOOD,
        "red" | "blocked" | "problem" => style::ERROR,
        "review" | "question" | "paused" => style::WARN,
        _ => anstyle::Style::new(),
    };
    format!("{at}{story}{}", paint(look, &clean(&line.text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_clean_line() {
        let line = EventLine {
            id: 1,
            at: "not a time".to_owned(),
            kind: "landed".to_owned(),
            story: Some("42_story_login".to_owned()),
            text: "landed as 0123\n\u{1b}[2Jx".to_owned(),
            json: None,
        };
        let shown = |timed| anstream::adapter::strip_str(&one_line(&line, timed)).to_string();
        assert_eq!(shown(true), "  42_story_login  landed as 0123 \\u{1b}[2Jx");
        assert_eq!(shown(false), "42_story_login  landed as 0123 \\u{1b}[2Jx");
    }
}
