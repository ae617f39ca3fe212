//! The board as people see it, at several widths, with hostile and wide titles.

use storkit_core::snapshot::DaemonView;

use super::*;

fn story(id: &str, stage: &str, state: State) -> StoryView {
    StoryView {
        id: id.to_owned(),
        number: id.split('_').next().and_then(|number| number.parse().ok()),
        name: "Log in with a passkey".to_owned(),
        kind: "story".to_owned(),
        epic: None,
        stage: stage.to_owned(),
        path: String::new(),
        priority: 3,
        depends_on: Vec::new(),
        labels: Vec::new(),
        qa: "server".to_owned(),
        state,
        reason: None,
        agent: None,
        run: None,
        attempt: 0,
        since: Some("2026-11-21T11:55:00Z".to_owned()),
        entered: None,
        branch: None,
        worktree: None,
        cost_usd: None,
    }
}

fn board() -> Status {
    let running = StoryView {
        agent: Some("coder-1".to_owned()),
        attempt: 2,
        ..story("42_story_login", "current", State::Running)
    };
    let waiting = StoryView {
        reason: Some("waits for a free coder: coder-1 is busy with 42_story_login".to_owned()),
        name: "世界の挨拶を全部の言語で表示する".to_owned(),
        ..story("43_bug_hello", "current", State::Waiting)
    };
    let hostile = StoryView {
        reason: Some("gate tests failed\u{1b}]0;owned\u{7}\nsecond line".to_owned()),
        name: "\u{1b}[31mred\u{202e}".to_owned(),
        ..story("44_story_evil", "current", State::Blocked)
    };
    Status {
        project: "shop".to_owned(),
        root: "/shop".to_owned(),
        base_branch: "main".to_owned(),
        paused: None,
        sandbox: "none".to_owned(),
        daemon: Some(DaemonView { pid: 4711, url: None, socket: String::new(), version: String::new() }),
        stories: vec![
            story("50_chore_tidy_up_the_very_long_name_of_things", "backlog", State::Idle),
            running,
            waiting,
            hostile,
            story("41_story_keys", "qa", State::Review),
            story("40_story_done", "done", State::Done),
        ],
        agents: vec![AgentView {
            name: "coder-2".to_owned(),
            stage: "coder".to_owned(),
            runtime: "codex".to_owned(),
            state: "drained".to_owned(),
            reason: Some("codex is not installed".to_owned()),
            stories: Vec::new(),
            until: None,
        }],
        gates: vec!["tests".to_owned()],
        problems: vec![ProblemView {
            path: ".storkit/work/1_backlog/no id.md".to_owned(),
            line: Some(3),
            column: Some(7),
            message: "`no id` is no story id: it may only hold letters, digits, `.`, `_` and `-`".to_owned(),
            hint: Some("rename the file".to_owned()),
        }],
    }
}

fn shown(status: &Status, columns: usize) -> String {
    let now = "2026-11-21T12:00:00Z".parse().expect("a moment");
    let painted = render(status, columns, now);
    anstream::adapter::strip_str(&painted).to_string()
}

#[test]
fn the_board_at_eighty_columns() {
    insta::assert_snapshot!(shown(&board(), 80), @r#"
    shop  main  daemon 4711  sandbox none

    backlog
      · 50_chore_tidy_up_the_very…  Log in with a passkey   idle                5m

    current
      ● 42_story_login              Log in with a passkey   running    coder-1  5m
        attempt 2
      ◌ 43_bug_hello                世界の挨拶を全部の言…   waiting             5m
        waits for a free coder: coder-1 is busy with 42_story_login
      ✗ 44_story_evil               \u{1b}[31mred\u{202e}   blocked             5m
        gate tests failed\u{1b}]0;owned\u{7} second line

    qa
      ◎ 41_story_keys               Log in with a passkey   review              5m

    done
      ✓ 40_story_done               Log in with a passkey   done                5m

    problems
      ! .storkit/work/1_backlog/no id.md:3:7: `no id` is no story id: it may only
      hold letters, digits, `.`, `_` and `-`
        rename the file

    storkit why 44 says what keeps it
    storkit diff 41, then storkit approve 41 or reject 41 -m "…"
    coder-2 is drained (codex is not installed): storkit resume coder-2
    "#);
}

#[test]
fn the_board_in_a_narrow_terminal() {
    insta::assert_snapshot!(shown(&board(), 40), @r#"
    shop  main  daemon 4711  sandbox none

    backlog
      · 50_chore_tidy_up_the_ver…  idle

    current
      ● 42_story_login             running
        attempt 2
      ◌ 43_bug_hello               waiting
        waits for a free coder: coder-1 is
        busy with 42_story_login
      ✗ 44_story_evil              blocked
        gate tests failed\u{1b}]0;owned\u{7}
        second line

    qa
      ◎ 41_story_keys              review

    done
      ✓ 40_story_done              done

    problems
      ! .storkit/work/1_backlog/no
      id.md:3:7: `no id` is no story id: it
      may only hold letters, digits, `.`,
      `_` and `-`
        rename the file

    storkit why 44 says what keeps it
    storkit diff 41, then storkit approve 41
    or reject 41 -m "…"
    coder-2 is drained (codex is not
    installed): storkit resume coder-2
    "#);
}

#[test]
fn an_empty_board_says_what_to_do() {
    let empty =
        Status { stories: Vec::new(), problems: Vec::new(), agents: Vec::new(), daemon: None, ..board() };
    insta::assert_snapshot!(shown(&empty, 80), @r#"
    shop  main  no daemon  sandbox none

    no stories yet

    storkit new "A title" writes the first story
    "#);
}

#[test]
fn no_line_is_wider_than_the_terminal_and_none_holds_a_control_character() {
    for columns in [32, 40, 47, 48, 60, 69, 70, 80, 100, 200] {
        let text = shown(&board(), columns);
        for line in text.lines() {
            assert!(width(line) <= columns, "{columns}: {} {line}", width(line));
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
}

#[test]
fn many_done_stories_are_cut_short() {
    let done = (0..20).map(|n| story(&format!("{n}_story_x"), "done", State::Done)).collect();
    let text = shown(&Status { stories: done, ..board() }, 80);
    assert!(text.contains("… and 12 more"));
    assert!(text.contains("19_story_x") && !text.contains(" 11_story_x"));
}
