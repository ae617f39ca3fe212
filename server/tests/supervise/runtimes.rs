//! Runtimes on a real terminal: their output is understood, and a long prompt reaches them.

use std::path::Path;

use storkit_core::config::Runtime;
use storkit_core::facts::ProcessEnd;
use storkit_core::runtime::{Ending, PromptBy, Resume};

use crate::bench::{Bench, containers};

fn transcript(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/transcripts").join(name);
    path.canonicalize().expect("a transcript").to_string_lossy().into_owned()
}

#[test]
fn what_a_runtime_prints_is_understood_through_a_terminal() {
    let [container, ..] = containers()[..] else { unreachable!("there is always one") };
    let cases = [
        (Runtime::ClaudeCode, "claude/latest-ok-pty-80.ndjson"),
        (Runtime::Codex, "codex/ok-pty-80.ndjson"),
        (Runtime::Gemini, "gemini/ok-pty-80.ndjson"),
    ];
    for (runtime, name) in cases {
        let mut bench = Bench::new(container, &format!("cat '{}'", transcript(name)));
        bench.spec.runtime = runtime;
        let facts = bench.run();
        assert_eq!(facts.ending, Some(Ending::Done), "{name}");
        assert!(facts.session.is_some_and(|session| session.len() == 36), "{name}");
        let usage = facts.usage.first().expect("usage");
        assert_eq!((usage.input_tokens, usage.output_tokens), (3000, 150), "{name}");
        assert_eq!(facts.summary.as_deref(), Some("All done: hello.txt is committed."), "{name}");
        let log = bench.log();
        let ending = log.iter().find(|line| line["ev"] == "ending").expect("the log says how it ended");
        assert_eq!(ending["ending"], "done");
        assert!(log.iter().any(|line| line["ev"] == "tool_use"), "{name}");
    }
}

#[test]
fn how_a_runtime_ended_is_read_with_its_process() {
    let [container, ..] = containers()[..] else { unreachable!("there is always one") };
    let cut = format!("head -n 3 '{}'; kill -9 $$", transcript("claude/ok-pipe.ndjson"));
    let mut bench = Bench::new(container, &cut);
    bench.spec.runtime = Runtime::ClaudeCode;
    assert_eq!(bench.run().ending, Some(Ending::Killed { signal: Some(9) }));

    let mut bench = Bench::new(container, "echo no such luck; exit 1");
    bench.spec.runtime = Runtime::Codex;
    let text = "no such luck".to_owned();
    assert_eq!(bench.run().ending, Some(Ending::CrashedBeforeSession { text }));

    let mut bench = Bench::new(container, &format!("cat '{}'", transcript("codex/resume-ok.ndjson")));
    bench.spec.runtime = Runtime::Codex;
    bench.spec.resume = Some(Resume { session: "another".to_owned(), total: None });
    assert_eq!(bench.run().ending, Some(Ending::SessionUnknown));
}

#[test]
fn a_prompt_may_be_the_standard_input_while_the_output_is_the_terminal() {
    for container in containers() {
        let script = "[ -t 1 ] && [ ! -t 0 ] && wc -c < \"$STORKIT_PROMPT\" && wc -c";
        let mut bench = Bench::new(container, script);
        bench.spec.prompt_by = PromptBy::Stdin;
        bench.spec.prompt = Some("x".repeat(200_000));
        let facts = bench.run();
        assert_eq!(facts.process, Some(ProcessEnd::Exited(0)), "{}", facts.tail);
        let words: Vec<&str> = facts.tail.split_whitespace().collect();
        assert_eq!(words, ["200000", "200000"]);
    }
}

/// Gemini CLI's question, as it draws it.
const TRUST: &str =
    "\u{1b}[2J\u{1b}[H│ Do\u{1b}[1Cyou trust the files in this folder?│\r\n│ 1. Trust folder (repo) │";

#[test]
fn a_run_that_waits_for_a_person_at_a_known_screen_is_ended_and_says_so() {
    let [container, ..] = containers()[..] else { unreachable!("there is always one") };
    let mut bench =
        Bench::new(container, &format!("trap 'exit 0' TERM; printf '%s' '{TRUST}'; read -r answer"));
    bench.spec.runtime = Runtime::Command;
    let facts = bench.run();
    let Some(Ending::Configuration { text }) = facts.ending else { panic!("{facts:?}") };
    assert!(text.starts_with("Gemini CLI asks whether the folder is trusted, and nobody is there"), "{text}");
    assert_eq!(facts.time_limit, None);

    let bench = Bench::new(container, &format!("printf '%s' '{TRUST}'; exit 1"));
    assert!(matches!(bench.run().ending, Some(Ending::Configuration { .. })), "it gave up there");
    let bench = Bench::new(container, &format!("printf '%s' '{TRUST}'; exit 0"));
    assert_eq!(bench.run().ending, None, "it went on by itself");
}
