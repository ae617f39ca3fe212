//! What the board looks like, at three sizes, without colour, in ASCII, with little and with much.

use super::*;

#[test]
fn the_board_at_80_columns() {
    let mut desk = Desk::new((80, 24));
    desk.press("j");
    insta::assert_snapshot!(desk.screen(), @r#"
     storkit  myproj  main@9f31c2e     problems 1  agents 1/2  $12.40 of 50  ● live
     NEEDS YOU 4   ! 48 fix login r…   ■ 61 Fix: double…   +2                n next
      1 Backlog 5  [2 CURRENT 4]  3 QA 1   4 Merge 1   5 Done 4   6 Archived 0
    ┌ Backlog 5 · 1 need you ──┬ CURRENT 4 · 2 need you ─┬ QA 1 · 1 need you ──────┐
    │ 45 ○ Idle             2h │ 40 ≡ Gates 2/3       4m │ 57 ◆ Review         20m │
    │ Import the old users ta… │ Rate limit the login r… │ Export invoices as CSV  │
    │ P3 · chore               │ coder-1 · try 2/3 · $1… │ +212 -38 in 9 files     │
    │ 46 ~ Waiting          2h │>41 ▶ Running         8m │                         │
    │ Move avatars to object … │>Store sessions in SQLi… │                         │
    │ for 41 (running)         │>coder-1 · try 2/3 · $1… │                         │
    │ 47 ‖ Held             1d │ 42 ? Question       12m │                         │
    │ Rename the crate         │ Log in with a passkey   │                         │
    │ stopped by hand          │ question 1 waits for a… │                         │
    │                          │ 61 ■ Blocked        31m │                         │
    │                          │ Fix: double charge      │                         │
    │ ↓ 2 more · ! 48 below    │ tests failed 3 of 3     │                         │
    ├ 41 Store sessions in SQLite · coder-1 · try 2/3 · $1.01 ─────────────────────┤
    │ ▶ Running                                                                    │
    │ branch   feature/story-41_story_sessions                                     │
    │ file     .storkit/work/2_current/41_story_sessions.md                        │
    │                                                                              │
    └──────────────────────────────────────────────────────────────────────────────┘

     a Watch  ⏎ open  s stop  t live  d diff  w why  m move  c new  / filter  ? all
    "#);
}

#[test]
fn the_board_at_120_columns_in_ascii() {
    let mut desk = Desk::of((120, 40), Look { colors: Colors::None, ascii: true }, stories());
    desk.take(Msg::Shown("run-41".to_owned(), Shown::Out("nobody watches this one yet\r\n".to_owned())));
    desk.press("j");
    assert!(desk.screen().is_ascii());
    desk.take(Msg::Shown(
        "run-41".to_owned(),
        Shown::Out("\u{1b}[1mRead\u{1b}[0m src/session.rs\r\n世界\r\n".to_owned()),
    ));
    insta::assert_snapshot!(desk.screen(), @r#"
     storkit  myproj  main@9f31c2e                                    queue 1  problems 1  agents 1/2  $12.40 of 50  * live
     NEEDS YOU 4   ! 48 fix login red~   X 61 Fix: double c~   * 57 Export invoic~   ? 42 Log in with a~             n next
      1 Backlog 5  [2 CURRENT 4]  3 QA 1   4 Merge 1   5 Done 4   6 Archived 0
    + Backlog 5 . 1 need you -----+ CURRENT 4 . 2 need you -----+ QA 1 . 1 need you ----------+ Merge 1 -------------------+
    | 45 o Idle                2h | 40 # Gates 2/3  coder-1  4m | 57 * Review             20m | 39 & Landing            1m |
    | Import the old users table  | Rate limit the login route  | Export invoices as CSV      | Keyboard moves announce    |
    | P3 . chore                  | coder-1 . try 2/3 . $1.01   | +212 -38 in 9 files         | gates on the squash        |
    | 46 ~ Waiting             2h |>41 > Running  coder-1    8m |                             |                            |
    | Move avatars to object sto~ |>Store sessions in SQLite    |                             |                            |
    | for 41 (running)            |>coder-1 . try 2/3 . $1.01   |                             |                            |
    | 47 = Held                1d | 42 ? Question  coder-2  12m |                             |                            |
    | Rename the crate            | Log in with a passkey       |                             |                            |
    | stopped by hand             | question 1 waits for an an~ |                             |                            |
    | 48 ! Problem             1d | 61 X Blocked            31m |                             |                            |
    | fix login redirect          | Fix: double charge          |                             |                            |
    | line 4, column 3: `priorit~ | tests failed 3 of 3         |                             |                            |
    | 50 o Idle                1d |                             |                             |                            |
    | The last one                |                             |                             |                            |
    | P3                          |                             |                             |                            |
    |                             |                             |                             |                            |
    |                             |                             |                             |                            |
    |                             |                             |                             |                            |
    |                             |                             |                             |                            |
    |                             |                             |                             |                            |
    |                             |                             |                             |                            |
    |                             |                             |                             |                            |
    |                             |                             |                             |                            |
    + 41 Store sessions in SQLite . coder-1 . try 2/3 . $1.01 --+ Live . following -----------+----------------------------+
    | > Running                                                 | Read src/session.rs                                      |
    | branch   feature/story-41_story_sessions                  | ? ?                                                      |
    | file     .storkit/work/2_current/41_story_sessions.md     |                                                          |
    |                                                           |                                                          |
    |                                                           |                                                          |
    |                                                           |                                                          |
    |                                                           |                                                          |
    |                                                           |                                                          |
    |                                                           |                                                          |
    +-----------------------------------------------------------+----------------------------------------------------------+

     a Watch  Enter open  s stop  t live  d diff  w why  m move  c new  / filter  n next  x hold  e edit  : command  ? all
    "#);
}

#[test]
fn the_board_at_200_columns_with_a_story_beside_it() {
    let mut desk = Desk::new((200, 50));
    desk.press("n<enter>");
    let rows = desk.rows();
    insta::assert_snapshot!(rows[..24].join("\n"), @r#"
     storkit  myproj  main@9f31c2e              NEEDS YOU 4   ! 48 fix login r…   ■ 61 Fix: double…   ◆ 57 Export invo…   +1                          queue 1  problems 1  agents 1/2  $12.40 of 50  ● live
     [1 BACKLOG 5]  2 Current 4   3 QA 1   4 Merge 1   5 Done 4   6 Archived 0                                    ┌────────────────────────────────────────────────────────────────────────────────────────┐
    ┌ BACKLOG 5 · 1 need you ───┬ Current 4 · 2 need you ──┬ QA 1 · 1 need you ───────┬ Merge 1 ─────────────────┐│ 48 fix login redirect                                                    ! Problem  1d │
    │ 45 ○ Idle              2h │ 40 ≡ Gates 2/3        4m │ 57 ◆ Review          20m │ 39 » Landing          1m ││ [STORY] [Runs 0] [Live] [Diff] [History]                                               │
    │ Import the old users tab… │ Rate limit the login ro… │ Export invoices as CSV   │ Keyboard moves announce  ││ line 4, column 3: `priority` must be 1 to 5                                            │
    │ P3 · chore                │ coder-1 · try 2/3 · $1.… │ +212 -38 in 9 files      │ gates on the squash      ││                                                                                        │
    │ 46 ~ Waiting           2h │ 41 ▶ Running  coder-1 8m │                          │                          ││ reading…                                                                               │
    │ Move avatars to object s… │ Store sessions in SQLite │                          │                          ││                                                                                        │
    │ for 41 (running)          │ coder-1 · try 2/3 · $1.… │                          │                          ││                                                                                        │
    │ 47 ‖ Held              1d │ 42 ? Question        12m │                          │                          ││                                                                                        │
    │ Rename the crate          │ Log in with a passkey    │                          │                          ││                                                                                        │
    │ stopped by hand           │ question 1 waits for an… │                          │                          ││                                                                                        │
    │>48 ! Problem           1d │ 61 ■ Blocked         31m │                          │                          ││                                                                                        │
    │>fix login redirect        │ Fix: double charge       │                          │                          ││                                                                                        │
    │>line 4, column 3: `prior… │ tests failed 3 of 3      │                          │                          ││                                                                                        │
    │ 50 ○ Idle              1d │                          │                          │                          ││                                                                                        │
    │ The last one              │                          │                          │                          ││                                                                                        │
    │ P3                        │                          │                          │                          ││                                                                                        │
    │                           │                          │                          │                          ││                                                                                        │
    │                           │                          │                          │                          ││                                                                                        │
    │                           │                          │                          │                          ││                                                                                        │
    │                           │                          │                          │                          ││                                                                                        │
    │                           │                          │                          │                          ││                                                                                        │
    │                           │                          │                          │                          ││                                                                                        │
    "#);
}

#[test]
fn an_empty_board_says_what_to_do() {
    let desk = Desk::of((80, 24), PLAIN, Vec::new());
    let screen = desk.screen();
    for words in ["No stories.", "Press c, or save a .md", "Nothing needs you.", "? all"] {
        assert!(screen.contains(words), "{words}:\n{screen}");
    }
}

#[test]
fn the_list_of_all_keys_is_offered_at_any_width() {
    for width in 40..=220 {
        for keys in ["", "d", "t", "<enter>"] {
            let mut desk = Desk::new((width, 24));
            desk.press(keys);
            let rows = desk.rows();
            assert!(rows[23].ends_with("? all"), "{width}: {}", rows[23]);
            assert!(rows.iter().all(|row| crate::sys::text::width(row) <= usize::from(width)));
        }
    }
}

#[test]
fn the_selected_column_is_seen_and_the_strip_counts_at_every_width() {
    for width in 40..=200 {
        for (n, name) in
            ["BACKLOG 5", "CURRENT 4", "QA 1", "MERGE 1", "DONE 4", "ARCHIVED 0"].into_iter().enumerate()
        {
            let mut desk = Desk::new((width, 24));
            desk.press(&(n + 1).to_string());
            let rows = desk.rows();
            assert!(rows.iter().any(|row| row.starts_with('┌') && row.contains(name)), "{width}: {name}");
            assert!(rows[..2].iter().any(|row| row.contains("NEEDS YOU 4")), "{width}: {}", rows[1]);
        }
    }
}

#[test]
fn every_size_can_be_drawn() {
    for (width, height) in [(0, 0), (1, 1), (39, 50), (40, 10), (40, 11), (79, 12), (160, 10), (300, 100)] {
        let mut desk = Desk::new((width, height));
        for keys in ["", "?", "<esc>", "<enter>", "d", "t", "q", ":x"] {
            desk.press(keys);
            desk.buffer();
        }
    }
    let small = Desk::new((30, 5)).screen();
    assert_eq!(small.trim_end(), "storkit needs 40x10; 4 need y…");
}

#[test]
fn a_daemon_that_is_gone_is_said_and_old_news_carry_their_time() {
    let mut desk = Desk::new((80, 24));
    let mut offline = seen(stories());
    offline.status.daemon = None;
    desk.take(Msg::Board(Box::new(Ok(offline))));
    let screen = desk.screen();
    assert!(screen.contains("○ not running: :up") && screen.contains("Moves still work"), "{screen}");
    let trouble = Trouble { said: "the daemon does not answer".to_owned(), hint: None };
    desk.take(Msg::Board(Box::new(Err(trouble))));
    let screen = desk.screen();
    assert!(screen.contains("○ as of ") && screen.contains("the daemon does not answer"), "{screen}");
}

#[test]
fn words_of_others_are_never_obeyed() {
    let evil = "a\u{1b}[2Jb\u{202e}c\u{9b}31md\ne\u{200b}f世界";
    let mut all = stories();
    for story in &mut all {
        evil.clone_into(&mut story.name);
        story.reason = Some(evil.to_owned());
        story.agent = Some(evil.to_owned());
        story.branch = Some(evil.to_owned());
        story.labels = vec![evil.to_owned()];
    }
    for look in [PLAIN, Look { colors: Colors::Sixteen, ascii: true }] {
        let mut desk = Desk::of((120, 40), look, all.clone());
        desk.take(Msg::Acted(Ok(evil.to_owned())));
        for keys in ["", "w", "<enter>", "2", "4", "<esc>", "ga", "q", "gp"] {
            desk.press(keys);
            let buffer = desk.buffer();
            let symbols = buffer.content.iter().flat_map(|cell| cell.symbol().chars());
            assert!(symbols.clone().all(|c| !is_dangerous(c)), "{keys}");
            assert!(!look.ascii || symbols.clone().all(|c| c.is_ascii()), "{keys}");
        }
    }
}

#[test]
fn thousands_of_stories_are_counted_and_reached() {
    let many: Vec<StoryView> = (1..=2_000)
        .map(|n| story(&format!("{n}_story_x"), &format!("Story {n}"), (Stage::Backlog, State::Idle), 5))
        .collect();
    let mut desk = Desk::of((80, 24), PLAIN, many);
    desk.press("1G");
    assert_eq!(desk.selected(), "2000_story_x");
    let screen = desk.screen();
    assert!(screen.contains("BACKLOG 2000") && screen.contains("↑ 1997 above"), "{screen}");
    desk.press("gg");
    assert!(desk.screen().contains("↓ 1997 more"));
}
