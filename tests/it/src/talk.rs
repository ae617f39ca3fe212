//! Talking to agents from the command line: answers, messages, one more prompt, shared context, and the prompt itself.

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::{AgentSpec, CEILING, TestProject, wait_for};

use crate::common::{WORK, until, wait_signal};

/// Keeps each prompt as `prompt-<run>` in the test's home, numbered from 1.
const KEEP: &str = "n=$(ls \"$HOME\" | grep -c '^prompt-' || true); n=$((n + 1)); cp \"$STORKIT_PROMPT\" \"$HOME/prompt-$n\"\n";

fn prompt(project: &TestProject, number: u32) -> String {
    let path = project.surroundings().home.join(format!("prompt-{number}"));
    let read = || std::fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n'));
    wait_for(CEILING, &format!("prompt {number}"), read)
}

#[test]
fn an_answer_by_command_is_in_the_file_and_taken_at_once() {
    let asks = "[ -e \"$HOME/asked\" ] || { echo > \"$HOME/asked\"; \
                echo '{\"storkit\":\"question\",\"text\":\"Tabs or spaces?\"}'; exit 0; }\n";
    let project = TestProject::builder()
        .setting("answer_settle = \"1h\"")
        .agent(&AgentSpec::shell("coder-1", &format!("{KEEP}{asks}{WORK}")))
        .story(Stage::Current, "1_story_a", "---\r\nname: A\r\n---\r\nText\r\n")
        .build();
    let daemon = project.up();
    project.storkit(&["answer", "1", "-m", " "]).expect_code(2);
    project.storkit(&["answer", "1"]).expect_code(2);
    project.storkit(&["answer", "99", "-m", "x"]).expect_code(3);
    daemon.wait_state("1_story_a", State::Question);
    daemon.wait_text("1_story_a", "question: 1");
    assert!(project.storkit(&["why", "1"]).ok().contains("storkit answer 1_story_a"));
    let said = project.storkit(&["answer", "1", "-m", "Spaces.\n## Question 2"]);
    assert!(said.stderr.contains("question 1 answered"), "{said:?}");
    daemon.wait_stage("1_story_a", "done");
    let text = project.read_story("1_story_a");
    assert!(text.contains("### Answer\r\n\r\nSpaces.\r\n\\## Question 2\r\n"), "{text:?}");
    assert!(!text.contains("question:"), "{text:?}");
    let second = prompt(&project, 2);
    assert!(second.contains("Tabs or spaces?") && second.contains("Spaces."), "{second}");
    let refused = project.storkit(&["answer", "1", "-m", "more"]).expect_code(1);
    assert!(refused.stderr.contains("has no open question"), "{refused:?}");
    daemon.stop();
}

#[test]
fn without_a_daemon_an_answer_is_written_and_the_next_daemon_takes_it() {
    let asked = "---\nquestion: 1\n---\nText\n\n## Question 1\n\nWhich?\n\n### Answer\n\n";
    let project = TestProject::builder()
        .setting("answer_settle = \"10ms\"")
        .agent(&AgentSpec::shell("coder-1", &format!("{KEEP}{WORK}")))
        .story(Stage::Current, "1_story_a", asked)
        .story(Stage::Backlog, "2_story_b", "b\n")
        .build();
    project.storkit(&["answer", "2", "-m", "x"]).expect_code(1);
    let said = project.storkit(&["answer", "1", "-m", "That."]);
    assert!(said.code() == 0 && said.stderr.contains("storkit up"), "{said:?}");
    assert_eq!(project.read_story("1_story_a"), format!("{asked}That.\n"));
    for args in [&["send", "1", "-m", "x"][..], &["continue", "1", "-m", "x"]] {
        project.storkit(args).expect_code(4);
    }
    let daemon = project.up();
    daemon.wait_stage("1_story_a", "done");
    assert!(prompt(&project, 1).contains("That."));
    daemon.stop();
}

#[test]
fn a_message_is_in_the_next_prompt_once_and_a_story_can_be_continued() {
    let fails = format!("[ -e \"$HOME/go\" ] || exit 3\n{}{WORK}", until("go"));
    let project = TestProject::builder()
        .setting("max_retries = 1\nqa = \"human\"")
        .agent(&AgentSpec::shell("coder-1", &format!("{KEEP}{fails}")))
        .story(Stage::Current, "1_story_a", "a\n")
        .story(Stage::Backlog, "2_story_b", "b\n")
        .story(Stage::Done, "3_story_c", "c\n")
        .build();
    let daemon = project.up();
    daemon.wait_state("1_story_a", State::Blocked);
    project.storkit(&["send", "1", "--from", "2", "-m", "The port is 8080."]).ok();
    project.storkit(&["send", "1", "--from", "9", "-m", "x"]).expect_code(3);
    project.storkit(&["send", "3", "-m", "x"]).expect_code(1);
    project.storkit(&["continue", "3", "-m", "x"]).expect_code(1);
    assert!(project.storkit(&["context", "1"]).ok().contains("The port is 8080."));
    let preview = project.storkit(&["show", "1", "--prompt"]).ok();
    assert!(
        preview.contains("the agent of `2_story_b`") && preview.contains("The port is 8080."),
        "{preview}"
    );
    project.signal_file("go");
    project.storkit(&["continue", "1", "-m", "Once more, with the port."]).ok();
    let second = prompt(&project, 2);
    assert!(second.contains("From a person") && second.contains("Once more, with the port."), "{second}");
    assert!(second.contains("The port is 8080.") && second.contains("blocked: failed once"), "{second}");
    daemon.wait_state("1_story_a", State::Review);
    assert!(!project.read_story("1_story_a").contains("blocked"));
    let refused = project.storkit(&["continue", "1", "-m", "x"]).expect_code(1);
    assert!(refused.stderr.contains("storkit reject"), "{refused:?}");
    project.storkit(&["reject", "1", "-m", "Not yet"]).ok();
    let third = prompt(&project, 3);
    assert!(!third.contains("Once more") && !third.contains("8080"), "{third}");
    assert!(third.contains("qa → current"), "{third}");
    daemon.stop();
}

#[test]
fn a_running_story_is_told_later_and_not_continued() {
    let project = TestProject::builder()
        .agent(&AgentSpec::shell("coder-1", "echo > \"$HOME/begun\"\nexec sleep 1000"))
        .story(Stage::Current, "1_story_a", "a\n")
        .build();
    let daemon = project.up();
    wait_signal(&project, "begun");
    let refused = project.storkit(&["continue", "1", "-m", "x"]).expect_code(1);
    assert!(
        refused.stderr.contains("storkit attach") && refused.stderr.contains("storkit send"),
        "{refused:?}"
    );
    assert!(project.storkit(&["send", "1", "-m", "later"]).stderr.contains("next prompt"));
    // What waits outlives the daemon.
    daemon.stop();
    assert!(project.storkit(&["context", "1", "--json"]).ok().contains("\"later\""));
    assert!(project.storkit(&["show", "1", "--prompt"]).ok().contains("later"));
}

#[test]
fn the_shared_context_is_a_file_that_commands_and_people_edit_and_every_prompt_has() {
    let project = TestProject::builder()
        .agent(&AgentSpec::shell("coder-1", &format!("{KEEP}{WORK}")))
        .story(Stage::Backlog, "1_story_a", "a\n")
        .build();
    let file = project.root().join(".storkit/context.md");
    assert_eq!(project.storkit(&["context"]).ok(), "");
    project.storkit(&["context", "set", "database", "Postgres 17\n## not a heading"]).ok();
    project.storkit(&["context", "set", "api", "moves to src/http"]).ok();
    project.storkit(&["context", "set", "a\nb", "x"]).expect_code(2);
    project.storkit(&["context", "set", "a", ""]).expect_code(2);
    project.storkit(&["context", "set", "a", &"x".repeat(40_000)]).expect_code(1);
    project.storkit(&["context", "unset", "api"]).ok();
    project.storkit(&["context", "unset", "api"]).ok();
    let mut text = std::fs::read_to_string(&file).expect("the file");
    text.push_str("\n## by hand\n\nNobody deploys on Friday.\n");
    std::fs::write(&file, &text).expect("saved");
    let json: serde_json::Value =
        serde_json::from_str(&project.storkit(&["context", "--json"]).ok()).expect("JSON");
    assert_eq!(json["entries"][0]["key"], "database");
    assert_eq!(json["entries"][1]["text"], "Nobody deploys on Friday.");
    let daemon = project.up();
    project.storkit(&["start", "1"]).ok();
    daemon.wait_stage("1_story_a", "done");
    let prompt = prompt(&project, 1);
    assert!(prompt.contains("Postgres 17\n\\## not a heading"), "{prompt}");
    assert!(prompt.contains("Nobody deploys on Friday.") && !prompt.contains("src/http"), "{prompt}");
    daemon.stop();
}

#[test]
fn show_prompt_prints_what_the_agent_gets_and_doctor_finds_mistakes_in_templates() {
    let project = TestProject::builder()
        .agent(&AgentSpec::shell("coder-1", &format!("{KEEP}{WORK}")))
        .story(Stage::Backlog, "1_story_a", "---\nname: A\n---\n{{ agent }} stays as it is\n")
        .build();
    let template = project.root().join(".storkit/prompts/coder.md");
    std::fs::create_dir_all(template.parent().expect("a folder")).expect("made");
    std::fs::write(&template, "{{ story_id }} {{ worktree_path }} {{ attempt }}\n{{ story.body }}\n")
        .expect("saved");
    project.storkit(&["move", "1", "current"]).ok();
    let preview = project.storkit(&["show", "1", "--prompt"]).ok();
    assert!(project.storkit(&["doctor"]).stdout.contains("1 template"));
    let daemon = project.up();
    daemon.wait_stage("1_story_a", "done");
    daemon.stop();
    assert_eq!(preview, prompt(&project, 1));
    let head = format!("1_story_a {} 1\n{{{{ agent }}}} stays", project.worktree("1_story_a").display());
    assert!(preview.starts_with(&head), "{preview}");
    project.storkit(&["show", "1", "--prompt"]).expect_code(1);
    std::fs::write(&template, "ok\n{% if x %}{{ stroy.body }}{% endif %}\n").expect("saved");
    let outcome = project.storkit(&["doctor"]).expect_code(1);
    assert!(
        outcome.stdout.contains(".storkit/prompts/coder.md") && outcome.stdout.contains("no variable"),
        "{outcome:?}"
    );
}
