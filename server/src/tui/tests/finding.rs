//! Searching a page, the menu of a right click, priorities, undo, and the order of cards.

use super::*;

fn lines(desk: &mut Desk, count: usize) {
    desk.press("Gt");
    let line = |n| format!("line {n} {}\n", if n % 40 == 0 { "NEEDLE" } else { "hay" });
    let text = (1..=count).map(line).collect::<Vec<_>>().concat();
    desk.take(Msg::Loaded(Part::Transcript, "61_bug_charge".to_owned(), Ok(text)));
}

#[test]
fn a_log_is_searched_and_its_hits_are_walked() {
    for size in [(80, 24), (120, 40), (40, 12)] {
        let mut desk = Desk::new(size);
        lines(&mut desk, 200);
        assert!(desk.screen().contains("line 200 NEEDLE"), "a log is read from its end");
        desk.press("/needle<enter>");
        assert!(
            desk.screen().contains("line 40 NEEDLE") && desk.screen().contains("hit 1 of 5"),
            "{}",
            desk.screen()
        );
        desk.press("nn");
        assert!(desk.screen().contains("line 120 NEEDLE") && desk.screen().contains("hit 3 of 5"));
        desk.press("NNN");
        assert!(desk.screen().contains("hit 5 of 5"), "it goes round");
        assert!(desk.rows()[usize::from(size.1) - 1].starts_with(" n next hit"));
        let buffer = desk.buffer();
        let marked: String = buffer
            .content
            .iter()
            .filter(|cell| cell.modifier.contains(ratatui::style::Modifier::REVERSED))
            .map(ratatui::buffer::Cell::symbol)
            .collect();
        assert_eq!(marked, "NEEDLE");
        desk.press("<esc>");
        assert!(desk.model.page.is_some(), "the search ends first");
        desk.press("/zzz<enter>");
        assert!(
            desk.screen().contains("nowhere on this page")
                && desk.model.page.as_ref().is_some_and(|page| page.find.is_none())
        );
        let here = desk.selected().to_owned();
        desk.press("n");
        assert_ne!(desk.model.page.as_ref().map(|page| page.id.clone()), Some(here), "n is of needs again");
    }
}

#[test]
fn a_diff_is_searched_by_its_rows() {
    let mut desk = Desk::new((80, 24));
    desk.press("3a");
    let diff = "diff --git a/a.rs b/a.rs\n--- a/a.rs\n+++ b/a.rs\n@@ -1,2 +1,3 @@ fn x\n one\n-two\n+Zwei\n+drei zwei\n";
    desk.take(Msg::Loaded(Part::Diff, "57_story_invoices".to_owned(), Ok(diff.to_owned())));
    desk.press("/ZWEI<enter>");
    let row = |desk: &Desk| desk.rows().iter().find(|row| row.contains('>')).cloned().unwrap_or_default();
    assert!(row(&desk).contains("+Zwei"), "{}", desk.screen());
    desk.press("n");
    assert!(row(&desk).contains("+drei zwei") && desk.screen().contains("hit 2 of 2"));
    desk.press("n");
    assert!(row(&desk).contains("+Zwei"));
    desk.press("c!<enter><esc>R");
    assert!(
        matches!(desk.done().last(), Some(Effect::Act(Request::Reject { text, .. })) if text == "- a.rs:2: !")
    );
}

#[test]
fn a_live_terminal_is_searched_by_what_was_printed() {
    let mut desk = Desk::new((80, 24));
    desk.press("jt").done();
    desk.press("/");
    assert!(desk.done().contains(&Effect::Load(Part::Transcript, "41_story_sessions".to_owned())));
    desk.take(Msg::Loaded(Part::Transcript, "41_story_sessions".to_owned(), Ok("one\ntwo\n".to_owned())));
    desk.press("TWO<enter>");
    assert!(desk.screen().contains("hit 1 of 1"));
    // Typed before the log has come, it is searched for then.
    desk.press("<esc>t/one<enter>");
    assert!(desk.screen().contains("Reading…"), "{}", desk.screen());
    desk.take(Msg::Loaded(Part::Transcript, "41_story_sessions".to_owned(), Ok("one\ntwo\n".to_owned())));
    assert!(desk.screen().contains("hit 1 of 1"));
}

#[test]
fn a_priority_is_set_and_taken_back() {
    let mut desk = Desk::new((80, 24));
    desk.press("1p");
    assert!(desk.screen().contains("priority: 1 the most urgent"), "{}", desk.screen());
    desk.press("1");
    assert_eq!(desk.done(), [Effect::Priority("45_chore_import".to_owned(), 1)]);
    desk.take(Msg::Acted(Ok("45_chore_import: priority 1".to_owned())));
    assert!(desk.screen().contains("priority 1   z undo"));
    desk.press("z");
    assert_eq!(desk.done(), [Effect::Priority("45_chore_import".to_owned(), 3)]);
    desk.take(Msg::Acted(Ok("45_chore_import: priority 3".to_owned())));
    desk.press("p3p0p9px");
    assert_eq!(desk.done(), [], "it has that already; others are none");
    assert!(desk.press("?priority").screen().contains("1, the most urgent, to 5"));
}

#[test]
fn z_takes_back_what_was_done_last_or_says_why_not() {
    let mut desk = Desk::new((80, 24));
    desk.press("nnnnaSpaces.<enter>").done();
    desk.take(Msg::Acted(Ok("answered".to_owned())));
    assert!(!desk.screen().contains("z undo"));
    desk.press("z");
    assert_eq!(desk.done(), [], "an older move of another story is not what was meant");
    assert!(desk.screen().contains("An answer cannot be taken back"), "{}", desk.screen());
    desk.press("z");
    assert_eq!(desk.done(), [Effect::Undo]);
    desk.take(Msg::Acted(Ok("41: current → backlog again".to_owned())));
    desk.press("1ggx<enter>").done();
    desk.take(Msg::Acted(Ok("held".to_owned())));
    desk.press("z");
    assert_eq!(desk.done(), [Effect::Act(Request::Unhold { story: "45_chore_import".to_owned() })]);
    desk.press("L").done();
    desk.take(Msg::Acted(Err(Trouble { said: "no".to_owned(), hint: None })));
    desk.press("z");
    assert_eq!(desk.done(), [Effect::Undo], "what was refused needs no undoing");
}

#[test]
fn a_right_click_opens_a_menu_with_keys_and_reasons() {
    let right = MouseEventKind::Down(MouseButton::Right);
    for size in [(80, 24), (120, 40), (40, 12)] {
        let mut desk = Desk::new(size);
        let y = desk.rows().iter().position(|row| row.contains("40 ≡")).expect("the card");
        let x = desk.rows()[y].chars().position(|c| c == '≡').expect("its sign");
        let at = (u16::try_from(x).expect("a column"), u16::try_from(y).expect("a row"));
        desk.mouse(right, at);
        assert_eq!(desk.selected(), "40_story_rate");
        let screen = desk.screen();
        assert!(screen.contains(" 40 ") && screen.contains("Watch") && screen.contains("Open"), "{screen}");
        desk.press("<down><down><enter>");
        assert_eq!(desk.model.page.as_ref().map(|page| page.tab.word()), Some("Live"));
        desk.press("q").done();
        desk.mouse(right, at);
        desk.press("s");
        assert_eq!(
            desk.done(),
            [Effect::Act(Request::Stop { story: "40_story_rate".to_owned() })],
            "keys act through it"
        );
        desk.mouse(right, at);
        desk.press("jjjjj<enter>");
        assert!(desk.screen().contains("Approve: it is not in review"), "{}", desk.screen());
        desk.mouse(right, at);
        let row = desk.rows().iter().position(|row| row.contains(" Why")).expect("a row of the menu");
        let column = desk.rows()[row].chars().position(|c| c == 'W').expect("its word");
        desk.click((u16::try_from(column).expect("a column"), u16::try_from(row).expect("a row")));
        assert_eq!(desk.done(), [Effect::Why("40_story_rate".to_owned())]);
        desk.mouse(right, at);
        desk.press("<esc>");
        assert!(desk.model.over.is_none() && desk.done().is_empty());
        desk.mouse(right, (size.0 - 1, size.1 - 1));
        assert!(desk.model.over.is_none(), "there is no card");
    }
}

#[test]
fn cards_stand_by_their_entry_and_what_lands_stands_first() {
    let mut all = stories();
    for (id, entered) in
        [("40_story_rate", "11:40"), ("42_story_passkey", "11:20"), ("61_bug_charge", "11:30")]
    {
        let story = all.iter_mut().find(|story| story.id == id).expect("a story");
        story.entered = Some(format!("2026-11-21T{entered}:00Z"));
    }
    let queued = story("38_story_first", "Would be first", (Stage::Merge, State::Waiting), 9);
    all.insert(0, queued);
    let mut desk = Desk::of((200, 50), PLAIN, all.clone());
    let order = |desk: &Desk, stage: usize| -> Vec<u64> {
        let stories = desk.model.stories();
        desk.model.cards.columns[stage].iter().filter_map(|at| stories[*at].number).collect()
    };
    assert_eq!(order(&desk, 1), [41, 42, 61, 40], "what nobody saw come stands first, the newest last");
    assert_eq!(order(&desk, 3), [39, 38]);
    desk.press("gq");
    let screen = desk.screen();
    assert!(screen.find("39     merging") < screen.find("38     waiting"), "{screen}");
    // A change of state moves nothing.
    for story in &mut all {
        story.state = if story.stage == "current" { State::Blocked } else { story.state };
        story.since = Some(NOW.to_owned());
    }
    desk.board(all);
    assert_eq!(order(&desk, 1), [41, 42, 61, 40]);
}

#[test]
fn cards_tell_of_gates_tries_and_sizes() {
    let desk = Desk::new((80, 24));
    let screen = desk.screen();
    assert!(screen.contains("≡ Gates 2/3") && screen.contains("try 2/3"), "{screen}");
    assert!(screen.contains("+212 -38 in 9 files"), "{screen}");
}
