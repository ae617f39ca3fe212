//! `storkit agent check` of each real agent: green where all is well, and red with the right words where it is not.

use serde_json::Value;
use storkit_testkit::check::{self, assert_none};
use storkit_testkit::model::{ModelServer, QUOTED, Repeat, Script, Turn};
use storkit_testkit::{AgentSpec, Outcome, RealAgent, TestProject};

/// What the check tells in front of the word that is to be remembered.
const BEFORE_THE_WORD: &str = "The word is ";

/// A project with that agent and a model, and `agent check` in it.
struct Checked {
    project: TestProject,
    model: ModelServer,
}

impl Checked {
    #[track_caller]
    fn new(agent: RealAgent, turns: Vec<Turn>, change: impl FnOnce(AgentSpec) -> AgentSpec) -> Self {
        let script = turns.into_iter().fold(Script::new(), Script::turn);
        let model = ModelServer::start(vec![script]);
        let spec = change(agent.spec("coder-1", &model));
        let project = TestProject::builder().agent(&spec).build();
        agent.prepare(&project, &model);
        Self { project, model }
    }

    /// Runs the check; the state, detail and fix of each step. Nothing is left of it, whatever it found.
    #[track_caller]
    fn run(&self, code: i32) -> Vec<(String, String, String, String)> {
        let base = self.project.base();
        let outcome =
            self.project.storkit(&["agent", "check", "coder-1", "--trust", "--json", "--timeout", "40s"]);
        let outcome = outcome.expect_code(code);
        let report: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
        assert_eq!(report["ok"], code == 0, "{report:#}");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let steps = report["steps"].as_array().expect("steps").iter();
        let steps: Vec<_> = steps
            .map(|step| {
                (text(&step["step"]), text(&step["state"]), text(&step["detail"]), text(&step["fix"]))
            })
            .collect();
        assert_eq!(steps.len(), 9, "{report:#}");
        self.assert_nothing_is_left(&outcome, &base);
        steps
    }

    #[track_caller]
    fn assert_nothing_is_left(&self, outcome: &Outcome, base: &str) {
        let git = self.project.git();
        assert_eq!(self.project.base(), base);
        assert_eq!(git.lines(&["worktree", "list"]).len(), 1, "{outcome:?}");
        assert_eq!(git.lines(&["branch", "--format=%(refname:short)"]), ["main"], "{outcome:?}");
        assert_eq!(git.lines(&["status", "--porcelain"]), Vec::<String>::new(), "{outcome:?}");
        assert_none(&check::no_survivors(&self.project));
        assert_eq!(self.model.foreign_keys(), 0);
    }
}

/// The steps that are not as `state` says.
fn others(steps: &[(String, String, String, String)], state: &str) -> Vec<String> {
    let odd = steps.iter().filter(|step| step.1 != state);
    odd.map(|step| format!("{}: {}: {} → {}", step.0, step.1, step.2, step.3)).collect()
}

/// What a model says to a check that goes well.
pub(crate) fn works() -> Vec<Turn> {
    let write =
        format!("echo {QUOTED} > storkit-check.txt && git add storkit-check.txt && git commit -qm 'A check'");
    vec![
        Turn::shell(&write).saying("I will.").quoting(BEFORE_THE_WORD),
        Turn::says("All done."),
        Turn::says(&format!("The word was {QUOTED}.")).quoting(BEFORE_THE_WORD),
        Turn::shell("sleep 300").repeat(Repeat::Forever),
    ]
}

#[track_caller]
fn is_green(agent: RealAgent) {
    let mut turns = works();
    if agent == RealAgent::GeminiAcp {
        // It keeps no session that the protocol could load: so it is not asked.
        turns.remove(2);
    }
    let checked = Checked::new(agent, turns, |spec| spec);
    let steps = checked.run(0);
    let odd = others(&steps, "good");
    if agent == RealAgent::GeminiAcp {
        assert!(odd.len() <= 1 && odd.iter().all(|step| step.starts_with("resumes: odd")), "{odd:#?}");
    } else {
        assert_eq!(odd, Vec::<String>::new(), "{steps:#?}");
    }
}

/// Nothing lets it in: it says so, and how it could be let in.
#[track_caller]
fn is_red_without_a_key(agent: RealAgent, variable: &str) {
    let checked = Checked::new(agent, works(), |spec| spec.without_env(variable));
    let steps = checked.run(1);
    let red: Vec<_> = steps.iter().filter(|step| step.1 == "bad").collect();
    let [answers] = red[..] else { panic!("{steps:#?}") };
    assert!(answers.0 == "answers" && answers.2.contains("cannot log in"), "{steps:#?}");
    assert!(answers.3.contains("env_pass") && answers.3.contains("coder-1"), "{steps:#?}");
}

/// A key that is refused.
#[track_caller]
fn is_red_with_a_wrong_key(agent: RealAgent, variable: &str) {
    let checked = Checked::new(agent, vec![Turn::status(401).repeat(Repeat::Forever)], |spec| spec);
    let steps = checked.run(1);
    let red: Vec<_> = steps.iter().filter(|step| step.1 == "bad").collect();
    let [answers] = red[..] else { panic!("{steps:#?}") };
    assert!(answers.0 == "answers" && answers.2.contains("cannot log in"), "{steps:#?}");
    assert!(answers.3.starts_with(&format!("put a key into {variable}")), "{steps:#?}");
}

#[track_caller]
fn is_red_without_a_program(agent: RealAgent, install: &str) {
    let name = agent.program();
    let name = name.file_name().expect("a name").to_string_lossy().into_owned();
    let missing = |spec: AgentSpec| spec.with("command", format!("/nowhere/{name}"));
    let checked = Checked::new(agent, Vec::new(), missing);
    let steps = checked.run(1);
    assert!(steps[0].1 == "bad" && steps[0].2.contains("there is no program /nowhere/"), "{steps:#?}");
    assert!(steps[0].3.starts_with(install), "{steps:#?}");
    assert_eq!(others(&steps[1..], "not_reached"), Vec::<String>::new());
    assert_eq!(checked.model.requests().len(), 0);
    let doctor = checked.project.storkit(&["doctor"]).expect_code(1).stdout;
    assert!(doctor.contains(install), "{doctor}");
}

macro_rules! checks {
    ($($agent:ident $variable:literal $install:literal: $green:ident $keyless:ident $refused:ident $missing:ident;)*) => {
        $(
            #[test]
            fn $green() { is_green(RealAgent::$agent); }
            #[test]
            fn $keyless() { is_red_without_a_key(RealAgent::$agent, $variable); }
            #[test]
            fn $refused() { is_red_with_a_wrong_key(RealAgent::$agent, $variable); }
            #[test]
            fn $missing() { is_red_without_a_program(RealAgent::$agent, $install); }
        )*
    };
}

checks! {
    Claude197 "ANTHROPIC_API_KEY" "npm install -g @anthropic-ai/claude-code": check_is_green_claude197
        check_without_a_key_claude197 check_of_a_wrong_key_claude197 check_without_a_program_claude197;
    Claude329 "ANTHROPIC_API_KEY" "npm install -g @anthropic-ai/claude-code": check_is_green_claude329
        check_without_a_key_claude329 check_of_a_wrong_key_claude329 check_without_a_program_claude329;
    Codex "SCRIPTED_MODEL_KEY" "npm install -g @openai/codex": check_is_green_codex
        check_without_a_key_codex check_of_a_wrong_key_codex check_without_a_program_codex;
    Gemini "GEMINI_API_KEY" "npm install -g @google/gemini-cli": check_is_green_gemini
        check_without_a_key_gemini check_of_a_wrong_key_gemini check_without_a_program_gemini;
    ClaudeAcp "ANTHROPIC_API_KEY" "npm install -g @zed-industries/claude-agent-acp": check_is_green_claude_acp
        check_without_a_key_claude_acp check_of_a_wrong_key_claude_acp check_without_a_program_claude_acp;
    CodexAcp "SCRIPTED_MODEL_KEY" "npm install -g @zed-industries/codex-acp": check_is_green_codex_acp
        check_without_a_key_codex_acp check_of_a_wrong_key_codex_acp check_without_a_program_codex_acp;
    GeminiAcp "GEMINI_API_KEY" "npm install -g @google/gemini-cli": check_is_green_gemini_acp
        check_without_a_key_gemini_acp check_of_a_wrong_key_gemini_acp check_without_a_program_gemini_acp;
}
