//! Each agent by itself: that it is installed, finds the scripted model, works, and resumes.

use serde_json::Value;
use storkit_testkit::command::run;
use storkit_testkit::model::{ModelServer, Request, Script, Served, Turn};
use storkit_testkit::real::Session;
use storkit_testkit::{Outcome, RealAgent, TestProject};

/// Writes a file, commits it, says so.
fn commits(project: &TestProject, marker: &str, name: &str) -> Script {
    let path = project.root().join(name);
    Script::when(marker)
        .turn(Turn::write(&path.to_string_lossy(), "hello\n").saying("I will create the file."))
        .turn(Turn::shell(&format!("git add -A && git commit -qm 'Add {name}' && git log --oneline")))
        .turn(Turn::says("All done."))
}

/// The id of the session, as the agent told it.
fn session_of(outcome: &Outcome) -> String {
    let objects = outcome.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut ids = objects.filter_map(|object| {
        let id = ["session_id", "thread_id"].iter().find_map(|key| object[*key].as_str());
        id.map(str::to_owned)
    });
    ids.next().unwrap_or_else(|| panic!("no session is named\n{outcome:?}"))
}

fn log(project: &TestProject) -> Vec<String> {
    project.git().lines(&["log", "--format=%s"])
}

/// Commits in a session, resumes it with a second prompt, commits again.
#[track_caller]
fn commits_and_resumes(agent: RealAgent) {
    let project = TestProject::builder().build();
    let scripts = vec![commits(&project, "cobalt-2", "two.txt"), commits(&project, "cobalt-1", "one.txt")];
    let model = ModelServer::start(scripts);
    let ask = |session, prompt| run(&mut agent.prompted(&project, &model, session, prompt));

    let first = ask(Session::New, "Do what cobalt-1 says.").expect_code(0);
    assert_eq!(log(&project), ["Add one.txt", "Begin"], "{first:?}");
    let session = session_of(&first);
    let second = ask(Session::Resume(&session), "Now do what cobalt-2 says.").expect_code(0);
    assert_eq!(session_of(&second), session);
    assert_eq!(log(&project), ["Add two.txt", "Add one.txt", "Begin"], "{second:?}");

    let remembers = |request: &Request| request.says("cobalt-1") && request.says("All done.");
    let turns = model.turns_of("cobalt-2");
    assert!(turns.len() == 3 && turns.iter().all(remembers), "what went before is told again");
    let work = |served: Served| (served.answers, served.input - 1000 * served.aux_answers);
    let served = model.served_for("cobalt-1");
    assert_eq!(
        served.into_values().map(work).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1)),
        (3, 3000)
    );
    assert_eq!((model.unused().len(), model.foreign_keys()), (0, 0));
}

#[test]
fn it_commits_and_resumes_claude197() {
    commits_and_resumes(RealAgent::Claude197);
}

#[test]
fn it_commits_and_resumes_claude329() {
    commits_and_resumes(RealAgent::Claude329);
}

#[test]
fn it_commits_and_resumes_codex() {
    commits_and_resumes(RealAgent::Codex);
}

#[test]
fn it_commits_and_resumes_gemini() {
    commits_and_resumes(RealAgent::Gemini);
}

/// Errors that last: it ends by itself, with the status that is known of it, and has committed nothing.
#[track_caller]
fn fails(agent: RealAgent, turn: Turn, code: i32, says: &str) {
    use storkit_testkit::model::Repeat;
    let project = TestProject::builder().build();
    let model = ModelServer::start(vec![Script::new().turn(turn.repeat(Repeat::Forever))]);
    let outcome = run(&mut agent.prompted(&project, &model, Session::New, "Go.")).expect_code(code);
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(said.contains(says), "{outcome:?}");
    assert_eq!(log(&project), ["Begin"]);
    assert_eq!(model.served().values().map(|one| one.answers).sum::<u64>(), 0);
}

#[test]
fn a_rate_limit_is_told_claude197() {
    fails(RealAgent::Claude197, Turn::rate_limited(1), 1, "\"api_error_status\":429");
}

#[test]
fn a_rate_limit_is_told_claude329() {
    fails(RealAgent::Claude329, Turn::rate_limited(1), 1, "\"api_error_status\":429");
}

#[test]
fn a_rate_limit_is_told_codex() {
    fails(RealAgent::Codex, Turn::rate_limited(1), 1, "429 Too Many Requests");
}

#[test]
fn a_refused_key_is_told_gemini() {
    fails(RealAgent::Gemini, Turn::status(401), 145, "\"status\":\"error\"");
}
