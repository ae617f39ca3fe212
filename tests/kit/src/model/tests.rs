//! The scripted model over its wire, as a client of each protocol sees it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::wait::{CEILING, wait_for};

/// A connection to `server` that gives up at the ceiling.
fn connect(server: &ModelServer) -> TcpStream {
    let stream = TcpStream::connect(server.address).expect("the server listens");
    stream.set_read_timeout(Some(CEILING)).expect("a ceiling");
    stream
}

fn send(stream: &mut TcpStream, path: &str, body: &Value) {
    let body = body.to_string();
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {DUMMY_KEY}\r\nconnection: close\r\n");
    let text = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).expect("the server reads");
}

/// What comes back until the answer's own end: status, head, body.
fn receive(stream: &mut TcpStream) -> io::Result<(u16, String, String)> {
    let mut text = String::new();
    let mut bytes = [0; 4096];
    let done = |text: &str| {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let lower = head.to_ascii_lowercase();
        let length =
            lower.split("content-length: ").nth(1).map(|rest| rest.lines().next().unwrap_or_default());
        match length {
            Some(length) => (body.len() >= length.parse().ok()?).then_some(()),
            None => body.ends_with("0\r\n\r\n").then_some(()),
        }
    };
    while done(&text).is_none() {
        let read = stream.read(&mut bytes)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        text += &String::from_utf8_lossy(&bytes[..read]);
    }
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
    Ok((status, head.to_owned(), body.to_owned()))
}

fn ask(server: &ModelServer, path: &str, body: &Value) -> (u16, String, String) {
    let mut stream = connect(server);
    send(&mut stream, path, body);
    receive(&mut stream).expect("a whole answer")
}

fn document(server: &ModelServer, path: &str, body: &Value) -> Value {
    let (status, _, text) = ask(server, path, body);
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

/// The data of a stream's events.
fn events(body: &str) -> Vec<Value> {
    let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).expect("JSON")).collect()
}

fn streamed(server: &ModelServer, path: &str, body: &Value) -> Vec<Value> {
    let (status, head, text) = ask(server, path, body);
    assert_eq!(status, 200, "{text}");
    assert!(head.contains("text/event-stream"), "{head}");
    events(&text)
}

/// A text of one kind of pieces, put together.
fn joined(events: &[Value], kind: &str, piece: impl Fn(&Value) -> Option<&str>) -> String {
    events.iter().filter(|event| kind.is_empty() || event["type"] == kind).filter_map(piece).collect()
}

const MESSAGES: &str = "/v1/messages?beta=true";
const GEMINI: &str = "/v1beta/models/gemini-2.5-flash:generateContent";
const GEMINI_STREAM: &str = "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse";

/// A request of the Anthropic protocol that offers a shell.
fn asking(text: &str, stream: bool) -> Value {
    json!({"model": "claude-x", "max_tokens": 9, "stream": stream,
        "messages": [{"role": "user", "content": text}],
        "tools": [{"name": "Bash", "input_schema": {"type": "object", "properties": {"command": {}}}}]})
}

fn chatting(stream: bool) -> Value {
    json!({"model": "gpt-x", "stream": stream, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "go"}], "input": "go",
        "tools": [{"type": "function", "name": "shell", "parameters": {"properties": {"command": {}}},
            "function": {"name": "shell", "parameters": {"properties": {"command": {}}}}}]})
}

fn generating() -> Value {
    let function =
        json!({"name": "run_shell_command", "parametersJsonSchema": {"properties": {"command": {}}}});
    json!({"contents": [{"parts": [{"text": "go"}]}], "tools": [{"functionDeclarations": [function]}]})
}

fn speaking() -> ModelServer {
    let usage = Usage { input: 100, output: 20, cache_read: 7, cache_write: 3 };
    let turn = Turn { thinking: Some("Hm.".to_owned()), ..Turn::shell("git log") };
    let turn = turn.saying("I will look at the log.").costs(usage);
    ModelServer::start(vec![Script::new().turn(turn.repeat(Repeat::Forever))])
}

#[test]
fn messages_are_spoken() {
    let server = speaking();
    let message = document(&server, MESSAGES, &asking("go", false));
    let kinds: Vec<&str> = message["content"]
        .as_array()
        .expect("blocks")
        .iter()
        .filter_map(|block| block["type"].as_str())
        .collect();
    assert_eq!(kinds, ["thinking", "text", "tool_use"]);
    assert_eq!(message["stop_reason"], "tool_use");
    let told = json!({"input_tokens": 100, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 7,
        "output_tokens": 20});
    assert_eq!(message["usage"], told);

    let events = streamed(&server, MESSAGES, &asking("go", true));
    assert_eq!(events[0]["message"]["usage"]["output_tokens"], 1);
    let text = joined(&events, "content_block_delta", |event| event["delta"]["text"].as_str());
    assert_eq!(text, "I will look at the log.");
    let input = joined(&events, "content_block_delta", |event| event["delta"]["partial_json"].as_str());
    assert_eq!(input, r#"{"command":"git log"}"#);
    let [.., last, stop] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&last["usage"], &stop["type"]), (&told, &json!("message_stop")));
    let starts = events.iter().filter(|event| event["type"] == "content_block_start").count();
    let stops = events.iter().filter(|event| event["type"] == "content_block_stop").count();
    assert_eq!((starts, stops), (3, 3));
    assert_eq!(document(&server, "/v1/messages/count_tokens", &json!({}))["input_tokens"], 100);
}

#[test]
fn responses_are_spoken() {
    let server = speaking();
    let response = document(&server, "/v1/responses", &chatting(false));
    let items = response["output"].as_array().expect("items");
    let kinds: Vec<&str> = items.iter().filter_map(|item| item["type"].as_str()).collect();
    assert_eq!(kinds, ["reasoning", "message", "function_call"]);
    assert_eq!(items[2]["arguments"], r#"{"command":"git log"}"#);
    assert_eq!(
        (&response["usage"]["input_tokens"], &response["usage"]["total_tokens"]),
        (&json!(107), &json!(127))
    );

    let events = streamed(&server, "/v1/responses", &chatting(true));
    assert_eq!(events[0]["type"], "response.created");
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    let text = joined(&events, "response.output_text.delta", |event| event["delta"].as_str());
    assert_eq!(text, "I will look at the log.");
    let last = events.last().expect("an event");
    assert_eq!(
        (&last["type"], &last["response"]["output"].as_array().map(Vec::len)),
        (&json!("response.completed"), &Some(3))
    );
    assert_eq!(last["response"]["usage"], response["usage"]);
}

#[test]
fn chat_completions_are_spoken_and_costs_are_told_when_asked_for() {
    let server = speaking();
    let path = "/v1/chat/completions";
    let completion = document(&server, path, &chatting(false));
    let choice = &completion["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("tool_calls"), &json!("I will look at the log."))
    );
    assert_eq!(choice["message"]["tool_calls"][0]["function"]["arguments"], r#"{"command":"git log"}"#);
    assert_eq!(completion["usage"]["prompt_tokens"], 107);

    let events = streamed(&server, path, &chatting(true));
    let delta = |event: &Value| event["choices"][0]["delta"].clone();
    let text: String =
        events.iter().filter_map(|event| delta(event)["content"].as_str().map(str::to_owned)).collect();
    assert_eq!(text, "I will look at the log.");
    let arguments: String = events
        .iter()
        .filter_map(|event| {
            delta(event)["tool_calls"][0]["function"]["arguments"].as_str().map(str::to_owned)
        })
        .collect();
    assert_eq!(arguments, r#"{"command":"git log"}"#);
    assert_eq!(events.last().map(|event| &event["usage"]), Some(&completion["usage"]));

    let mut quiet = chatting(true);
    quiet["stream_options"] = Value::Null;
    assert!(streamed(&server, path, &quiet).iter().all(|event| event["usage"].is_null()));
}

#[test]
fn gemini_is_spoken() {
    let server = speaking();
    let content = document(&server, GEMINI, &generating());
    let parts = content["candidates"][0]["content"]["parts"].as_array().expect("parts");
    assert_eq!(parts[0]["text"], "I will look at the log.");
    assert_eq!(parts[1]["functionCall"]["args"], json!({"command": "git log"}));
    assert_eq!(content["usageMetadata"]["promptTokenCount"], 107);

    let events = streamed(&server, GEMINI_STREAM, &generating());
    let part = |event: &Value| event["candidates"][0]["content"]["parts"][0].clone();
    assert_eq!(part(&events[0])["thought"], true);
    let text: String =
        events[1..].iter().filter_map(|event| part(event)["text"].as_str().map(str::to_owned)).collect();
    assert_eq!(text, "I will look at the log.");
    let last = events.last().expect("an event");
    assert_eq!(part(last)["functionCall"]["name"], "run_shell_command");
    assert_eq!(
        (&last["usageMetadata"], &last["candidates"][0]["finishReason"]),
        (&content["usageMetadata"], &json!("STOP"))
    );
    let count = "/v1beta/models/gemini-2.5-flash:countTokens";
    assert_eq!(document(&server, count, &json!({}))["totalTokens"], 100);
}

#[test]
fn errors_have_the_vendors_shape_and_headers() {
    let turn = Turn::rate_limited(7).repeat(Repeat::Times(4));
    let server = ModelServer::start(vec![Script::new().turn(turn).turn(Turn::limit_used_up("five_hour", 9))]);
    let cases = [
        (MESSAGES, asking("go", true), "/error/type", "rate_limit_error"),
        ("/v1/responses", chatting(true), "/error/code", "rate_limit_exceeded"),
        ("/v1/chat/completions", chatting(false), "/error/type", "rate_limit_exceeded"),
        (GEMINI_STREAM, generating(), "/error/status", "RESOURCE_EXHAUSTED"),
    ];
    for (path, body, place, expected) in cases {
        let (status, head, text) = ask(&server, path, &body);
        let error: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((status, error.pointer(place)), (429, Some(&json!(expected))), "{text}");
        assert!(head.contains("retry-after: 7"), "{head}");
    }
    let (_, head, _) = ask(&server, MESSAGES, &asking("go", true));
    assert!(head.contains("anthropic-ratelimit-unified-reset: 9"), "{head}");
    assert_eq!(server.served(), BTreeMap::new(), "an error costs nothing");
}

#[test]
fn a_stream_is_cut_or_fails_in_its_middle_and_costs_nothing() {
    let failing =
        Turn { stream_error: Some(StreamError::default()), ..Turn::says("one two three four five") };
    let turns = [Turn::says("one two three four five").cut(Cut::Mid), Turn::says("x").cut(Cut::Before)];
    let script = turns.into_iter().fold(Script::new(), Script::turn);
    let server = ModelServer::start(vec![script.turn(failing.repeat(Repeat::Times(2)))]);
    for _ in 0..2 {
        let mut stream = connect(&server);
        send(&mut stream, MESSAGES, &asking("go", true));
        let error = receive(&mut stream).expect_err("it is cut");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
    let events = streamed(&server, MESSAGES, &asking("go", true));
    assert_eq!(events.last().map(|event| &event["error"]["type"]), Some(&json!("overloaded_error")));
    assert_eq!(joined(&events, "", |event| event["delta"]["text"].as_str()), "one two thre");
    assert_eq!(ask(&server, MESSAGES, &asking("go", false)).0, 529);
    assert_eq!(server.served(), BTreeMap::new());
}

#[test]
fn a_pause_ends_when_the_test_lets_go_when_the_caller_goes_and_with_the_server() {
    let turn = Turn::says("at last").hang(Hang::UntilReleased).repeat(Repeat::Forever);
    let server = ModelServer::start(vec![Script::new().turn(turn)]);
    let arrived =
        |count| wait_for(CEILING, "the requests", || (server.requests().len() == count).then_some(()));
    let mut waiting = connect(&server);
    send(&mut waiting, MESSAGES, &asking("go", false));
    arrived(1);
    server.release();
    assert!(receive(&mut waiting).expect("an answer").2.contains("at last"));

    let mut leaving = connect(&server);
    send(&mut leaving, MESSAGES, &asking("go", false));
    arrived(2);
    drop(leaving);
    let open = || server.shared.connections.lock().expect("whole").iter().any(|one| one.strong_count() > 0);
    drop(waiting);
    wait_for(CEILING, "the connections to end", || (!open()).then_some(()));
    assert_eq!(server.served()["claude-x"].answers, 1);

    let mut left = connect(&server);
    send(&mut left, MESSAGES, &asking("go", false));
    arrived(3);
    drop(server);
    receive(&mut left).expect_err("the server has ended");
}

#[test]
fn who_asks_while_the_server_holds_is_broken_off_and_has_used_no_turn() {
    let server = ModelServer::start(vec![Script::new().turn(Turn::says("once"))]);
    server.hold();
    let mut waiting = connect(&server);
    send(&mut waiting, MESSAGES, &asking("go", false));
    let mut leaving = connect(&server);
    send(&mut leaving, MESSAGES, &asking("go", false));
    drop(leaving);
    // Nothing tells when a request has begun to wait in vain: one that came later would be answered.
    waiting.set_read_timeout(Some(Duration::from_millis(200))).expect("a time");
    receive(&mut waiting).expect_err("no answer comes");
    server.unhold();
    waiting.set_read_timeout(Some(CEILING)).expect("a time");
    assert_eq!(receive(&mut waiting).expect_err("it is broken off").kind(), io::ErrorKind::ConnectionReset);
    assert!(ask(&server, MESSAGES, &asking("go", false)).2.contains("once"));
}

#[test]
fn what_is_beside_the_work_uses_no_turn_and_is_counted_apart() {
    let dear = Turn::says("a title").costs(Usage::of(10, 5));
    let server = ModelServer::start(vec![
        Script::when("1_story_a").turn(Turn::says("a")).aux(dear),
        Script::when("2_story_b").turn(Turn::says("b")).turn(Turn::says("c")),
    ]);
    let title = json!({"model": "claude-small", "messages": [{"content": "a title for 1_story_a"}]});
    document(&server, MESSAGES, &title);
    document(&server, MESSAGES, &json!({"model": "claude-small", "messages": [{"content": "quota"}]}));
    assert_eq!(document(&server, MESSAGES, &asking("1_story_a", false))["content"][0]["text"], "a");
    assert_eq!(document(&server, MESSAGES, &asking("2_story_b", false))["content"][0]["text"], "b");
    let one = Served { answers: 1, input: 1000, output: 50, ..Served::default() };
    let titles = Served { aux_answers: 1, input: 10, output: 5, ..Served::default() };
    let expected = [("claude-small".to_owned(), titles), ("claude-x".to_owned(), one)];
    assert_eq!(server.served_for("1_story_a"), expected.into());
    assert_eq!(server.served()["claude-x"].answers, 2);
    assert_eq!(server.unused(), [("2_story_b".to_owned(), 1)].into());
    let labels: Vec<String> = server.requests().into_iter().map(|request| request.answered).collect();
    assert_eq!(labels, ["1_story_a/aux", "/aux", "1_story_a/turn 1", "2_story_b/turn 1"]);
    assert!(
        server.turns_of("2_story_b")[0].says("2_story_b")
            && !server.turns_of("1_story_a")[0].says("2_story_b")
    );
    assert_eq!(ask(&server, MESSAGES, &asking("3_story_c", false)).0, 400, "no script is for it");
}

#[test]
fn a_key_that_is_not_the_tests_own_is_refused() {
    let server = speaking();
    let mut stream = connect(&server);
    let request =
        "POST /v1/messages HTTP/1.1\r\nauthorization: Bearer a-persons\r\ncontent-length: 2\r\n\r\n{}";
    stream.write_all(request.as_bytes()).expect("sent");
    assert_eq!(receive(&mut stream).expect("an answer").0, 403);
    assert_eq!((server.foreign_keys(), server.requests().len()), (1, 0));
}

#[test]
fn a_connection_is_kept_and_bodies_may_come_in_chunks() {
    let server = speaking();
    let mut stream = connect(&server);
    let chunks = "POST /v1/messages HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
    let body = asking("go", false).to_string();
    let (left, right) = body.split_at(20);
    let text = format!("{chunks}{:x}\r\n{left}\r\n{:x}\r\n{right}\r\n0\r\n\r\n", left.len(), right.len());
    stream.write_all(text.as_bytes()).expect("sent");
    assert_eq!(receive(&mut stream).expect("an answer").0, 200);
    stream.write_all(b"GET /v1/models HTTP/1.1\r\n\r\n").expect("sent");
    assert!(receive(&mut stream).expect("an answer").2.contains("scripted"));
    stream.write_all(b"GET /api/hello HTTP/1.1\r\n\r\n").expect("sent");
    assert_eq!(receive(&mut stream).expect("an answer").0, 404);
    stream.write_all(b"HEAD / HTTP/1.1\r\n\r\n").expect("sent");
    assert_eq!(receive(&mut stream).expect("an answer").0, 200);
    drop(stream);
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn pieces_may_be_paced() {
    let slow = Turn { delay_ms: 1, chunk: 1, ..Turn::says("slow") };
    let server = ModelServer::start(vec![Script::new().turn(slow)]);
    let began = std::time::Instant::now();
    let events = streamed(&server, MESSAGES, &asking("go", true));
    assert_eq!(joined(&events, "", |event| event["delta"]["text"].as_str()), "slow");
    assert!(began.elapsed() >= Duration::from_millis(4));
}
