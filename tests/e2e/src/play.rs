//! What the stories' tests share: a project with one real agent, its model, and what is looked at afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use storkit_core::stage::Stage;
use storkit_testkit::check::{self, Bodies, assert_none};
use storkit_testkit::model::{DUMMY_KEY, ModelServer, Script, Served, Turn};
use storkit_testkit::{
    AgentSpec, CEILING, Daemon, ProjectBuilder, RealAgent, TestProject, poll_each, processes, wait_for,
};

/// The story of most tests. Its word stands in its text and in no file's name: requests of its runs, also of
/// resumed ones, are known by it.
pub(crate) const STORY: &str = "1_story_hello";
/// That word.
pub(crate) const WORD: &str = "cobalt-1";

/// How often files are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// A model behind an API, which storkit's own tool loop asks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ApiAgent {
    /// OpenAI's Chat Completions.
    OpenAi,
    /// The Gemini API.
    Gemini,
}

impl ApiAgent {
    fn spec(self, model: &ModelServer) -> AgentSpec {
        let (runtime, key, place, url) = match self {
            Self::OpenAi => ("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL", format!("{}/v1", model.url())),
            Self::Gemini => ("gemini-api", "GEMINI_API_KEY", "GEMINI_BASE_URL", model.url()),
        };
        let spec = AgentSpec::runtime("coder-1", runtime, Path::new("")).with("model", "scripted");
        spec.env(key, DUMMY_KEY).env(place, &url)
    }
}

/// A project whose only agent is a real one.
pub(crate) struct Play {
    pub model: ModelServer,
    pub project: TestProject,
    from: String,
    bodies: Bodies,
}

impl Play {
    /// One story in `2_current/`, whose runs are said `turns`.
    #[track_caller]
    pub(crate) fn new(agent: RealAgent, turns: Vec<Turn>) -> Self {
        Self::with(agent, turns, |builder| builder, |agent| agent)
    }

    /// The same with more of a project, and more of an agent.
    #[track_caller]
    pub(crate) fn with(
        agent: RealAgent,
        turns: Vec<Turn>,
        build: impl FnOnce(ProjectBuilder) -> ProjectBuilder,
        change: impl FnOnce(AgentSpec) -> AgentSpec,
    ) -> Self {
        let script = turns.into_iter().fold(Script::when(WORD), Script::turn);
        let model = ModelServer::start(vec![script]);
        let spec = change(agent.spec("coder-1", &model));
        let play = Self::made(model, &spec, build);
        agent.prepare(&play.project, &play.model);
        play
    }

    /// The same with a model behind an API.
    #[track_caller]
    pub(crate) fn with_api(
        api: ApiAgent,
        turns: Vec<Turn>,
        build: impl FnOnce(ProjectBuilder) -> ProjectBuilder,
    ) -> Self {
        let script = turns.into_iter().fold(Script::when(WORD), Script::turn);
        let model = ModelServer::start(vec![script]);
        let spec = api.spec(&model);
        Self::made(model, &spec, build)
    }

    /// The same, and the turns are for whoever asks.
    #[track_caller]
    pub(crate) fn answering(api: ApiAgent, turns: Vec<Turn>) -> Self {
        let script = turns.into_iter().fold(Script::new(), Script::turn);
        let model = ModelServer::start(vec![script]);
        let spec = api.spec(&model);
        Self::made(model, &spec, |builder| builder)
    }

    #[track_caller]
    fn made(
        model: ModelServer,
        spec: &AgentSpec,
        build: impl FnOnce(ProjectBuilder) -> ProjectBuilder,
    ) -> Self {
        let text = format!("---\nname: Say hello\n---\nDo what {WORD} says.\n");
        let builder = TestProject::builder().agent(spec).story(Stage::Current, STORY, text);
        let project = build(builder).build();
        let (from, bodies) = (project.base(), check::bodies(&project));
        Self { model, project, from, bodies }
    }

    /// A file in the story's worktree.
    pub(crate) fn in_worktree(&self, name: &str) -> PathBuf {
        self.project.worktree(STORY).join(name)
    }

    /// Waits until a tool of the agent has made that file in the worktree.
    #[track_caller]
    pub(crate) fn wait_file(&self, name: &str) {
        let path = self.in_worktree(name);
        let made = poll_each(LOOK, CEILING, || path.exists().then_some(()));
        assert!(made.is_some(), "no tool made {name}: {:#?}", self.project.status_json());
    }

    /// Waits until the model was asked so often.
    #[track_caller]
    pub(crate) fn wait_requests(&self, count: usize) {
        let asked = || (self.model.turns_of(WORD).len() >= count).then_some(());
        let asked = poll_each(LOOK, CEILING, asked);
        assert!(asked.is_some(), "the model was not asked: {:#?}", self.project.status_json());
    }

    /// The lines of the logs of the story's runs, in the order of the runs.
    fn logs(&self) -> Vec<Vec<Value>> {
        let folder = self.project.root().join(".storkit/logs").join(STORY);
        let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
        let logs = files.filter(|path| path.extension().is_some_and(|kind| kind == "ndjson"));
        let mut runs: Vec<Vec<Value>> = logs
            .map(|path| {
                let text = String::from_utf8_lossy(&fs::read(path).expect("a log")).into_owned();
                text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
            })
            .collect();
        runs.sort_by_key(|lines| lines[0]["number"].as_u64());
        runs
    }

    /// The attempt that each run of the story was, in the order of the runs.
    pub(crate) fn attempts(&self) -> Vec<u64> {
        self.logs().iter().map(|lines| lines[0]["attempt"].as_u64().expect("an attempt")).collect()
    }

    /// What `storkit usage` tells, and what the logs note, is what the model has charged, token for token.
    #[track_caller]
    pub(crate) fn assert_charged(&self) {
        const NAMES: [&str; 4] = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"];
        let served = self.model.served_for(WORD);
        let sum = |tokens: fn(&Served) -> u64| served.values().map(tokens).sum::<u64>();
        let charged = [
            sum(|one| one.input),
            sum(|one| one.output),
            sum(|one| one.cache_read),
            sum(|one| one.cache_write),
        ];

        let logs = self.logs();
        let usages = || logs.iter().flatten().filter(|line| line["ev"] == "usage");
        let noted = NAMES.map(|name| usages().filter_map(|line| line[name].as_u64()).sum::<u64>());
        assert_eq!(noted, charged, "{NAMES:?}: noted in the logs, and charged");

        let text = self.project.storkit(&["usage", "--json"]).ok();
        let report: Value = serde_json::from_str(&text).expect("JSON");
        let told = NAMES.map(|name| report["total"][name].as_u64().expect("a number"));
        assert_eq!(told, charged, "{NAMES:?}: told by storkit usage, and charged\n{text}");
        assert_eq!(report["groups"][0]["key"], STORY);
    }

    /// Waits until the story is done. Looks at files: asking storkit again and again takes the processor from agents.
    #[track_caller]
    pub(crate) fn wait_done(&self, daemon: &Daemon<'_>) {
        let done = || (self.project.stages_of(STORY) == [Stage::Done]).then_some(());
        if poll_each(LOOK, CEILING, done).is_none() {
            daemon.wait_stage(STORY, "done");
        }
    }

    /// Waits until the story asks; its text, in which the question stands. The board knows of it a moment earlier.
    #[track_caller]
    pub(crate) fn wait_question(&self, daemon: &Daemon<'_>) -> String {
        daemon.wait_for("the question to stand in the file", |_| {
            let text = self.project.read_story(STORY);
            text.contains("### Answer").then_some(text)
        })
    }

    /// The words of a file on base.
    #[track_caller]
    pub(crate) fn on_base(&self, name: &str) -> Option<String> {
        let shown = self.project.git().try_run(&["show", &format!("main:{name}")]);
        (shown.code() == 0).then_some(shown.stdout)
    }

    /// The story has landed once, with this file, and every promise holds.
    #[track_caller]
    pub(crate) fn assert_landed(&self, name: &str, text: &str) {
        assert_eq!(self.on_base(name).as_deref(), Some(text), "{:?}", self.said());
        let subjects = self.project.git().lines(&["log", "--format=%s", &format!("{}..main", self.from)]);
        assert_eq!(subjects, ["Say hello"]);
        assert_none(&check::always(&self.project, &self.bodies, &self.from));
        self.assert_quiet();
        assert_eq!(self.model.unused(), BTreeMap::new(), "turns that nobody asked for");
    }

    /// What each request was answered with, for messages.
    fn said(&self) -> Vec<String> {
        self.model.requests().into_iter().map(|request| request.answered).collect()
    }

    /// Nothing of a run is left; the daemon may run.
    #[track_caller]
    pub(crate) fn assert_no_run(&self) {
        wait_for(check::SURVIVES_AT_MOST, "everything of the run to end", || {
            processes::of_test(self.project.top()).iter().all(|process| process.run.is_none()).then_some(())
        });
    }

    /// Nothing that storkit started is left, and no key but the dummy was used.
    #[track_caller]
    pub(crate) fn assert_quiet(&self) {
        assert_none(&check::no_survivors(&self.project));
        assert_eq!(self.model.foreign_keys(), 0);
    }
}

/// A turn that writes a file and commits it.
pub(crate) fn commit(name: &str, text: &str) -> Turn {
    Turn::shell(&format!("echo {text} > {name} && git add {name} && git commit -qm 'Write {name}'"))
        .saying("I will write and commit it.")
}

/// A turn that runs a command which does not end, once it has made the file `started`.
pub(crate) fn endless() -> Turn {
    Turn::shell("touch started && sleep 1000")
}
