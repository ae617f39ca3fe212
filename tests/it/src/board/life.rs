//! The board's life in a real terminal: its colours, hostile output, a daemon that dies, a terminal that goes away.

use std::path::Path;

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::{AgentSpec, CEILING, TestProject, programs, wait_for};

use super::{Tmux, assert_whole, project};
use crate::common::WORK;

/// What garbles terminals: titles, clipboards, links, modes, queries, other letter sets, letters that join, reorder or
/// are wide, marks without an end.
fn corpus() -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in [
        "here\u{1b}]0;evil title\u{7}\u{1b}]2;evil\u{1b}\\\u{1b}[2J\u{1b}[1;1Hatop\u{1b}[?1049h\u{1b}[?1000h\u{1b}[?1003h\u{1b}[?25h\r\n",
        "\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}]8;;http://x/\u{7}link\u{1b}]8;;\u{7}\u{1b}[6n\u{1b}[c\u{1b}]11;?\u{7}\u{1b}P+q544e\u{1b}\\\r\n",
        "\u{1b}(0lqqqk\u{1b}(B\u{e}shifted\u{f}\u{9b}5;5H\u{9d}0;c1 title\u{9c}\u{1b}[5;9r\u{1b}[?6h\u{1b}#8\u{1b}c\r\n",
        "世界世界 \u{1b}[31mred\u{1b}[0m \u{202e}rtl\u{202c}\u{2066}x\u{2069} 👩\u{200d}👩\u{200d}👧 ❤\u{fe0f} 👍\u{1f3fd} 🇩🇪 שלום\r\n",
        "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301} ﷽ \u{1160}\u{3164}\r\n",
    ] {
        bytes.extend_from_slice(piece.as_bytes());
    }
    bytes.extend_from_slice(&[0xff, 0xfe, 0xc3, 0x28, 0x9b, b'3', b'1', b'm', 0]);
    bytes
}

#[test]
fn what_agents_print_garbles_nothing() {
    // Ten megabytes in one line, too.
    let prints = "cat \"$HOME/corpus\"; head -c 10485760 /dev/zero | tr '\\0' x; cat \"$HOME/corpus\"; \
                  printf '\\r\\nthe end of it\\r\\n'; read word\n";
    let project = TestProject::builder()
        .agent(&AgentSpec::shell("coder-1", prints))
        .story(Stage::Current, "1_story_a", "---\nname: \"a\\e]0;evil title\\a\\e[2J\"\n---\na\n")
        .build();
    std::fs::write(project.surroundings().home.join("corpus"), corpus()).expect("written");
    for (size, key) in [((120, 40), ""), ((80, 24), "t"), ((40, 12), "t")] {
        let Some(tmux) = Tmux::open(&project, size) else { return };
        tmux.run(&["set", "-g", "set-clipboard", "on"]);
        let daemon = project.up();
        daemon.wait_state("1_story_a", State::Running);
        let title = tmux.flag("pane_title");
        tmux.start_board();
        tmux.wait("▶ Running");
        tmux.text(key);
        let screen = tmux.wait("the end of it");
        assert_whole(&screen, size);
        let inside = screen.lines().skip(4).take(usize::from(size.1) - 8);
        assert!(inside.clone().all(|line| line.starts_with(['│', '├'])), "{screen}");
        assert!(inside.clone().all(|line| line.trim_end().ends_with(['│', '┤'])), "{screen}");
        assert_eq!(tmux.flag("pane_title"), title);
        assert_eq!(tmux.run(&["list-buffers"]), "", "nothing came to the clipboard");
        for (flag, value) in
            [("alternate_on", "1"), ("cursor_flag", "0"), ("scroll_region_upper", "0"), ("origin_flag", "0")]
        {
            assert_eq!(tmux.flag(flag), value, "{flag}");
        }
        // What was printed is read and searched as well.
        tmux.text("t");
        tmux.text("/THE END");
        tmux.key("Enter");
        tmux.wait("hit 1 of");
        assert_whole(&tmux.screen(), size);
        tmux.text("qqqq");
        wait_for(CEILING, "the board to be left", || (tmux.flag("alternate_on") == "0").then_some(()));
        daemon.stop();
    }
}

#[test]
fn the_ground_of_the_terminal_chooses_the_colours() {
    let project = project();
    for (size, ground, environment, has) in [
        ((80, 24), "bg=#ffffff", "COLORTERM=truecolor", "48;2;253;253;251"),
        ((81, 24), "bg=#101010", "COLORTERM=truecolor", "48;2;28;30;34"),
        // One that does not answer, and one that is not asked.
        ((82, 24), "default", "COLORTERM=truecolor", ""),
        ((83, 24), "bg=#ffffff", "COLORTERM=", ""),
        ((84, 24), "bg=#ffffff", "COLORTERM=truecolor NO_COLOR=1", ""),
    ] {
        let Some(tmux) = Tmux::open(&project, size) else { return };
        tmux.run(&["set", "-g", "window-style", ground]);
        tmux.wait("shell:");
        tmux.text(&format!("{environment} {} board\n", programs::storkit().display()));
        assert_whole(&tmux.wait("Moves still work"), size);
        let drawn = tmux.run(&["capture-pane", "-p", "-e"]);
        if has.is_empty() {
            assert!(!drawn.contains("48;2;"), "{environment} on {ground}: {drawn}");
        } else {
            assert!(drawn.contains(has), "{environment} on {ground}: {drawn}");
        }
        // An answer that comes late is no row of keys.
        tmux.run(&[
            "send-keys",
            "-H",
            "1b",
            "5d",
            "31",
            "31",
            "3b",
            "72",
            "67",
            "62",
            "3a",
            "66",
            "66",
            "66",
            "66",
            "2f",
            "66",
            "66",
            "66",
            "66",
            "2f",
            "66",
            "66",
            "66",
            "66",
            "1b",
            "5c",
        ]);
        tmux.text("?");
        tmux.wait("Keys · type to search");
        tmux.key("Escape");
        // Not in another column, nor behind a question.
        let screen = tmux.wait("[2 CURRENT");
        assert!(screen.contains("Moves still work"), "{screen}");
        tmux.text("q");
        tmux.wait("shell:");
    }
}

#[test]
fn a_daemon_that_is_killed_and_started_again_is_seen() {
    let project = project();
    let Some(tmux) = Tmux::open(&project, (80, 24)) else { return };
    let daemon = project.up();
    tmux.start_board();
    tmux.wait("● live");
    daemon.kill9();
    assert_whole(&tmux.wait("○ not running: :up"), (80, 24));
    // Keys act meanwhile, and what they did is there afterwards.
    tmux.select("1_story_a");
    tmux.text("m5");
    wait_for(CEILING, "the file to be moved", || {
        (project.stages_of("1_story_a") == [Stage::Done]).then_some(())
    });
    tmux.key("Escape");
    let daemon = project.up();
    tmux.wait("● live");
    assert_whole(&tmux.wait("5 Done 1"), (80, 24));
    project.mv("2_story_b", Stage::Backlog, Stage::Done);
    tmux.wait("5 Done 2");
    daemon.stop();
}

#[test]
fn a_priority_is_written_and_taken_back() {
    let project = project();
    let Some(tmux) = Tmux::open(&project, (100, 24)) else { return };
    let daemon = project.up();
    tmux.start_board();
    tmux.wait("● live");
    tmux.select("2_story_b");
    tmux.text("p");
    tmux.wait("priority: 1 the most urgent");
    tmux.text("1");
    tmux.wait("2_story_b: priority 1   z undo");
    daemon.wait_text("2_story_b", "priority: 1");
    assert!(project.read_story("2_story_b").ends_with("---\nb\n"), "nothing else was touched");
    tmux.text("z");
    daemon.wait_text("2_story_b", "priority: 3");
    daemon.stop();
}

#[test]
fn the_gate_that_runs_is_counted() {
    let project = TestProject::builder()
        .agent(&AgentSpec::shell("coder-1", WORK))
        .table("[[gate]]\nname = \"one\"\nrun = \"true\"")
        .table("[[gate]]\nname = \"two\"\nrun = \"while [ ! -e \\\"$HOME/go\\\" ]; do sleep 0.05; done\"")
        .story(Stage::Current, "1_story_a", "a\n")
        .build();
    let Some(tmux) = Tmux::open(&project, (80, 24)) else { return };
    let daemon = project.up();
    tmux.start_board();
    daemon.wait_state("1_story_a", State::Gating);
    tmux.wait("≡ Gates 2/2");
    std::fs::write(project.surroundings().home.join("go"), "").expect("written");
    daemon.wait_stage("1_story_a", "done");
    daemon.stop();
}

#[test]
fn a_storm_of_resizes_ends_in_a_whole_board() {
    let project = project();
    let Some(tmux) = Tmux::open(&project, (80, 24)) else { return };
    tmux.start_board();
    tmux.wait("Moves still work");
    for n in 0_u16..30 {
        let (columns, rows) = (30 + n * 7 % 150, 5 + n * 3 % 40);
        tmux.run(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }
    tmux.run(&["resize-window", "-x", "100", "-y", "30"]);
    let whole = wait_for(CEILING, "the board to fit", || {
        Some(tmux.screen()).filter(|screen| {
            let lines: Vec<&str> = screen.lines().collect();
            lines.len() == 30
                && lines[29].trim_end().ends_with("? all")
                && lines[4].trim_end().chars().count() == 100
        })
    });
    assert_whole(&whole, (100, 30));
}

#[test]
fn a_terminal_that_goes_away_takes_the_board_with_it() {
    let project = project();
    // With the signal that tells of it, and without: in a session of its own nobody sends it.
    for (n, start) in ["sh -c", "setsid sh -c"].into_iter().enumerate() {
        let Some(tmux) = Tmux::open(&project, (80 + u16::try_from(n).expect("few"), 24)) else { return };
        tmux.wait("shell:");
        let file = project.top().join(format!("pid-{n}"));
        let board = programs::storkit().display().to_string();
        tmux.text(&format!("{start} 'echo $$ > {}; exec {board} board'\n", file.display()));
        tmux.wait("Moves still work");
        let pid = std::fs::read_to_string(&file).expect("its pid").trim().to_owned();
        assert!(Path::new("/proc").join(&pid).exists());
        drop(tmux);
        wait_for(CEILING, "the board to end", || {
            // A zombie that nobody waits for is no longer a process that works.
            let stat =
                std::fs::read_to_string(Path::new("/proc").join(&pid).join("stat")).unwrap_or_default();
            stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z')).then_some(())
        });
    }
}
