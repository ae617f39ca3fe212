//! What agents say, in the same words for every runtime, and what all of it comes to.
//!
//! Pure values. Whatever stands in them was written by an agent: it is bounded where it is made, and believed nowhere.

use serde::{Deserialize, Serialize};

use super::ending::Ending;
use crate::facts::{RunFacts, Usage};

/// Longest text of an agent, and longest input or output of a tool, that an event keeps, in bytes.
pub const TEXT_LEN_MAX: usize = 8 << 10;
/// Longest id, name or model that an event keeps, in bytes.
pub const NAME_LEN_MAX: usize = 200;
/// Longest final answer that stands in for a summary, in bytes.
const ANSWER_LEN_MAX: usize = 4 << 10;

/// One event, normalised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ev", rename_all = "snake_case")]
pub enum AgentEvent {
    /// The session that can be resumed.
    Session {
        /// Its id, as the agent names it.
        id: String,
        /// The model that it runs on, where the runtime says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
    },
    /// Words of the agent.
    Text {
        /// As many as are kept.
        text: String,
    },
    /// It uses a tool.
    ToolUse {
        /// The id of this use, as the runtime names it.
        id: String,
        /// The tool.
        tool: String,
        /// Its input, as JSON or as a command line.
        input: String,
    },
    /// What came of a tool.
    ToolResult {
        /// The id of the use.
        id: String,
        /// Whether it worked.
        ok: bool,
        /// Its output.
        text: String,
    },
    /// What was used since the last such event.
    Usage {
        /// How much of what. A runtime that counts over the whole session is taken the difference of.
        #[serde(flatten)]
        used: Usage,
        /// Where the runtime counts over the whole session: its counter now, to be handed in at the next resume.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session_total: Option<Usage>,
    },
    /// A turn of the model, and what it used as far as that is known so far; a [`Self::Usage`] that follows counts it again.
    Turn {
        /// How much of what.
        #[serde(flatten)]
        used: Usage,
    },
    /// What the provider says about a limit of the account. The run goes on unless its end says otherwise.
    RateLimit {
        /// How it stands.
        status: LimitStatus,
        /// Which limit, as the provider names it: `five_hour`, `seven_day`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<String>,
        /// When it is over.
        #[serde(flatten)]
        reset: Reset,
    },
    /// Its provider wants it to wait, and so it ends.
    RateLimited {
        /// Seconds, at most eight days.
        retry_after_s: u64,
    },
    /// It needs a decision.
    Question {
        /// What it asks.
        text: String,
    },
    /// A tool that it may not use without being asked.
    PermissionWanted {
        /// The tool.
        tool: String,
        /// What for: the tool's input, as JSON.
        input: String,
    },
    /// What it did, for the commit.
    Summary {
        /// In its words.
        text: String,
    },
    /// A QA run's no.
    Reject {
        /// Why.
        text: String,
    },
    /// A mergemaster gives up.
    MergeFailed {
        /// Why.
        text: String,
    },
    /// Something went wrong, and it goes on: a retry, a warning.
    Notice {
        /// In the runtime's words.
        text: String,
    },
    /// The runtime's own word on how a turn ended. The last one, and the process, decide.
    Result {
        /// Whether it calls it a success.
        ok: bool,
        /// Its final answer, or its error.
        text: String,
    },
}

/// How an account stands against a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitStatus {
    /// Below it.
    Allowed,
    /// Near it.
    Warning,
    /// A request was refused, and the agent tries again by itself.
    Retrying,
    /// At it.
    Rejected,
}

/// When a limit is over, as far as it was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reset {
    /// Seconds since 1970-01-01 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_s: Option<u64>,
    /// Seconds from when it was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_s: Option<u64>,
}

impl Reset {
    /// After so many seconds.
    pub const fn after(seconds: u64) -> Self {
        Self { at_s: None, after_s: Some(seconds) }
    }

    /// At that second since 1970.
    pub const fn at(second: u64) -> Self {
        Self { at_s: Some(second), after_s: None }
    }

    /// How long that is from now, in milliseconds; none where nothing was said. A moment that is over is now.
    pub fn wait_ms(self, now: crate::time::Wall) -> Option<u64> {
        let after = self.after_s.map(|seconds| seconds.saturating_mul(1000));
        let until = self.at_s.map(|second| {
            let at_ms = i64::try_from(second.saturating_mul(1000)).unwrap_or(i64::MAX);
            u64::try_from(at_ms.saturating_sub(now.0)).unwrap_or(0)
        });
        until.or(after)
    }
}

/// What all events of a run come to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// The last question.
    pub question: Option<String>,
    /// The last reject.
    pub reject: Option<String>,
    /// The last merge_failed.
    pub merge_failed: Option<String>,
    /// The last rate_limited, in seconds.
    pub rate_limited_s: Option<u64>,
    /// The last summary.
    pub summary: Option<String>,
    /// The last final answer of a turn that succeeded: it stands in for a summary.
    pub answer: Option<String>,
    /// The last session.
    pub session: Option<String>,
    /// Usage, summed by model.
    pub usage: Vec<Usage>,
    /// What turns used that no usage has counted yet.
    pub uncounted: Vec<Usage>,
    /// Turns of the model, as its words and its tools tell them apart.
    pub turns: u64,
    /// Whether the model has the word.
    pub speaking: bool,
    /// The session's own counter, where the runtime counts over the whole session.
    pub session_total: Option<Usage>,
}

impl Told {
    /// Takes one more event in.
    pub fn absorb(&mut self, event: &AgentEvent) {
        match event {
            AgentEvent::Session { id, .. } => self.session = Some(id.clone()),
            AgentEvent::Question { text } => self.question = Some(text.clone()),
            AgentEvent::Summary { text } => self.summary = Some(text.clone()),
            AgentEvent::RateLimited { retry_after_s } => self.rate_limited_s = Some(*retry_after_s),
            AgentEvent::Reject { text } => self.reject = Some(text.clone()),
            AgentEvent::MergeFailed { text } => self.merge_failed = Some(text.clone()),
            AgentEvent::Usage { used, session_total } => {
                Usage::add_to(&mut self.usage, used);
                self.uncounted.clear();
                if session_total.is_some() {
                    self.session_total.clone_from(session_total);
                }
            }
            AgentEvent::Result { ok, text } => {
                let text = clip(text.trim(), ANSWER_LEN_MAX);
                self.answer = (*ok && !text.is_empty()).then_some(text);
            }
            AgentEvent::Turn { used } => Usage::add_to(&mut self.uncounted, used),
            AgentEvent::Text { .. } | AgentEvent::ToolUse { .. } => {
                self.turns += u64::from(!std::mem::replace(&mut self.speaking, true));
            }
            AgentEvent::ToolResult { .. } => self.speaking = false,
            AgentEvent::RateLimit { .. }
            | AgentEvent::PermissionWanted { .. }
            | AgentEvent::Notice { .. } => {}
        }
    }

    /// What was used so far, by model; where the runtime did not count turns, with those that were seen.
    pub fn used(&self) -> Vec<Usage> {
        let mut used: Vec<Usage> = self.usage.iter().chain(&self.uncounted).cloned().collect();
        if self.turns > 0
            && used.iter().all(|used| used.turns.is_none())
            && let Some(last) = used.last_mut()
        {
            last.turns = Some(self.turns);
        }
        used
    }

    /// Puts it into the facts of a run, with what the runtime's adapter makes of its end.
    pub fn fill(self, facts: &mut RunFacts, ending: Option<Ending>) {
        facts.usage = self.used();
        facts.question = self.question;
        facts.reject = self.reject;
        facts.merge_failed = self.merge_failed;
        facts.rate_limited_s = self.rate_limited_s;
        facts.summary = self.summary.or(self.answer);
        facts.session = self.session;
        facts.session_total = self.session_total;
        facts.ending = ending;
    }
}

/// The beginning of a text, at most so many bytes, cut at a character and marked where it is cut.
pub fn clip(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mark = '…';
    let end = text.floor_char_boundary(max.saturating_sub(mark.len_utf8()));
    format!("{}{mark}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Wall;

    #[test]
    fn what_earlier_versions_wrote_is_read() {
        let line = r#"{"ev":"usage","input_tokens":1,"output_tokens":2,"cost_usd":0.5,"model":"m"}"#;
        let event: AgentEvent = serde_json::from_str(line).expect("read");
        let used = Usage {
            input_tokens: 1,
            output_tokens: 2,
            cost_usd: Some(0.5),
            model: Some("m".to_owned()),
            ..Usage::default()
        };
        assert_eq!(event, AgentEvent::Usage { used, session_total: None });
        let event: AgentEvent = serde_json::from_str(r#"{"ev":"session","id":"s"}"#).expect("read");
        assert_eq!(event, AgentEvent::Session { id: "s".to_owned(), model: None });
    }

    #[test]
    fn a_reset_is_waited_for_by_whatever_was_said() {
        let now = Wall(1_000_000);
        assert_eq!(Reset::default().wait_ms(now), None);
        assert_eq!(Reset::after(2).wait_ms(now), Some(2_000));
        assert_eq!(Reset::at(1_060).wait_ms(now), Some(60_000));
        assert_eq!(Reset::at(10).wait_ms(now), Some(0));
        assert_eq!(Reset::at(u64::MAX).wait_ms(Wall(i64::MIN)), Some(i64::MAX as u64));
        assert_eq!(Reset::after(u64::MAX).wait_ms(now), Some(u64::MAX));
    }

    #[test]
    fn a_cut_is_marked_and_never_longer() {
        assert_eq!(clip("äöü", 6), "äöü");
        assert_eq!(clip("äöüß", 6), "ä…");
        assert_eq!(clip("abc", 2), "…");
    }

    fn used(model: &str, input_tokens: u64) -> Usage {
        Usage { input_tokens, model: Some(model.to_owned()), ..Usage::default() }
    }

    #[test]
    fn what_turns_used_counts_until_usage_is_told() {
        let mut told = Told::default();
        let usage = |used| AgentEvent::Usage { used, session_total: None };
        told.absorb(&AgentEvent::Turn { used: used("a", 5) });
        told.absorb(&AgentEvent::Turn { used: used("a", 6) });
        assert_eq!(told.used(), [used("a", 11)], "a run that is ended here has used that");
        told.absorb(&usage(used("a", 12)));
        told.absorb(&usage(used("b", 1)));
        assert_eq!(told.used(), [used("a", 12), used("b", 1)]);
        told.absorb(&usage(used("a", 3)));
        told.absorb(&AgentEvent::Turn { used: used("a", 2) });
        assert_eq!(told.used(), [used("a", 15), used("b", 1), used("a", 2)]);
    }

    #[test]
    fn turns_are_told_apart_by_the_results_of_tools() {
        let said = || AgentEvent::Text { text: "x".to_owned() };
        let tool = || AgentEvent::ToolUse { id: "1".to_owned(), tool: "t".to_owned(), input: String::new() };
        let result = || AgentEvent::ToolResult { id: "1".to_owned(), ok: true, text: String::new() };
        let mut told = Told::default();
        for event in [said(), tool(), tool(), result(), result(), tool(), result(), said()] {
            told.absorb(&event);
        }
        assert_eq!(told.used(), [], "turns alone are no usage");
        told.absorb(&AgentEvent::Usage { used: used("m", 1), session_total: None });
        assert_eq!(told.used()[0].turns, Some(3));
        let own = Usage { turns: Some(7), ..used("m", 1) };
        told.absorb(&AgentEvent::Usage { used: own, session_total: None });
        assert_eq!(told.used()[0].turns, Some(7), "what the runtime counts stands");
    }

    #[test]
    fn the_final_answer_stands_in_for_a_summary() {
        let mut told = Told::default();
        told.absorb(&AgentEvent::Result { ok: true, text: " All done. ".to_owned() });
        let mut facts = RunFacts::default();
        told.clone().fill(&mut facts, None);
        assert_eq!(facts.summary.as_deref(), Some("All done."));
        told.absorb(&AgentEvent::Summary { text: "Adds a door.".to_owned() });
        told.fill(&mut facts, None);
        assert_eq!(facts.summary.as_deref(), Some("Adds a door."));
    }
}
