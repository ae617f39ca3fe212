//! What some runtimes say in prose alone: fixed phrases, with the version that they were seen in.
//!
//! The last resort. A phrase is as long as it can be, and begins the line or message that it is looked for in.

use super::ending::Ending;
use super::event::{Reset, TEXT_LEN_MAX, clip};
use crate::config::Runtime;
use crate::facts::ProcessEnd;

/// What a phrase means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    Quota,
    RateLimited,
    Transient,
    Authentication,
    Configuration,
    ContextTooLong,
    SessionUnknown,
    /// A new session cannot have the id that it was to have: another one can.
    SessionTaken,
}

impl Means {
    /// The ending, in the runtime's words.
    pub(super) fn ending(self, text: String) -> Ending {
        match self {
            Self::Quota => Ending::Quota { reset: Reset::default(), text },
            Self::RateLimited => Ending::RateLimited { reset: retry_in(&text), text },
            Self::Transient => Ending::Transient { text },
            Self::Authentication => Ending::Authentication { text },
            Self::Configuration => Ending::Configuration { text },
            Self::ContextTooLong => Ending::ContextTooLong { text },
            Self::SessionUnknown => Ending::SessionUnknown,
            Self::SessionTaken => Ending::CrashedBeforeSession { text },
        }
    }
}

/// Where a phrase stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// At the beginning of a line that is no event: what the runtime writes to its standard error.
    Line,
    /// At the beginning of the error that an event names.
    Error,
}

struct Phrase {
    runtime: Runtime,
    place: Place,
    begins: &'static str,
    /// What must stand behind the beginning, where that alone says too little.
    holds: &'static str,
    means: Means,
    /// The version of the runtime that said it.
    #[expect(dead_code, reason = "for whoever looks whether a newer version still says it")]
    seen: &'static str,
}

const CLAUDE: &str = "2.1.197, 2.1.329";
const CODEX: &str = "0.169.0";
const GEMINI: &str = "0.61.0";

const fn claude(place: Place, begins: &'static str, holds: &'static str, means: Means) -> Phrase {
    Phrase { runtime: Runtime::ClaudeCode, place, begins, holds, means, seen: CLAUDE }
}

const fn codex(place: Place, begins: &'static str, holds: &'static str, means: Means) -> Phrase {
    Phrase { runtime: Runtime::Codex, place, begins, holds, means, seen: CODEX }
}

const fn gemini(place: Place, begins: &'static str, holds: &'static str, means: Means) -> Phrase {
    Phrase { runtime: Runtime::Gemini, place, begins, holds, means, seen: GEMINI }
}

use Means::{
    Authentication, Configuration, ContextTooLong, Quota, RateLimited, SessionTaken, SessionUnknown,
    Transient,
};
use Place::{Error, Line};

const PHRASES: &[Phrase] = &[
    claude(Error, "No conversation found with session ID: ", "", SessionUnknown),
    claude(Error, "Error: --resume requires a valid session ID", "", SessionUnknown),
    claude(Error, "Invalid API key · ", "", Authentication),
    claude(Error, "Not logged in · ", "", Authentication),
    claude(Line, "No conversation found with session ID: ", "", SessionUnknown),
    claude(Line, "Error: Session ID ", " is already in use.", SessionTaken),
    claude(
        Line,
        "--dangerously-skip-permissions cannot be used with root/sudo privileges",
        "",
        Configuration,
    ),
    claude(
        Line,
        "Error: When using --print, --output-format=stream-json requires --verbose",
        "",
        Configuration,
    ),
    claude(Line, "Error: MCP tool ", " (passed via --permission-prompt-tool) not found.", Configuration),
    codex(Error, "You’ve hit your usage limit.", "", Quota),
    codex(Error, "Quota exceeded. Check your plan and billing details.", "", Quota),
    codex(Error, "rate limit exceeded: ", "", RateLimited),
    codex(Error, "We’re currently experiencing high demand, ", "", Transient),
    codex(Error, "stream disconnected before completion: ", "", Transient),
    codex(Error, "Codex ran out of room in the model's context window.", "", ContextTooLong),
    codex(Error, "Missing environment variable: `", "", Authentication),
    codex(
        Line,
        "Error: thread/resume: thread/resume failed: no rollout found for thread id ",
        "",
        SessionUnknown,
    ),
    codex(
        Line,
        "Error: thread/start: thread/start failed: ",
        "required MCP servers failed to initialize",
        Configuration,
    ),
    codex(
        Line,
        "Not inside a trusted directory and --skip-git-repo-check was not specified.",
        "",
        Configuration,
    ),
    codex(Line, "No prompt provided via stdin.", "", Configuration),
    codex(Line, "Error loading config.toml: ", "", Configuration),
    gemini(Error, "[API Error: You have exhausted your daily quota on this model.]", "", Quota),
    gemini(Error, "[API Error: {", "\"API key not valid. ", Authentication),
    gemini(Error, "[API Error: exception TypeError: fetch failed sending request]", "", Transient),
    gemini(Error, "[API Error: terminated]", "", Transient),
    gemini(Line, "Error resuming session: ", "", SessionUnknown),
    gemini(Line, "Error starting session: Session ID ", " already exists.", SessionTaken),
];

/// What a text means, where it is a phrase of that runtime.
pub(super) fn meaning(runtime: Runtime, place: Place, text: &str) -> Option<Means> {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c.is_control());
    let fits = |phrase: &&Phrase| {
        phrase.runtime == runtime
            && phrase.place == place
            && text.strip_prefix(phrase.begins).is_some_and(|rest| rest.contains(phrase.holds))
    };
    PHRASES.iter().find(fits).map(|phrase| phrase.means)
}

/// The first line of a runtime's standard error that has a known meaning.
#[derive(Debug, Default)]
pub(super) struct Heard(Option<(Means, String)>);

impl Heard {
    /// Takes a line that is no event.
    pub(super) fn line(&mut self, runtime: Runtime, line: &str) {
        if self.0.is_none() {
            let means = meaning(runtime, Place::Line, line);
            self.0 = means.map(|means| (means, clip(line.trim(), TEXT_LEN_MAX)));
        }
    }

    /// The ending of a process that failed and said nothing else of its end.
    pub(super) fn ending(&self, process: Option<ProcessEnd>) -> Option<Ending> {
        let (means, line) = self.0.clone().filter(|_| process != Some(ProcessEnd::Exited(0)))?;
        Some(means.ending(line))
    }
}

/// The HTTP status behind `… status: 429 Too Many Requests` or `unexpected status 503 …` (codex 0.169.0).
pub(super) fn status(text: &str) -> Option<u16> {
    let rest = text
        .strip_prefix("exceeded retry limit, last status: ")
        .or_else(|| text.strip_prefix("unexpected status "))?;
    let digits = rest.split(' ').next()?;
    digits.parse().ok().filter(|status| (400..=599).contains(status))
}

/// The span behind `Please try again in 1.5s.` (codex 0.169.0); nothing where it is not said so.
fn retry_in(text: &str) -> Reset {
    let span = text.split("Please try again in ").nth(1).and_then(|rest| rest.split("s.").next());
    let seconds = span.and_then(|span| span.parse::<f64>().ok()).filter(|s| (0.0..=86_400.0).contains(s));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within a day, not negative")]
    seconds.map_or_else(Reset::default, |seconds| Reset::after(seconds.ceil() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_counts_at_its_place_alone() {
        let text = "No conversation found with session ID: 1";
        assert_eq!(meaning(Runtime::ClaudeCode, Line, text), Some(SessionUnknown));
        assert_eq!(meaning(Runtime::Codex, Line, text), None);
        assert_eq!(meaning(Runtime::ClaudeCode, Line, &format!("the log says: {text}")), None);
        assert_eq!(meaning(Runtime::ClaudeCode, Line, "Error: Session ID 1 is odd"), None);
        assert_eq!(meaning(Runtime::Gemini, Error, "[API Error: terminated] maybe"), Some(Transient));
    }

    #[test]
    fn numbers_in_prose_are_read_where_they_are_exact() {
        assert_eq!(status("unexpected status 503 Service Unavailable: x"), Some(503));
        assert_eq!(status("exceeded retry limit, last status: 429 Too Many Requests"), Some(429));
        assert_eq!(status("unexpected status 200 OK"), None);
        assert_eq!(status("unexpected status 99999999 X"), None);
        assert_eq!(retry_in("limit. Please try again in 1.5s."), Reset::after(2));
        for text in
            ["Please try again in -1s.", "Please try again in NaNs.", "Please try again in 1e300s.", ""]
        {
            assert_eq!(retry_in(text), Reset::default(), "{text}");
        }
    }
}
