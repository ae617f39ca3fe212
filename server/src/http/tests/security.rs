//! Who gets in over TCP: every route, by every name, from every page, with every token.

use std::net::TcpStream;

use storkit_core::config::Role;

use super::*;
use crate::mcp::Grant;

/// A served fake on TCP, with the tokens that open it.
pub(super) struct Tcp {
    pub(super) fake: Arc<Fake>,
    pub(super) tokens: Arc<Tokens>,
    address: String,
    pub(super) owner: String,
    end: Option<watch::Sender<bool>>,
    thread: Option<std::thread::JoinHandle<()>>,
    _temp: tempfile::TempDir,
}

impl Tcp {
    pub(super) fn new() -> Self {
        let temp = tempfile::tempdir().expect("a folder");
        let path = temp.path().join("token");
        let tokens = Arc::new(Tokens::open(&path, temp.path()).expect("a token"));
        let server = TcpServer::bind("127.0.0.1", 0, Arc::clone(&tokens)).expect("a port");
        let address = server.url().strip_prefix("http://").expect("an address").to_owned();
        let fake = Arc::new(Fake::default());
        let service = Arc::clone(&fake);
        let (end, ended) = watch::channel(false);
        let thread = crate::sys::task::spawn("test", move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(server.serve(service, ended)).expect("served");
        })
        .expect("a thread");
        let owner = std::fs::read_to_string(path).expect("the token");
        Self { fake, tokens, address, owner, end: Some(end), thread: Some(thread), _temp: temp }
    }

    /// The head of the answer to these lines of a request.
    fn head(&self, lines: &[String]) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
        stream.write_all(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes()).expect("sent");
        let mut head = Vec::new();
        let mut piece = [0; 4096];
        while !head.windows(4).any(|four| four == b"\r\n\r\n") {
            match stream.read(&mut piece) {
                Ok(len @ 1..) => head.extend_from_slice(&piece[..len]),
                _ => break,
            }
        }
        String::from_utf8_lossy(&head).into_owned()
    }

    fn status(&self, lines: &[String]) -> u16 {
        let head = self.head(lines);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no answer to {lines:?}: {head:?}"))
    }

    /// The answer to a request with a body of JSON, whole.
    pub(super) fn post(&self, path: &str, headers: &str, body: &str) -> String {
        self.say("POST", path, headers, body)
    }

    pub(super) fn say(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        answer
    }

    fn run_token(&self) -> RunToken {
        self.run_token_of(Role::Coder).1
    }

    pub(super) fn run_token_of(&self, role: Role) -> (RunId, RunToken) {
        let (run, story) = (RunId(uuid::Uuid::new_v4()), StoryId::new("42_story_login").expect("an id"));
        (run, self.tokens.grant(Grant { run, story, role }))
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("served to its end");
        }
    }
}

/// Every address that there is, and some that there are not.
fn addresses() -> Vec<(String, String)> {
    let table = routes::table::<Fake>();
    let mut all: Vec<(String, String)> = Vec::new();
    for (method, path) in &table.listed {
        let path = path.replace("{id}", "42").replace("{run}", "6f2d8f0e-0000-4000-8000-000000000000");
        let path = path.replace("{name}", "app.js").replace("{tab}", "runs");
        assert!(!path.contains('{'), "{path}: this test does not know what to put in");
        all.push((method.to_string(), path));
    }
    assert!(all.len() > 10);
    for path in ["/nothing", "/api/v1/", "//api/v1/status", "/%61pi/v1/status", "/healthz/../api/v1/status"] {
        all.push(("GET".to_owned(), path.to_owned()));
        all.push(("OPTIONS".to_owned(), path.to_owned()));
    }
    all
}

#[test]
fn no_route_is_reached_by_a_foreign_name_from_a_foreign_page_or_without_a_token() {
    let tcp = Tcp::new();
    let run = tcp.run_token();
    let own = format!("origin: http://{}", tcp.address);
    let hosts = [
        (format!("host: {}", tcp.address), true),
        ("host: evil.com".to_owned(), false),
        (format!("host: localhost.evil.com:{}", tcp.address.rsplit(':').next().expect("a port")), false),
        ("x-host: 127.0.0.1".to_owned(), false),
        (format!("host: {0}\r\nhost: {0}", tcp.address), false),
    ];
    let pages = [
        ("accept: */*".to_owned(), true),
        (own, true),
        ("origin: http://evil.com".to_owned(), false),
        ("origin: null".to_owned(), false),
        ("origin: http://127.0.0.1:1".to_owned(), false),
        ("sec-fetch-site: cross-site".to_owned(), false),
        ("sec-fetch-site: same-site".to_owned(), false),
    ];
    let tokens = [
        ("x-token: none".to_owned(), None),
        ("authorization: Bearer wrong".to_owned(), None),
        (format!("authorization: Basic {}", tcp.owner), None),
        (format!("cookie: token={}", tcp.owner), None),
        (format!("authorization: Bearer {}", run.token), Some(false)),
        (format!("authorization: Bearer {}", tcp.owner), Some(true)),
    ];
    for (method, path) in addresses() {
        let open = guard::is_open(&method.parse().expect("a method"), &path);
        for (host, is_ours) in &hosts {
            for (page, is_own) in &pages {
                for (token, is_owner) in &tokens {
                    let lines =
                        [format!("{method} {path} HTTP/1.1"), host.clone(), page.clone(), token.clone()];
                    let status = tcp.status(&lines);
                    let wrong = token.starts_with("authorization");
                    let expected = match (is_ours, is_own, is_owner) {
                        (false, ..) => Some(421),
                        (true, false, _) => Some(403),
                        (true, true, None) if !open || wrong => Some(401),
                        (true, true, Some(false)) if !open && !path.starts_with("/mcp") => Some(403),
                        // Its code is wrong: that, and no more, is what it says.
                        (true, true, _) if path == "/api/v1/session" => Some(415),
                        (true, true, _) => None,
                    };
                    match expected {
                        Some(expected) => assert_eq!(status, expected, "{lines:?}"),
                        None => assert!(![401, 403, 421].contains(&status), "{status}: {lines:?}"),
                    }
                }
            }
        }
    }
}

#[test]
fn a_token_is_never_taken_from_the_address() {
    let tcp = Tcp::new();
    for query in ["token", "access_token", "authorization", "bearer"] {
        let line = format!("GET /api/v1/status?{query}={} HTTP/1.1", tcp.owner);
        assert_eq!(tcp.status(&[line, format!("host: {}", tcp.address)]), 401);
    }
    let absolute = "GET http://evil.com/api/v1/status HTTP/1.1".to_owned();
    let bearer = format!("authorization: Bearer {}", tcp.owner);
    assert_eq!(tcp.status(&[absolute, format!("host: {}", tcp.address), bearer]), 421);
}

#[test]
fn a_websocket_brings_its_token_as_a_subprotocol_that_is_not_said_back() {
    let tcp = Tcp::new();
    let upgrade = |protocols: &str, origin: &str| {
        tcp.head(&[
            "GET /api/v1/runs/6f2d8f0e-0000-4000-8000-000000000001/terminal HTTP/1.1".to_owned(),
            format!("host: {}", tcp.address),
            format!("origin: {origin}"),
            "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13".to_owned(),
            "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==".to_owned(),
            format!("sec-websocket-protocol: {protocols}"),
        ])
    };
    let own = format!("http://{}", tcp.address);
    let good = format!("storkit, bearer.{}", tcp.owner);
    let head = upgrade(&good, &own);
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(head.contains("sec-websocket-protocol: storkit\r\n") && !head.contains(&tcp.owner), "{head}");
    assert!(upgrade("storkit", &own).starts_with("HTTP/1.1 401"));
    assert!(upgrade("storkit, bearer.wrong", &own).starts_with("HTTP/1.1 401"));
    assert!(upgrade(&good, "http://evil.com").starts_with("HTTP/1.1 403"));
    // Where nothing is upgraded it is no token.
    let plain = tcp.status(&[
        "GET /api/v1/status HTTP/1.1".to_owned(),
        format!("host: {}", tcp.address),
        format!("sec-websocket-protocol: {good}"),
    ]);
    assert_eq!(plain, 401);
}

#[test]
fn every_answer_tells_browsers_to_be_careful() {
    let tcp = Tcp::new();
    let bearer = format!("authorization: Bearer {}", tcp.owner);
    for path in ["/healthz", "/nothing", "/api/v1/status", "/api/v1/stories/5"] {
        for (host, token) in [(tcp.address.as_str(), "x: y"), (&tcp.address, &bearer), ("evil.com", &bearer)]
        {
            let head = tcp.head(&[format!("GET {path} HTTP/1.1"), format!("host: {host}"), token.to_owned()]);
            for needed in [
                "content-security-policy: default-src 'none'",
                "x-content-type-options: nosniff",
                "referrer-policy: no-referrer",
                "x-frame-options: DENY",
                "cache-control: no-store",
            ] {
                assert!(head.contains(needed), "{path} lacks {needed}: {head}");
            }
            assert!(!head.contains("set-cookie") && !head.contains("access-control"), "{head}");
        }
    }
}

#[test]
fn a_code_becomes_a_token_once() {
    let tcp = Tcp::new();
    let bearer = format!("authorization: Bearer {}\r\n", tcp.owner);
    assert!(tcp.post("/api/v1/codes", "", "").starts_with("HTTP/1.1 401"));
    let code = json(&tcp.post("/api/v1/codes", &bearer, ""));
    let token = tcp.post("/api/v1/session", "", &code.to_string());
    assert_eq!(json(&token)["token"].as_str(), Some(tcp.owner.as_str()));
    let again = tcp.post("/api/v1/session", "", &code.to_string());
    assert!(again.starts_with("HTTP/1.1 401") && again.contains("storkit open"), "{again}");
    let run = tcp.run_token();
    let bearer = format!("authorization: Bearer {}\r\n", run.token);
    assert!(
        tcp.post("/api/v1/codes", &bearer, "").starts_with("HTTP/1.1 403"),
        "a run may not let others in"
    );
}

#[test]
fn the_socket_takes_a_runs_token_for_that_run_and_no_wrong_one() {
    let served = Served::new();
    let get = |token: &str| {
        served.raw(
            format!("GET /api/v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n")
                .as_bytes(),
        )
    };
    let owner = std::fs::read_to_string(served.run_dir.join("token")).expect("the token");
    assert!(get(&owner).starts_with("HTTP/1.1 200"));
    assert!(get("wrong").starts_with("HTTP/1.1 401"));
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let temp = tempfile::tempdir().expect("a folder");
    let tokens = Arc::new(Tokens::open(&temp.path().join("token"), temp.path()).expect("a token"));
    let error = TcpServer::bind("127.0.0.1", port, Arc::clone(&tokens)).err().expect("taken").to_string();
    assert!(error.contains(&format!("127.0.0.1 port {port}")), "{error}");
    assert!(TcpServer::bind("not an address", 0, tokens).is_err());
}
