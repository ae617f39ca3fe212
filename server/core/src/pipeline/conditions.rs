//! Conditions: everything that keeps a story from moving. The pipeline asks whether there is one; `why` shows them all.

use super::Pipeline;
use super::SETTLE_MS;
use super::track::{Track, Work};
use crate::board::{Named, Placement};
use crate::config::{Role, SandboxMode};
use crate::ids::StoryId;
use crate::memory::Step;
use crate::snapshot::Condition;
use crate::stage::Stage;
use crate::story::{Kind, Place, Story};
use crate::time::words;

pub(super) fn condition(what: &str, detail: impl Into<String>, hint: impl Into<String>) -> Condition {
    let hint = Some(hint.into()).filter(|hint| !hint.is_empty());
    Condition { what: what.to_owned(), detail: detail.into(), hint, ..Condition::default() }
}

/// What there is to say of a story that lies in the backlog.
pub(super) fn in_backlog(id: &StoryId) -> Condition {
    condition(
        "stage",
        "it is in the backlog, where nothing is done for a story",
        format!("`storkit start {id}`"),
    )
}

/// A condition that a key of the story's file makes.
fn keyed(story: &Story, key: &str, value: String, place: Place, base: Condition) -> Condition {
    let path = format!(".storkit/work/{}/{}", story.stage.folder(), story.id.file_name());
    Condition {
        path: Some(path),
        line: Some(place.line),
        key: Some(key.to_owned()),
        value: Some(value),
        ..base
    }
}

impl Pipeline {
    /// What keeps a story from going on, whatever it needs next. Empty: nothing does.
    pub(super) fn obstacles(&self, id: &StoryId) -> Vec<Condition> {
        let mut found = self.file_problems(id);
        let Some(story) = self.story(id) else { return found };
        let Some(track) = self.tracks.get(id) else { return found };
        Self::own_keys(story, track, &mut found);
        if self.offline
            && matches!(story.stage, Stage::Current | Stage::Qa | Stage::Merge)
            && !self.waits_for_review(story, track)
        {
            found.push(condition("daemon", super::offline::NO_DAEMON, "`storkit up` starts it"));
        }
        if let Some(pause) = &self.pause {
            found.push(condition(
                "paused",
                format!("paused: {}", pause.why),
                "`storkit resume` lets work go on",
            ));
        }
        if self.stopping.is_some() {
            found.push(condition("daemon", "storkit is ending", "`storkit up` starts it again"));
        }
        self.waits(track, &mut found);
        if self.needs_agent(story, track) {
            found.extend(self.spent_budgets(track, 0.0));
        }
        self.limits(&mut found);
        found
    }

    /// The keys of the file that stop a story.
    fn own_keys(story: &Story, track: &Track, found: &mut Vec<Condition>) {
        if let Some(blocked) = &story.blocked {
            let base = condition(
                "blocked",
                blocked.value.clone(),
                "mend the cause, then `storkit unblock` or `storkit retry`",
            );
            found.push(keyed(story, "blocked", blocked.value.clone(), blocked.place, base));
        }
        if let Some(question) = story.question.as_ref().filter(|_| Self::question_is_open(story, track)) {
            let detail = format!("question {} waits for an answer", question.value);
            let base = condition(
                "question",
                detail,
                format!("write below `### Answer` in the file, or `storkit answer {} -m …`", story.id),
            );
            found.push(keyed(story, "question", question.value.to_string(), question.place, base));
        }
        if let Some(hold) = &story.hold {
            let why = hold.value.why.clone();
            let detail = why.as_ref().map_or("held".to_owned(), |why| format!("held: {why}"));
            let base = condition("held", detail, "`storkit unhold` lets it go on");
            found.push(keyed(story, "hold", why.unwrap_or_else(|| "true".to_owned()), hold.place, base));
        }
    }

    /// Whether the story waits for an answer in the stage that asked.
    pub(super) fn question_is_open(story: &Story, track: &Track) -> bool {
        story.question.is_some() && track.memory.asked_in.is_none_or(|stage| stage == story.stage)
    }

    fn waits(&self, track: &Track, found: &mut Vec<Condition>) {
        let now = self.now.mono_ms;
        if let Some(wait) = track.wait.as_ref().filter(|wait| wait.again_ms.is_none_or(|at| now < at)) {
            found.push(condition(wait.what, wait.detail.clone(), wait.hint.clone().unwrap_or_default()));
        }
        if let Some(left) = track.not_before_ms.and_then(|at| at.checked_sub(now)).filter(|left| *left > 0) {
            let what = track.memory.notes.last().map(|note| note.what.clone()).unwrap_or_default();
            let detail = format!(
                "tried again in {}{}",
                words(left),
                if what.is_empty() { what } else { format!(" ({what})") }
            );
            found.push(condition("backoff", detail, "`storkit retry` tries at once"));
        }
        if track.look_since.is_some() {
            found.push(condition("board", "its file was not where it was: it is looked for again", ""));
        }
        if !track.asked.is_empty() {
            found.push(condition("board", "what a person asked for is being written into its file", ""));
        }
        if let Some(why) = track.unwritable.as_ref().filter(|_| !track.pending.is_empty()) {
            found.push(condition("unwritten", format!("a key waits to be written: {why}"), "mend the file"));
        }
    }

    /// Whether what the story needs next is an agent, which costs money. Gates and landings cost none.
    fn needs_agent(&self, story: &Story, track: &Track) -> bool {
        let step = track.memory.step;
        let next = match story.stage {
            Stage::Current => step != Step::Gate,
            Stage::Merge => step == Step::Mend,
            Stage::Qa => {
                let to_agent = self.reviewer(story, &track.memory.protected) == crate::story::Qa::Agent;
                to_agent && track.ahead.is_some_and(|ahead| ahead > 0)
            }
            Stage::Backlog | Stage::Done | Stage::Archived => false,
        };
        next && track.is_free()
    }

    fn limits(&self, found: &mut Vec<Condition>) {
        let limits = &self.config.limits;
        if self.config.sandbox.mode == SandboxMode::Required {
            let detail = "sandbox.mode is \"required\", and this version of storkit has no sandbox";
            found.push(condition("sandbox", detail, "set sandbox.mode to \"auto\" or \"none\""));
        }
        if self.disk_free.is_some_and(|free| free < limits.disk_reserve_bytes) {
            let detail =
                format!("less than {} MB of the disk are free", limits.disk_reserve_bytes / 1_000_000);
            found.push(condition("disk", detail, "free some space, or lower limits.disk_reserve"));
        }
    }

    /// What is wrong with a story's file, or with where it is, or with whom it names.
    pub(super) fn file_problems(&self, id: &StoryId) -> Vec<Condition> {
        match self.board.placement(id) {
            Placement::Absent => {
                vec![condition("gone", "its file is gone", "`storkit restore` brings it back")]
            }
            Placement::Many(places) => {
                let paths: Vec<_> = places.iter().map(crate::sighting::FileKey::path).collect();
                let detail = match paths.as_slice() {
                    [one, other] => format!("its id is in two places: {one} and {other}"),
                    more => format!("its id is in {} places: {}", more.len(), more.join(", ")),
                };
                let hint = if paths.len() == 2 {
                    "remove or rename one of them"
                } else {
                    "remove or rename all but one"
                };
                vec![condition("twice", detail, hint)]
            }
            Placement::One(key) => match self.board.content(key).map(std::sync::Arc::as_ref) {
                Some(Err(problem)) => vec![Condition {
                    path: Some(problem.path.clone()),
                    line: problem.line,
                    ..condition("file", problem.message.clone(), problem.hint.clone().unwrap_or_default())
                }],
                Some(Ok(story)) => self.name_problems(story),
                None => Vec::new(),
            },
        }
    }

    /// Names in a waiting story that name nothing, too much, or itself.
    fn name_problems(&self, story: &Story) -> Vec<Condition> {
        let mut found = Vec::new();
        let waiting = matches!(story.stage, Stage::Backlog | Stage::Current)
            && self.tracks.get(&story.id).is_none_or(|track| track.work.run().is_none());
        if !waiting {
            return found;
        }
        for name in &story.depends_on {
            let wrong = self.wrong_name(&name.value);
            found.extend(
                wrong.map(|base| keyed(story, "depends_on", name.value.to_string(), name.place, base)),
            );
        }
        if let Some(epic) = &story.epic {
            let wrong = self.wrong_name(&epic.value);
            found.extend(wrong.map(|base| keyed(story, "epic", epic.value.to_string(), epic.place, base)));
        }
        if let Some(cycle) = self.cycles.get(&story.id) {
            let detail = format!("its dependencies go in a circle: {}", crate::graph::written_out(cycle));
            let place = story.depends_on.first().map(|name| name.place).unwrap_or_default();
            let base = condition("cycle", detail, "take one of them out of `depends_on`");
            found.push(keyed(story, "depends_on", String::new(), place, base));
        }
        if let Some(agent) = &story.agent {
            let wrong = self.wrong_agent(&agent.value);
            found.extend(wrong.map(|base| keyed(story, "agent", agent.value.clone(), agent.place, base)));
        }
        found
    }

    fn wrong_name(&self, name: &crate::story::StoryRef) -> Option<Condition> {
        match self.board.named(name) {
            Named::One(_) => None,
            Named::Nothing => {
                let ids: Vec<String> = self.board.ids().map(|id| id.to_string()).collect();
                let near = crate::hints::nearest(&name.to_string(), ids.iter().map(String::as_str));
                let hint = near.map_or("correct the name, or write that story".to_owned(), |near| {
                    format!("did you mean `{near}`?")
                });
                Some(condition("unknown", format!("there is no story `{name}`"), hint))
            }
            Named::Several(ids) => {
                let ids: Vec<_> = ids.iter().map(StoryId::as_str).collect();
                let detail = format!("the number {name} fits several stories: {}", ids.join(", "));
                Some(condition("ambiguous", detail, "name the story by its id"))
            }
        }
    }

    fn wrong_agent(&self, name: &str) -> Option<Condition> {
        match self.config.agents.iter().find(|agent| agent.name.as_str() == name) {
            Some(agent) if agent.role == Role::Coder => None,
            Some(agent) => {
                let detail = format!("agent `{name}` works in stage {}, not as a coder", agent.role.name());
                Some(condition("agent", detail, "name a coder"))
            }
            None => {
                let names = self.config.agents_of(Role::Coder).map(|agent| agent.name.as_str());
                let near = crate::hints::nearest(name, names);
                let hint = near.map_or("configure it in .storkit/project.toml".to_owned(), |near| {
                    format!("did you mean `{near}`?")
                });
                Some(condition("agent", format!("agent `{name}` is not configured"), hint))
            }
        }
    }

    /// The dependencies that are not closed.
    pub(super) fn waits_for(&self, id: &StoryId) -> Vec<Condition> {
        let Some(story) = self.story(id) else { return Vec::new() };
        let open = story.depends_on.iter().filter_map(|name| match self.board.named(&name.value) {
            Named::One(other) => {
                let closed =
                    matches!(self.board.placement(&other), Placement::One(key) if key.stage.is_closed());
                (!closed).then_some((name, other))
            }
            _ => None,
        });
        open.map(|(name, other)| {
            let stage = self.board.stage(&other).map_or("nowhere", Stage::name);
            let blocked = self.story(&other).is_some_and(|other| other.blocked.is_some());
            let state = if blocked { "blocked in" } else { "in" };
            let base = condition(
                "dependency",
                format!("waits for {other}, which is {state} {stage}"),
                "it starts once that is done",
            );
            keyed(story, "depends_on", name.value.to_string(), name.place, base)
        })
        .collect()
    }

    /// Everything that keeps a story from moving, the weightiest first; empty while it moves by itself.
    pub fn conditions(&self, id: &StoryId) -> Vec<Condition> {
        let mut found = self.obstacles(id);
        let (Some(story), Some(track)) = (self.story(id), self.tracks.get(id)) else { return found };
        if story.kind == Kind::Epic {
            if !story.stage.is_closed() {
                found.push(condition("epic", "an epic is done when all its stories are", ""));
            }
            return found;
        }
        if track.abandoned {
            found.insert(0, condition("ending", "what ran for it is ending", ""));
            return found;
        }
        match story.stage {
            Stage::Backlog => found.extend(self.waits_for(id)),
            Stage::Current if track.is_free() => self.current_conditions(id, track, &mut found),
            Stage::Qa if track.is_free() => self.qa_conditions(id, story, track, &mut found),
            Stage::Merge => self.merge_conditions(id, track, &mut found),
            Stage::Done => {
                found.retain(|condition| condition.what != "landing");
                found.extend(track.kept.iter().map(|why| {
                    condition(
                        "kept",
                        format!("worktree and branch are kept: {why}"),
                        "`storkit prune` removes what is safe to remove",
                    )
                }));
            }
            _ => {}
        }
        found
    }

    fn current_conditions(&self, id: &StoryId, track: &Track, found: &mut Vec<Condition>) {
        if track.memory.step == Step::Gate {
            if !self.gates_free() {
                found.push(condition("gates", "all gate rounds are taken (limits.gates)", ""));
            }
            return;
        }
        found.extend(self.waits_for(id));
        self.agent_conditions(id, Role::Coder, found);
    }

    fn qa_conditions(&self, id: &StoryId, story: &Story, track: &Track, found: &mut Vec<Condition>) {
        if self.waits_for_review(story, track) {
            let why = match track.memory.protected.as_slice() {
                [] => String::new(),
                paths => format!(" (it touches {}, which merge.protect guards)", paths.join(", ")),
            };
            found.push(condition(
                "review",
                format!("waits for a person's review{why}"),
                "`storkit approve` or `storkit reject -m …`",
            ));
        } else if self.qa_of(story) == crate::story::Qa::Agent && track.ahead.is_some_and(|ahead| ahead > 0) {
            self.agent_conditions(id, Role::Qa, found);
        }
    }

    fn merge_conditions(&self, id: &StoryId, track: &Track, found: &mut Vec<Condition>) {
        if track.base_moved > super::merge::BASE_MOVED_QUIET {
            let detail =
                format!("{} moved {} times while it was landing", self.base_name(), track.base_moved);
            found.push(condition("base", detail, "it is tried again each time, and counts nothing"));
        }
        if !track.is_free() {
            return;
        }
        if track.memory.step == Step::Mend {
            self.agent_conditions(id, Role::Mergemaster, found);
        } else if let Some((other, _)) = self.tracks.iter().find(|(_, other)| other.work.is_landing()) {
            found.push(condition("queue", format!("waits in the queue: {other} lands first"), ""));
        }
    }

    fn agent_conditions(&self, id: &StoryId, role: Role, found: &mut Vec<Condition>) {
        match self.agent_for(id, role) {
            Err(none) => {
                let hint = match none {
                    crate::assign::NoAgent::NoneConfigured(_) => "add an [[agent]] to .storkit/project.toml",
                    crate::assign::NoAgent::Unavailable(_) => "mend it, then `storkit resume AGENT`",
                    _ => "",
                };
                found.push(condition("agent", none.words(), hint));
            }
            Ok(_) if !self.slot_free() => {
                let detail =
                    format!("{} agents run, which is the limit (limits.agents)", self.config.limits.agents);
                found.push(condition("limit", detail, ""));
            }
            Ok(_) => {}
        }
    }

    /// Whether a story's file is in two places for so long that it counts, or cannot be read.
    pub(super) fn has_problem(&self, id: &StoryId) -> bool {
        match self.board.placement(id) {
            Placement::Absent => false,
            Placement::Many(_) => {
                let since = self.tracks.get(id).and_then(|track| track.double_since_ms);
                since.is_none_or(|since| self.now.mono_ms >= since + SETTLE_MS)
            }
            Placement::One(_) => !self.file_problems(id).is_empty(),
        }
    }

    /// Whether the work in flight for a story is an agent's.
    pub(super) fn is_running(track: &Track) -> bool {
        matches!(track.work, Work::Running(..))
    }
}
