//! The tools as a program meets them: over HTTP with a token, and over the stream that `storkit mcp` passes on.

use serde_json::{Value, json};
use storkit_core::config::Role;
use storkit_core::facts::Part;

use super::security::Tcp;
use super::*;

const ACCEPT: &str = "accept: application/json, text/event-stream\r\n";

/// The answer to one message of the protocol.
fn say(tcp: &Tcp, token: &str, message: &Value) -> Value {
    let headers = format!("{ACCEPT}authorization: Bearer {token}\r\n");
    let answer = tcp.post("/mcp", &headers, &message.to_string());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    json(&answer)
}

fn tools(tcp: &Tcp, token: &str) -> Vec<String> {
    let listed = say(tcp, token, &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
    let tools = listed["result"]["tools"].as_array().expect("tools");
    for tool in tools {
        assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
        assert!(tool["description"].as_str().is_some_and(|text| text.len() > 10), "{tool}");
    }
    tools.iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
}

/// What a tool answers, and whether that is an error.
fn call(tcp: &Tcp, token: &str, name: &str, arguments: Value) -> (bool, String) {
    let params = json!({"name": name, "arguments": arguments});
    let answer =
        say(tcp, token, &json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}));
    let result = &answer["result"];
    let text = result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"));
    (result["isError"] == true, text.to_owned())
}

fn good(tcp: &Tcp, token: &str, name: &str, arguments: Value) -> Value {
    let (failed, text) = call(tcp, token, name, arguments);
    assert!(!failed, "{name}: {text}");
    serde_json::from_str(&text).expect("JSON")
}

fn bad(tcp: &Tcp, token: &str, name: &str, arguments: Value) -> String {
    let (failed, text) = call(tcp, token, name, arguments);
    assert!(failed, "{name}: {text}");
    text
}

#[test]
fn a_client_greets_the_server_and_finds_what_its_caller_may_use() {
    let tcp = Tcp::new();
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}});
    let greeted = say(&tcp, &tcp.owner, &hello);
    assert_eq!(greeted["result"]["serverInfo"]["name"], "storkit", "{greeted}");
    assert_eq!(greeted["result"]["protocolVersion"], "2025-06-18");
    let owner = tools(&tcp, &tcp.owner);
    assert_eq!(owner.len(), 20, "all but those of runs: {owner:?}");
    let of = |role| tools(&tcp, &tcp.run_token_of(role).1.token);
    let _ = of;
    for (role, own) in [
        (Role::Coder, None),
        (Role::Qa, Some("reject_story")),
        (Role::Mergemaster, Some("report_merge_failure")),
    ] {
        let (_, token) = tcp.run_token_of(role);
        let has = tools(&tcp, &token.token);
        let mut expected = vec![
            "list_stories",
            "get_story",
            "create_story",
            "update_story",
            "check_criterion",
            "get_run",
            "get_run_output",
            "ask_human",
            "send_message",
            "read_messages",
            "get_context",
            "set_context",
        ];
        expected.extend(own);
        let mut sorted = has.clone();
        sorted.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sorted, expected, "{role:?}");
        for name in owner.iter().filter(|name| !has.contains(name)) {
            assert!(
                bad(&tcp, &token.token, name, json!({"story": "42"})).contains("not among the tools"),
                "{name}"
            );
        }
    }
}

#[test]
fn a_run_reaches_its_own_story_and_no_other() {
    let tcp = Tcp::new();
    *tcp.fake.text.lock().expect("not poisoned") =
        "---\nqa: human\n---\nDo it\n\n## Acceptance criteria\n- [ ] it works\n- [x] fast\n".to_owned();
    let (_, token) = tcp.run_token_of(Role::Coder);
    let token = &token.token;
    let story = good(&tcp, token, "get_story", json!({}));
    assert_eq!(story["story"]["id"], "42_story_login");
    assert_eq!(story["criteria"][1], json!({"number": 2, "text": "fast", "done": true}));
    assert_eq!(story["seen"], "0000000000000007");
    for own in ["42", "42_story_login", "42_STORY_login"] {
        good(&tcp, token, "get_story", json!({"story": own}));
    }
    for other in ["7_a", "7", "1_story_old", "nothing", "../42", ""] {
        for (name, more) in [
            ("get_story", json!({})),
            ("update_story", json!({"body": "x"})),
            ("check_criterion", json!({"criterion": 1})),
            ("send_message", json!({"text": "x"})),
            ("read_messages", json!({})),
        ] {
            let mut arguments = more;
            arguments["story"] = json!(other);
            let said = bad(&tcp, token, name, arguments);
            assert_eq!(
                said, "this run reaches its own story alone: 42_story_login. leave `story` out",
                "{name}"
            );
        }
    }
    assert!(tcp.fake.asked.lock().expect("not poisoned").is_empty());
    good(&tcp, token, "check_criterion", json!({"criterion": "it works"}));
    good(&tcp, token, "check_criterion", json!({"criterion": 2, "done": false}));
    assert!(bad(&tcp, token, "check_criterion", json!({"criterion": 3})).contains("get_story"));
    good(&tcp, token, "update_story", json!({"body": "New", "seen": "00000000000000ff"}));
    let own = || "42_story_login".to_owned();
    let expected = [
        Request::Check { story: own(), criterion: 1, done: true },
        Request::Check { story: own(), criterion: 2, done: false },
        Request::Write { story: own(), part: Part::Body, text: "New".to_owned(), seen: Some(255) },
    ];
    assert_eq!(*tcp.fake.asked.lock().expect("not poisoned"), expected);
}

#[test]
fn a_run_sees_no_other_storys_run_and_writes_into_the_backlog_alone() {
    let tcp = Tcp::new();
    let (run, token) = tcp.run_token_of(Role::Coder);
    let token = &token.token;
    let row = |story: &str| RunRow {
        run: run.to_string(),
        story: story.to_owned(),
        stage: "current".to_owned(),
        agent: "coder-1".to_owned(),
        number: 1,
        attempt: 1,
        prompt: String::new(),
        log: String::new(),
        started: "2026-01-01T00:00:00Z".to_owned(),
        ended: None,
        how: None,
        exit: None,
        signal: None,
        summary: None,
    };
    *tcp.fake.run.lock().expect("not poisoned") = Some(row("42_story_login"));
    assert_eq!(good(&tcp, token, "get_run", json!({}))["story"], "42_story_login");
    assert_eq!(good(&tcp, token, "get_run_output", json!({"from": 3}))["from"], 3);
    *tcp.fake.run.lock().expect("not poisoned") = Some(row("7_a"));
    assert!(bad(&tcp, token, "get_run", json!({"run": run.to_string()})).contains("no such run"));
    assert!(bad(&tcp, token, "get_run_output", json!({})).contains("no such run"));
    assert_eq!(good(&tcp, token, "create_story", json!({"title": "More"}))["id"], "100_story_new");
    assert!(bad(&tcp, token, "create_story", json!({"title": "x", "stage": "current"})).contains("backlog"));
    let keys = json!({"title": "x", "body": "---\nqa: server\n---\n"});
    assert!(bad(&tcp, token, "create_story", keys).contains("front matter"));
    assert_eq!(tcp.fake.made.lock().expect("not poisoned").len(), 1);
}

#[test]
fn what_a_run_says_is_noted_for_that_run() {
    let tcp = Tcp::new();
    let (coder, coders) = tcp.run_token_of(Role::Coder);
    let (qa, qas) = tcp.run_token_of(Role::Qa);
    let (merge, merges) = tcp.run_token_of(Role::Mergemaster);
    assert!(good(&tcp, &coders.token, "ask_human", json!({"question": "red or blue?"}))["done"].is_string());
    good(&tcp, &qas.token, "reject_story", json!({"text": "no test"}));
    good(&tcp, &merges.token, "report_merge_failure", json!({"text": "too far apart"}));
    assert!(bad(&tcp, &coders.token, "ask_human", json!({"question": " \n"})).contains("empty"));
    assert!(
        bad(&tcp, &coders.token, "ask_human", json!({"question": "x".repeat(40_000)})).contains("32 KiB")
    );
    assert!(bad(&tcp, &coders.token, "ask_human", json!({"wrong": 1})).contains("do not fit"));
    let expected = [
        (coder, Said::Question("red or blue?".to_owned())),
        (qa, Said::Reject("no test".to_owned())),
        (merge, Said::MergeFailed("too far apart".to_owned())),
    ];
    assert_eq!(*tcp.fake.said.lock().expect("not poisoned"), expected);
}

#[test]
fn an_owner_acts_on_any_story_and_an_unknown_tool_is_an_error_of_the_protocol() {
    let tcp = Tcp::new();
    let owner = &tcp.owner;
    let listed = good(&tcp, owner, "list_stories", json!({"limit": 2}));
    assert_eq!((listed["total"].as_u64(), listed["more"].as_bool()), (Some(4), Some(true)));
    let rest = good(&tcp, owner, "list_stories", json!({"after": listed["stories"][1]["id"]}));
    assert_eq!((rest["stories"].as_array().map(Vec::len), rest["more"].as_bool()), (Some(2), Some(false)));
    good(&tcp, owner, "move_story", json!({"story": "7_a", "stage": "2_current"}));
    assert!(bad(&tcp, owner, "move_story", json!({"story": "7_a", "stage": "x"})).contains("archived"));
    assert!(bad(&tcp, owner, "get_story", json!({})).contains("`story` is missing"));
    assert!(bad(&tcp, owner, "get_story", json!({"story": "7"})).contains("7_a, 7_b"));
    assert!(bad(&tcp, owner, "ask_human", json!({"question": "x"})).contains("not among the tools"));
    let unknown =
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "rm", "arguments": {}}});
    assert_eq!(say(&tcp, owner, &unknown)["error"]["code"], -32602);
    let read = |uri: &str| {
        let params = json!({"uri": uri});
        say(&tcp, owner, &json!({"jsonrpc": "2.0", "id": 3, "method": "resources/read", "params": params}))
    };
    assert!(read("storkit://stories/42")["result"]["contents"][0]["text"].as_str().is_some());
    assert!(read("file:///etc/passwd")["error"]["message"].as_str().is_some());
    let listed = say(&tcp, owner, &json!({"jsonrpc": "2.0", "id": 4, "method": "resources/list"}));
    assert_eq!(listed["result"]["resources"][0]["uri"], "storkit://stories/42_story_login", "{listed}");
}

#[test]
fn the_stream_of_the_socket_speaks_the_protocol_line_by_line() {
    let served = Served::new();
    let client = served.client();
    let (theirs, ours) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let input = theirs.try_clone().expect("the same");
    let passing = crate::sys::task::spawn("pass", move || client.mcp(None, input, theirs)).expect("a thread");
    let mut ours_out = ours.try_clone().expect("the same");
    ours.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(ours.try_clone().expect("the same")));
    let mut say = |message: Value| writeln!(ours_out, "{message}").expect("written");
    say(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}));
    assert!(lines.next().expect("a line").expect("text").contains("\"storkit\""));
    say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    say(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
    assert!(lines.next().expect("a line").expect("text").contains("list_stories"));
    ours.shutdown(std::net::Shutdown::Write).expect("closed");
    passing.join().expect("no panic").expect("passed on to the end");
}

#[test]
fn what_is_no_message_of_the_protocol_is_a_problem_document() {
    let tcp = Tcp::new();
    let owner = format!("authorization: Bearer {}\r\n", tcp.owner);
    let narrow = format!("accept: text/html\r\n{owner}");
    for (answer, status) in [
        (tcp.post("/mcp", &narrow, "{}"), 406),
        (tcp.say("GET", "/mcp", &format!("{ACCEPT}{owner}"), ""), 405),
    ] {
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains("content-type: application/problem+json"), "{answer}");
        let problem = json(&answer);
        assert_eq!(problem["status"], status, "{answer}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{answer}");
    }
}
