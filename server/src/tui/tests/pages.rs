//! A story's page: its tabs, its live output, and the review of its diff.

use super::*;

const DIFF: &str = "diff --git a/src/a.rs b/src/a.rs\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1,2 +1,3 @@ fn x\n one\n-two\n+zwei\n+drei\n\
                    diff --git a/b.md b/b.md\n--- a/b.md\n+++ b/b.md\n@@ -5 +5 @@\n-x\n+y\n";

fn review() -> Desk {
    let mut desk = Desk::new((80, 24));
    desk.press("3a");
    assert_eq!(desk.done(), [Effect::Load(Part::Diff, "57_story_invoices".to_owned())]);
    desk.take(Msg::Loaded(Part::Diff, "57_story_invoices".to_owned(), Ok(DIFF.to_owned())));
    desk
}

#[test]
fn a_review_is_three_keys_and_shows_the_diff() {
    let mut desk = review();
    insta::assert_snapshot!(desk.screen(), @r#"
     storkit  myproj  main@9f31c2e     problems 1  agents 1/2  $12.40 of 50  ● live
    ┌──────────────────────────────────────────────────────────────────────────────┐
    │ 57 Export invoices as CSV                                      ◆ Review  20m │
    │ [Story] [Runs 0] [Live] [DIFF 0/2 viewed] [History]                          │
    │ src/a.rs                                                    +3 -2 in 2 files │
    │ >src/a.rs  +2 -1                                                             │
    │  @@ -1,2 +1,3 @@ fn x                                                        │
    │      1  one                                                                  │
    │      2 -two                                                                  │
    │      2 +zwei                                                                 │
    │      3 +drei                                                                 │
    │  b.md  +1 -1                                                                 │
    │  @@ -5 +5 @@                                                                 │
    │      5 -x                                                                    │
    │      5 +y                                                                    │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    │                                                                              │
    └──────────────────────────────────────────────────────────────────────────────┘

     A approve  R send back  c comment  J hunk  ] file  v viewed  q back  ? all
    "#);
    desk.press("A");
    assert_eq!(desk.done(), [Effect::Act(Request::Approve { story: "57_story_invoices".to_owned() })]);
}

#[test]
fn comments_are_gathered_and_sent_back_as_one_text() {
    let mut desk = review();
    desk.press("jjjccalls for a test<enter>]JjcWhy?<enter>");
    assert!(desk.screen().contains("2 comments. R sends back with all of them."));
    assert!(desk.screen().contains("● Why?"), "{}", desk.screen());
    desk.press("R");
    let text = "- src/a.rs:2 (removed): calls for a test\n- b.md:5 (removed): Why?".to_owned();
    let sent = Effect::Act(Request::Reject { story: "57_story_invoices".to_owned(), text });
    assert_eq!(desk.done(), std::slice::from_ref(&sent));
    let trouble = Trouble { said: "busy".to_owned(), hint: None };
    desk.take(Msg::Acted(Err(trouble)));
    assert!(desk.screen().contains("● Why?"), "what was not taken is kept");
    desk.press("R");
    assert_eq!(desk.done(), [sent]);
    desk.take(Msg::Acted(Ok("57_story_invoices: qa → current, rejected".to_owned())));
    let screen = desk.screen();
    assert!(!screen.contains("● Why?") && !screen.contains("z undo"), "they are in the file: {screen}");
    desk.press("R");
    assert!(desk.done().is_empty(), "without comments it asks for words");
}

#[test]
fn files_are_marked_and_the_next_one_is_gone_to() {
    let mut desk = review();
    desk.press("v");
    let screen = desk.screen();
    assert!(
        screen.contains("[DIFF 1/2 viewed]") && screen.contains("▌b.md  +1 -1") || screen.contains(">b.md"),
        "{screen}"
    );
    desk.press("[[");
    assert!(desk.screen().contains("src/a.rs  +2 -1  ✓ viewed"));
    desk.press("JKjjkG<c-u><c-d>");
}

#[test]
fn an_empty_diff_and_one_that_cannot_be_read_say_so() {
    let mut desk = Desk::new((80, 24));
    desk.press("3d");
    desk.take(Msg::Loaded(Part::Diff, "57_story_invoices".to_owned(), Ok(String::new())));
    assert!(desk.screen().contains("Nothing ahead of base."));
    let trouble = Trouble { said: "no such branch".to_owned(), hint: None };
    desk.take(Msg::Loaded(Part::Diff, "57_story_invoices".to_owned(), Err(trouble)));
    assert!(desk.screen().contains("no such branch"));
    desk.take(Msg::Loaded(Part::Diff, "another".to_owned(), Ok(DIFF.to_owned())));
    assert!(desk.screen().contains("no such branch"), "it is not this story's");
}

#[test]
fn a_page_shows_text_runs_and_history() {
    let mut desk = Desk::new((80, 24));
    desk.press("nnnn<enter>");
    let run = RunRow {
        run: "r1".to_owned(),
        story: "42_story_passkey".to_owned(),
        stage: "current".to_owned(),
        agent: "coder-2".to_owned(),
        number: 1,
        attempt: 1,
        prompt: String::new(),
        log: String::new(),
        started: "2026-11-21T11:00:00Z".to_owned(),
        ended: Some("2026-11-21T11:08:02Z".to_owned()),
        how: Some("question".to_owned()),
        exit: Some(0),
        signal: None,
        summary: Some("Began.".to_owned()),
    };
    let text =
        "---\nname: Log in\n---\n# Log in\nAs a user\u{1b}[2J\n\n## Question 1\n\nAt once?\n\n### Answer\n\n";
    let file = StoryFile { text: text.to_owned(), runs: vec![run] };
    desk.take(Msg::File("42_story_passkey".to_owned(), Ok(file)));
    let screen = desk.screen();
    assert!(screen.contains("At once?") && screen.contains("As a user\\u{1b}[2J"), "{screen}");
    assert!(screen.contains("[STORY] [Runs 1] [Live] [Diff] [History]"), "{screen}");
    desk.press("l");
    let screen = desk.screen();
    assert!(screen.contains("run 1 · current · coder-2 · try 1 · 8m 2s · question"), "{screen}");
    desk.done();
    desk.press("5");
    assert_eq!(desk.done(), [Effect::Load(Part::History, "42_story_passkey".to_owned())]);
    desk.take(Msg::Loaded(Part::History, "42_story_passkey".to_owned(), Ok("12:00 moved\n".to_owned())));
    assert!(desk.screen().contains("12:00 moved"));
    desk.press("q");
    assert!(desk.model.page.is_none());
    assert_eq!(desk.selected(), "42_story_passkey", "back keeps the place");
}

#[test]
fn live_output_is_watched_while_it_is_looked_at() {
    let mut desk = Desk::new((80, 24));
    desk.press("jt");
    assert_eq!(desk.done(), [Effect::Watch(Some("run-41".to_owned()))]);
    let mut text = String::new();
    for n in 1..=60 {
        text.push_str(&format!("line {n}\r\n"));
    }
    desk.take(Msg::Shown("run-41".to_owned(), Shown::Out(text)));
    assert!(desk.screen().contains("line 60") && desk.screen().contains("following"));
    desk.press("kkk");
    assert!(!desk.screen().contains("line 60") && desk.screen().contains("f follows"), "{}", desk.screen());
    desk.press("f");
    assert!(desk.screen().contains("line 60"));
    desk.press("i");
    assert_eq!(desk.done(), [Effect::InTerminal(vec!["attach".to_owned(), "41_story_sessions".to_owned()])]);
    desk.press("t");
    assert_eq!(desk.done(), [Effect::Load(Part::Transcript, "41_story_sessions".to_owned())]);
    desk.take(Msg::Loaded(Part::Transcript, "41_story_sessions".to_owned(), Ok("it said\n".to_owned())));
    assert!(desk.screen().contains("it said"));
    desk.press("tq");
    assert_eq!(desk.done(), [Effect::Watch(None)]);
    assert!(desk.model.live.is_none());
}

#[test]
fn a_story_that_is_deleted_closes_its_page() {
    let mut desk = Desk::new((80, 24));
    desk.press("<enter>");
    desk.board(Vec::new());
    assert!(desk.model.page.is_none() && desk.screen().contains("That story is gone."));
}

#[test]
fn a_question_whose_words_are_not_written_yet_is_read_again() {
    let mut desk = Desk::new((80, 24));
    desk.press("nnnn");
    let reads = |desk: &mut Desk| {
        std::mem::take(&mut desk.effects).contains(&Effect::File("42_story_passkey".to_owned()))
    };
    let file = |text: &str| {
        let file = StoryFile { text: text.to_owned(), runs: Vec::new() };
        Msg::File("42_story_passkey".to_owned(), Ok(file))
    };
    desk.take(file("a\n"));
    reads(&mut desk);
    let now: jiff::Timestamp = NOW.parse().expect("a moment");
    desk.take(Msg::Tick(now));
    assert!(reads(&mut desk), "the words are still to come");
    desk.take(file("a\n\n## Question 1\n\nAt once?\n\n### Answer\n\n"));
    assert!(desk.screen().contains("At once?"));
    desk.take(Msg::Tick(now));
    assert!(!reads(&mut desk), "they are here");
}
