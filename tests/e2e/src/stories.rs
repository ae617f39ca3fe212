//! Stories that storkit builds with each real agent: from a file to a merged commit, and what may come between.

use std::time::{Duration, SystemTime};

use storkit_core::snapshot::State;
use storkit_core::stage::Stage;
use storkit_testkit::model::{DUMMY_KEY, Hang, Repeat, Turn, Usage};
use storkit_testkit::{AgentSpec, ProjectBuilder, RealAgent};

use crate::play::{Play, STORY, WORD, commit, endless};

/// Each test for each agent that is a command line of its own.
macro_rules! for_each_agent {
    ($($scenario:ident: $claude197:ident $claude329:ident $codex:ident $gemini:ident;)*) => {
        $(
            #[test]
            fn $claude197() { $scenario(RealAgent::Claude197); }
            #[test]
            fn $claude329() { $scenario(RealAgent::Claude329); }
            #[test]
            fn $codex() { $scenario(RealAgent::Codex); }
            #[test]
            fn $gemini() { $scenario(RealAgent::Gemini); }
        )*
    };
}

for_each_agent! {
    a_story_is_merged: a_story_is_merged_claude197 a_story_is_merged_claude329 a_story_is_merged_codex
        a_story_is_merged_gemini;
    a_red_gate: a_red_gate_claude197
        a_red_gate_claude329 a_red_gate_codex
        a_red_gate_gemini;
    a_crash_of_the_daemon: a_crash_of_the_daemon_claude197 a_crash_of_the_daemon_claude329
        a_crash_of_the_daemon_codex a_crash_of_the_daemon_gemini;
    a_stop: a_stop_claude197 a_stop_claude329 a_stop_codex a_stop_gemini;
    a_refused_tool: a_refused_tool_claude197 a_refused_tool_claude329 a_refused_tool_codex
        a_refused_tool_gemini;
    a_time_limit: a_time_limit_claude197 a_time_limit_claude329 a_time_limit_codex a_time_limit_gemini;
    a_long_prompt: a_long_prompt_claude197 a_long_prompt_claude329 a_long_prompt_codex a_long_prompt_gemini;
    a_refused_key: a_refused_key_claude197 a_refused_key_claude329 a_refused_key_codex a_refused_key_gemini;
}

pub(crate) fn a_story_is_merged(agent: RealAgent) {
    let summary = "Said it.\n{\"storkit\":\"summary\",\"text\":\"It says hello now.\"}";
    let cached = Usage { input: 300, output: 40, cache_read: 700, cache_write: 0 };
    let looks = Turn::shell("git log --oneline").costs(cached);
    let turns = vec![commit("hello.txt", "hello"), looks, Turn::says(summary).costs(Usage::of(123, 45))];
    let play = Play::with(agent, turns, |builder| builder.gate("grep -q hello hello.txt"), |spec| spec);
    let daemon = play.project.up();
    play.wait_done(&daemon);
    assert_eq!((play.attempts(), play.model.turns_of(WORD).len()), (vec![1], 3));
    daemon.stop();
    play.assert_landed("hello.txt", "hello\n");
    play.assert_charged();
    let body = play.project.git().run(&["log", "-1", "--format=%b", "main"]);
    assert!(body.starts_with("It says hello now."), "{body}");
}

pub(crate) fn a_red_gate(agent: RealAgent) {
    red_gate(|turns, build| Play::with(agent, turns, build, |spec| spec));
}

/// The next attempt goes on in the session, and is told what the gate said.
#[track_caller]
pub(crate) fn red_gate(play: impl FnOnce(Vec<Turn>, fn(ProjectBuilder) -> ProjectBuilder) -> Play) {
    const GATE: &str = "grep hello hello.txt || { echo NO-$((40 + 2))-GREETING; exit 1; }";
    let turns = vec![
        commit("hello.txt", "howdy"),
        Turn::says("The first try is done."),
        commit("hello.txt", "hello"),
        Turn::says("The second try is done."),
    ];
    let play = play(turns, |builder| builder.gate(GATE));
    let daemon = play.project.up();
    play.wait_done(&daemon);
    assert_eq!(play.attempts(), [1, 2]);
    daemon.stop();
    play.assert_landed("hello.txt", "hello\n");
    let turns = play.model.turns_of(WORD);
    assert!(!turns[1].says("NO-42-GREETING"));
    for turn in &turns[2..] {
        assert!(turn.says("NO-42-GREETING"), "the gate's output is told");
        assert!(turn.says("The first try is done."), "the session goes on");
    }
}

fn a_crash_of_the_daemon(agent: RealAgent) {
    let turns = vec![endless(), commit("hello.txt", "hello"), Turn::says("All done.")];
    let play = Play::new(agent, turns);
    let daemon = play.project.up();
    play.wait_file("started");
    play.model.hold();
    daemon.kill9();
    play.assert_quiet();
    play.model.unhold();
    let daemon = play.project.up();
    play.wait_done(&daemon);
    assert_eq!(play.attempts(), [1, 1], "a crash costs nothing");
    daemon.stop();
    play.assert_landed("hello.txt", "hello\n");
}

pub(crate) fn a_stop(agent: RealAgent) {
    let turns = vec![endless(), commit("hello.txt", "hello"), Turn::says("All done.")];
    let play = Play::new(agent, turns);
    let daemon = play.project.up();
    play.wait_file("started");
    play.model.hold();
    play.project.storkit(&["stop", "1"]).ok();
    daemon.wait_state(STORY, State::Held);
    play.assert_no_run();
    play.model.unhold();
    play.project.storkit(&["start", "1"]).ok();
    play.wait_done(&daemon);
    assert_eq!(play.attempts(), [1, 1], "a stop costs nothing");
    daemon.stop();
    play.assert_landed("hello.txt", "hello\n");
}

fn a_time_limit(agent: RealAgent) {
    let hanging = Turn::says("Hm.").hang(Hang::UntilReleased);
    let turns = vec![hanging, commit("hello.txt", "hello"), Turn::says("All done.")];
    let limited = |spec: AgentSpec| spec.with("timeout", "10s");
    let play = Play::with(agent, turns, |builder| builder.setting("max_retries = 9"), limited);
    let daemon = play.project.up();
    play.wait_requests(1);
    play.project.configure(|text| text.replace("\"10s\"", "\"1h\""));
    play.wait_done(&daemon);
    // On a busy machine a first run may end before it has asked the model anything.
    let attempts = play.attempts();
    assert!(attempts.len() >= 2 && attempts.iter().copied().eq(1..=attempts.len() as u64), "{attempts:?}");
    daemon.stop();
    play.assert_landed("hello.txt", "hello\n");
}

/// It may not run commands, and nobody is there to ask: nothing lands, and the story says why it stands.
fn a_refused_tool(agent: RealAgent) {
    let (args, state): (&[&str], State) = match agent {
        RealAgent::Codex => (&["--sandbox", "read-only"], State::Blocked),
        // What needs leave is not even offered.
        RealAgent::Gemini => (&["--approval-mode", "default"], State::Blocked),
        _ => (&["--permission-mode", "default"], State::Question),
    };
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let turns = vec![commit("hello.txt", "hello"), Turn::says("I could not.")];
    let once = |builder: ProjectBuilder| builder.setting("max_retries = 1");
    let play = Play::with(agent, turns, once, |spec| spec.with("args", args));
    let daemon = play.project.up();
    let story =
        daemon.wait_story(STORY, "stands", |story| matches!(story.state, State::Blocked | State::Question));
    assert_eq!(story.state, state, "{story:?}");
    let (said, word) = match state {
        State::Question => (play.wait_question(&daemon), "Bash"),
        _ => (story.reason.clone().unwrap_or_default(), "nothing was done"),
    };
    assert!(said.contains(word), "{said}");
    daemon.stop();
    play.assert_quiet();
    assert_eq!(play.on_base("hello.txt"), None);
}

/// It asks before it runs a command; a person allows it in the story, and the session goes on to a commit on base.
pub(crate) fn a_tool_that_is_asked_for(agent: RealAgent, refused: Vec<Turn>) {
    let done = [commit("hello.txt", "hello"), Turn::says("All done.")];
    let turns = refused.into_iter().chain(done).collect();
    let play = Play::with(agent, turns, |builder| builder, |spec| spec.with("permissions", "ask"));
    let daemon = play.project.up();
    let text = play.wait_question(&daemon);
    assert!(text.contains("Bash") && text.contains("`allow`"), "{text}");
    assert_eq!(play.on_base("hello.txt"), None);
    play.project.storkit(&["answer", "1", "-m", "allow"]).ok();
    play.wait_done(&daemon);
    assert_eq!(play.attempts(), [1, 1], "a question costs nothing");
    daemon.stop();
    play.assert_quiet();
    assert_eq!(play.on_base("hello.txt").as_deref(), Some("hello\n"));
    assert!(play.model.turns_of(WORD).last().is_some_and(|turn| turn.says("allow")), "the session goes on");
}

#[test]
fn a_tool_that_is_asked_for_claude197() {
    let refused = vec![commit("hello.txt", "no"), Turn::says("I may not.")];
    a_tool_that_is_asked_for(RealAgent::Claude197, refused);
}

#[test]
fn a_tool_that_is_asked_for_claude329() {
    let refused = vec![commit("hello.txt", "no"), Turn::says("I may not.")];
    a_tool_that_is_asked_for(RealAgent::Claude329, refused);
}

/// A prompt that no argument takes gets there all the same.
fn a_long_prompt(agent: RealAgent) {
    let turns = vec![commit("hello.txt", "hello"), Turn::says("All done.")];
    let play = Play::with(agent, turns, |builder| builder, |spec| spec);
    let filler = "A line that does not matter at all.\n".repeat(5_000);
    let story = format!("{}{filler}The last word is madder-2.\n", play.project.read_story(STORY));
    play.project.save_story(Stage::Current, STORY, story);
    let daemon = play.project.up();
    play.wait_done(&daemon);
    daemon.stop();
    assert!(play.model.turns_of(WORD).iter().all(|turn| turn.says("madder-2")));
    assert_eq!(play.on_base("hello.txt").as_deref(), Some("hello\n"));
}

/// A key that is refused is nobody's failure: the agent is drained and says why, and the story waits.
fn a_refused_key(agent: RealAgent) {
    let play =
        Play::with(agent, vec![Turn::status(401).repeat(Repeat::Forever)], |builder| builder, |spec| spec);
    let daemon = play.project.up();
    let drained = daemon.wait_for("the agent to be drained", |status| {
        status.agents.iter().find(|agent| agent.state == "drained").cloned()
    });
    assert!(drained.reason.as_ref().is_some_and(|why| why.contains("cannot log in")), "{drained:?}");
    assert_eq!(daemon.wait_state(STORY, State::Waiting).attempt, 1, "it is no failure");
    daemon.stop();
    play.assert_quiet();
}

/// A subscriber's limit is used up, and it is said until when: the story waits so long and goes on by itself.
fn a_limit_with_a_reset(agent: RealAgent) {
    const WAIT: Duration = Duration::from_secs(12);
    /// A reset is told in whole seconds.
    const SECOND: Duration = Duration::from_secs(1);
    let reset = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock") + WAIT;
    // Over before the reset, whenever the first request comes: who waits until the reset is let in.
    let limited = Turn::limit_used_up("five_hour", reset.as_secs()).repeat(Repeat::ForMs(1_000));
    let turns = vec![limited, commit("hello.txt", "hello"), Turn::says("All done.")];
    let subscriber =
        |spec: AgentSpec| spec.without_env("ANTHROPIC_API_KEY").env("CLAUDE_CODE_OAUTH_TOKEN", DUMMY_KEY);
    let play = Play::with(agent, turns, |builder| builder, subscriber);
    let daemon = play.project.up();
    daemon.wait_story(STORY, "waits for the reset", |story| {
        story.state == State::Waiting && story.reason.is_some() && play.attempts().len() == 1
    });
    play.wait_done(&daemon);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock");
    assert!(now + SECOND >= reset, "it was tried again before the reset");
    assert_eq!(play.attempts(), [1, 1], "a limit is no failure");
    daemon.stop();
    play.assert_landed("hello.txt", "hello\n");
}

#[test]
fn a_limit_with_a_reset_claude197() {
    a_limit_with_a_reset(RealAgent::Claude197);
}

#[test]
fn a_limit_with_a_reset_claude329() {
    a_limit_with_a_reset(RealAgent::Claude329);
}
