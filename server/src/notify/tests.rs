//! The notifier with real commands and a real listener on this machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::channel;

use storkit_core::effect::Topic;
use storkit_core::ids::StoryId;
use storkit_core::notify::{Occasion, Quiet};
use storkit_core::time::Wall;

use super::*;

const CEILING: Duration = Duration::from_secs(20);

fn place(folder: &Path) -> Place {
    Place {
        project: "p".to_owned(),
        root: folder.to_owned(),
        run: folder.to_owned(),
        tmp: folder.to_owned(),
        env: BTreeMap::new(),
    }
}

fn notice(topic: Topic, text: &str) -> Notice {
    let story = Some(StoryId::new("1_story_a").expect("an id"));
    Notice { at: Wall(0), topic, story, text: text.to_owned(), gates: Vec::new() }
}

#[test]
fn what_agents_say_is_told_without_what_a_terminal_would_obey() {
    let said =
        Message { text: "Tabs or \u{1b}[31mspaces\u{1b}]0;pwn\u{7}\u{202e}?".to_owned(), ..message(1) };
    let told = body(&place(Path::new("/")), &said);
    assert_eq!(told["text"], "p: Tabs or spaces\\u{202e}?");
}

fn rule(channel: Channel) -> Rule {
    Rule { on: Occasion::ALL.to_vec(), channel, quiet: None }
}

fn message(id: u64) -> Message {
    Message { id, event: Occasion::Blocked, story: None, text: "x".to_owned(), at_ms: 0 }
}

/// A server that answers with these statuses in turn, and hands on what it was sent.
fn server(statuses: &'static [u16]) -> (String, std::sync::mpsc::Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let (sender, received) = channel();
    task::spawn("hook", move || {
        for status in statuses {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut reader = BufReader::new(stream.try_clone().expect("cloned"));
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a line");
                if line.trim().is_empty() {
                    break;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a length");
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("the body");
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).expect("answered");
            let _ = sender.send((head, serde_json::from_slice(&body).expect("JSON")));
        }
    })
    .expect("a thread");
    (url, received)
}

#[test]
fn an_event_is_told_once_by_each_way_and_not_again_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let (url, received) = server(&[204]);
    let rules =
        [rule(Channel::Command("echo \"$STORKIT_TEXT\" >> told".to_owned())), rule(Channel::Webhook(url))];
    let blocked = notice(Topic::Blocked, "tests failed");
    for id in [5, 9] {
        // The second one is another daemon, which finds the story blocked as it was.
        let notifier = Notifier::start(place(folder.path())).expect("started");
        notifier.configure(&rules);
        notifier.tell(id, &blocked);
        notifier.flush(CEILING);
    }
    let told = std::fs::read_to_string(folder.path().join("told")).expect("told");
    assert_eq!(told, "1_story_a: tests failed\n");
    let (head, body) = received.recv_timeout(CEILING).expect("received");
    assert!(head.starts_with("POST /hook ") && head.contains("idempotency-key: storkit-p-5"), "{head}");
    assert_eq!(body["event"], "blocked");
    assert_eq!(body["hint"], "storkit why 1_story_a");
    assert!(received.recv_timeout(Duration::from_millis(50)).is_err());
    assert!(failures(folder.path()).is_empty());
}

#[test]
fn a_webhook_is_tried_again_until_it_takes_the_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let (url, received) = server(&[503, 429, 200]);
    let again = [Duration::ZERO; 4];
    tell(&place(folder.path()), &Channel::Webhook(url), &message(1), &again).expect("told");
    assert_eq!(received.iter().map(|(_, body)| body["id"].clone()).collect::<Vec<_>>(), [1, 1, 1]);
    let (url, received) = server(&[404]);
    let error =
        tell(&place(folder.path()), &Channel::Webhook(url), &message(2), &again).expect_err("refused");
    assert!(error.to_string().contains("404"), "{error}");
    assert_eq!(received.iter().count(), 1, "what is refused for good is not tried again");
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let hook = Channel::Webhook(format!("http://{gone}/s3cret"));
    let error = tell(&place(folder.path()), &hook, &message(3), &again).expect_err("nobody there");
    assert!(error.again && !error.to_string().contains("s3cret"), "{error}");
}

#[test]
fn an_address_may_come_from_a_variable_and_must_be_a_safe_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let (url, received) = server(&[200]);
    let mut place = place(folder.path());
    let hook = Channel::Webhook("$HOOK".to_owned());
    assert!(tell(&place, &hook, &message(1), &[]).is_err());
    place.env.insert("HOOK".to_owned(), "http://192.0.2.1/".to_owned());
    assert!(tell(&place, &hook, &message(1), &[]).is_err());
    place.env.insert("HOOK".to_owned(), url);
    tell(&place, &hook, &message(1), &[]).expect("told");
    assert_eq!(received.iter().count(), 1);
}

#[test]
fn a_way_that_fails_is_noted_until_it_goes_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let notifier = Notifier::start(place(folder.path())).expect("started");
    let command = "test -e good || { echo no; exit 1; }";
    notifier.configure(&[rule(Channel::Command(command.to_owned()))]);
    notifier.tell(1, &notice(Topic::Blocked, "one"));
    notifier.flush(CEILING);
    let failed = failures(folder.path());
    assert_eq!(failed[&format!("command `{command}`")].why, "it ended with exit status: 1: no");
    std::fs::write(folder.path().join("good"), "").expect("written");
    notifier.tell(2, &notice(Topic::Blocked, "two"));
    notifier.flush(CEILING);
    assert!(failures(folder.path()).is_empty());
}

#[test]
fn a_hanging_command_delays_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let notifier = Notifier::start(place(folder.path())).expect("started");
    let hangs = rule(Channel::Command("touch hangs; exec sleep 25".to_owned()));
    let other = rule(Channel::Command("touch other".to_owned()));
    notifier.configure(&[hangs, other]);
    let begun = Instant::now();
    for id in 0..3_000 {
        notifier.tell(id, &notice(Topic::Landed, &format!("{id}")));
    }
    assert!(begun.elapsed() < Duration::from_secs(10));
    while !folder.path().join("other").exists() {
        assert!(begun.elapsed() < CEILING);
        std::thread::yield_now();
    }
}

#[test]
fn quiet_hours_keep_messages_over_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let channel = Channel::Command("echo \"$STORKIT_TEXT\" >> told".to_owned());
    let now = minute();
    let quiet = Quiet { from: now, to: (now + 600) % 1440 };
    let notifier = Notifier::start(place(folder.path())).expect("started");
    notifier.configure(&[Rule { quiet: Some(quiet), ..rule(channel.clone()) }]);
    notifier.tell(1, &notice(Topic::Blocked, "at night"));
    notifier.flush(CEILING);
    assert!(!folder.path().join("told").exists());
    let notifier = Notifier::start(place(folder.path())).expect("started again");
    notifier.configure(&[rule(channel)]);
    notifier.flush(CEILING);
    assert_eq!(std::fs::read_to_string(folder.path().join("told")).expect("told"), "1_story_a: at night\n");
}
