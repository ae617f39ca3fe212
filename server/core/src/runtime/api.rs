//! What the runtimes of storkit's own tool loop share: how it is started, and what its lines say.
//!
//! The loop is this program's inner mode `__api-agent`. A line of its output is an [`AgentEvent`] (a JSON object with
//! `ev`) or an [`Ending`] (one with `ending`), of which the last one counts; the lines of the contract are understood
//! as well. It exits with 0 where it came to an end of its own, else with 1. Facts of the loop are
//! `server/src/api_agent/`'s.

use serde_json::Value;

use super::Parser;
use super::ending::{self, Ending};
use super::event::AgentEvent;
use super::launch::{Launch, LaunchOrder, PromptBy, Resume};
use super::ndjson::money;
use crate::facts::ProcessEnd;

/// The inner mode's name, the first argument.
pub const API_AGENT_MODE: &str = "__api-agent";
/// The variable that names the folder of the sessions.
pub const SESSIONS_VARIABLE: &str = "STORKIT_SESSIONS";

/// Starts the loop for one provider: `__api-agent PROVIDER --role R --model M --max-turns N --session ID` or
/// `--resume ID`, then the agent's own arguments. The prompt is the file `$STORKIT_PROMPT`.
pub(super) fn launch(order: &LaunchOrder<'_>, provider: &str) -> Launch {
    let agent = order.agent;
    let mut launch =
        Launch { command: order.exe.to_owned(), prompt: PromptBy::Argument, ..Launch::default() };
    launch.arg(&[API_AGENT_MODE, provider, "--role", agent.role.name()]);
    match order.resume {
        Some(resume) => launch.arg(&["--resume", &resume.session]),
        None => launch.arg(&["--session", &order.run.to_string()]),
    }
    if !agent.model.is_empty() {
        launch.arg(&["--model", &agent.model]);
    }
    if agent.max_turns > 0 {
        launch.arg(&["--max-turns", &agent.max_turns.to_string()]);
    }
    launch.permissions(order);
    if let Some(url) = order.mcp_url {
        launch.arg(&["--mcp", url]);
    }
    launch.args.extend(agent.args.iter().cloned());
    launch.env.insert(SESSIONS_VARIABLE, order.sessions.to_owned());
    let unheeded = [("command", !agent.command.is_empty()), ("max_budget_usd", agent.max_budget_usd > 0.0)];
    launch.unheeded.extend(unheeded.into_iter().filter(|(_, set)| *set).map(|(name, _)| name));
    launch
}

/// Reads the loop's lines.
pub(super) fn parser(_resume: Option<&Resume>) -> Box<dyn Parser> {
    Box::new(Api::default())
}

/// What is known of a run so far.
#[derive(Debug, Default)]
struct Api {
    has_session: bool,
    last: Option<Ending>,
}

impl Parser for Api {
    fn object(&mut self, object: &Value, out: &mut Vec<AgentEvent>) {
        if object.get("ending").is_some() {
            self.last = serde_json::from_value(object.clone()).ok().or(self.last.take());
            return;
        }
        let Ok(mut event) = serde_json::from_value::<AgentEvent>(object.clone()) else { return };
        match &mut event {
            AgentEvent::Session { .. } => self.has_session = true,
            AgentEvent::Usage { used, session_total } => {
                used.cost_usd = money(object, "cost_usd");
                *session_total = None;
            }
            _ => {}
        }
        out.push(event);
    }

    fn end(&mut self, process: Option<ProcessEnd>, tail: &str, _out: &mut Vec<AgentEvent>) -> Option<Ending> {
        match self.last.take() {
            Some(Ending::Done) => Some(ending::succeeded(process)),
            Some(ending) => Some(ending),
            None => ending::unsaid(process, self.has_session, tail.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Runtime;
    use crate::runtime::{Reader, Reset};

    fn read(lines: &[&str], process: ProcessEnd) -> (Vec<AgentEvent>, Option<Ending>) {
        let mut reader = Reader::new(Runtime::OpenAi, None);
        let mut out = Vec::new();
        for line in lines {
            reader.line(line, &mut out);
        }
        let ending = reader.end(Some(process), "the last words", &mut out);
        (out, ending)
    }

    #[test]
    fn events_and_the_ending_are_read_as_they_were_written() {
        let limited = Ending::RateLimited { reset: Reset::after(40), text: "slow down".into() };
        let said = AgentEvent::ToolUse { id: "1".into(), tool: "shell".into(), input: "{}".into() };
        let lines =
            [serde_json::to_string(&said).expect("JSON"), serde_json::to_string(&limited).expect("JSON")];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(read(&lines, ProcessEnd::Exited(1)), (vec![said], Some(limited)));
    }

    #[test]
    fn the_process_is_believed_more_than_a_word_of_success() {
        let session = r#"{"ev":"session","id":"s"}"#;
        let done = r#"{"ending":"done"}"#;
        let of = |lines: &[&str], status| read(lines, ProcessEnd::Exited(status)).1;
        assert_eq!(of(&[session, done], 0), Some(Ending::Done));
        assert!(matches!(of(&[session, done], 1), Some(Ending::Failed { .. })));
        assert_eq!(of(&[session], 0), Some(Ending::NoSignal));
        assert_eq!(of(&[session], 137), Some(Ending::Killed { signal: Some(9) }));
        assert_eq!(of(&[], 1), Some(Ending::CrashedBeforeSession { text: "the last words".into() }));
        assert_eq!(of(&[session, done, r#"{"ending":"nonsense"}"#], 0), Some(Ending::Done));
    }

    #[test]
    fn hostile_lines_do_no_harm() {
        let usage = r#"{"ev":"usage","input_tokens":1,"output_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"cost_usd":-7,"model":null,"session_total":{"input_tokens":9,"output_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"cost_usd":null,"model":null}}"#;
        let (events, _) = read(&[usage, r#"{"ev":"usage"}"#, r#"{"ev":7}"#, "{"], ProcessEnd::Exited(0));
        let [AgentEvent::Usage { used, session_total: None }, ..] = &events[..] else { panic!("{events:?}") };
        assert_eq!((used.input_tokens, used.cost_usd), (1, None));
    }
}
