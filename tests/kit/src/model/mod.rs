//! A scripted model: an HTTP server on loopback that speaks what agents speak and says what a test wrote.
//!
//! Anthropic's Messages, OpenAI's Responses and Chat Completions, Gemini's generateContent, each as a document and
//! as a stream. Tools are called in the caller's own words, so that one script drives every agent. Requests choose
//! their script by a marker in their text (a story's id), so that several stories, and sessions that are resumed,
//! share a server. It takes no key but [`DUMMY_KEY`], listens on 127.0.0.1 alone, and calls nobody.

mod answer;
mod anthropic;
mod call;
mod chat;
mod gemini;
mod http;
mod responses;
mod script;
mod state;
#[cfg(test)]
mod tests;
mod tools;

use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;

use answer::{Answer, Ids, Stream};
use call::{Asked, Call};
use http::Incoming;
use state::{Chosen, State};

pub use call::{Api, DUMMY_KEY, Request};
pub use script::{Cut, Hang, QUOTED, Repeat, Script, StreamError, Tool, Turn, Usage};
pub use state::Served;

/// How often a pause looks whether its caller is still there.
const LOOK: Duration = Duration::from_millis(50);

/// A running scripted model; it ends with its guard.
#[derive(Debug)]
pub struct ModelServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    ids: Ids,
    /// Each is open as long as its thread holds it: so a reset is seen at once.
    connections: Mutex<Vec<Weak<TcpStream>>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread of the server panics with the state in its hands")
    }
}

impl ModelServer {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When the system gives no port.
    pub fn start(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port on loopback");
        let address = listener.local_addr().expect("the port's number");
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(scripts)),
            changed: Condvar::new(),
            ids: Ids::new(address.port()),
            connections: Mutex::new(Vec::new()),
        });
        let inner = Arc::clone(&shared);
        let accepting = std::thread::Builder::new()
            .name("model".into())
            .spawn(move || accept(&listener, &inner))
            .expect("a thread");
        Self { shared, address, accepting: Some(accepting) }
    }

    /// `http://127.0.0.1:<port>`, which Anthropic's and Gemini's clients take as it is; OpenAI's want `/v1` behind.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state().requests.clone()
    }

    /// The requests for the work of the script with that marker, in their order.
    pub fn turns_of(&self, marker: &str) -> Vec<Request> {
        let prefix = format!("{marker}/");
        let own = |one: &Request| one.is_main() && one.answered.starts_with(&prefix);
        self.requests().into_iter().filter(own).collect()
    }

    /// What was served, by model: whole answers alone.
    pub fn served(&self) -> BTreeMap<String, Served> {
        self.shared.state().served(None)
    }

    /// What was served by the script with that marker.
    pub fn served_for(&self, marker: &str) -> BTreeMap<String, Served> {
        self.shared.state().served(Some(marker))
    }

    /// The turns that nobody has asked for, by the first marker of their script.
    pub fn unused(&self) -> BTreeMap<String, usize> {
        self.shared.state().unused()
    }

    /// How many requests carried a key that is not [`DUMMY_KEY`]: they were refused.
    pub fn foreign_keys(&self) -> u64 {
        self.shared.state().foreign_keys
    }

    /// From now on requests wait in vain and use no turn: for what still asks while it dies.
    pub fn hold(&self) {
        self.shared.state().held = true;
    }

    /// New requests are answered again; those that waited in vain are broken off.
    pub fn unhold(&self) {
        self.shared.state().held = false;
        self.shared.changed.notify_all();
    }

    /// Lets everything go on that waits for the test.
    pub fn release(&self) {
        self.shared.state().releases += 1;
        self.shared.changed.notify_all();
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.shared.state().stopping = true;
        self.shared.changed.notify_all();
        // The connection wakes the thread that accepts; it sees that it is to stop.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        let connections = self.shared.connections.lock().expect("no thread panics with it");
        for connection in connections.iter().filter_map(Weak::upgrade) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        if shared.state().stopping {
            return;
        }
        let Ok(connection) = connection else { continue };
        let connection = Arc::new(connection);
        let mut connections = shared.connections.lock().expect("no thread panics with it");
        connections.retain(|one| one.strong_count() > 0);
        connections.push(Arc::downgrade(&connection));
        drop(connections);
        let inner = Arc::clone(shared);
        std::thread::Builder::new()
            .name("model-connection".into())
            // A caller that goes, or that does not speak HTTP, ends its connection and nothing else.
            .spawn(move || drop(serve(&inner, &connection)))
            .expect("a thread");
    }
}

fn serve(shared: &Shared, connection: &TcpStream) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection);
    let mut writer = connection;
    while let Some(incoming) = http::read(&mut reader)? {
        if incoming.method == "HEAD" {
            shared.state().keep(Request::read(&incoming));
            http::write_empty(&mut writer, 200)?;
            continue;
        }
        if call::carries_foreign_key(&incoming) {
            shared.state().foreign_keys += 1;
            let body = json!({"error": {"message": "this is no key of the tests"}});
            http::write_json(&mut writer, 403, &BTreeMap::new(), &body)?;
            continue;
        }
        match call::asked(&incoming.method, &incoming.path) {
            Asked::Answer(api) => answer(shared, api, &incoming, connection)?,
            other => {
                shared.state().keep(Request::read(&incoming));
                write(connection, &fixed(other))?;
            }
        }
    }
    Ok(())
}

/// Answers that no script has a say in.
fn fixed(asked: Asked) -> Answer {
    match asked {
        Asked::CountTokens(Api::Gemini) => Answer::ok(json!({"totalTokens": 100})),
        Asked::CountTokens(_) => Answer::ok(json!({"input_tokens": 100})),
        Asked::Models => {
            let model = json!({"id": "scripted", "object": "model", "type": "model",
                "display_name": "scripted", "created_at": "2026-01-01T00:00:00Z"});
            Answer::ok(json!({"object": "list", "data": [model], "has_more": false}))
        }
        Asked::Answer(_) | Asked::Unknown => Answer::Json {
            status: 404,
            headers: BTreeMap::new(),
            body: json!({"error": {"type": "not_found_error", "message": "there is no such path"}}),
        },
    }
}

fn write(mut to: &TcpStream, answer: &Answer) -> io::Result<()> {
    match answer {
        Answer::Json { status, headers, body } => http::write_json(&mut to, *status, headers, body),
        Answer::Stream { .. } => unreachable!("a stream is played, not written"),
    }
}

/// One answer of the model: chosen, kept, played, charged.
fn answer(shared: &Shared, api: Api, incoming: &Incoming, mut to: &TcpStream) -> io::Result<()> {
    let mut request = Request::read(incoming);
    let body = request.body.clone();
    let call = Call::read(api, &request.path, &body);
    let mut in_vain = false;
    let mut state = shared.state();
    while state.held && !state.stopping {
        state = shared.changed.wait(state).expect("no thread panics with it");
        in_vain = !state.held;
    }
    drop(state);
    if in_vain || has_gone(to) {
        return cut_off(to);
    }
    let chosen = shared.state().choose(&call, &body, Instant::now());
    request.api = Some(api);
    request.model.clone_from(&call.model);
    request.stream = call.stream;
    request.tools = call.offered.keys().cloned().collect();
    chosen.as_ref().map_or("no script", |chosen| &chosen.label).clone_into(&mut request.answered);
    shared.state().keep(request);
    shared.changed.notify_all();
    let Some(mut chosen) = chosen else {
        let refusal = Answer::error(api, 400, "no script of the test is for this request");
        return write(to, &refusal);
    };
    chosen.turn = chosen.turn.filled(&body);
    let turn = &chosen.turn;
    if let Some(hang) = turn.hang {
        pause(shared, hang, to)?;
    }
    let answer = Answer::of(turn, &call, &body, &shared.ids);
    let streams = matches!(answer, Answer::Stream { .. });
    if turn.cut == Some(Cut::Before) || turn.cut == Some(Cut::Mid) && !streams {
        return cut_off(to);
    }
    match answer {
        Answer::Json { status, .. } => {
            // Before it is written: who has it may look at once at what was charged.
            if status < 400 {
                shared.state().charge(&chosen, &call);
            }
            write(to, &answer)
        }
        Answer::Stream { headers, stream, failure } => {
            http::begin_stream(&mut to, &headers)?;
            play(shared, &Played { stream, failure, chosen, call }, to)
        }
    }
}

struct Played {
    stream: Stream,
    failure: Option<answer::Frame>,
    chosen: Chosen,
    call: Call,
}

fn play(shared: &Shared, played: &Played, mut to: &TcpStream) -> io::Result<()> {
    let turn = &played.chosen.turn;
    for (number, frame) in played.stream.frames.iter().enumerate() {
        if played.stream.middle == Some(number) {
            if let Some(hang) = turn.hang_mid {
                pause(shared, hang, to)?;
            }
            if turn.cut == Some(Cut::Mid) {
                return cut_off(to);
            }
            if let Some(failure) = &played.failure {
                http::write_frame(&mut to, failure)?;
                return http::end_stream(&mut to);
            }
        }
        if turn.delay_ms > 0 {
            pause(shared, Hang::Ms(turn.delay_ms), to)?;
        }
        if number + 1 == played.stream.frames.len() {
            shared.state().charge(&played.chosen, &played.call);
        }
        http::write_frame(&mut to, frame)?;
    }
    http::end_stream(&mut to)
}

fn cut_off(connection: &TcpStream) -> io::Result<()> {
    http::cut(connection);
    Err(io::ErrorKind::ConnectionAborted.into())
}

/// Waits; an error where the caller has gone, or the server stops.
fn pause(shared: &Shared, hang: Hang, caller: &TcpStream) -> io::Result<()> {
    let end = match hang {
        Hang::Ms(span) => Some(Instant::now() + Duration::from_millis(span)),
        Hang::UntilReleased => None,
    };
    let mut state = shared.state();
    let before = state.releases;
    loop {
        let left = end.map_or(LOOK, |end| end.saturating_duration_since(Instant::now()));
        let released = end.is_none() && state.releases > before;
        if state.stopping || has_gone(caller) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if released || left.is_zero() {
            return Ok(());
        }
        state = shared.changed.wait_timeout(state, left.min(LOOK)).expect("no thread panics with it").0;
    }
}

/// Whether the caller has closed its side.
fn has_gone(caller: &TcpStream) -> bool {
    let mut byte = [0];
    let looked = caller.set_nonblocking(true).and_then(|()| caller.peek(&mut byte));
    let _ = caller.set_nonblocking(false);
    match looked {
        Ok(read) => read == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}
