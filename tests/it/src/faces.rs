//! One truth: the same story, followed by the command line, the API, the tools, the web board and the terminal board,
//! and moved on by each of them in turn.

use serde_json::{Value, json};
use storkit_core::snapshot::{State, StoryView};
use storkit_core::stage::Stage;
use storkit_testkit::{AgentSpec, CEILING, Daemon, TestProject, wait_for};

use crate::board::Tmux;
use crate::common::{WORK, on_branch, until, wait_signal};
use crate::wire::{Api, tool};

const ID: &str = "1_story_one_truth";

/// Asks first, then works; what it does waits for the test.
fn agent() -> AgentSpec {
    let asks = "[ -e \"$HOME/asked\" ] || { echo > \"$HOME/asked\"; \
                echo '{\"storkit\":\"question\",\"text\":\"Tabs or spaces?\"}'; exit 0; }\n";
    AgentSpec::shell("coder-1", &format!("echo > \"$HOME/began\"\n{}{asks}{WORK}", until("go")))
}

/// The faces of one daemon.
struct Faces<'p> {
    project: &'p TestProject,
    api: Api,
    terminal: Option<Tmux<'p>>,
}

impl<'p> Faces<'p> {
    fn open(project: &'p TestProject, daemon: &Daemon<'p>) -> Self {
        let terminal = Tmux::open(project, (200, 50));
        if let Some(tmux) = &terminal {
            tmux.start_board();
            tmux.wait("● live");
        }
        Self { project, api: Api::owner(daemon, project), terminal }
    }

    /// What each face says of the story, looked at while nothing happens to it.
    #[track_caller]
    fn agree(&self) {
        let story = wait_for(CEILING, "a moment in which nothing happens", || {
            let before = self.by_command();
            let (code, story) = self.api.get(&format!("/api/v1/stories/{ID}"));
            let told = tool(self.project, "get_story", json!({"story": "1"}));
            if facts(&self.by_command()) != facts(&before) {
                return None;
            }
            assert_eq!((code, facts(&story)), (200, facts(&before)), "the API");
            assert_eq!(facts(&told["story"]), facts(&before), "the tools");
            serde_json::from_value::<StoryView>(before).ok()
        });
        self.on_the_page(&story);
        self.in_the_terminal(&story);
    }

    fn by_command(&self) -> Value {
        let status = self.project.status_json();
        let stories = status["stories"].as_array().expect("a list");
        stories.iter().find(|story| story["id"] == ID).expect("the story").clone()
    }

    fn on_the_page(&self, story: &StoryView) {
        let (code, page) = self.api.post("/ui/sync", &json!({"windows": {story.stage.clone(): [0, 60]}}));
        assert_eq!(code, 200, "{page}");
        let columns = page["columns"].as_array().expect("columns");
        let column = columns.iter().find(|column| column["stage"] == story.stage.as_str());
        assert_eq!(column.expect("its column")["ids"], json!([ID]), "{page}");
        let card = page["cards"][ID][1].as_str().expect("a card");
        for words in [
            format!("data-state=\"{}\"", story.state.name()),
            format!("data-stage=\"{}\"", story.stage),
            format!(">{}</a>", story.name),
        ] {
            assert!(card.contains(&words), "{words}: {card}");
        }
    }

    fn in_the_terminal(&self, story: &StoryView) {
        let Some(tmux) = &self.terminal else { return };
        let mut word = story.state.name().to_owned();
        word[..1].make_ascii_uppercase();
        let stage = story.stage.to_lowercase();
        let shows = |screen: &str| {
            let screen = screen.to_lowercase();
            screen.contains(&format!("{stage} 1"))
                && screen.lines().any(|line| line.contains("1 ") && line.contains(&word.to_lowercase()))
                && screen.contains(&story.name.to_lowercase())
        };
        let what = || format!("{word} in {stage} on the screen, not:\n{}", tmux.screen());
        wait_for(CEILING, &what(), || shows(&tmux.screen()).then_some(()));
    }
}

/// What all faces that speak JSON must say alike.
fn facts(story: &Value) -> Value {
    let keys =
        ["id", "name", "stage", "state", "agent", "attempt", "reason", "run", "path", "since", "branch"];
    keys.iter().map(|key| ((*key).to_owned(), story[*key].clone())).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn one_story_is_the_same_on_every_face_and_each_moves_it_on() {
    let project = TestProject::builder()
        .setting("qa = \"human\"\nanswer_settle = \"1h\"")
        .agent(&agent())
        .gate("true")
        .build();
    let from = project.base();
    let daemon = project.up();
    let faces = Faces::open(&project, &daemon);
    // Made by the API.
    let (code, made) = faces.api.post("/api/v1/stories", &json!({"title": "One truth"}));
    assert_eq!((code, made["id"].as_str()), (201, Some(ID)), "{made}");
    daemon.wait_state(ID, State::Idle);
    faces.agree();
    // Started by the command line.
    project.storkit(&["start", "1"]).ok();
    wait_signal(&project, "began");
    daemon.wait_state(ID, State::Running);
    faces.agree();
    project.signal_file("go");
    daemon.wait_state(ID, State::Question);
    faces.agree();
    // Answered as the page does it.
    let answer = faces.api.post(&format!("/api/v1/stories/{ID}/answer"), &json!({"text": "Spaces."}));
    assert_eq!(answer.0, 200, "{answer:?}");
    let first = daemon.wait_state(ID, State::Review);
    faces.agree();
    // Sent back by a person in the terminal, where there is one.
    if let Some(tmux) = &faces.terminal {
        tmux.select(ID);
        tmux.text("R");
        tmux.text("once more");
        tmux.key("Enter");
        daemon.wait_text(ID, "once more");
    } else {
        project.storkit(&["reject", "1", "-m", "once more"]).ok();
    }
    daemon
        .wait_story(ID, "the second review", |story| story.state == State::Review && story.run != first.run);
    faces.agree();
    // Approved by a tool.
    tool(&project, "approve_story", json!({"story": "1"}));
    daemon.wait_stage(ID, "done");
    faces.agree();
    assert_eq!(project.stages_of(ID), [Stage::Done]);
    let landed = on_branch(&project, "main", &format!("{ID}.txt")).expect("landed");
    assert_eq!(landed.lines().count(), 2, "{landed}");
    let commits = project.git().run(&["rev-list", "--count", &format!("{from}..main")]);
    assert_eq!(commits.trim(), "1");
    daemon.stop();
}
