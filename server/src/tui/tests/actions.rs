//! What keys and the mouse do.

use super::*;

fn act(request: Request) -> Vec<Effect> {
    vec![Effect::Act(request)]
}

fn id(id: &str) -> String {
    id.to_owned()
}

#[test]
fn the_cursor_walks_among_cards_and_columns() {
    let mut desk = Desk::new((80, 24));
    assert_eq!(desk.selected(), "40_story_rate");
    desk.press("j");
    assert_eq!(desk.selected(), "41_story_sessions");
    desk.press("G");
    assert_eq!(desk.selected(), "61_bug_charge");
    desk.press("h");
    assert_eq!(desk.selected(), "45_chore_import");
    desk.press("3");
    assert_eq!(desk.selected(), "57_story_invoices");
    desk.press("<tab>gg<up>");
    assert_eq!(desk.selected(), "39_story_keyboard");
    desk.press("6j");
    assert_eq!(desk.selected(), "");
}

#[test]
fn what_needs_me_is_walked_by_n_the_oldest_first() {
    let mut desk = Desk::new((80, 24));
    let mut walked = Vec::new();
    for _ in 0..5 {
        desk.press("n");
        walked.push(desk.selected().to_owned());
    }
    assert_eq!(
        walked,
        ["48_bug_login", "61_bug_charge", "57_story_invoices", "42_story_passkey", "48_bug_login"]
    );
    desk.press("N");
    assert_eq!(desk.selected(), "42_story_passkey");
}

#[test]
fn a_question_is_answered_by_a_then_the_words_then_enter() {
    let mut desk = Desk::new((80, 24));
    desk.press("nnnna");
    assert!(desk.screen().contains(" Answer:"));
    desk.press("at once, q!<enter>");
    assert_eq!(
        desk.done(),
        act(Request::Answer { story: id("42_story_passkey"), text: "at once, q!".to_owned() })
    );
    desk.press("a<enter>");
    assert_eq!(desk.done(), [], "no words are no answer");
    desk.press("ax<esc>");
    assert_eq!(desk.done(), []);
    desk.press("a");
    desk.take(Msg::Input(Event::Paste("two\nlines".to_owned())));
    desk.press("<enter>");
    assert_eq!(
        desk.done(),
        act(Request::Answer { story: id("42_story_passkey"), text: "two\nlines".to_owned() })
    );
}

#[test]
fn a_story_is_moved_by_keys_and_the_cursor_goes_along() {
    let mut desk = Desk::new((80, 24));
    desk.press("1m2");
    let moved = Request::Move { story: id("45_chore_import"), to: Stage::Current };
    assert_eq!(desk.done(), act(moved));
    let mut all = stories();
    all[0].stage = "current".to_owned();
    desk.board(all);
    assert_eq!(desk.selected(), "45_chore_import");
    desk.take(Msg::Acted(Ok("45_chore_import: backlog → current".to_owned())));
    assert!(desk.screen().contains("backlog → current   z undo"));
    desk.press("z");
    assert_eq!(desk.done(), [Effect::Undo]);
    desk.press("3L");
    assert_eq!(desk.done(), act(Request::Move { story: id("57_story_invoices"), to: Stage::Merge }));
    desk.press("H");
    assert_eq!(desk.done(), act(Request::Move { story: id("57_story_invoices"), to: Stage::Current }));
    desk.press("m3");
    assert_eq!(desk.done(), [], "it is there already");
    desk.press("mx");
    assert_eq!(desk.done(), []);
}

#[test]
fn a_move_of_somebody_else_leaves_the_cursor_at_its_place() {
    let mut desk = Desk::new((80, 24));
    desk.press("j");
    let mut all = stories();
    all.retain(|story| story.id != "41_story_sessions");
    desk.board(all);
    assert_eq!(desk.selected(), "42_story_passkey");
    desk.board(stories());
    assert_eq!(desk.selected(), "42_story_passkey", "nor does a new card push it away");
}

#[test]
fn each_state_has_its_next_action() {
    let mut desk = Desk::new((80, 24));
    for (keys, request) in [
        ("1a", Request::Start { story: id("45_chore_import"), agent: None }),
        ("jja", Request::Unhold { story: id("47_story_crate") }),
        ("2Ga", Request::Retry { story: id("61_bug_charge") }),
        ("ggjs", Request::Stop { story: id("41_story_sessions") }),
        ("Gs", Request::Start { story: id("61_bug_charge"), agent: None }),
        ("3A", Request::Approve { story: id("57_story_invoices") }),
        ("r", Request::Retry { story: id("57_story_invoices") }),
        ("Rtoo slow<enter>", Request::Reject { story: id("57_story_invoices"), text: "too slow".to_owned() }),
        ("x<enter>", Request::Hold { story: id("57_story_invoices"), why: None }),
        ("xwait<enter>", Request::Hold { story: id("57_story_invoices"), why: Some("wait".to_owned()) }),
    ] {
        desk.press(keys);
        assert_eq!(desk.done(), act(request), "{keys}");
    }
    desk.press("1gga").done();
    desk.press("ja");
    assert_eq!(desk.done(), [Effect::Why(id("46_story_avatars"))]);
    desk.press("jja");
    assert_eq!(desk.done(), [Effect::InTerminal(vec!["edit".to_owned(), id("48_bug_login")])]);
    desk.press("c  New thing <enter>");
    assert_eq!(desk.done(), [Effect::Create("New thing".to_owned())]);
}

#[test]
fn a_refusal_is_said_with_its_way_out() {
    let mut desk = Desk::new((100, 24));
    desk.press("A");
    let hint = Some("it is in current".to_owned());
    desk.take(Msg::Acted(Err(Trouble { said: "nothing to approve".to_owned(), hint })));
    assert!(desk.screen().contains("nothing to approve; it is in current"));
}

#[test]
fn a_filter_is_in_force_while_it_is_typed() {
    let mut desk = Desk::new((80, 24));
    desk.press("/import");
    assert_eq!(desk.selected(), "45_chore_import");
    assert!(desk.screen().contains("BACKLOG 1/5"));
    desk.press("<enter>");
    assert!(desk.screen().contains("filter: import"));
    desk.press("<esc>");
    assert_eq!(desk.done(), []);
    assert!(desk.screen().contains("Backlog 5") || desk.screen().contains("BACKLOG 5"));
    desk.press("/blocked<enter>");
    assert_eq!(desk.model.cards.columns.iter().map(Vec::len).sum::<usize>(), 1);
    desk.press("<esc><esc>");
    assert_eq!(desk.done(), [Effect::Quit]);
}

#[test]
fn a_command_is_run_where_it_belongs() {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut desk = Desk::new((80, 24));
    for (typed, effect) in [
        (":move 42 qa<enter>", Effect::Command(words(&["move", "42", "qa"]))),
        (":storkit reject 42 -m 'a b'<enter>", Effect::Command(words(&["reject", "42", "-m", "a b"]))),
        (":up<enter>", Effect::Command(words(&["up", "--detach"]))),
        (":attach 41<enter>", Effect::InTerminal(words(&["attach", "41"]))),
        (":logs 41 -f<enter>", Effect::InTerminal(words(&["logs", "41", "-f"]))),
        (":q<enter>", Effect::Quit),
        ("yi", Effect::Copy("40_story_rate".to_owned())),
        ("o", Effect::Command(words(&["open"]))),
        ("M", Effect::Mouse(false)),
        ("<c-l>", Effect::Redraw),
        ("<c-z>", Effect::Suspend),
    ] {
        desk.press(typed);
        assert_eq!(desk.done(), [effect], "{typed}");
    }
    desk.take(Msg::Printed("move 42 qa".to_owned(), Ok("42: current → qa".to_owned())));
    assert!(desk.screen().contains("42: current → qa"));
    desk.take(Msg::Printed("usage".to_owned(), Ok("a\nb\n\u{1b}[2Jc".to_owned())));
    assert!(desk.screen().contains("\\u{1b}[2Jc"));
    desk.press("q");
    assert_eq!(desk.done(), [], "the text is closed first");
}

#[test]
fn the_keys_are_searched_and_run_from_their_list() {
    let mut desk = Desk::new((80, 24));
    desk.press("?");
    assert!(desk.screen().contains("Keys · type to search, Enter runs"));
    desk.press("undo<enter>");
    assert_eq!(desk.done(), [Effect::Undo]);
    desk.press("?diff: comment<enter>");
    assert_eq!(desk.done(), []);
    assert!(desk.screen().contains("not here"));
    desk.press("?zzzz");
    assert!(desk.screen().contains("No key does that."));
    desk.press("<esc>qq");
    assert_eq!(desk.done(), [Effect::Quit, Effect::Quit]);
}

#[test]
fn sheets_tell_of_agents_queue_problems_and_why() {
    let mut desk = Desk::new((100, 24));
    for (keys, words) in [("ga", "coder-1"), ("qgq", "39     merging"), ("qgp", "48_bug_login.md:4:3")] {
        desk.press(keys);
        assert!(desk.screen().contains(words), "{keys}:\n{}", desk.screen());
    }
    desk.press("q");
    let condition = Condition {
        what: "agent".to_owned(),
        detail: "No coder is free.".to_owned(),
        hint: Some("wait".to_owned()),
        ..Condition::default()
    };
    let why = Why { id: id("46_story_avatars"), state: State::Waiting, conditions: vec![condition] };
    desk.take(Msg::Why(Ok(why)));
    let screen = desk.screen();
    assert!(screen.contains("Why 46_story_avatars") && screen.contains("- No coder is free."), "{screen}");
}

#[test]
fn the_mouse_selects_opens_drags_and_presses_the_footer() {
    let mut desk = Desk::new((80, 24));
    desk.click((32, 8));
    assert_eq!(desk.selected(), "41_story_sessions");
    assert!(desk.model.page.is_none());
    desk.click((32, 8));
    assert!(desk.model.page.is_some(), "a second click opens it");
    desk.press("q");
    desk.mouse(MouseEventKind::ScrollDown, (32, 8));
    assert_eq!(desk.selected(), "42_story_passkey");
    desk.mouse(MouseEventKind::Down(MouseButton::Left), (32, 5));
    desk.mouse(MouseEventKind::Drag(MouseButton::Left), (60, 7));
    assert!(desk.screen().contains("Drop in qa: is looked at"), "{}", desk.screen());
    desk.mouse(MouseEventKind::Up(MouseButton::Left), (60, 7));
    assert_eq!(desk.done(), act(Request::Move { story: id("40_story_rate"), to: Stage::Qa }));
    desk.click((4, 2));
    assert_eq!(desk.model.stage, Stage::Backlog);
    let needs = desk.rows()[1].clone();
    let at = needs.chars().position(|c| c == '■').expect("the blocked one");
    desk.click((u16::try_from(at).expect("a column"), 1));
    assert_eq!(desk.selected(), "61_bug_charge");
    let footer = desk.rows()[23].clone();
    let at = footer.chars().position(|c| c == '?').expect("help");
    desk.click((u16::try_from(at).expect("a column"), 23));
    assert!(desk.model.over.is_some());
    desk.click((40, 10));
    assert!(desk.model.over.is_none());
    for x in 0..80 {
        for y in 0..24 {
            desk.click((x, y));
        }
    }
}
