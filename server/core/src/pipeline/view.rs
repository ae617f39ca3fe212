//! The snapshot: what the board looks like to people, as of the last event.

use super::Pipeline;
use super::track::{Track, Work};
use crate::board::{Named, Placement, id_of};
use crate::config::Agent;
use crate::ids::StoryId;
use crate::sighting::FileKey;
use crate::snapshot::{AgentView, Condition, DaemonView, ProblemView, State, Status, StoryView, Why};
use crate::stage::Stage;
use crate::story::{Kind, Problem, Story, StoryRef};

/// What the shell knows and the pipeline does not, for a snapshot.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The project's name.
    pub project: String,
    /// The main checkout, absolute.
    pub root: String,
    /// The branch that stories land on.
    pub base_branch: String,
    /// How runs are confined.
    pub sandbox: String,
    /// The daemon, where one runs.
    pub daemon: Option<DaemonView>,
    /// Problems that the shell found.
    pub problems: Vec<Problem>,
}

impl Pipeline {
    /// `status --json`; archived stories only with `all`.
    pub fn status(&self, around: &Surroundings, all: bool) -> Status {
        let mut stories = Vec::new();
        let mut order: Vec<(&FileKey, StoryId)> =
            self.board.files().filter_map(|(key, _)| Some((key, id_of(key)?))).collect();
        order.sort_by_cached_key(|(key, id)| {
            let priority = self.readable(key).map_or(3, |story| story.priority);
            (key.stage, priority, id.number().unwrap_or(u64::MAX), id.clone())
        });
        for (key, id) in order {
            if all || key.stage != Stage::Archived {
                stories.push(self.story_view(key, &id));
            }
        }
        Status {
            project: around.project.clone(),
            root: around.root.clone(),
            base_branch: around.base_branch.clone(),
            paused: self.pause.as_ref().map(|pause| pause.why.clone()),
            sandbox: around.sandbox.clone(),
            daemon: around.daemon.clone(),
            stories,
            agents: self.config.agents.iter().map(|agent| self.agent_view(agent)).collect(),
            gates: self.config.gates.iter().map(|gate| gate.name.clone()).collect(),
            problems: self.problems(around),
        }
    }

    fn readable(&self, key: &FileKey) -> Option<&Story> {
        self.board.content(key)?.as_ref().as_ref().ok()
    }

    fn story_view(&self, key: &FileKey, id: &StoryId) -> StoryView {
        let story = self.readable(key);
        let nobody = Track::default();
        let track = self.tracks.get(id).unwrap_or(&nobody);
        let memory = &track.memory;
        let run = track.work.run();
        let state = self.state_of(id).unwrap_or(State::Problem);
        let names = |name: &StoryRef| match self.board.named(name) {
            Named::One(id) => id.to_string(),
            _ => name.to_string(),
        };
        StoryView {
            id: id.to_string(),
            number: id.number(),
            name: story.map_or_else(|| id.words(), |story| story.name.clone()),
            kind: story.map_or_else(|| Kind::of_id(id), |story| story.kind).name().to_owned(),
            epic: story.and_then(|story| story.epic.as_ref()).map(|epic| names(&epic.value)),
            stage: key.stage.name().to_owned(),
            path: key.path(),
            priority: story.map_or(3, |story| story.priority),
            depends_on: story
                .map(|story| story.depends_on.iter().map(|name| names(&name.value)).collect())
                .unwrap_or_default(),
            labels: story.map(|story| story.labels.clone()).unwrap_or_default(),
            qa: story.map_or(self.config.qa, |story| self.qa_of(story)).name().to_owned(),
            state,
            reason: self.reason(id, state),
            agent: run.map(|run| &run.agent).or(memory.agent.as_ref()).map(ToString::to_string),
            run: run.map(|run| run.id).or(memory.run).map(|run| run.to_string()),
            attempt: if memory.runs == 0 { 0 } else { memory.failures + 1 },
            since: track.shown.map(|(_, since)| since.rfc3339()),
            entered: (memory.stage == Some(key.stage)).then(|| memory.entered.rfc3339()),
            branch: track.branch.then(|| id.branch()),
            worktree: track.worktree.clone(),
            cost_usd: memory.cost_usd,
        }
    }

    fn reason(&self, id: &StoryId, state: State) -> Option<String> {
        let conditions = self.conditions(id);
        let moving = matches!(state, State::Preparing | State::Running | State::Gating | State::Merging);
        if moving && !self.tracks.get(id).is_some_and(|track| track.abandoned) {
            return None;
        }
        conditions.into_iter().next().map(|condition| condition.detail)
    }

    /// What a story is doing; none where there is no such story.
    pub fn state_of(&self, id: &StoryId) -> Option<State> {
        if self.has_problem(id) {
            return Some(State::Problem);
        }
        let stage = match self.board.placement(id) {
            Placement::Absent => return None,
            Placement::One(key) => key.stage,
            Placement::Many(_) => return Some(State::Waiting),
        };
        if stage.is_closed() {
            return Some(State::Done);
        }
        let nobody = Track::default();
        let track = self.tracks.get(id).unwrap_or(&nobody);
        let story = self.story(id)?;
        if story.kind == Kind::Epic {
            return Some(State::Idle);
        }
        if story.blocked.is_some() {
            return Some(State::Blocked);
        }
        if Self::question_is_open(story, track) {
            return Some(State::Question);
        }
        if story.hold.is_some() {
            return Some(State::Held);
        }
        Some(match stage {
            Stage::Backlog if self.waits_for(id).is_empty() => State::Idle,
            Stage::Current => current_state(track),
            Stage::Qa if self.waits_for_review(story, track) && track.work.run().is_none() => State::Review,
            Stage::Qa if Self::is_running(track) => State::Running,
            Stage::Merge if track.work.is_landing() || track.work.run().is_some() => State::Merging,
            Stage::Merge if matches!(track.work, Work::Moving(_, Stage::Done)) => State::Merging,
            Stage::Backlog | Stage::Qa | Stage::Merge => State::Waiting,
            Stage::Done | Stage::Archived => State::Done,
        })
    }

    fn agent_view(&self, agent: &Agent) -> AgentView {
        let stories: Vec<String> = self
            .tracks
            .iter()
            .filter(|(_, track)| track.work.run().is_some_and(|run| run.agent == agent.name))
            .map(|(id, _)| id.to_string())
            .collect();
        let drain = self.drained.get(&agent.name);
        let limit = self.limit_of(agent);
        let state = match (drain, limit, stories.is_empty()) {
            (Some(_), ..) => "drained",
            (None, Some(_), _) => "rate_limited",
            (None, None, false) => "busy",
            (None, None, true) => "idle",
        };
        AgentView {
            name: agent.name.to_string(),
            stage: agent.role.name().to_owned(),
            runtime: agent.runtime.name().to_owned(),
            state: state.to_owned(),
            reason: drain.map(|drain| drain.why.clone()).or(limit.map(|(why, _)| why.to_owned())),
            stories,
            until: limit.map(|(_, until)| until.rfc3339()).filter(|_| drain.is_none()),
        }
    }

    fn problems(&self, around: &Surroundings) -> Vec<ProblemView> {
        let of_files = self.board.files().filter_map(|(_, what)| what.as_ref().as_ref().err()).cloned();
        let of_stories =
            self.tracks.keys().filter(|id| self.has_problem(id)).flat_map(|id| self.story_problems(id));
        let all = around
            .problems
            .iter()
            .chain(&self.config_problems)
            .chain(&self.board_problems)
            .cloned()
            .chain(self.moved_by_git())
            .chain(of_files)
            .chain(of_stories);
        all.map(view_of).collect()
    }

    /// What `resume` would follow, while storkit is paused because git changed the board.
    fn moved_by_git(&self) -> Vec<Problem> {
        if !self.git_paused() {
            return Vec::new();
        }
        let moved = self.tracks.iter().filter_map(|(id, track)| {
            let from = track.memory.stage?;
            let to = self.board.stage(id);
            let ends = if track.work.run().is_some() { "; its run would end" } else { "" };
            let words = to.map_or("took it away".to_owned(), |to| format!("moved it to {to}"));
            (to != Some(from)).then(|| {
                let path = FileKey { stage: to.unwrap_or(from), name: id.file_name().into() }.path();
                let message = format!("git {words}; it was in {from}{ends}");
                Problem::of_file(path, message, "`storkit resume` follows, `storkit restore` brings it back")
            })
        });
        moved.collect()
    }

    /// Problems of stories whose files can be read: two places, names that name nothing.
    fn story_problems(&self, id: &StoryId) -> Vec<Problem> {
        let path = match self.board.placement(id) {
            Placement::One(key) if self.readable(key).is_none() => return Vec::new(),
            Placement::One(key) => key.path(),
            // Two spellings of one id have one problem.
            Placement::Many(places) => match places.first() {
                Some(first) if id_of(first).as_ref() == Some(id) => first.path(),
                _ => return Vec::new(),
            },
            Placement::Absent => return Vec::new(),
        };
        let problem = |condition: Condition| Problem {
            path: condition.path.unwrap_or_else(|| path.clone()),
            line: condition.line,
            column: None,
            message: condition.detail,
            hint: condition.hint,
        };
        self.file_problems(id).into_iter().map(problem).collect()
    }

    /// `why --json`.
    pub fn why(&self, id: &StoryId) -> Option<Why> {
        let state = self.state_of(id)?;
        let mut conditions = self.conditions(id);
        if conditions.is_empty() && state == State::Idle {
            conditions.push(super::conditions::in_backlog(id));
        }
        Some(Why { id: id.to_string(), state, conditions })
    }
}

fn current_state(track: &Track) -> State {
    if track.abandoned {
        return State::Waiting;
    }
    match track.work {
        Work::Preparing(..) => State::Preparing,
        Work::Running(..) => State::Running,
        Work::Gating(_) => State::Gating,
        _ => State::Waiting,
    }
}

fn view_of(problem: Problem) -> ProblemView {
    ProblemView {
        path: problem.path,
        line: problem.line,
        column: problem.column,
        message: problem.message,
        hint: problem.hint,
    }
}
