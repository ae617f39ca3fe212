//! Stories, runs and figures as resources, and the document that describes them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::http::openapi::DOCUMENT;

/// The head of an answer, and its body where that is JSON.
fn asked(served: &Served, method: &str, path: &str, headers: &str, body: &str) -> (String, Value) {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = served.raw(request.as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    (head.to_owned(), serde_json::from_str(body).unwrap_or_default())
}

const JSON: &str = "content-type: application/json\r\n";

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

/// The value of a header; the server writes names in small letters.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn the_document_names_the_operations_that_are_served_and_no_others() {
    let document: Value = serde_json::from_str(&DOCUMENT).expect("JSON");
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("operations").keys() {
            described.insert((method.to_uppercase(), path.clone()));
        }
    }
    let mut listed = routes::table::<Fake>().listed;
    let is_the_pages_own = |path: &str| {
        crate::web::PAGES.contains(&path) || path.starts_with("/ui/") || path.starts_with("/assets/")
    };
    listed.retain(|(_, path)| !is_the_pages_own(path));
    let served: BTreeSet<_> =
        listed.iter().map(|(method, path)| (method.to_string(), (*path).to_owned())).collect();
    assert_eq!(served.len(), listed.len(), "a route is listed twice");
    assert_eq!(described, served);
    let (head, shown) = asked(&Served::new(), "GET", "/api/openapi.json", "", "");
    assert_eq!((status(&head), header(&head, "content-type")), (200, Some("application/json")));
    assert_eq!(shown, document);
}

#[test]
fn stories_come_in_pages_and_by_filters() {
    let served = Served::new();
    let ids = |value: &Value| -> Vec<String> {
        let all = value.as_array().expect("a list").iter();
        all.map(|story| story["id"].as_str().expect("an id").to_owned()).collect()
    };
    let (head, first) = asked(&served, "GET", "/api/v1/stories?limit=2&stage=current", "", "");
    assert_eq!(ids(&first), ["42_story_login", "7_a"]);
    let link = header(&head, "link").expect("a next page");
    let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).expect("a link");
    assert!(next.contains("stage=current"), "{next}");
    let (head, second) = asked(&served, "GET", next, "", "");
    assert_eq!((ids(&second), header(&head, "link")), (vec!["7_b".to_owned()], None));
    for (query, count) in [
        ("", 3),
        ("all=true", 4),
        ("q=LOGIN", 1),
        ("q=a%20story", 3),
        ("state=running", 3),
        ("state=done", 0),
        ("stage=done", 0),
        ("label=x", 0),
        ("agent=x", 0),
        ("epic=x", 0),
    ] {
        let (head, found) = asked(&served, "GET", &format!("/api/v1/stories?{query}"), "", "");
        assert_eq!((status(&head), ids(&found).len()), (200, count), "{query}");
    }
    for query in
        ["limit=0", "limit=501", "limit=x", "limit=1&limit=1", "stage=x", "cursor=x", "other=1", "all=2"]
    {
        let (head, problem) = asked(&served, "GET", &format!("/api/v1/stories?{query}"), "", "");
        assert_eq!((status(&head), &problem["status"]), (400, &json!(400)), "{query}");
    }
}

#[test]
fn a_story_is_written_by_who_has_read_it() {
    let served = Served::new();
    *served.fake.text.lock().expect("not poisoned") = "---\nname: x\n---\ntext\n".to_owned();
    let (head, story) = asked(&served, "GET", "/api/v1/stories/42", "", "");
    assert_eq!(
        (story["id"].as_str(), story["text"].as_str()),
        (Some("42_story_login"), Some("---\nname: x\n---\ntext\n"))
    );
    let tag = header(&head, "etag").expect("a tag");
    let put = |headers: &str| {
        let headers = format!("{JSON}{headers}");
        asked(&served, "PUT", "/api/v1/stories/42", &headers, r#"{"text":"new","part":"body"}"#).0
    };
    assert_eq!(status(&put("")), 428);
    for stale in ["if-match: \"0\"\r\n", "if-match: W/\"0000000000000007\"\r\n", "if-match: \"\"\r\n"] {
        assert_eq!(status(&put(stale)), 412, "{stale}");
    }
    assert!(served.fake.asked.lock().expect("not poisoned").is_empty());
    assert_eq!(status(&put(&format!("if-match: \"1\", {tag}\r\n"))), 200);
    let written = served.fake.asked.lock().expect("not poisoned").pop();
    let story = "42_story_login".to_owned();
    let part = storkit_core::facts::Part::Body;
    assert_eq!(written, Some(Request::Write { story, part, text: "new".to_owned(), seen: Some(7) }));
    assert_eq!(status(&put("if-match: *\r\n")), 200);
    let written = served.fake.asked.lock().expect("not poisoned").pop();
    assert!(
        matches!(written, Some(Request::Write { seen: None, .. })),
        "`*` is whatever is there: {written:?}"
    );
}

#[test]
fn a_story_is_made_once_for_each_key() {
    let served = Served::new();
    let make =
        |key: &str, body: &str| asked(&served, "POST", "/api/v1/stories", &format!("{JSON}{key}"), body);
    let (head, made) = make("", r#"{"title":"A"}"#);
    assert_eq!((status(&head), header(&head, "location")), (201, Some("/api/v1/stories/100_story_new")));
    assert_eq!(made["id"], "100_story_new");
    assert_eq!(status(&make("", r#" ["A","bug","backlog","b"]"#).0), 422, "a list is no object");
    let key = "idempotency-key: one\r\n";
    let first = make(key, r#"{"title":"B","kind":"bug","stage":"current"}"#);
    assert_eq!(first.1["id"], "101_story_new");
    assert_eq!(make(key, r#"{"stage":"current","kind":"bug","title":"B"}"#).1, first.1);
    assert_eq!(status(&make(key, r#"{"title":"C"}"#).0), 422);
    assert_eq!(status(&make("idempotency-key: \r\n", r#"{"title":"C"}"#).0), 400);
    let made = served.fake.made.lock().expect("not poisoned");
    let titles: Vec<&str> = made.iter().map(|new| new.title.as_str()).collect();
    assert_eq!(titles, ["A", "B"]);
    assert_eq!(made[1].kind, storkit_core::story::Kind::Bug);
    drop(made);
    for body in ["", "{}", r#"{"title":1}"#, r#"{"title":"A","other":1}"#, r#"{"title":"A","kind":"x"}"#] {
        assert_eq!(status(&make("", body).0), 422, "{body}");
    }
}

#[test]
fn acts_are_addresses_of_their_own() {
    let served = Served::new();
    let post = |path: &str, headers: &str, body: &str| {
        status(&asked(&served, "POST", &format!("/api/v1/stories/42/{path}"), headers, body).0)
    };
    assert_eq!(post("start", "", ""), 200);
    assert_eq!(post("start", JSON, r#"{"agent":"a"}"#), 200);
    assert_eq!(post("start", JSON, r#"{"agents":"a"}"#), 422);
    assert_eq!(post("start", "", "{}"), 415);
    assert_eq!(post("move", JSON, r#"{"to":"qa"}"#), 200);
    assert_eq!(post("move", JSON, r#"{"to":"x"}"#), 422);
    assert_eq!(post("check", JSON, r#"{"criterion":2}"#), 200);
    assert_eq!(post("messages", JSON, r#"{"text":"t"}"#), 200);
    for path in ["approve", "stop", "retry", "unhold", "unblock", "hold"] {
        assert_eq!(post(path, "", ""), 409, "{path}: the fake refuses it");
    }
    for path in ["reject", "answer", "continue"] {
        assert_eq!(post(path, JSON, r#"{"text":"t"}"#), 409, "{path}");
        assert_eq!(post(path, JSON, "{}"), 422, "{path}");
        assert_eq!(post(path, "", ""), 415, "{path}");
    }
    let asked = served.fake.asked.lock().expect("not poisoned");
    let story = || "42".to_owned();
    assert_eq!(
        *asked,
        [
            Request::Move { story: story(), to: storkit_core::stage::Stage::Qa },
            Request::Check { story: story(), criterion: 2, done: true },
            Request::Send { story: story(), from: None, text: "t".to_owned() },
        ]
    );
}

#[test]
fn runs_their_output_and_what_they_changed_are_shown() {
    let served = Served::new();
    let get = |path: &str| asked(&served, "GET", path, "", "");
    assert_eq!(get("/api/v1/stories/42/runs").1, json!([]));
    assert_eq!(get("/api/v1/runs/x/output?from=3&len=5").1["from"], 3);
    assert_eq!(status(&get("/api/v1/runs/x/output?gate=tests").0), 200);
    assert_eq!(status(&get("/api/v1/runs/x/output?gate=other").0), 404);
    assert_eq!(status(&get("/api/v1/runs/x/output?len=0").0), 400);
    assert_eq!(status(&get("/api/v1/runs/x/output?from=-1").0), 400);
    let diff = get("/api/v1/stories/42/diff").1;
    assert_eq!((&diff["id"], &diff["files"][0]["path"]), (&json!("42_story_login"), &json!("a")));
    assert_eq!(get("/api/v1/stories/42/diff?path=b").1["files"], json!([]));
    assert_eq!(get("/api/v1/usage?by=model&days=7").1["by"], "model");
    for query in ["by=x", "days=0", "days=4000"] {
        assert_eq!(status(&get(&format!("/api/v1/usage?{query}")).0), 400, "{query}");
    }
    assert_eq!(status(&get("/api/v1/runs/x1/terminal").0), 426);
    assert_eq!(status(&get("/api/v1/events?since=x").0), 400);
}

#[test]
fn figures_are_there_for_prometheus() {
    let served = Served::new();
    served.fake.hub.publish(EventLine { kind: "landed".to_owned(), ..line(1) });
    let answer = served.get("/metrics");
    assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
    for figure in [
        "\nstorkit_stories{stage=\"current\",state=\"running\"} 4\n",
        "\nstorkit_landings_total 1\n",
        "\nstorkit_events_total{kind=\"landed\"} 1\n",
        "\nstorkit_runs_running 0\n",
        "\nstorkit_event_listeners 0\n",
        "\nstorkit_uptime_seconds ",
    ] {
        assert!(answer.contains(figure), "{figure} is not in {answer}");
    }
}
