//! The API on TCP and the MCP server of the built program: what a run can reach, and that it ends with the run.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::model::{DUMMY_KEY, ModelServer, Script, Turn};
use storkit_testkit::{AgentSpec, Daemon, TestProject, programs};

use crate::common::{WORK, until, wait_signal};
use crate::wire::{Api, address, messages};

const CRITERIA: &str =
    "---\nname: A\n---\nDo it.\n\n## Acceptance criteria\n- [ ] it works\n- [ ] it is fast\n";

#[test]
fn a_run_ticks_its_criteria_and_asks_by_mcp_and_its_token_ends_with_it() {
    let calls = [
        ("check_criterion", json!({"criterion": "it works"})),
        ("get_story", json!({"story": "2"})),
        ("create_story", json!({"title": "More of it"})),
        ("ask_human", json!({"question": "Red or blue?"})),
    ];
    let storkit = programs::storkit().display();
    // The other end is closed when all answers have come.
    let script = format!(
        "[ ! -e \"$HOME/asked\" ] || {{ {WORK} exit 0; }}\n\
         printf '%s %s' \"$STORKIT_MCP_URL\" \"$STORKIT_TOKEN\" > \"$HOME/access\"\n\
         {{ cat \"$HOME/messages\"; {}}} | {storkit} mcp > \"$HOME/answers\" &\n\
         until [ \"$(grep -c . \"$HOME/answers\")\" = 5 ]; do sleep 0.02; done\n\
         echo > \"$HOME/asked\"\n\
         cat \"$HOME/access\"\n{}",
        until("ended"),
        until("ended"),
    );
    let project = TestProject::builder()
        .agent(&AgentSpec::shell("coder-1", &script))
        .story(Stage::Backlog, "1_story_a", CRITERIA)
        .story(Stage::Backlog, "2_story_b", "b\n")
        .build();
    std::fs::write(project.surroundings().home.join("messages"), messages(&calls)).expect("written");
    let daemon = project.up();
    project.mv("1_story_a", Stage::Backlog, Stage::Current);
    wait_signal(&project, "asked");
    let read = |name: &str| std::fs::read_to_string(project.surroundings().home.join(name)).expect("text");
    let (url, token) =
        read("access").split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("both");
    let address = address(&daemon);
    assert_eq!(url, format!("http://{address}/mcp"));
    assert_eq!(Api::new(&address, &token).get("/api/v1/status").0, 403);
    assert_eq!(Api::new(&address, &token).get("/mcp").0, 405, "a GET, which is let in and not taken");
    project.signal_file("ended");
    daemon.wait_state("1_story_a", State::Question);
    assert_eq!(Api::new(&address, &token).get("/mcp").0, 401, "the token ended with the run");
    let answers = read("answers");
    assert!(answers.contains("this run reaches its own story alone"), "{answers}");
    let text = project.read_story("1_story_a");
    assert!(
        text.contains("- [x] it works\n- [ ] it is fast\n") && text.contains("\nRed or blue?\n"),
        "{text}"
    );
    assert_eq!(project.stages_of("3_story_more_of_it"), [Stage::Backlog]);
    project.storkit(&["answer", "1", "-m", "Red."]).ok();
    daemon.wait_stage("1_story_a", "done");
    let shown = project.storkit(&["logs", "1", "--run", "1"]).ok();
    assert!(shown.contains("***") && !shown.contains(&token), "the token is masked: {shown}");
    daemon.stop();
}

#[test]
fn the_api_on_tcp_takes_the_token_of_its_file_and_open_prints_a_way_in() {
    let project = TestProject::builder().story(Stage::Backlog, "1_story_a", "a\n").build();
    let daemon = project.up();
    let address = address(&daemon);
    let run = project.root().join(".storkit/run");
    let token = std::fs::read_to_string(run.join("token")).expect("a token");
    let mode = std::fs::metadata(run.join("token")).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert_eq!(Api::new(&address, &token).get("/api/v1/stories/1").0, 200);
    assert_eq!(Api::new(&address, "wrong").get("/api/v1/stories/1").0, 401);
    let said: Value =
        serde_json::from_slice(&std::fs::read(run.join("server.json")).expect("a file")).expect("JSON");
    assert_eq!(said["url"], format!("http://{address}"));
    let url = project.storkit(&["open", "--print"]).ok();
    assert!(url.starts_with(&format!("http://{address}/#code=")), "{url}");
    let second = project.storkit(&["up"]).expect_code(1);
    let port = address.rsplit(':').next().expect("a port");
    assert!(second.stderr.contains(&format!("port {port}")), "{second:?}");
    daemon.stop();
    let daemon = Daemon::start(&project, &["--port", port]);
    assert_eq!(crate::wire::address(&daemon), address, "the port is the one that was asked for");
    assert_eq!(Api::new(&address, &token).get("/api/v1/stories/1").0, 200, "and the token has stayed");
    std::fs::remove_file(run.join("token")).expect("removed");
    let again = || std::fs::read_to_string(run.join("token")).ok();
    assert_eq!(daemon.wait_for("the token's file comes back", |_| again()), token);
    daemon.stop();
    project.storkit(&["open"]).expect_code(4);
    project.storkit(&["mcp"]).expect_code(4);
}

/// Models behind an API have the tools besides those of the loop.
#[test]
fn a_model_behind_an_api_ticks_criteria_by_mcp() {
    for (runtime, key, base) in
        [("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL"), ("gemini-api", "GEMINI_API_KEY", "GEMINI_BASE_URL")]
    {
        let turns = [
            Turn::mcp("check_criterion", json!({"criterion": 2})),
            Turn::shell("echo a > a.txt && git add a.txt && git commit -qm a"),
            Turn::says("All done."),
        ];
        let model = ModelServer::start(vec![turns.into_iter().fold(Script::new(), Script::turn)]);
        let url = if runtime == "openai" { format!("{}/v1", model.url()) } else { model.url() };
        let agent = AgentSpec::command("coder-1", std::path::Path::new(""), &[])
            .with("runtime", runtime)
            .with("model", "m-1")
            .env(key, DUMMY_KEY)
            .env(base, &url);
        let project =
            TestProject::builder().agent(&agent).story(Stage::Current, "1_story_a", CRITERIA).build();
        let daemon = project.up();
        daemon.wait_stage("1_story_a", "done");
        let text = project.read_story("1_story_a");
        assert!(text.contains("- [ ] it works\n- [x] it is fast\n"), "{runtime}: {text}");
        let tools = model.requests()[0].tools.clone();
        assert_eq!(tools.iter().filter(|name| *name == "ask_human").count(), 1, "the loop's own: {tools:?}");
        assert!(tools.iter().any(|name| name == "get_context"), "{tools:?}");
        daemon.stop();
    }
}
