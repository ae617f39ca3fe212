//! A night in small: twelve stories, three real agents, limits, a question, crashes and a hopeless story, and nobody
//! there but for one answer.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use storkit_core::snapshot::{State, Status};
use storkit_core::stage::Stage;
use storkit_testkit::check::{self, assert_none};
use storkit_testkit::model::{DUMMY_KEY, ModelServer, Repeat, Script, Served, Turn, Usage};
use storkit_testkit::{CEILING, Daemon, RealAgent, TestProject, poll_each, processes, wait_for};

/// Longest night.
const NIGHT_MAX: Duration = Duration::from_mins(5);
/// How often the board is looked at: rarely, for looking takes the processor from agents.
const LOOK: Duration = Duration::from_millis(500);
/// From the beginning to the moment at which the first limit ends.
const RESET: Duration = Duration::from_secs(25);
const AGENTS: [(&str, RealAgent); 3] =
    [("coder-1", RealAgent::Claude329), ("coder-2", RealAgent::Codex), ("coder-3", RealAgent::Gemini)];
const STORIES: u32 = 12;
/// Waits for a limit that says when it ends.
const LIMITED: u32 = 1;
/// Its agent is killed.
const CRASHED: u32 = 2;
/// The daemon is killed while it runs.
const ORPHANED: u32 = 3;
/// Waits for a limit that does not say when it ends.
const LIMITED_TOO: u32 = 4;
/// Is red at first.
const RED: u32 = 5;
/// Asks a person.
const ASKING: u32 = 6;
/// Is never green.
const HOPELESS: u32 = 7;

fn id(n: u32) -> String {
    format!("{n}_story_night")
}

fn word(n: u32) -> String {
    format!("cobalt-{n}")
}

/// Writes and commits, as often as it takes: a run that is killed does it again. Its output alone proves it done.
fn writes(n: u32, text: &str) -> Turn {
    let proof = format!("printf 'PROOF-%s-%s\\n' {n} {text}");
    let commit = format!("git add n{n}.txt && git commit -qm 'Write n{n}.txt' && {proof}");
    Turn::shell(&format!("echo {text} > n{n}.txt && {commit}"))
        .repeat(Repeat::Forever)
        .unless(&format!("PROOF-{n}-{text}"))
}

/// A tool that does not end, once it has said in the test's home that it runs. Nobody is told what it cost.
fn hangs(n: u32, time: u32) -> Turn {
    Turn::shell(&format!("touch \"$HOME/night-{n}-{time}\" && sleep 1000")).costs(Usage::of(0, 0))
}

fn script(n: u32, reset_s: u64) -> Script {
    let says = |text: &str| Turn::says(text).repeat(Repeat::Forever);
    let before = match n {
        LIMITED => vec![Turn::limit_used_up("five_hour", reset_s).repeat(Repeat::ForMs(1_000))],
        LIMITED_TOO => vec![Turn::status(429).repeat(Repeat::ForMs(3_000))],
        CRASHED => vec![hangs(n, 1), hangs(n, 2)],
        ORPHANED => vec![hangs(n, 1)],
        RED => vec![writes(n, "bad"), Turn::says("The first try is done.")],
        ASKING => {
            let question = "{\"storkit\":\"question\",\"text\":\"Which colour is it to be?\"}";
            vec![says(question).unless("It is to be teal.")]
        }
        HOPELESS => {
            return Script::when(&word(n)).turn(writes(n, "bad")).otherwise(says("I did what I could."));
        }
        _ => Vec::new(),
    };
    let script = before.into_iter().fold(Script::when(&word(n)), Script::turn);
    script.turn(writes(n, "good")).otherwise(says("All done."))
}

fn project(model: &ModelServer) -> TestProject {
    let mut builder = TestProject::builder()
        .setting("max_retries = 3")
        .table("[limits]\nagents = 3")
        .gate("! grep -l bad n*.txt");
    for (name, agent) in AGENTS {
        let mut spec = agent.spec(name, model);
        if agent == RealAgent::Claude329 {
            spec = spec.without_env("ANTHROPIC_API_KEY").env("CLAUDE_CODE_OAUTH_TOKEN", DUMMY_KEY);
        }
        builder = builder.agent(&spec);
    }
    for n in 1..=STORIES {
        let agent = match n {
            LIMITED => "agent: coder-1\npriority: 1\n",
            CRASHED => "agent: coder-2\npriority: 1\n",
            ORPHANED => "agent: coder-3\npriority: 1\n",
            LIMITED_TOO => "agent: coder-2\npriority: 2\n",
            _ => "",
        };
        let text = format!("---\nname: Night {n}\n{agent}---\nDo what {} says.\n", word(n));
        builder = builder.story(Stage::Current, &id(n), text);
    }
    let project = builder.build();
    for (_, agent) in AGENTS {
        agent.prepare(&project, model);
    }
    project
}

/// The story, as the board shows it.
fn state(status: &Status, n: u32) -> Option<State> {
    status.stories.iter().find(|story| story.id == id(n)).map(|story| story.state)
}

/// Kills the agent's own process of the run that a story is in.
fn kill_agent(project: &TestProject) {
    let program = RealAgent::Codex.program().display().to_string();
    let found = processes::of_test(project.top());
    let agent = found.iter().find(|one| one.run.is_some() && one.command.starts_with(&program));
    let agent = agent.unwrap_or_else(|| panic!("no agent runs: {found:#?}"));
    let pid = Pid::from_raw(agent.pid).expect("a process number is not 0");
    kill_process(pid, Signal::KILL).expect("it runs");
}

#[test]
fn the_night_in_small_codex_claude329_gemini() {
    let begun = Instant::now();
    let reset = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock") + RESET;
    let model = ModelServer::start((1..=STORIES).map(|n| script(n, reset.as_secs())).collect());
    let project = project(&model);
    let (from, mut bodies) = (project.base(), check::bodies(&project));
    let talk = "\n## Question 1\n\nWhich colour is it to be?\n\n### Answer\n\nIt is to be teal.\n";
    bodies.entry(id(ASKING)).or_default().insert(format!("Do what {} says.\n{talk}", word(ASKING)));

    let daemon = project.up();
    // Two agents hang, the third one rests: now nothing else is under way.
    wait_for(CEILING, "two agents to be at work", || {
        (project.signalled("night-2-1") && project.signalled("night-3-1")).then_some(())
    });
    daemon.wait_for("the first limit", |status| {
        status.agents.iter().any(|agent| agent.state == "rate_limited").then_some(())
    });
    model.hold();
    daemon.kill9();
    assert_none(&check::no_survivors(&project));
    model.unhold();

    let daemon = project.up();
    wait_for(CEILING, "the killed run to be made up for", || project.signalled("night-2-2").then_some(()));
    kill_agent(&project);
    let answered = rest_of_the_night(&project, &daemon, begun + NIGHT_MAX);
    assert!(answered, "nobody was asked");
    daemon.stop();
    eprintln!("the night took {:?}", begun.elapsed());

    assert_none(&check::always(&project, &bodies, &from));
    assert_none(&check::no_survivors(&project));
    assert_eq!(model.foreign_keys(), 0);
    assert_morning(&project, &from);
    assert_charged(&project, &model);
}

/// Waits until all is done that can be; answers the one question. Whether there was one.
fn rest_of_the_night(project: &TestProject, daemon: &Daemon<'_>, end: Instant) -> bool {
    let mut answered = false;
    let over = poll_each(LOOK, end.saturating_duration_since(Instant::now()), || {
        let status = daemon.status();
        if state(&status, ASKING) == Some(State::Question) && !answered {
            project.storkit(&["answer", &ASKING.to_string(), "-m", "It is to be teal."]).ok();
            answered = true;
        }
        let drained = status.agents.iter().find(|agent| agent.state == "drained");
        assert!(drained.is_none(), "{drained:?}");
        let rests = |n: u32| match state(&status, n) {
            Some(State::Blocked) => {
                assert_eq!(n, HOPELESS, "{status:#?}");
                true
            }
            other => other == Some(State::Done),
        };
        (1..=STORIES).all(rests).then_some(())
    });
    assert!(over.is_some(), "the night does not end: {:#?}", daemon.status());
    answered
}

/// What a person finds: all but the hopeless one on base, each once, and nothing that is red.
fn assert_morning(project: &TestProject, from: &str) {
    assert_eq!(project.stages_of(&id(HOPELESS)), [Stage::Current]);
    assert!(project.read_story(&id(HOPELESS)).contains("blocked: "));
    let git = project.git();
    let subjects = git.lines(&["log", "--format=%s", &format!("{from}..main")]);
    let landed: BTreeSet<String> = subjects.iter().cloned().collect();
    let expected: BTreeSet<String> =
        (1..=STORIES).filter(|n| *n != HOPELESS).map(|n| format!("Night {n}")).collect();
    assert_eq!((landed, subjects.len()), (expected.clone(), expected.len()));
    for n in (1..=STORIES).filter(|n| *n != HOPELESS) {
        assert_eq!(git.run(&["show", &format!("main:n{n}.txt")]).trim(), "good");
    }
    assert_eq!(git.try_run(&["show", &format!("main:n{HOPELESS}.txt")]).code(), 128);
    assert_eq!(git.lines(&["status", "--porcelain", "--untracked-files=no"]), Vec::<String>::new());
}

/// What storkit tells that it cost is what the model has charged.
fn assert_charged(project: &TestProject, model: &ModelServer) {
    let text = project.storkit(&["usage", "--json"]).ok();
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let served = model.served();
    let sum = |tokens: fn(&Served) -> u64| served.values().map(tokens).sum::<u64>();
    let told =
        ["input_tokens", "output_tokens", "cache_read_tokens"].map(|name| report["total"][name].as_u64());
    let charged = [sum(|one| one.input), sum(|one| one.output), sum(|one| one.cache_read)].map(Some);
    assert_eq!(told, charged, "told and charged: {text}");
    let runs = report["total"]["runs"].as_u64().expect("a number");
    // Each story once, and again: the limited ones, the orphaned ones, the crashed one, the red ones, the asking one.
    assert!(runs >= u64::from(STORIES) + 6, "{text}");
}
