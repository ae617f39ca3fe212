//! The adapters against what the real programs printed (`tests/fixtures/transcripts`), and the traps in it.

#![expect(clippy::disallowed_methods, reason = "the core reads no files; its tests do")]

use std::path::PathBuf;

use serde::Deserialize;
use storkit_core::config::Runtime;
use storkit_core::facts::{ProcessEnd, RunFacts, Usage};
use storkit_core::runtime::{AgentEvent, Ending, Reader, Resume, Told};

/// What is known of a transcript besides its lines.
#[derive(Debug, Deserialize)]
struct Meta {
    exit: Option<i32>,
    signal: Option<i32>,
    /// The session that was asked for.
    resume: Option<String>,
    /// Its counter before.
    total: Option<Usage>,
    #[serde(default)]
    stderr: String,
}

/// A run as it was recorded.
struct Transcript {
    runtime: Runtime,
    meta: Meta,
    lines: Vec<String>,
}

fn folder(cli: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/transcripts").join(cli)
}

fn runtime(cli: &str) -> Runtime {
    match cli {
        "claude" => Runtime::ClaudeCode,
        "codex" => Runtime::Codex,
        "gemini" => Runtime::Gemini,
        other => panic!("no such folder of transcripts: {other}"),
    }
}

impl Transcript {
    fn read(cli: &str, case: &str) -> Self {
        let text = |ending: &str| {
            std::fs::read_to_string(folder(cli).join(format!("{case}.{ending}"))).expect("a transcript")
        };
        let meta: Meta = serde_json::from_str(&text("meta.json")).expect("its facts");
        // On a terminal both streams are one.
        let stderr = meta.stderr.lines().map(str::to_owned);
        let lines = stderr.chain(text("ndjson").split('\n').map(str::to_owned)).collect();
        Self { runtime: runtime(cli), meta, lines }
    }

    fn process(&self) -> ProcessEnd {
        match self.meta.signal {
            Some(signal) => ProcessEnd::Signalled(signal),
            None => ProcessEnd::Exited(self.meta.exit.expect("an exit status")),
        }
    }

    fn run(&self) -> (Vec<AgentEvent>, Option<Ending>) {
        let total = self.meta.total.clone();
        let resume = self.meta.resume.clone().map(|session| Resume { session, total });
        self.run_in(resume.as_ref(), self.process())
    }

    fn run_in(&self, resume: Option<&Resume>, process: ProcessEnd) -> (Vec<AgentEvent>, Option<Ending>) {
        let mut reader = Reader::new(self.runtime, resume);
        let mut events = Vec::new();
        for line in &self.lines {
            reader.line(line, &mut events);
        }
        let last = self.lines.iter().rev().find(|line| !line.trim().is_empty());
        let ending = reader.end(Some(process), last.map_or("", String::as_str), &mut events);
        (events, ending)
    }

    /// What a run's facts come to.
    fn facts(&self, resume: Option<&Resume>) -> RunFacts {
        let (events, ending) = self.run_in(resume, self.process());
        let mut told = Told::default();
        for event in &events {
            told.absorb(event);
        }
        let mut facts = RunFacts { process: Some(self.process()), ..RunFacts::default() };
        told.fill(&mut facts, ending);
        facts
    }
}

/// What was used, over all models.
fn sum(used: &[Usage]) -> Usage {
    let mut sum = Usage::default();
    for used in used {
        sum.add(used);
    }
    sum
}

/// As people can read it in a review: a line each, and no longer than one.
fn shown(events: &[AgentEvent], ending: Option<&Ending>) -> String {
    let cut = |text: String| {
        if text.chars().count() > 300 { text.chars().take(300).chain(['…']).collect() } else { text }
    };
    let json = |value: String| cut(value);
    let mut text = String::new();
    for event in events {
        text.push_str(&json(serde_json::to_string(event).expect("an event")));
        text.push('\n');
    }
    text.push_str(&json(serde_json::to_string(&ending).expect("an ending")));
    text
}

fn check_all(cli: &str) {
    let mut cases: Vec<String> = std::fs::read_dir(folder(cli))
        .expect("transcripts")
        .filter_map(|entry| {
            entry.ok()?.file_name().into_string().ok()?.strip_suffix(".ndjson").map(str::to_owned)
        })
        .collect();
    cases.sort();
    assert!(cases.len() > 20, "{cli}: {cases:?}");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder(cli));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for case in cases {
            let transcript = Transcript::read(cli, &case);
            let (events, ending) = transcript.run();
            insta::assert_snapshot!(case, shown(&events, ending.as_ref()));
            // Whatever crosses from the supervisor to the daemon must come out as it went in.
            for event in &events {
                let text = serde_json::to_string(event).expect("an event");
                assert_eq!(&serde_json::from_str::<AgentEvent>(&text).expect("an event"), event);
            }
            let text = serde_json::to_string(&ending).expect("an ending");
            assert_eq!(serde_json::from_str::<Option<Ending>>(&text).expect("an ending"), ending);
        }
    });
}

#[test]
fn claude_code_says_what_it_said() {
    check_all("claude");
}

#[test]
fn codex_says_what_it_said() {
    check_all("codex");
}

#[test]
fn gemini_says_what_it_said() {
    check_all("gemini");
}

/// A run of these lines that exited so.
fn run(runtime: Runtime, lines: &[&str], exit: i32) -> (Vec<AgentEvent>, Option<Ending>) {
    let mut reader = Reader::new(runtime, None);
    let mut events = Vec::new();
    for line in lines {
        reader.line(line, &mut events);
    }
    let ending = reader.end(Some(ProcessEnd::Exited(exit)), "", &mut events);
    (events, ending)
}

#[test]
fn a_success_that_exits_1_is_the_error_that_it_names() {
    let transcript = Transcript::read("claude", "http-529-forever");
    assert!(transcript.lines.iter().any(|line| line.contains(r#""subtype":"success""#)));
    assert!(matches!(transcript.run().1, Some(Ending::Transient { .. })));
}

#[test]
fn an_exit_of_0_with_all_tools_refused_is_no_work_done() {
    let transcript = Transcript::read("claude", "perm-default-denied");
    assert_eq!(transcript.process(), ProcessEnd::Exited(0));
    let (events, ending) = transcript.run();
    assert!(matches!(ending, Some(Ending::PermissionWanted { tool, .. }) if tool == "Write"));
    let wanted = events.iter().filter(|event| matches!(event, AgentEvent::PermissionWanted { .. })).count();
    assert_eq!(wanted, 2);
}

#[test]
fn a_401_is_a_401_whatever_the_exit_status_says() {
    for (cli, case) in [("claude", "http-401"), ("codex", "http-401"), ("gemini", "http-401")] {
        let (_, ending) = Transcript::read(cli, case).run_in(None, ProcessEnd::Exited(0));
        assert!(matches!(ending, Some(Ending::Authentication { .. })), "{cli}: {ending:?}");
    }
}

#[test]
fn a_result_that_is_not_the_last_line_counts_all_the_same() {
    let transcript = Transcript::read("claude", "bash-background");
    let result = transcript.lines.iter().position(|line| line.contains(r#""type":"result""#));
    assert!(result.expect("a result") + 2 < transcript.lines.len());
    assert_eq!(transcript.run().1, Some(Ending::Done));
}

#[test]
fn a_result_is_not_taken_for_the_end_of_a_process_that_a_signal_ended() {
    let transcript = Transcript::read("claude", "tool-sleep-sigterm");
    assert_eq!(transcript.process(), ProcessEnd::Exited(143));
    assert_eq!(transcript.run().1, Some(Ending::Killed { signal: Some(15) }));
}

#[test]
fn a_terminals_tail_that_is_no_json_is_skipped() {
    for case in ["ok-pty-80", "latest-ok-pty-80"] {
        let transcript = Transcript::read("claude", case);
        assert!(transcript.lines.last().expect("a tail").starts_with('\u{1b}'), "{case}");
        assert_eq!(transcript.run().1, Some(Ending::Done), "{case}");
    }
}

#[test]
fn costs_that_are_counted_over_the_session_are_reported_once() {
    // 2.1.329 says 0.005, 0.01 and 0.02 in all for the first, second and fourth run of a session.
    for case in ["latest-resume-base", "latest-resume-ok", "latest-wt-resume-third"] {
        let usage = sum(&Transcript::read("claude", case).facts(None).usage);
        assert_eq!(usage.cost_usd, Some(0.005), "{case}");
        assert_eq!((usage.input_tokens, usage.output_tokens), (1000, 50), "{case}");
    }
}

#[test]
fn costs_that_are_counted_over_the_process_are_reported_once() {
    // Two turns in one process: 0.00625, then 0.0125 in all.
    let usage = sum(&Transcript::read("claude", "input-stream-json-2turns").facts(None).usage);
    assert_eq!(usage.cost_usd, Some(0.0125));
    assert_eq!((usage.input_tokens, usage.output_tokens), (2000, 100));
}

#[test]
fn tokens_that_codex_counts_over_the_thread_are_reported_as_the_difference() {
    let first = Transcript::read("codex", "resume-base").facts(None);
    let session = first.session.expect("a thread");
    let resume = Resume { session, total: first.session_total };
    let second = Transcript::read("codex", "resume-ok").facts(Some(&resume));
    let (usage, total) = (sum(&second.usage), second.session_total.expect("the counter"));
    assert_eq!((usage.input_tokens, usage.output_tokens), (1000, 50));
    assert_eq!((total.input_tokens, total.output_tokens), (2000, 100));
    // Without the earlier counter, what is counted is what nobody has counted yet.
    let resume = Resume { total: None, ..resume };
    let usage = sum(&Transcript::read("codex", "resume-ok").facts(Some(&resume)).usage);
    assert_eq!((usage.input_tokens, usage.output_tokens), (2000, 100));
}

#[test]
fn turns_of_the_model_are_counted_for_every_runtime() {
    for (agent, case, turns) in [
        ("claude", "ok-pipe", 3),
        ("claude", "input-stream-json-2turns", 2),
        ("codex", "ok-pipe", 3),
        ("gemini", "ok-pipe", 3),
    ] {
        let usage = sum(&Transcript::read(agent, case).facts(None).usage);
        assert_eq!(usage.turns, Some(turns), "{agent} {case}");
    }
}

#[test]
fn a_run_that_was_killed_has_used_what_its_turns_told() {
    let facts = Transcript::read("claude", "tool-sleep-sigkill").facts(None);
    let usage = sum(&facts.usage);
    assert_eq!((usage.input_tokens, usage.turns, usage.cost_usd), (1000, Some(1), None));
}

#[test]
fn an_error_that_codex_recovers_from_is_no_failure() {
    let (events, ending) = Transcript::read("codex", "http-429-once").run();
    assert!(events.iter().any(|event| matches!(event, AgentEvent::Notice { text } if text.contains("429"))));
    assert_eq!(ending, Some(Ending::Done));
}

#[test]
fn another_session_than_the_one_asked_for_is_an_unknown_session() {
    let (_, ending) = Transcript::read("codex", "resume-unknown-name").run();
    assert_eq!(ending, Some(Ending::SessionUnknown));
}

#[test]
fn an_exit_of_0_without_a_result_is_not_done() {
    let transcript = Transcript::read("gemini", "hang-sigterm");
    assert_eq!(transcript.process(), ProcessEnd::Exited(0));
    assert_eq!(transcript.run().1, Some(Ending::NoSignal));
}

#[test]
fn what_an_agent_quotes_is_not_taken_for_its_result() {
    let (events, ending) = Transcript::read("claude", "aggregate-tools-many").run();
    let results = events.iter().filter(|event| matches!(event, AgentEvent::Result { .. })).count();
    assert_eq!((results, ending), (1, Some(Ending::Done)));
}

#[test]
fn a_line_of_200_kb_is_read_and_cut() {
    let (events, ending) = Transcript::read("codex", "pty-80-bigline").run();
    let longest = events.iter().map(|event| serde_json::to_string(event).expect("an event").len()).max();
    assert!(longest.expect("events") < 10_000);
    assert_eq!(ending, Some(Ending::Done));
}

#[test]
fn storkits_own_lines_are_understood_from_every_runtime() {
    for runtime in [Runtime::ClaudeCode, Runtime::Codex, Runtime::Gemini, Runtime::Acp, Runtime::Command] {
        let (events, ending) = run(runtime, &[r#"{"storkit":"question","text":"A or B?"}"#], 0);
        assert_eq!(events, [AgentEvent::Question { text: "A or B?".to_owned() }], "{runtime:?}");
        assert_eq!(ending, Some(Ending::Asked { text: "A or B?".to_owned() }), "{runtime:?}");
    }
}

#[test]
fn storkits_own_lines_are_understood_in_words_and_in_what_a_shell_printed() {
    let reject = r#"{\"storkit\":\"reject\",\"text\":\"no tests\"}"#;
    let expected = AgentEvent::Reject { text: "no tests".to_owned() };
    let claude = [
        format!(
            r#"{{"type":"assistant","message":{{"content":[{{"type":"text","text":"No.\n\n{reject}"}}]}}}}"#
        ),
        format!(
            r#"{{"type":"user","message":{{"content":[{{"type":"tool_result","tool_use_id":"t","content":"{reject}"}}]}}}}"#
        ),
    ];
    for line in &claude {
        assert_eq!(run(Runtime::ClaudeCode, &[line], 0).0.last(), Some(&expected), "{line}");
    }
    let codex = format!(
        r#"{{"type":"item.completed","item":{{"type":"command_execution","aggregated_output":"{reject}\n","status":"completed"}}}}"#
    );
    assert_eq!(run(Runtime::Codex, &[&codex], 0).0.last(), Some(&expected));
    // Gemini's words come in pieces.
    let pieces = ["{\\\"storkit\\\":\\\"rej", "ect\\\",\\\"text\\\":\\\"no tests\\\"}"]
        .map(|piece| format!(r#"{{"type":"message","role":"assistant","content":"{piece}","delta":true}}"#));
    assert_eq!(run(Runtime::Gemini, &[&pieces[0], &pieces[1]], 0).0.last(), Some(&expected));
}

mod hostile {
    use super::*;
    use proptest::prelude::*;

    const RUNTIMES: [Runtime; 5] =
        [Runtime::ClaudeCode, Runtime::Codex, Runtime::Gemini, Runtime::Acp, Runtime::Command];

    /// Feeds lines to every adapter: none may panic, and what comes out is bounded.
    fn feed(lines: &[String], process: ProcessEnd) {
        for runtime in RUNTIMES {
            let total = Some(Usage { input_tokens: u64::MAX, ..Usage::default() });
            let resume = Resume { session: "s".to_owned(), total };
            for resume in [None, Some(&resume)] {
                let mut reader = Reader::new(runtime, resume);
                let mut events = Vec::new();
                for line in lines {
                    reader.line(line, &mut events);
                }
                reader.end(Some(process), "tail", &mut events);
                let mut told = Told::default();
                for event in &events {
                    told.absorb(event);
                }
            }
        }
    }

    /// A value such as a runtime might print where it means harm.
    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            "[a-zé_…\\n ]{0,12}".prop_map(Into::into),
            prop_oneof![
                Just("text"),
                Just("tool_result"),
                Just("tool_use"),
                Just("success"),
                Just("rejected")
            ]
            .prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::vec((key(), inner), 0..6).prop_map(|pairs| pairs.into_iter().collect()),
            ]
        })
    }

    /// The keys that the adapters look at.
    fn key() -> impl Strategy<Value = String> {
        let keys = [
            "type",
            "subtype",
            "session_id",
            "thread_id",
            "message",
            "content",
            "usage",
            "modelUsage",
            "item",
            "id",
            "text",
            "error",
            "errors",
            "result",
            "is_error",
            "api_error_status",
            "permission_denials",
            "tool_name",
            "rate_limit_info",
            "resetsAt",
            "status",
            "stats",
            "models",
            "input_tokens",
            "inputTokens",
            "costUSD",
            "cached_input_tokens",
            "role",
            "storkit",
            "retry_delay_ms",
            "model_usage_since_last_result",
        ];
        prop::sample::select(keys.to_vec()).prop_map(str::to_owned)
    }

    fn object() -> impl Strategy<Value = String> {
        let kinds = [
            "system",
            "assistant",
            "user",
            "result",
            "rate_limit_event",
            "control_request",
            "thread.started",
            "turn.completed",
            "turn.failed",
            "item.started",
            "item.completed",
            "error",
            "init",
            "message",
            "tool_use",
            "tool_result",
        ];
        (prop::sample::select(kinds.to_vec()), prop::collection::vec((key(), value()), 0..8)).prop_map(
            |(kind, pairs)| {
                let mut object: serde_json::Map<_, _> = pairs.into_iter().collect();
                object.insert("type".to_owned(), kind.into());
                serde_json::Value::Object(object).to_string()
            },
        )
    }

    fn process() -> impl Strategy<Value = ProcessEnd> {
        prop_oneof![
            any::<i32>().prop_map(ProcessEnd::Exited),
            (0..256).prop_map(ProcessEnd::Exited),
            any::<i32>().prop_map(ProcessEnd::Signalled),
            Just(ProcessEnd::Lost),
        ]
    }

    proptest! {
        #[test]
        fn no_bytes_make_an_adapter_panic(lines in prop::collection::vec("\\PC{0,80}", 0..8), process in process()) {
            feed(&lines, process);
        }

        #[test]
        fn no_objects_make_an_adapter_panic(lines in prop::collection::vec(object(), 0..12), process in process()) {
            feed(&lines, process);
        }

        #[test]
        fn no_cut_of_a_transcript_makes_an_adapter_panic(cut in any::<prop::sample::Index>(), process in process()) {
            for (cli, case) in [("claude", "latest-ok-pty-80"), ("codex", "ok-pty-80"), ("gemini", "ok-pty-80")] {
                let text = Transcript::read(cli, case).lines.join("\n");
                let mut at = cut.index(text.len() + 1);
                while !text.is_char_boundary(at) {
                    at += 1;
                }
                feed(&text[..at].split('\n').map(str::to_owned).collect::<Vec<_>>(), process);
            }
        }
    }
}
