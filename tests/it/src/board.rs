//! The board in a terminal, in a real one: tmux, at three sizes, driven by keys and looked at by `capture-pane`.

mod life;

use std::path::PathBuf;
use std::process::Stdio;

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::{AgentSpec, CEILING, TestProject, programs, wait_for};

use crate::common::WORK;

/// Columns and rows.
const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 50)];

/// A terminal of a test's own, with a shell in it.
pub(crate) struct Tmux<'p> {
    project: &'p TestProject,
    socket: PathBuf,
}

impl<'p> Tmux<'p> {
    /// Opens it; none where tmux is not here.
    pub(crate) fn open(project: &'p TestProject, (columns, rows): (u16, u16)) -> Option<Self> {
        let tmux = Self { project, socket: project.top().join(format!("tmux-{columns}x{rows}")) };
        let size = [columns.to_string(), rows.to_string()];
        let mut command = tmux.command();
        command.args(["new-session", "-d", "-x", &size[0], "-y", &size[1], "sh"]).env("PS1", "shell: ");
        let Ok(output) = command.stderr(Stdio::piped()).output() else {
            eprintln!("skipped: `tmux` is not here");
            return None;
        };
        assert!(output.status.success(), "{output:?}");
        tmux.run(&["set", "-g", "window-size", "manual"]);
        Some(tmux)
    }

    fn command(&self) -> std::process::Command {
        let mut command = self.project.surroundings().command("tmux");
        command
            .arg("-u")
            .arg("-S")
            .arg(&self.socket)
            .args(["-f", "/dev/null"])
            .current_dir(self.project.root());
        command
    }

    fn run(&self, args: &[&str]) -> String {
        let output = self.command().args(args).output().expect("tmux runs");
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Types text as it is.
    pub(crate) fn text(&self, text: &str) {
        self.run(&["send-keys", "-l", "--", text]);
    }

    /// Presses a key by tmux's name.
    pub(crate) fn key(&self, key: &str) {
        self.run(&["send-keys", key]);
    }

    pub(crate) fn screen(&self) -> String {
        self.run(&["capture-pane", "-p"])
    }

    pub(crate) fn wait(&self, words: &str) -> String {
        wait_for(CEILING, &format!("{words:?} on the screen, not:\n{}", self.screen()), || {
            Some(self.screen()).filter(|screen| screen.contains(words))
        })
    }

    /// A property of the terminal, such as `alternate_on`.
    fn flag(&self, name: &str) -> String {
        self.run(&["display-message", "-p", &format!("#{{{name}}}")]).trim().to_owned()
    }

    pub(crate) fn start_board(&self) {
        self.wait("shell:");
        self.text(&format!("{} board\n", programs::storkit().display()));
    }

    /// Puts the cursor on the story of that id, by the filter.
    pub(crate) fn select(&self, id: &str) {
        self.text("/");
        self.text(id);
        self.key("Enter");
        self.wait(&format!("filter: {id}"));
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        // Of this socket alone.
        let _ = self.command().arg("kill-server").stderr(Stdio::null()).status();
    }
}

/// The frame is whole: the first line, the last one, and the borders in between.
#[track_caller]
fn assert_whole(screen: &str, (columns, rows): (u16, u16)) {
    let lines: Vec<&str> = screen.lines().collect();
    assert_eq!(lines.len(), usize::from(rows), "{screen}");
    assert!(lines[0].starts_with(" storkit "), "{screen}");
    assert!(lines[usize::from(rows) - 1].trim_end().ends_with("? all"), "{screen}");
    let letters = |line: &&str| line.chars().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).count();
    assert!(lines.iter().all(|line| letters(line) <= usize::from(columns)), "{screen}");
    let bottom = lines[usize::from(rows) - 3];
    assert!(bottom.starts_with('└') && bottom.trim_end().ends_with('┘'), "{screen}");
}

fn project() -> TestProject {
    TestProject::builder()
        .setting("qa = \"human\"\nanswer_settle = \"1h\"")
        .agent(&AgentSpec::shell("coder-1", WORK).with("instances", 4))
        .story(Stage::Backlog, "1_story_a", "---\nname: The first one\n---\na\n")
        .story(Stage::Backlog, "2_story_b", "---\nname: The second one\n---\nb\n")
        .build()
}

#[test]
fn the_board_is_live_at_three_sizes_and_after_a_resize() {
    for size in SIZES {
        let project = project();
        let Some(tmux) = Tmux::open(&project, size) else { return };
        let daemon = project.up();
        tmux.start_board();
        assert_whole(&tmux.wait("● live"), size);
        assert!(tmux.wait("Backlog 2").contains("Nothing needs you."));
        project.mv("1_story_a", Stage::Backlog, Stage::Done);
        tmux.wait("Backlog 1");
        tmux.run(&["resize-window", "-x", "60", "-y", "15"]);
        let resized = wait_for(CEILING, "the board to fit", || {
            Some(tmux.screen()).filter(|screen| {
                let lines: Vec<&str> = screen.lines().collect();
                lines.len() == 15 && lines[14].trim_end().ends_with("? all")
            })
        });
        assert_whole(&resized, (60, 15));
        tmux.run(&["resize-window", "-x", "30", "-y", "5"]);
        tmux.wait("storkit needs 40x10");
        tmux.text("q");
        tmux.wait("shell:");
        daemon.stop();
    }
}

#[test]
fn stories_are_moved_approved_and_sent_back_by_keys() {
    let project = project();
    let Some(tmux) = Tmux::open(&project, (100, 30)) else { return };
    let daemon = project.up();
    tmux.start_board();
    tmux.wait("● live");
    tmux.select("1_story_a");
    tmux.text("m2");
    daemon.wait_state("1_story_a", State::Review);
    // The cursor went along; its next action is the review.
    tmux.wait("▌1 ◆ Review");
    tmux.wait("+1 -0 in 1 file");
    tmux.text("a");
    tmux.wait("+1_story_a");
    tmux.text("A");
    daemon.wait_stage("1_story_a", "done");
    tmux.text("q");
    tmux.select("2_story_b");
    tmux.text("m2");
    daemon.wait_state("2_story_b", State::Review);
    tmux.wait("▌2 ◆ Review");
    tmux.text("R");
    tmux.text("too small, see é世界");
    tmux.key("Enter");
    daemon.wait_text("2_story_b", "too small, see é世界");
    assert!(project.read_story("2_story_b").contains("### Rejection 1"));
    tmux.text("z");
    daemon.stop();
    tmux.wait("not running");
}

#[test]
fn a_question_is_answered_on_the_board() {
    let asks = "[ -e \"$HOME/asked\" ] || { echo > \"$HOME/asked\"; \
                echo '{\"storkit\":\"question\",\"text\":\"Tabs or spaces?\"}'; exit 0; }\n";
    let project = TestProject::builder()
        .setting("answer_settle = \"1h\"")
        .agent(&AgentSpec::shell("coder-1", &format!("{asks}{WORK}")))
        .story(Stage::Current, "1_story_a", "a\n")
        .build();
    let Some(tmux) = Tmux::open(&project, (80, 24)) else { return };
    let daemon = project.up();
    daemon.wait_state("1_story_a", State::Question);
    tmux.start_board();
    tmux.wait("NEEDS YOU 1");
    tmux.text("n");
    tmux.wait("? Tabs or spaces?");
    tmux.text("a");
    tmux.wait("Answer:");
    tmux.text("Spaces.");
    tmux.key("Enter");
    daemon.wait_stage("1_story_a", "done");
    assert!(project.read_story("1_story_a").contains("Spaces."));
    daemon.stop();
}

#[test]
fn the_terminal_is_given_back_as_it_was() {
    let project = project();
    let Some(tmux) = Tmux::open(&project, (80, 24)) else { return };
    tmux.wait("shell:");
    tmux.text("echo stood here\n");
    let taken = |on: &str| {
        wait_for(CEILING, &format!("alternate_on to be {on}"), || {
            (tmux.flag("alternate_on") == on).then_some(())
        });
    };
    // Without a daemon: moves still work.
    tmux.start_board();
    tmux.wait("not running");
    tmux.select("1_story_a");
    tmux.text("L");
    wait_for(CEILING, "the file to be moved", || {
        (project.stages_of("1_story_a") == [Stage::Current]).then_some(())
    });
    assert_eq!(tmux.flag("mouse_any_flag"), "1");
    tmux.key("C-z");
    taken("0");
    tmux.wait("stood here");
    tmux.text("fg\n");
    taken("1");
    tmux.wait("? all");
    let restored = |how: &str| {
        taken("0");
        for (name, value) in [("mouse_any_flag", "0"), ("cursor_flag", "1")] {
            assert_eq!(tmux.flag(name), value, "{how}");
        }
        assert!(tmux.wait("stood here").contains("shell:"), "{how}");
        tmux.text(&format!("echo typed after {how}\n"));
        tmux.wait(&format!("\ntyped after {how}"));
    };
    // Once for the filter, once for the board.
    tmux.text("qq");
    restored("leaving");
    for signal in ["TERM", "HUP"] {
        tmux.start_board();
        taken("1");
        tmux.wait("? all");
        let pid = board_pid(&tmux);
        let kill = project.surroundings().command("kill").args([&format!("-{signal}"), &pid]).status();
        assert!(kill.expect("kill runs").success());
        restored(signal);
    }
}

/// The process in the foreground of the terminal.
fn board_pid(tmux: &Tmux<'_>) -> String {
    let tty = tmux.flag("pane_tty");
    let mut ps = tmux.project.surroundings().command("ps");
    let output = ps.args(["-t", tty.trim_start_matches("/dev/"), "-o", "pid=,stat=,args="]).output();
    let listed = String::from_utf8_lossy(&output.expect("ps runs").stdout).into_owned();
    let line = listed.lines().find(|line| line.contains(" board")).expect("the board runs");
    line.split_whitespace().next().expect("its pid").to_owned()
}
