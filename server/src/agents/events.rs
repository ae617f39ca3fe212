//! What an agent says about itself: lines of its output that are JSON objects with the key `storkit`.
//!
//! Pure. The output is hostile: a line that is not exactly such an event is only output.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use storkit_core::facts::{RunFacts, Usage};

/// Longest line that may be an event, in bytes.
pub const LINE_LEN_MAX: usize = 1 << 20;
/// Longest wait that an agent may ask for, in seconds: eight days.
const RETRY_AFTER_MAX_S: u64 = 8 * 86_400;

/// One event, normalised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ev", rename_all = "snake_case")]
pub enum AgentEvent {
    /// The session that can be resumed.
    Session {
        /// Its id, as the agent names it.
        id: String,
    },
    /// What was used since the last such event.
    Usage {
        /// Input tokens.
        input_tokens: u64,
        /// Output tokens.
        output_tokens: u64,
        /// US dollars, where the agent knows.
        cost_usd: Option<f64>,
        /// The model.
        model: Option<String>,
    },
    /// It needs a decision.
    Question {
        /// What it asks.
        text: String,
    },
    /// What it did, for the commit.
    Summary {
        /// In its words.
        text: String,
    },
    /// Its provider wants it to wait.
    RateLimited {
        /// Seconds, at most eight days.
        retry_after_s: u64,
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
}

/// The event that a line of plain text is. Blanks and carriage returns around it do not count; a terminal's
/// progress display may stand before it on the same line, ended by a carriage return.
pub fn parse_line(line: &str) -> Option<AgentEvent> {
    if line.len() > LINE_LEN_MAX || !line.contains("\"storkit\"") {
        return None;
    }
    line.rsplit('\r').find_map(parse_object).or_else(|| parse_object(&line.replace('\r', "")))
}

fn parse_object(text: &str) -> Option<AgentEvent> {
    let text = text.trim();
    if !text.starts_with('{') {
        return None;
    }
    let object: Map<String, Value> = serde_json::from_str(text).ok()?;
    let string = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
    let said = |key: &str| string(key).filter(|text| !text.trim().is_empty());
    let count = |key: &str| object.get(key).and_then(Value::as_u64).unwrap_or(0);
    Some(match object.get("storkit")?.as_str()? {
        "session" => AgentEvent::Session { id: said("id")? },
        "usage" => AgentEvent::Usage {
            input_tokens: count("input_tokens"),
            output_tokens: count("output_tokens"),
            cost_usd: object.get("cost_usd").and_then(Value::as_f64).filter(|c| c.is_finite() && *c >= 0.0),
            model: said("model"),
        },
        "question" => AgentEvent::Question { text: said("text")? },
        "summary" => AgentEvent::Summary { text: said("text")? },
        "rate_limited" => AgentEvent::RateLimited { retry_after_s: seconds(object.get("retry_after_s"))? },
        // A no without a reason is still a no.
        "reject" => AgentEvent::Reject { text: string("text").unwrap_or_default() },
        "merge_failed" => AgentEvent::MergeFailed { text: string("text").unwrap_or_default() },
        _ => return None,
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=8 days before")]
#[expect(clippy::cast_precision_loss, reason = "eight days in seconds are exact")]
fn seconds(value: Option<&Value>) -> Option<u64> {
    let span = value?.as_f64()?;
    Some(span.ceil().clamp(0.0, RETRY_AFTER_MAX_S as f64) as u64)
}

/// What all events of a run come to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
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
    /// The last session.
    pub session: Option<String>,
    /// Usage, summed.
    pub usage: Option<Usage>,
}

impl Told {
    /// Takes one more event in.
    pub fn absorb(&mut self, event: &AgentEvent) {
        match event {
            AgentEvent::Session { id } => self.session = Some(id.clone()),
            AgentEvent::Question { text } => self.question = Some(text.clone()),
            AgentEvent::Summary { text } => self.summary = Some(text.clone()),
            AgentEvent::RateLimited { retry_after_s } => self.rate_limited_s = Some(*retry_after_s),
            AgentEvent::Reject { text } => self.reject = Some(text.clone()),
            AgentEvent::MergeFailed { text } => self.merge_failed = Some(text.clone()),
            AgentEvent::Usage { input_tokens, output_tokens, cost_usd, model } => {
                let sum = self.usage.get_or_insert_with(Usage::default);
                sum.input_tokens = sum.input_tokens.saturating_add(*input_tokens);
                sum.output_tokens = sum.output_tokens.saturating_add(*output_tokens);
                if let Some(cost) = cost_usd {
                    sum.cost_usd = Some(sum.cost_usd.unwrap_or(0.0) + cost);
                }
                if model.is_some() {
                    sum.model.clone_from(model);
                }
            }
        }
    }

    /// Puts it into the facts of a run.
    pub fn fill(self, facts: &mut RunFacts) {
        facts.question = self.question;
        facts.reject = self.reject;
        facts.merge_failed = self.merge_failed;
        facts.rate_limited_s = self.rate_limited_s;
        facts.summary = self.summary;
        facts.session = self.session;
        facts.usage = self.usage;
    }
}

/// Cuts plain text into lines and finds the events among them.
#[derive(Debug, Default)]
pub struct EventLines {
    line: String,
    too_long: bool,
}

impl EventLines {
    /// Takes the next piece of text, and calls `found` for each event in a line that it ends.
    pub fn feed(&mut self, plain: &str, found: &mut dyn FnMut(AgentEvent)) {
        for piece in plain.split_inclusive('\n') {
            let body = piece.strip_suffix('\n').unwrap_or(piece);
            if self.line.len() + body.len() > LINE_LEN_MAX {
                self.too_long = true;
                self.line = String::new();
            }
            if !self.too_long {
                self.line.push_str(body);
            }
            if piece.ends_with('\n') {
                self.finish(found);
            }
        }
    }

    /// Ends the line that is open: the output is over.
    pub fn finish(&mut self, found: &mut dyn FnMut(AgentEvent)) {
        if let Some(event) = parse_line(&self.line) {
            found(event);
        }
        self.line.clear();
        self.too_long = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_of_the_contract_is_read() {
        let usage = r#"{"storkit":"usage","input_tokens":1,"output_tokens":2,"cost_usd":0.1,"model":"m"}"#;
        let cases = [
            (r#"{"storkit":"session","id":"s1"}"#, AgentEvent::Session { id: "s1".into() }),
            (r#"{"storkit":"question","text":"A or B?"}"#, AgentEvent::Question { text: "A or B?".into() }),
            (r#"{"storkit":"summary","text":"done\nso"}"#, AgentEvent::Summary { text: "done\nso".into() }),
            (
                r#"{"storkit":"rate_limited","retry_after_s":1.2}"#,
                AgentEvent::RateLimited { retry_after_s: 2 },
            ),
            (r#"{"storkit":"reject"}"#, AgentEvent::Reject { text: String::new() }),
            (r#"{"storkit":"merge_failed","text":"x"}"#, AgentEvent::MergeFailed { text: "x".into() }),
        ];
        for (line, event) in cases {
            assert_eq!(parse_line(line), Some(event.clone()), "{line}");
            assert_eq!(parse_line(&format!("  10%\r 20%\r{line}\r")), Some(event), "{line}");
        }
        let Some(AgentEvent::Usage { input_tokens: 1, output_tokens: 2, cost_usd, model }) =
            parse_line(usage)
        else {
            panic!("not read: {usage}");
        };
        assert_eq!((cost_usd, model.as_deref()), (Some(0.1), Some("m")));
    }

    #[test]
    fn anything_else_is_only_output() {
        for line in [
            "",
            "storkit",
            r#"say {"storkit":"reject","text":"no"}"#,
            r#"[{"storkit":"reject"}]"#,
            r#"{"storkit":1}"#,
            r#"{"storkit":"unknown"}"#,
            r#"{"storkit":"question","text":" "}"#,
            r#"{"storkit":"question","text":7}"#,
            r#"{"storkit":"session"}"#,
            r#"{"storkit":"rate_limited"}"#,
            r#"{"storkit":"reject","text":"cut"#,
            r#"{"a":{"storkit":"reject"}}"#,
        ] {
            assert_eq!(parse_line(line), None, "{line}");
        }
        let deep = format!("{{\"storkit\":{}", "[".repeat(100_000));
        assert_eq!(parse_line(&deep), None);
    }

    #[test]
    fn hostile_numbers_do_no_harm() {
        let line =
            r#"{"storkit":"usage","input_tokens":-1,"output_tokens":18446744073709551615,"cost_usd":-5}"#;
        let event = parse_line(line).expect("an event");
        let mut told = Told::default();
        told.absorb(&event);
        told.absorb(&event);
        let usage = told.usage.expect("summed");
        assert_eq!((usage.input_tokens, usage.output_tokens, usage.cost_usd), (0, u64::MAX, None));
        let line = r#"{"storkit":"rate_limited","retry_after_s":1e300}"#;
        assert_eq!(parse_line(line), Some(AgentEvent::RateLimited { retry_after_s: RETRY_AFTER_MAX_S }));
    }

    #[test]
    fn lines_are_put_together_and_endless_ones_dropped() {
        let mut found = Vec::new();
        let mut lines = EventLines::default();
        let mut push = |event| found.push(event);
        lines.feed("noise\n{\"storkit\":\"ses", &mut push);
        lines.feed("sion\",\"id\":\"a\"}\r\n", &mut push);
        for _ in 0..40 {
            lines.feed(&"x".repeat(100_000), &mut push);
        }
        assert!(lines.line.capacity() <= 2 * LINE_LEN_MAX);
        lines.feed("{\"storkit\":\"reject\"}\n", &mut push);
        lines.feed("{\"storkit\":\"reject\",\"text\":\"no end of line\"}", &mut push);
        lines.finish(&mut push);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[1], AgentEvent::Reject { text: "no end of line".into() });
    }
}
