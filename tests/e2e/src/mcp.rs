//! storkit's MCP server as each real agent's own client meets it: the tools are offered, a criterion is ticked, a
//! question is asked and answered.

use serde_json::{Value, json};
use storkit_core::stage::Stage;
use storkit_testkit::RealAgent;
use storkit_testkit::model::Turn;

use crate::play::{Play, STORY, WORD, commit};

/// What a run may call, by the ends of their names: agents put the server's name before them.
const TOOLS: [&str; 4] = ["get_story", "check_criterion", "update_story", "create_story"];

/// Ticks a criterion and asks; a person answers; it commits in the same session, and the story lands.
#[track_caller]
fn it_ticks_and_asks(agent: RealAgent) {
    let turns = vec![
        Turn::mcp("check_criterion", json!({"criterion": 1})),
        Turn::mcp("ask_human", json!({"question": "Red or blue-7?"})),
        Turn::says("I wait for the answer."),
        commit("hello.txt", "hello"),
        Turn::says("All done."),
    ];
    let play = Play::with(agent, turns, |builder| builder.setting("answer_settle = \"1h\""), |spec| spec);
    let story = format!(
        "{}\n## Acceptance criteria\n- [ ] it greets\n- [ ] it is red\n",
        play.project.read_story(STORY)
    );
    play.project.save_story(Stage::Current, STORY, story);
    if agent == RealAgent::Gemini {
        // It takes servers from a person's own settings alone: docs/guide/agents.md has this as a command.
        let path = play.project.surroundings().home.join(".gemini/settings.json");
        let mut settings: Value =
            serde_json::from_slice(&std::fs::read(&path).expect("its settings")).expect("JSON");
        let headers = json!({"Authorization": "Bearer $STORKIT_TOKEN"});
        settings["mcpServers"] = json!({"storkit": {"httpUrl": "$STORKIT_MCP_URL", "headers": headers}});
        std::fs::write(&path, settings.to_string()).expect("written");
    }
    let daemon = play.project.up();
    let text = play.wait_question(&daemon);
    let asked = play.model.turns_of(WORD);
    let offered = &asked[0].tools;
    // Codex has its model search for the tools of servers.
    let searched = offered.iter().any(|name| name == "tool_search");
    for tool in TOOLS {
        assert!(searched || offered.iter().any(|name| name.ends_with(tool)), "{tool}: {offered:?}");
    }
    assert!(!offered.iter().any(|name| name.ends_with("move_story")), "a run has no such tool: {offered:?}");
    assert!(text.contains("- [x] it greets\n- [ ] it is red\n"), "{text}");
    assert!(text.contains("## Question 1\n\nRed or blue-7?\n"), "{text}");
    play.project.storkit(&["answer", "1", "-m", "Red."]).ok();
    play.wait_done(&daemon);
    assert!(play.model.turns_of(WORD).iter().skip(3).all(|turn| turn.says("Red.")));
    daemon.stop();
    assert_eq!(play.on_base("hello.txt").as_deref(), Some("hello\n"));
    play.assert_quiet();
}

#[test]
fn mcp_ticks_and_asks_claude197() {
    it_ticks_and_asks(RealAgent::Claude197);
}

#[test]
fn mcp_ticks_and_asks_claude329() {
    it_ticks_and_asks(RealAgent::Claude329);
}

#[test]
fn mcp_ticks_and_asks_codex() {
    it_ticks_and_asks(RealAgent::Codex);
}

#[test]
fn mcp_ticks_and_asks_gemini() {
    it_ticks_and_asks(RealAgent::Gemini);
}

#[test]
fn mcp_ticks_and_asks_claude_acp() {
    it_ticks_and_asks(RealAgent::ClaudeAcp);
}

#[test]
fn mcp_ticks_and_asks_codex_acp() {
    it_ticks_and_asks(RealAgent::CodexAcp);
}

#[test]
fn mcp_ticks_and_asks_gemini_acp() {
    it_ticks_and_asks(RealAgent::GeminiAcp);
}
