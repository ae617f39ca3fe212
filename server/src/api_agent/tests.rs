//! The loop against the scripted model, for each provider: work, endings, retries, sessions.

use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::rc::Rc;

use serde_json::{Value, json};
use storkit_core::config::Runtime;
use storkit_core::facts::ProcessEnd;
use storkit_core::runtime::{AgentEvent, Ending, Reader, Reset, Told};
use storkit_testkit::model::{Cut, DUMMY_KEY, ModelServer, Repeat, Script, Turn, Usage};
use tempfile::TempDir;

use super::*;

const PROVIDERS: [&str; 2] = ["openai", "gemini"];

#[derive(Clone, Default)]
struct Sink(Rc<RefCell<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Scene {
    folder: TempDir,
    provider: &'static str,
    model: ModelServer,
}

/// What a run came to, as the daemon reads it.
struct Run {
    events: Vec<AgentEvent>,
    ending: Ending,
    told: Told,
}

impl Scene {
    fn new(provider: &'static str, turns: Vec<Turn>) -> Self {
        let model = ModelServer::start(vec![turns.into_iter().fold(Script::new(), Script::turn)]);
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("tree")).expect("a worktree");
        fs::write(folder.path().join("prompt"), "Do it.").expect("a prompt");
        Self { folder, provider, model }
    }

    fn order(&self, args: &[&str], key: Option<&str>) -> Result<Order, Ending> {
        let all = [self.provider, "--model", "m", "--role", "qa"]
            .into_iter()
            .chain(args.iter().copied())
            .map(OsString::from);
        Order::read(all, &mut |name| {
            let value = match name {
                "STORKIT_SESSIONS" => self.folder.path().join("sessions").display().to_string(),
                "STORKIT_PROMPT" => self.folder.path().join("prompt").display().to_string(),
                "OPENAI_BASE_URL" => format!("{}/v1/", self.model.url()),
                "GEMINI_BASE_URL" => self.model.url(),
                _ => key?.to_owned(),
            };
            Some(value)
        })
    }

    fn run(&self, args: &[&str]) -> Run {
        let sink = Sink::default();
        let speaker = Speaker::new(sink.clone());
        let order = self.order(args, Some(DUMMY_KEY)).expect("an order");
        let ending = work(&order, &self.folder.path().join("tree"), &speaker).unwrap_or_else(|ending| ending);
        speaker.ending(&ending);
        let text = String::from_utf8(sink.0.borrow().clone()).expect("text");
        let mut reader = Reader::new(Runtime::OpenAi, None);
        let (mut events, mut told) = (Vec::new(), Told::default());
        for line in text.lines() {
            reader.line(line, &mut events);
        }
        for event in &events {
            told.absorb(event);
        }
        let read = reader.end(Some(ProcessEnd::Exited(0)), "", &mut events).expect("an ending");
        assert_eq!(read, ending, "it is read as it was meant");
        Run { events, ending, told }
    }

    /// The run of a new session.
    fn first(&self) -> Run {
        self.run(&["--session", "s-1"])
    }

    fn last_request(&self) -> Value {
        self.model.requests().pop().expect("a request").body
    }
}

#[test]
fn the_model_works_with_its_tools_and_all_is_told() {
    for provider in PROVIDERS {
        let cached = Usage { input: 300, output: 40, cache_read: 700, cache_write: 0 };
        let turns = vec![
            Turn::write("hello.txt", "hello\n").saying("I write it.").costs(cached),
            Turn::shell("cat hello.txt; exit 4"),
            Turn::default()
                .call("finish", json!({"summary": "It says hello."}))
                .call("shell", json!({"command": "touch no"})),
        ];
        let scene = Scene::new(provider, turns);
        let run = scene.first();
        assert_eq!((run.ending, run.told.summary.as_deref()), (Ending::Done, Some("It says hello.")));
        assert_eq!(run.told.session.as_deref(), Some("s-1"));
        let used = run.told.used().remove(0);
        let served = &scene.model.served()["m"];
        assert_eq!(
            (used.input_tokens, used.output_tokens, used.cache_read_tokens),
            (served.input, served.output, served.cache_read)
        );
        let results: Vec<bool> = run
            .events
            .iter()
            .filter_map(|event| match event {
                AgentEvent::ToolResult { ok, .. } => Some(*ok),
                _ => None,
            })
            .collect();
        assert_eq!(results, [true, false, true]);
        assert!(!scene.folder.path().join("tree/no").exists(), "nothing is run after the end");
        assert!(scene.model.requests()[2].says("hello\n[exit status: 4]"), "{:#}", scene.last_request());
        assert_eq!(scene.model.foreign_keys(), 0);
    }
}

#[test]
fn an_answer_without_tools_is_the_end() {
    for provider in PROVIDERS {
        let run = Scene::new(provider, vec![Turn::says("All is well.")]).first();
        assert_eq!((run.ending, run.told.answer.as_deref()), (Ending::Done, Some("All is well.")));
    }
}

#[test]
fn questions_and_rejections_end_the_run() {
    for provider in PROVIDERS {
        let ask = Turn::default().call("ask_human", json!({"question": "A or B?"}));
        let run = Scene::new(provider, vec![ask]).first();
        assert_eq!(run.ending, Ending::Asked { text: "A or B?".into() });
        let no = Turn::default().call("reject", json!({"reason": "no tests"}));
        let run = Scene::new(provider, vec![no]).first();
        assert_eq!((run.ending, run.told.reject.as_deref()), (Ending::Done, Some("no tests")));
    }
}

#[test]
fn a_session_is_gone_on_with() {
    for provider in PROVIDERS {
        let turns = vec![
            Turn::shell("echo marvellous").call("ask_human", json!({"question": "A or B?"})),
            Turn::says("Then B."),
        ];
        let scene = Scene::new(provider, turns);
        scene.first();
        fs::write(scene.folder.path().join("prompt"), "Take B.").expect("a prompt");
        let run = scene.run(&["--resume", "s-1"]);
        assert_eq!((run.ending, run.told.session.as_deref()), (Ending::Done, Some("s-1")));
        let request = scene.model.requests().pop().expect("a request");
        for text in ["Do it.", "marvellous", "A or B?", "Take B."] {
            assert!(request.says(text), "{provider}: {text}: {:#}", request.body);
        }
        let lost = scene.run(&["--resume", "s-2"]);
        assert_eq!((lost.ending, lost.events), (Ending::SessionUnknown, vec![]));
    }
}

#[test]
fn refused_requests_are_tried_again_and_a_long_wait_ends_the_run() {
    for provider in PROVIDERS {
        let soon = Turn::rate_limited(0).repeat(Repeat::Times(3));
        let turns = vec![soon, Turn::status(503).header("retry-after", "0"), Turn::says("Here I am.")];
        let scene = Scene::new(provider, turns);
        let run = scene.first();
        assert_eq!((run.ending, scene.model.requests().len()), (Ending::Done, 5));
        let retries = run.events.iter().filter(|event| matches!(event, AgentEvent::RateLimit { .. }));
        assert_eq!(retries.count(), 4);

        let scene = Scene::new(provider, vec![Turn::rate_limited(1234)]);
        let ending = scene.first().ending;
        assert!(
            matches!(&ending, Ending::RateLimited { reset, .. } if *reset == Reset::after(1234)),
            "{ending:?}"
        );

        let always = Turn::status(500).header("retry-after", "0").repeat(Repeat::Forever);
        let scene = Scene::new(provider, vec![always]);
        let ending = scene.first().ending;
        assert!(matches!(ending, Ending::Transient { .. }), "{ending:?}");
        assert_eq!(scene.model.requests().len(), 5);
    }
}

#[test]
fn a_connection_that_breaks_off_is_tried_again() {
    for provider in PROVIDERS {
        let turns = vec![Turn::says("x").cut(Cut::Before), Turn::says("Here I am.")];
        assert_eq!(Scene::new(provider, turns).first().ending, Ending::Done);
    }
}

#[test]
fn endings_that_nothing_can_mend_come_at_once() {
    for provider in PROVIDERS {
        let of = |turn: Turn| {
            let scene = Scene::new(provider, vec![turn]);
            let ending = scene.first().ending;
            assert_eq!(scene.model.requests().len(), 1);
            serde_json::to_value(ending).expect("JSON")["ending"].clone()
        };
        assert_eq!(of(Turn::status(401)), "authentication");
        assert_eq!(of(Turn::status(404)), "configuration");
        assert_eq!(of(Turn::status(400)), "failed");
        let scene = Scene::new(provider, vec![]);
        let order = scene.order(&[], Some("another-key")).expect("an order");
        let speaker = Speaker::new(std::io::sink());
        let ending = work(&order, &scene.folder.path().join("tree"), &speaker).expect("an ending");
        assert!(matches!(ending, Ending::Authentication { .. }), "{ending:?}");
    }
    let quota = Turn::status(429);
    let body = json!({"error": {"message": "You have no credit.", "code": "insufficient_quota"}});
    let run = Scene::new("openai", vec![Turn { body: Some(body), ..quota }]).first();
    assert_eq!(run.ending, Ending::Quota { reset: Reset::default(), text: "You have no credit.".into() });
}

#[test]
fn turns_are_counted_and_empty_answers_too() {
    for provider in PROVIDERS {
        let scene = Scene::new(provider, vec![Turn::shell("true").repeat(Repeat::Forever)]);
        assert_eq!(scene.run(&["--session", "s", "--max-turns", "3"]).ending, Ending::OutOfTurns);
        assert_eq!(scene.model.requests().len(), 3);
        let scene = Scene::new(provider, vec![Turn::says("").repeat(Repeat::Forever)]);
        assert!(matches!(scene.first().ending, Ending::Failed { .. }));
        assert_eq!(scene.model.requests().len(), 3);
    }
}

#[test]
fn an_answer_that_was_cut_off_is_not_the_end() {
    for (provider, stop) in [("openai", "length"), ("gemini", "MAX_TOKENS")] {
        let cut = Turn { stop: Some(stop.into()), ..Turn::says("And then I") };
        let scene = Scene::new(provider, vec![cut, Turn::says("Done.")]);
        assert_eq!((scene.first().ending, scene.model.requests().len()), (Ending::Done, 2));
    }
}

#[test]
fn old_output_gives_way_where_the_context_is_small() {
    for provider in PROVIDERS {
        let turns = vec![
            Turn::shell("echo first; seq 1 1500"),
            Turn::shell("echo second; seq 1 1500"),
            Turn::says("Done."),
        ];
        let scene = Scene::new(provider, turns);
        let run = scene.run(&["--session", "s", "--context-bytes", "8192"]);
        assert_eq!(run.ending, Ending::Done);
        let last = scene.model.requests().pop().expect("a request");
        assert!(!last.says("first\n1\n") && last.says("second\n1\n") && last.says("[cut to save room"));
        fs::write(scene.folder.path().join("prompt"), "x".repeat(9000)).expect("a prompt");
        let run = scene.run(&["--session", "t", "--context-bytes", "8192"]);
        assert!(matches!(run.ending, Ending::ContextTooLong { .. }), "{:?}", run.ending);
    }
}
