//! The API over a real socket, with a fake daemon behind it.

mod mcp;
mod resources;
mod security;

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use storkit_core::ids::{RunId, StoryId};
use storkit_core::message::Message;
use storkit_core::request::{Refusal, Reply, Request};
use storkit_core::snapshot::{State, Status, StoryView, Why};
use storkit_core::stage::Stage;
use storkit_core::usage::RunUsed;
use storkit_testkit::views;
use tokio::sync::watch;

use super::client::{Client, ClientError};
use super::*;
use crate::board::NewStory;
use crate::ledger::RunRow;
use crate::mcp::{Desk, Output, Said, StoryFile, Wanted};

#[derive(Default)]
struct Fake {
    hub: Hub,
    downs: Mutex<Vec<bool>>,
    /// What was asked for, but for looks.
    asked: Mutex<Vec<Request>>,
    made: Mutex<Vec<NewStory>>,
    said: Mutex<Vec<(RunId, Said)>>,
    run: Mutex<Option<RunRow>>,
    text: Mutex<String>,
}

impl Default for Hub {
    fn default() -> Self {
        Self::new(0)
    }
}

fn story(id: &str) -> StoryView {
    StoryView { attempt: 1, ..views::story(id, Stage::Current, State::Running) }
}

fn board(all: bool) -> Status {
    let mut stories = vec![story("42_story_login"), story("7_a"), story("7_b")];
    if all {
        stories.push(story("1_story_old"));
    }
    Status { gates: vec!["tests".to_owned()], ..views::status(stories) }
}

impl Pages for Fake {
    async fn work(&self, _: StoryId, _: Compare) -> Result<Work, Refusal> {
        let diff = "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-x\n+y\n".to_owned();
        Ok(Work { diff, base: "main".to_owned(), tries: Vec::new() })
    }
}

impl Desk for Fake {
    async fn ask(&self, request: Request) -> Result<Reply, Refusal> {
        match request {
            Request::Status { all } => Ok(Reply::Status(Box::new(board(all)))),
            Request::Why { story } => {
                Ok(Reply::Why(Why { id: story, state: State::Idle, conditions: Vec::new() }))
            }
            Request::Start { story, .. } if story == "9" => Err(Refusal {
                error: "no such story".to_owned(),
                hint: Some("storkit status".to_owned()),
                code: 3,
            }),
            Request::Start { story, .. } => {
                Ok(Reply::Done { id: Some(story), message: "started".to_owned() })
            }
            Request::Check { .. } | Request::Write { .. } | Request::Send { .. } | Request::Move { .. } => {
                let id = request.story().map(str::to_owned);
                self.asked.lock().expect("not poisoned").push(request);
                Ok(Reply::Done { id, message: "done".to_owned() })
            }
            _ => Err(Refusal { error: "refused".to_owned(), hint: None, code: 1 }),
        }
    }

    async fn file(&self, _: &StoryView) -> Option<StoryFile> {
        Some(StoryFile { text: self.text.lock().expect("not poisoned").clone(), seen: 7 })
    }

    async fn create(&self, new: NewStory) -> Result<StoryId, Refusal> {
        let mut made = self.made.lock().expect("not poisoned");
        made.push(new);
        Ok(StoryId::new(&format!("{}_story_new", 99 + made.len())).expect("an id"))
    }

    async fn runs(&self, _: Option<StoryId>) -> Vec<RunRow> {
        Vec::new()
    }

    async fn run(&self, run: String) -> Option<RunRow> {
        self.run.lock().expect("not poisoned").clone().filter(|row| row.run == run)
    }

    async fn run_over(&self, run: String, _: Duration) -> Option<RunRow> {
        self.run(run).await
    }

    async fn output(&self, Wanted { from, gate, .. }: Wanted) -> Option<Output> {
        gate.is_none_or(|gate| gate == "tests").then(|| Output {
            text: "what it printed".to_owned(),
            from: from.unwrap_or(0),
            next: 9,
            size: 9,
        })
    }

    async fn used(&self) -> (Vec<RunUsed>, bool) {
        (Vec::new(), true)
    }

    async fn messages(&self, _: StoryId) -> Vec<Message> {
        Vec::new()
    }

    async fn context(&self) -> Result<String, Refusal> {
        Ok("## Style\n\nshort\n".to_owned())
    }

    async fn set_context(&self, _: String, _: Option<String>) -> Result<(), Refusal> {
        Ok(())
    }

    fn tell(&self, run: RunId, said: Said) -> Result<(), Refusal> {
        self.said.lock().expect("not poisoned").push((run, said));
        Ok(())
    }
}

impl Service for Fake {
    fn subscribe(&self, after: Option<u64>) -> Subscription {
        self.hub.subscribe(after)
    }

    fn last_event(&self) -> u64 {
        self.hub.last()
    }

    fn last_of(&self, story: &str) -> Option<Arc<EventLine>> {
        self.hub.last_of(story)
    }

    fn tally(&self) -> Tally {
        self.hub.tally()
    }

    async fn terminal(&self, run: String) -> Option<Terminal> {
        run.ends_with('1').then(|| Terminal { cast: PathBuf::from("/nowhere"), live: None })
    }

    fn shut_down(&self, now: bool) {
        self.downs.lock().expect("not poisoned").push(now);
    }
}

/// A served fake; it ends when dropped.
struct Served {
    fake: Arc<Fake>,
    end: Option<watch::Sender<bool>>,
    thread: Option<std::thread::JoinHandle<()>>,
    run_dir: PathBuf,
    _temp: tempfile::TempDir,
}

fn tokens(run_dir: &Path) -> Arc<Tokens> {
    Arc::new(Tokens::open(&run_dir.join("token"), run_dir).expect("a token"))
}

impl Served {
    fn new() -> Self {
        Self::below("")
    }

    fn below(folder: &str) -> Self {
        let temp = tempfile::tempdir().expect("a folder");
        let run_dir = temp.path().join(folder).join("run");
        std::fs::create_dir_all(&run_dir).expect("a folder");
        let server = Server::bind(&run_dir, tokens(&run_dir)).expect("a socket");
        let fake = Arc::new(Fake::default());
        let (end, ended) = watch::channel(false);
        let service = Arc::clone(&fake);
        let thread = crate::sys::task::spawn("test", move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(server.serve(service, ended)).expect("served");
        })
        .expect("a thread");
        Self { fake, end: Some(end), thread: Some(thread), run_dir, _temp: temp }
    }

    fn client(&self) -> Client {
        Client::connect(&self.run_dir).expect("a daemon")
    }

    fn stop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("served to its end");
        }
    }

    /// Sends bytes and reads until the server closes.
    fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.run_dir.join(SOCKET)).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
        // The server may close before it has read all of it.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(&self, path: &str) -> String {
        self.raw(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop();
    }
}

fn line(id: u64) -> EventLine {
    EventLine { text: "first\nsecond".to_owned(), kind: "note".to_owned(), ..EventLine::resync(id) }
}

fn json(answer: &str) -> serde_json::Value {
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    serde_json::from_str(body).expect("JSON")
}

#[test]
fn a_request_is_answered_and_a_refusal_keeps_its_code_and_hint() {
    let served = Served::new();
    let client = served.client();
    assert_eq!(client.status(false).expect("a board"), board(false));
    assert_eq!(client.status(true).expect("a board").stories.len(), 4);
    let start = |story: &str| client.ask(&Request::Start { story: story.to_owned(), agent: None });
    assert!(matches!(start("42"), Ok(Reply::Done { id: Some(id), .. }) if id == "42"));
    let Err(ClientError::Refused(refusal)) = start("9") else { panic!("not refused") };
    assert_eq!((refusal.code, refusal.hint.as_deref()), (3, Some("storkit status")));
    let refused = client.ask(&Request::Pause { why: None });
    assert!(matches!(refused, Err(ClientError::Refused(Refusal { code: 1, .. }))));
}

#[test]
fn the_routes_give_parts_of_the_board() {
    let served = Served::new();
    assert!(served.get("/healthz").starts_with("HTTP/1.1 200"));
    assert_eq!(json(&served.get("/api/v1/status?all=true"))["stories"].as_array().map(Vec::len), Some(4));
    assert_eq!(json(&served.get("/api/v1/status?all=false"))["stories"].as_array().map(Vec::len), Some(3));
    assert_eq!(json(&served.get("/api/v1/stories")).as_array().map(Vec::len), Some(3));
    for name in ["42", "42_story_login", "42_STORY_login"] {
        assert_eq!(json(&served.get(&format!("/api/v1/stories/{name}")))["id"], "42_story_login");
    }
    assert_eq!(json(&served.get("/api/v1/stories/1/why"))["id"], "1");
    assert_eq!(json(&served.get("/api/v1/agents")), serde_json::json!([]));
    assert_eq!(json(&served.get("/api/v1/problems")), serde_json::json!([]));
}

#[test]
fn every_error_is_a_problem_document() {
    let served = Served::new();
    let answers = [
        (served.get("/nothing"), 404),
        (served.get("/api/v1/stories/5"), 404),
        (served.get("/api/v1/stories/..%2f..%2fx"), 404),
        (served.get("/api/v1/stories/7"), 409),
        (served.get("/api/v1/runs/x"), 404),
        (served.get("/api/v1/requests"), 405),
        (served.raw(b"POST /api/v1/requests HTTP/1.1\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"), 415),
        (
            served.raw(
                b"POST /api/v1/requests HTTP/1.1\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
            ),
            422,
        ),
    ];
    for (answer, status) in answers {
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        let problem = json(&answer);
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], "about:blank");
    }
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let served = Served::new();
    let len = read::BODY_LEN_MAX + 1;
    let head = format!(
        "POST /api/v1/requests HTTP/1.1\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {len}\r\n\r\n"
    );
    let mut bytes = head.into_bytes();
    bytes.extend(vec![b' '; len]);
    // Where the server closed early the answer may be lost with the connection; a healthy one must go on either way.
    let answer = served.raw(&bytes);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(served.get("/healthz").starts_with("HTTP/1.1 200"));
}

#[test]
fn headers_that_do_not_come_are_not_waited_for() {
    let served = Served::new();
    let mut slow = UnixStream::connect(served.run_dir.join(SOCKET)).expect("connected");
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhos").expect("written");
    slow.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).expect("closed by the server, in time");
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    assert!(served.get("/healthz").starts_with("HTTP/1.1 200"));
}

#[test]
fn events_come_in_order_and_are_resumed_by_number() {
    let served = Served::new();
    let client = served.client();
    served.fake.hub.publish(line(1));
    let mut events = client.events(None).expect("a stream");
    served.fake.hub.publish(line(2));
    let wait = Duration::from_secs(10);
    assert_eq!(events.next(wait).expect("an event"), Some(line_like(&served, 2)));
    assert_eq!(events.next(Duration::ZERO).expect("no event"), None);
    let mut again = client.events(Some(1)).expect("a stream");
    assert_eq!(again.next(wait).expect("an event").map(|line| line.id), Some(2));
    let mut future = client.events(Some(77)).expect("a stream");
    assert_eq!(future.next(wait).expect("an event").map(|line| line.kind), Some("resync".to_owned()));
}

fn line_like(served: &Served, id: u64) -> EventLine {
    let missed = served.fake.hub.subscribe(Some(id - 1)).missed;
    EventLine::clone(&missed[0])
}

#[test]
fn a_listener_that_falls_behind_gets_a_resync() {
    let served = Served::new();
    let client = served.client();
    let mut events = client.events(None).expect("a stream");
    // Far more than the channel and the socket's buffers hold, while nobody reads.
    let text = "x".repeat(20_000);
    for id in 1..=4_000 {
        served.fake.hub.publish(EventLine { text: text.clone(), ..line(id) });
    }
    let mut resync = false;
    let mut last = 0;
    while let Some(line) = events.next(Duration::from_secs(10)).expect("an event") {
        resync |= line.kind == "resync";
        last = last.max(line.id);
        if last == 4_000 {
            break;
        }
    }
    assert!(resync);
    assert_eq!(last, 4_000);
}

#[test]
fn down_is_heard_and_a_stream_ends_with_the_daemon() {
    let mut served = Served::new();
    let client = served.client();
    client.down(true).expect("heard");
    client.down(false).expect("heard");
    assert_eq!(*served.fake.downs.lock().expect("not poisoned"), [true, false]);
    let mut events = client.events(None).expect("a stream");
    served.stop();
    assert!(matches!(events.next(Duration::from_secs(10)), Err(ClientError::NotRunning)));
    assert!(matches!(client.status(false), Err(ClientError::NotRunning)), "the socket is left over");
    assert!(matches!(Client::connect(&served.run_dir), Err(ClientError::NotRunning)));
    assert!(
        Server::bind(&served.run_dir, tokens(&served.run_dir)).is_ok(),
        "a socket that is left over is replaced"
    );
}

#[test]
fn the_socket_is_its_owners_alone() {
    let served = Served::new();
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&served.run_dir), 0o700);
    assert_eq!(mode(&served.run_dir.join(SOCKET)), 0o600);
}

#[test]
fn no_socket_is_no_daemon_and_another_file_is_not_replaced() {
    let temp = tempfile::tempdir().expect("a folder");
    assert!(matches!(Client::connect(temp.path()), Err(ClientError::NotRunning)));
    std::fs::write(temp.path().join(SOCKET), "mine").expect("a file");
    assert!(Server::bind(temp.path(), tokens(temp.path())).is_err());
    assert_eq!(std::fs::read_to_string(temp.path().join(SOCKET)).expect("kept"), "mine");
}

#[cfg(target_os = "linux")]
#[test]
fn a_path_too_long_for_a_socket_is_reached_all_the_same() {
    let served = Served::below(&"a-long-folder-name/".repeat(12));
    assert!(served.run_dir.as_os_str().len() > 200);
    assert_eq!(served.client().status(false).expect("a board"), board(false));
}
