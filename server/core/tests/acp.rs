//! The client of the Agent Client Protocol against what real agents said (`tests/fixtures/transcripts/acp-*`, both
//! directions), and against what they might say.

#![expect(clippy::disallowed_methods, reason = "the core reads no files; its tests do")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};
use storkit_core::config::Permissions;
use storkit_core::config::Runtime;
use storkit_core::facts::ProcessEnd;
use storkit_core::leave::Leave;
use storkit_core::runtime::acp::{Client, Mcp, Said, Step, Task};
use storkit_core::runtime::{AgentEvent, Ending, Reader, TEXT_LEN_MAX};

fn folder(agent: &str) -> PathBuf {
    let all = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/transcripts");
    all.join(format!("acp-{agent}"))
}

/// A conversation as it was recorded: who said it, and what.
fn transcript(agent: &str, case: &str) -> Vec<(bool, Value)> {
    let text = std::fs::read_to_string(folder(agent).join(format!("{case}.ndjson"))).expect("a transcript");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.map(|line| (line["dir"] == "agent->client", line["msg"].clone())).collect()
}

/// The task of a recorded client.
fn task(messages: &[(bool, Value)]) -> Task {
    let own = || messages.iter().filter(|(is_agents, _)| !is_agents).map(|(_, message)| message);
    let params = |method: &str| own().find(|message| message["method"] == method).map(|m| &m["params"]);
    let load = params("session/load");
    let refuses = |message: &Value| {
        let option = &message["result"]["outcome"]["optionId"];
        option == "reject" || option == "abort" || option == "cancel"
    };
    Task {
        cwd: "/home/user/project".to_owned(),
        prompt: "Create hello.txt and commit it".to_owned(),
        session: load.and_then(|load| load["sessionId"].as_str()).map(str::to_owned),
        permissions: if own().any(refuses) { Permissions::Deny } else { Permissions::Allow },
        ..Task::default()
    }
}

/// What the last request among the steps is: its id and method.
fn request(steps: &[Step]) -> Option<(Value, String)> {
    steps.iter().rev().find_map(|step| match step {
        Step::Send(message) if !message["id"].is_null() && message["method"].is_string() => {
            Some((message["id"].clone(), message["method"].as_str()?.to_owned()))
        }
        _ => None,
    })
}

/// Says to a client what the recorded agent said to another one, and gives all that came of it. Settings that the
/// recorded client did not ask for are accepted.
fn replay(task: Task, messages: &[(bool, Value)]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut client = Client::begin(task, &mut steps);
    let mut asked = BTreeMap::new();
    for (is_agents, message) in messages {
        let method = message["method"].as_str();
        match (is_agents, method) {
            (false, Some("session/cancel")) => client.cancel(&mut steps),
            (false, Some(method)) => _ = asked.insert(message["id"].as_u64(), method.to_owned()),
            (false, None) => {}
            (true, Some(_)) => client.message(message, &mut steps),
            (true, None) => {
                let answered = &asked[&message["id"].as_u64()];
                let (mut id, mut method) = request(&steps).expect("a request");
                while method != *answered {
                    assert!(method.starts_with("session/set_"), "{method} was not answered");
                    client.message(&json!({"jsonrpc": "2.0", "id": id, "result": {}}), &mut steps);
                    (id, method) = request(&steps).expect("a request");
                }
                let mut answer = message.clone();
                answer["id"] = id;
                client.message(&answer, &mut steps);
                // The recorded client had no settings to make: from here on its prompt is under way.
                while let Some((id, method)) = request(&steps)
                    .filter(|(_, method)| method.starts_with("session/set_") && !asked_for(messages, method))
                {
                    let _ = method;
                    client.message(&json!({"jsonrpc": "2.0", "id": id, "result": {}}), &mut steps);
                }
            }
        }
    }
    steps
}

fn asked_for(messages: &[(bool, Value)], method: &str) -> bool {
    messages.iter().any(|(is_agents, message)| !is_agents && message["method"] == method)
}

/// As people can read it in a review: a line each, and no longer than one.
fn shown(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        let line = match step {
            Step::Send(message) => format!("> {message}"),
            Step::Say(event) => serde_json::to_string(event).expect("an event"),
            Step::End(ending) => serde_json::to_string(ending).expect("an ending"),
        };
        let cut = line.chars().count() > 300;
        text.extend(line.chars().take(300).chain(cut.then_some('…')));
        text.push('\n');
    }
    text
}

/// What the daemon understands of the lines that the steps are printed as.
fn read(steps: &[Step], process: ProcessEnd) -> (Vec<AgentEvent>, Option<Ending>) {
    let mut reader = Reader::new(Runtime::Acp, None);
    let mut events = Vec::new();
    for step in steps {
        let said = match step {
            Step::Send(_) => continue,
            Step::Say(event) => Said::Event(event.clone()),
            Step::End(ending) => Said::Ending(ending.clone()),
        };
        reader.line(&said.line(), &mut events);
    }
    let ending = reader.end(Some(process), "", &mut events);
    (events, ending)
}

fn ending(steps: &[Step]) -> &Ending {
    match steps.last() {
        Some(Step::End(ending)) => ending,
        other => panic!("it is not over: {other:?}"),
    }
}

fn check_all(agent: &str, cases: &[&str]) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder(agent));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for case in cases {
            let messages = transcript(agent, case);
            let steps = replay(task(&messages), &messages);
            insta::assert_snapshot!(*case, shown(&steps));
            let said = steps.iter().filter(|step| matches!(step, Step::Say(_))).count();
            let (events, read_ending) = read(&steps, ProcessEnd::Exited(0));
            assert_eq!((events.len(), read_ending.as_ref()), (said, Some(ending(&steps))), "{case}");
        }
    });
}

#[test]
fn claude_is_spoken_with_as_it_speaks() {
    let cases = [
        "cancel",
        "http-429",
        "load-known",
        "load-unknown",
        "mode-bypass",
        "no-auth",
        "ok-allow",
        "ok-reject",
    ];
    check_all("claude", &cases);
}

#[test]
fn codex_is_spoken_with_as_it_speaks() {
    let cases = ["cancel", "http-429", "load-known", "load-unknown", "mode-full", "ok-allow", "ok-reject"];
    check_all("codex", &cases);
}

#[test]
fn gemini_is_spoken_with_as_it_speaks() {
    check_all("gemini", &["cancel", "http-429", "load-unknown", "mode-yolo", "ok-allow-nofs", "ok-reject"]);
}

#[test]
fn a_limit_is_told_from_the_three_forms_that_it_comes_in() {
    for agent in ["claude", "codex", "gemini"] {
        let messages = transcript(agent, "http-429");
        let steps = replay(task(&messages), &messages);
        assert!(matches!(ending(&steps), Ending::RateLimited { .. }), "{agent}: {steps:?}");
    }
}

#[test]
fn a_refused_tool_is_told_also_where_the_agent_says_it_did_its_work() {
    for agent in ["claude", "codex", "gemini"] {
        let messages = transcript(agent, "ok-reject");
        let steps = replay(task(&messages), &messages);
        assert!(matches!(ending(&steps), Ending::PermissionWanted { .. }), "{agent}: {steps:?}");
    }
}

#[test]
fn who_wants_to_be_asked_is_asked_and_the_agent_is_cancelled() {
    let messages = transcript("claude", "ok-allow");
    let steps = replay(Task { permissions: Permissions::Ask, ..task(&messages) }, &messages);
    let Ending::PermissionWanted { tool, .. } = ending(&steps) else { panic!("{steps:?}") };
    assert_eq!(tool, "Write");
    let sent = |needle: &str| {
        steps.iter().any(|step| matches!(step, Step::Send(message) if message.to_string().contains(needle)))
    };
    assert!(sent("session/cancel") && sent(r#""outcome":"cancelled""#) && !sent("optionId"));
}

#[test]
fn a_tool_of_which_a_person_has_spoken_is_not_asked_about_again() {
    let messages = transcript("claude", "ok-allow");
    let asked = |leave: Leave| {
        let steps = replay(Task { permissions: Permissions::Ask, leave, ..task(&messages) }, &messages);
        let options = steps.iter().filter_map(|step| match step {
            Step::Send(message) => message["result"]["outcome"]["optionId"].as_str().map(str::to_owned),
            _ => None,
        });
        (options.collect::<Vec<_>>(), ending(&steps).clone())
    };
    let tools = || vec!["Write".to_owned(), "Bash".to_owned()];
    let (options, end) = asked(Leave { allowed: tools(), ..Leave::default() });
    assert!(!options.is_empty() && options.iter().all(|option| option == "allow"), "{options:?}");
    assert_eq!(end, Ending::Done);
    let (options, end) = asked(Leave { refused: tools(), ..Leave::default() });
    assert!(!options.is_empty() && options.iter().all(|option| option == "reject"), "{options:?}");
    assert!(matches!(end, Ending::PermissionWanted { .. }), "it went on, and it is told: {end:?}");
}

#[test]
fn an_unknown_session_is_not_taken_for_another_failure() {
    for agent in ["claude", "codex", "gemini"] {
        let messages = transcript(agent, "load-unknown");
        assert_eq!(ending(&replay(task(&messages), &messages)), &Ending::SessionUnknown, "{agent}");
    }
    let hello = json!({"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": 1, "agentCapabilities": {}}});
    let mut steps = Vec::new();
    let task = Task { session: Some("s".to_owned()), ..Task::default() };
    Client::begin(task, &mut steps).message(&hello, &mut steps);
    assert_eq!(ending(&steps), &Ending::SessionUnknown, "it cannot load sessions at all");
}

#[test]
fn the_mcp_server_and_what_is_wanted_are_handed_on() {
    let messages = transcript("claude", "ok-allow");
    let mcp = Mcp { url: "http://127.0.0.1:1/mcp".to_owned(), token: "secret".to_owned() };
    let (model, mode) = (Some("haiku".to_owned()), Some("plan".to_owned()));
    let steps = replay(Task { mcp: Some(mcp), model, mode, ..task(&messages) }, &messages);
    let params = |method: &str| {
        let mut sent = steps.iter().filter_map(|step| match step {
            Step::Send(message) if message["method"] == method => Some(&message["params"]),
            _ => None,
        });
        sent.next().cloned().unwrap_or_default()
    };
    let header = &params("session/new")["mcpServers"][0]["headers"][0];
    assert_eq!(header, &json!({"name": "Authorization", "value": "Bearer secret"}));
    assert_eq!(params("session/set_model")["modelId"], "haiku");
    assert_eq!(params("session/set_mode")["modeId"], "plan");
}

#[test]
fn a_setting_that_is_refused_is_an_error_only_where_it_was_asked_for() {
    let hello = json!({"id": 1, "result": {"protocolVersion": 1}});
    let modes = json!({"currentModeId": "default", "availableModes": [{"id": "yolo"}]});
    let opened = json!({"id": 2, "result": {"sessionId": "s", "modes": modes}});
    let no = json!({"id": 3, "error": {"code": -32602, "message": "no such thing"}});
    for (model, is_error) in [(None, false), (Some("m".to_owned()), true)] {
        let mut steps = Vec::new();
        let mut client = Client::begin(Task { model, ..Task::default() }, &mut steps);
        for message in [&hello, &opened, &no] {
            client.message(message, &mut steps);
        }
        let is_prompted = request(&steps).is_some_and(|(_, method)| method == "session/prompt");
        let is_ended = matches!(steps.last(), Some(Step::End(Ending::Configuration { .. })));
        assert_eq!((is_prompted, is_ended), (!is_error, is_error), "{steps:?}");
    }
}

#[test]
fn a_success_counts_with_its_process_and_silence_without_one() {
    let done = [Step::End(Ending::Done)];
    assert_eq!(read(&done, ProcessEnd::Signalled(9)).1, Some(Ending::Killed { signal: Some(9) }));
    assert!(matches!(read(&[], ProcessEnd::Exited(1)).1, Some(Ending::CrashedBeforeSession { .. })));
    let session = [Step::Say(AgentEvent::Session { id: "s".to_owned(), model: None })];
    assert_eq!(read(&session, ProcessEnd::Exited(0)).1, Some(Ending::NoSignal));
    let long = [Step::End(Ending::Failed { text: "x".repeat(100_000) })];
    let Some(Ending::Failed { text }) = read(&long, ProcessEnd::Exited(1)).1 else { panic!("it failed") };
    assert_eq!(text.len(), TEXT_LEN_MAX);
}

mod hostile {
    use super::*;
    use proptest::prelude::*;

    /// A value such as an agent might send where it means harm.
    fn value() -> impl Strategy<Value = Value> {
        let words = ["text", "s", "end_turn", "completed", "pending", "yolo", "allow_once", "USD", "execute"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            prop::sample::select(words.to_vec()).prop_map(Into::into),
            "[a-zé_…\\n ]{0,12}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::vec((key(), inner), 0..6).prop_map(|pairs| pairs.into_iter().collect()),
            ]
        })
    }

    fn key() -> impl Strategy<Value = String> {
        let keys = [
            "sessionId",
            "modes",
            "models",
            "configOptions",
            "availableModes",
            "currentModeId",
            "id",
            "category",
            "options",
            "value",
            "kind",
            "optionId",
            "toolCall",
            "toolCallId",
            "title",
            "rawInput",
            "rawOutput",
            "content",
            "text",
            "status",
            "stopReason",
            "usage",
            "inputTokens",
            "_meta",
            "quota",
            "model_usage",
            "cost",
            "amount",
            "currency",
            "code",
            "data",
            "codex_error_info",
            "http_status_code",
            "message",
            "authMethods",
            "agentCapabilities",
            "loadSession",
            "protocolVersion",
            "command",
            "claudeCode",
        ];
        prop::sample::select(keys.to_vec()).prop_map(str::to_owned)
    }

    fn object() -> impl Strategy<Value = Value> {
        prop::collection::vec((key(), value()), 0..8).prop_map(|pairs| pairs.into_iter().collect())
    }

    fn message() -> impl Strategy<Value = Value> {
        let kinds = ["agent_message_chunk", "tool_call", "tool_call_update", "usage_update", "plan"];
        let update = (prop::sample::select(kinds.to_vec()), object()).prop_map(|(kind, mut update)| {
            update["sessionUpdate"] = json!(kind);
            json!({"method": "session/update", "params": {"update": update}})
        });
        prop_oneof![
            4 => update,
            1 => (value(), object()).prop_map(
                |(id, params)| json!({"id": id, "method": "session/request_permission", "params": params})
            ),
            1 => (0..6, object()).prop_map(|(id, result)| json!({"id": id, "result": result})),
            1 => (3..6, object()).prop_map(|(id, error)| json!({"id": id, "error": error})),
            1 => value(),
        ]
    }

    proptest! {
        #[test]
        fn no_messages_make_the_client_panic_and_nothing_comes_after_its_end(
            early in any::<bool>(),
            messages in prop::collection::vec(message(), 0..20),
        ) {
            let mut steps = Vec::new();
            let mut client = Client::begin(Task::default(), &mut steps);
            if !early {
                client.message(&json!({"id": 1, "result": {"protocolVersion": 1}}), &mut steps);
                client.message(&json!({"id": 2, "result": {"sessionId": "s"}}), &mut steps);
            }
            for message in &messages {
                client.message(message, &mut steps);
            }
            let ends = steps.iter().filter(|step| matches!(step, Step::End(_))).count();
            prop_assert!(ends == 0 || ends == 1 && matches!(steps.last(), Some(Step::End(_))));
            read(&steps, ProcessEnd::Exited(0));
        }
    }
}
