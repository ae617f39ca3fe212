//! The board's pages from snapshots, and the page's own files.

use std::collections::BTreeMap;

use storkit_core::snapshot::{State, StoryView};
use storkit_core::stage::Stage;
use storkit_testkit::views::{self, status};

use super::*;

/// Largest styles and scripts, in bytes as they are written: those of the board, and what a page loads besides.
const STYLE_LEN_MAX: usize = 32 * 1024;
const BOARD_SCRIPT_LEN_MAX: usize = 56 * 1024;
const PAGE_SCRIPT_LEN_MAX: usize = 11 * 1024;

fn story(number: u64, stage: &str, state: State) -> StoryView {
    let stage = Stage::parse(stage).expect("a stage");
    StoryView {
        name: format!("Story {number}"),
        since: Some(format!("2026-11-21T10:00:{:02}Z", number % 60)),
        ..views::story(&format!("{number}_story_x"), stage, state)
    }
}

fn window(stage: &str, at: usize, length: usize) -> SyncAsk {
    SyncAsk { windows: BTreeMap::from([(stage.to_owned(), (at, length))]), ..SyncAsk::default() }
}

#[test]
fn a_page_gets_the_cards_that_it_lacks_and_the_order_of_all() {
    let mut board = status((1..=100).map(|number| story(number, "backlog", State::Idle)).collect());
    let first = sync(&board, &window("backlog", 10, 5), &Around::default());
    let backlog = &first.columns[0];
    assert_eq!((backlog.count, backlog.at, backlog.ids.len(), first.cards.len()), (100, 10, 5, 5));
    assert_eq!(backlog.ids[0], "11_story_x");
    let mut ask = window("backlog", 10, 5);
    ask.known = first.cards.iter().map(|(id, (version, _))| (id.clone(), version.clone())).collect();
    assert_eq!(sync(&board, &ask, &Around::default()).cards.len(), 0);
    board.stories[11].name = "Another title".to_owned();
    let third = sync(&board, &ask, &Around::default());
    assert_eq!(third.cards.keys().collect::<Vec<_>>(), ["12_story_x"]);
    assert!(third.cards["12_story_x"].1.contains("Another title"));
}

#[test]
fn what_needs_a_person_stands_in_the_strip_the_oldest_first() {
    let mut stories = vec![
        story(5, "qa", State::Review),
        story(3, "current", State::Question),
        story(1, "current", State::Running),
    ];
    stories.extend((10..30).map(|number| story(number, "current", State::Blocked)));
    let synced = sync(&status(stories), &SyncAsk::default(), &Around::default());
    assert_eq!(synced.needs, 22);
    let (question, review) = (synced.strip.find("3_story_x"), synced.strip.find("5_story_x"));
    assert!(question.is_some() && question < review, "{}", synced.strip);
    assert!(synced.strip.contains("+10"), "{}", synced.strip);
}

#[test]
fn a_filter_narrows_by_words_labels_and_states() {
    let mut one = story(1, "backlog", State::Held);
    one.labels = vec!["auth".to_owned()];
    let board = status(vec![one, story(2, "backlog", State::Idle)]);
    let count = |q: &str| {
        let ask = SyncAsk { q: q.to_owned(), ..SyncAsk::default() };
        sync(&board, &ask, &Around::default()).columns[0].count
    };
    assert_eq!((count(""), count("story"), count("STORY 1"), count("nothing")), (2, 2, 1, 0));
    assert_eq!((count("label:auth"), count("is:held"), count("is:needs"), count("agent:x")), (1, 1, 0, 0));
}

#[test]
fn no_text_of_a_story_becomes_markup_on_any_page() {
    let hostile = "\"><script>alert(1)</script><img src=x onerror='alert(1)'>";
    let mut one = story(1, "current", State::Question);
    one.name = hostile.to_owned();
    one.reason = Some(hostile.to_owned());
    one.agent = Some(hostile.to_owned());
    one.labels = vec![hostile.to_owned()];
    one.branch = Some(hostile.to_owned());
    one.worktree = Some(hostile.to_owned());
    let text =
        format!("---\nname: x\n---\n{hostile}\n\n## Question 1\n\n{hostile}\n- {hostile}\n\n### Answer\n");
    let page = StoryPage { story: &one, text: Some(&text), runs: 1 };
    let mut run = Run {
        number: 1,
        agent: hostile.to_owned(),
        how: Some(hostile.to_owned()),
        summary: Some(hostile.to_owned()),
        open: true,
        transcript: vec![hostile.to_owned()],
        ..Run::default()
    };
    run.gate(hostile.to_owned(), hostile);
    let diff = format!(
        "diff --git a/{hostile} b/{hostile}\n--- a/{hostile}\n+++ b/{hostile}\n@@ -1 +1 @@ {hostile}\n-{hostile}\n+x{hostile}\n"
    );
    let left = Left { title: hostile.to_owned(), at: hostile.to_owned(), ..Left::default() };
    let compared = Compared { base: hostile.to_owned(), tries: vec![left], ignore_space: false };
    let past = Past { at: hostile.to_owned(), lines: vec![hostile.to_owned()] };
    let board = status(vec![one.clone()]);
    let synced = sync(&board, &window("current", 0, 9), &Around::default());
    let pages = [
        story_page(page),
        question(page).expect("a question"),
        runs_page(page, vec![run]),
        live_page(page, true),
        log_piece(hostile, hostile, (0, 9, 9), "script"),
        history_page(page, vec![past]),
        edit_page(page, 1),
        diff_page(page, &diff, &compared),
        queue_page(&status(vec![StoryView { stage: "merge".to_owned(), ..one.clone() }])),
        archive_page(&status(vec![StoryView { stage: "archived".to_owned(), ..one.clone() }]), 1),
        synced.strip.clone(),
        synced.cards["1_story_x"].1.clone(),
    ];
    for html in pages {
        assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
        // An inline style would break the page's policy.
        assert!(!html.contains(" style="), "{html}");
    }
}

#[test]
fn the_shell_holds_no_data_and_nothing_inline() {
    let page = shell();
    for bad in ["style=", "<style", "onclick", "onload", "javascript:"] {
        assert!(!page.contains(bad), "{bad}");
    }
    assert_eq!(
        page.matches("<script").count(),
        page.matches("<script type=\"module\" src=\"/assets/").count()
    );
    for asset in assets::ASSETS {
        assert!(!asset.text.contains("http://") || asset.name.starts_with("icon"), "{}", asset.name);
        assert!(!asset.text.contains("https://"), "{}", asset.name);
    }
}

#[test]
fn styles_and_scripts_stay_small() {
    let of = |end: &'static str| assets::ASSETS.iter().filter(move |asset| asset.name.ends_with(end));
    let styles: usize = of(".css").map(|asset| asset.text.len()).sum();
    assert!(styles <= STYLE_LEN_MAX, "{styles} bytes of styles");
    let (own, others): (Vec<&Asset>, Vec<&Asset>) = of(".js")
        .partition(|asset| ["app.js", "core.js", "board.js", "acts.js", "drag.js"].contains(&asset.name));
    let board: usize = own.iter().map(|asset| asset.text.len()).sum();
    assert!(board <= BOARD_SCRIPT_LEN_MAX, "{board} bytes of scripts on the board");
    for asset in others {
        assert!(asset.text.len() <= PAGE_SCRIPT_LEN_MAX, "{}: {} bytes", asset.name, asset.text.len());
    }
}

#[test]
fn columns_stand_in_the_order_in_which_stories_came_or_land() {
    let entered = |number, stage, state, at: &str| StoryView {
        entered: Some(at.to_owned()),
        ..story(number, stage, state)
    };
    let board = status(vec![
        entered(1, "current", State::Running, "2026-11-21T12:00:00Z"),
        entered(2, "current", State::Question, "2026-11-21T11:00:00Z"),
        story(3, "current", State::Waiting),
        entered(4, "merge", State::Waiting, "2026-11-21T10:00:00Z"),
        entered(5, "merge", State::Merging, "2026-11-21T12:00:00Z"),
        entered(6, "done", State::Done, "2026-11-21T10:00:00Z"),
        entered(7, "done", State::Done, "2026-11-21T12:00:00Z"),
    ]);
    let windows = ["current", "merge", "done"].map(|stage| (stage.to_owned(), (0, 9)));
    let ask = SyncAsk { windows: BTreeMap::from(windows), ..SyncAsk::default() };
    let synced = sync(&board, &ask, &Around::default());
    let order = |at: usize| synced.columns[at].ids.iter().map(|id| &id[..1]).collect::<String>();
    assert_eq!((order(1).as_str(), order(3).as_str(), order(4).as_str()), ("213", "54", "76"));
}

#[test]
fn cards_say_how_far_they_are() {
    let board = status(vec![
        StoryView { attempt: 2, ..story(1, "current", State::Gating) },
        StoryView { reason: Some("waits for a review".to_owned()), ..story(2, "qa", State::Review) },
        story(3, "merge", State::Merging),
        StoryView { reason: Some("behind 3".to_owned()), ..story(4, "merge", State::Waiting) },
    ]);
    let told = [
        ("1_story_x", Told { gate: Some((2, 3)), ..Told::default() }),
        (
            "2_story_x",
            Told { figures: Some(Figures { added: 212, removed: 38, files: 9 }), ..Told::default() },
        ),
        ("3_story_x", Told { phase: Some("gates on the squash"), ..Told::default() }),
    ];
    let told = told.into_iter().map(|(id, told)| (id.to_owned(), told)).collect();
    let around = Around { tries_max: 4, told, ..Around::default() };
    let windows = ["current", "qa", "merge"].map(|stage| (stage.to_owned(), (0, 9)));
    let ask = SyncAsk { windows: BTreeMap::from(windows), ..SyncAsk::default() };
    let cards = sync(&board, &ask, &around).cards;
    for (id, words) in [
        ("1_story_x", "Gates 2/3"),
        ("1_story_x", "</span>2/4</span>"),
        ("2_story_x", "+212 −38 in 9 files"),
        ("3_story_x", "Place 1 · gates on the squash"),
        ("4_story_x", "Place 2 · behind 3"),
    ] {
        assert!(cards[id].1.contains(words), "{words}: {}", cards[id].1);
    }
}

#[test]
fn a_tries_phases_stand_in_time() {
    let one = story(1, "current", State::Review);
    let page = StoryPage { story: &one, text: None, runs: 2 };
    let run = |number, spans| Run { number, spans, ..Run::default() };
    let long = Spans { wait: 90_000_000, prepare: 10_000, run: 60_000, gates: 30_000 };
    let short = Spans { run: 10_000, ..Spans::default() };
    let html = runs_page(page, vec![run(2, long), run(1, short)]);
    assert!(html.contains("prepared 10s, ran 1m, gates 30s"), "{html}");
    // However long it waited, its work can be seen, beside that of the other try.
    for rect in [
        "class=\"wait\" x=\"0\" y=\"0\" width=\"200\"",
        "class=\"run\" x=\"284\" y=\"0\" width=\"480\"",
        "class=\"run\" x=\"0\" y=\"0\" width=\"80\"",
    ] {
        assert!(html.contains(rect), "{rect}: {html}");
    }
}

#[test]
fn what_an_agent_says_comes_first_where_its_terminal_is_unreadable() {
    let one = story(1, "current", State::Running);
    let page = StoryPage { story: &one, text: None, runs: 1 };
    assert!(live_page(page, true).contains("data-speaks") && !live_page(page, false).contains("data-speaks"));
}

#[test]
fn only_pages_are_open() {
    for path in ["/", "/new", "/s/42", "/s/42_story_x/diff"] {
        assert!(is_page(path), "{path}");
    }
    for path in ["/s/", "/s/{id}/x/y", "/ui/s/42", "/api/v1/status", "/newer", "/s", "/metrics", "/mcp"] {
        assert!(!is_page(path), "{path}");
    }
}

/// The relative luminance of a colour such as `#f3f3ef` (WCAG 2.2).
fn luminance(hex: &str) -> f64 {
    let digits: String = match hex.len() {
        3 => hex.chars().flat_map(|digit| [digit, digit]).collect(),
        _ => hex.to_owned(),
    };
    let part = |at: usize| {
        let value = f64::from(u8::from_str_radix(&digits[at..at + 2], 16).expect("a colour")) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
}

#[test]
fn every_text_can_be_read_on_its_ground_in_both_themes() {
    let css = asset("board.css").expect("there").text;
    let dark_at = css.find(":root[data-theme=dark]").expect("a dark theme");
    let color = |dark: bool, name: &str| -> f64 {
        let find = |from: &str| -> Option<f64> {
            let rest = from.split_once(&format!("--{name}:#"))?.1;
            Some(luminance(&rest[..rest.find([';', '}'])?]))
        };
        let own = css[dark_at..].split_once('}').map(|(block, _)| block).filter(|_| dark).and_then(find);
        own.or_else(|| find(css)).unwrap_or_else(|| panic!("no colour {name}"))
    };
    for (text, ground, need) in [
        ("ink", "surface", 7.0),
        ("ink", "page", 7.0),
        ("ink", "sunken", 7.0),
        ("ink", "sel", 7.0),
        ("ink2", "surface", 7.0),
        ("ink2", "sunken", 7.0),
        ("ink3", "surface", 4.5),
        ("ink3", "sunken", 4.5),
        ("ink3", "sel", 4.5),
        ("surface", "ink", 7.0),
        ("accent", "surface", 4.5),
        ("run", "run-bg", 4.5),
        ("land", "land-bg", 4.5),
        ("ask", "surface", 4.5),
        ("ask", "sunken", 4.5),
        ("on-ask", "ask-fill", 7.0),
        ("bad", "surface", 4.5),
        ("bad", "sunken", 4.5),
        ("on-bad", "bad-fill", 4.5),
        ("good", "surface", 4.5),
        ("rest", "surface", 4.5),
        ("edge", "surface", 3.0),
        ("edge", "sunken", 3.0),
        ("focus", "sunken", 3.0),
        ("ink", "add-word", 7.0),
        ("ink", "del-word", 7.0),
        ("s-kw", "add-word", 4.5),
        ("s-str", "del-word", 4.5),
        ("s-num", "del-word", 4.5),
        ("s-com", "add-word", 4.5),
        ("s-ty", "del-word", 4.5),
    ] {
        for dark in [false, true] {
            let (one, other) = (color(dark, text), color(dark, ground));
            let contrast = (one.max(other) + 0.05) / (one.min(other) + 0.05);
            assert!(contrast >= need, "{text} on {ground}, dark {dark}: {contrast:.2}");
        }
    }
}
