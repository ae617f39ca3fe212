//! What must hold after every event, decidable from the pipeline alone. Tests and the simulation check it after each
//! step; it changes nothing, and production does not need it.

use crate::board::{Placement, id_of};
use crate::config::Role;
use crate::effect::{Effect, GatesPlace, MoveOrder};
use crate::ids::{OpId, StoryId};
use crate::memory::{NOTES_MAX, Step};
use crate::pipeline::Pipeline;
use crate::pipeline::track::{Track, Work};
use crate::sighting::FileKey;
use crate::stage::Stage;
use crate::story::Kind;

/// Most edits of one story that wait to be written: one of each kind.
const PENDING_MAX: usize = 6;
/// Most "try again later" in a row, and most runs of a mergemaster for one landing.
const TRANSIENTS_MAX: u32 = 10;
/// Most starts without a session in a row.
const COLD_STARTS_MAX: u32 = 5;
const MENDS_MAX: u32 = 3;

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {detail}")]
pub struct Violation {
    /// The rule, in a few words; always the same for the same rule.
    pub rule: &'static str,
    /// Where and how, for a person.
    pub detail: String,
}

impl Violation {
    /// A broken rule.
    pub fn new(rule: &'static str, detail: impl Into<String>) -> Self {
        Self { rule, detail: detail.into() }
    }
}

/// The result of a check.
pub type Checked = Result<(), Violation>;

fn rule(holds: bool, rule: &'static str, detail: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Violation::new(rule, detail())) }
}

/// Checks the state as it is after an event.
pub fn check(pipeline: &Pipeline) -> Checked {
    works(pipeline)?;
    for (id, track) in pipeline.tracks() {
        counters(pipeline, id, track)?;
        visible(pipeline, id, track)?;
    }
    if let Some(at) = pipeline.next_wake() {
        rule(at > pipeline.now_ms(), "a wake-up lies in the future", || {
            format!("{at} is asked for at {}", pipeline.now_ms())
        })?;
    }
    Ok(())
}

/// Every effect in flight is one story's one piece of work, and one landing at most is among them.
fn works(pipeline: &Pipeline) -> Checked {
    for (op, story) in pipeline.purposes() {
        let Some(story) = story else { continue };
        let work = pipeline.track(story).and_then(|track| track.work.op());
        rule(work == Some(op), "an effect in flight is its story's one work", || {
            format!("{op} of {story}, whose work is {work:?}")
        })?;
    }
    for (id, track) in pipeline.tracks() {
        let awaited = track.work.op().is_none_or(|op| pipeline.awaits(op));
        rule(awaited, "a story's work is awaited", || format!("{id}: {:?}", track.work))?;
        let single = matches!(pipeline.board().placement(id), Placement::One(key) if is_named(key, id));
        let acted = track.memory.stage.is_some() || !single || !pipeline.is_awake();
        rule(acted, "a known story has a stage", || id.to_string())?;
    }
    let landing = pipeline.tracks().filter(|(_, track)| track.work.is_landing()).count();
    rule(landing <= 1, "one landing at a time", || landing.to_string())
}

fn counters(pipeline: &Pipeline, id: &StoryId, track: &Track) -> Checked {
    let memory = &track.memory;
    let config = pipeline.config();
    let detail = || format!("{id}: {memory:?}");
    rule(memory.notes.len() <= NOTES_MAX, "notes are bounded", detail)?;
    rule(memory.transients <= TRANSIENTS_MAX, "later is not for ever", detail)?;
    rule(memory.cold_starts <= COLD_STARTS_MAX, "a start that fails is not for ever", detail)?;
    rule(memory.mends <= MENDS_MAX, "a mergemaster has three runs", detail)?;
    rule(track.pending.len() <= PENDING_MAX, "unwritten keys are bounded", || {
        format!("{id}: {:?}", track.pending)
    })?;
    let fresh = memory.failures == 0 || memory.failures <= config.max_retries.max(ATTEMPTS_SANE);
    rule(fresh, "failures are bounded", detail)
}

/// Failures above this, whatever the configuration was before, say that `blocked` was not written.
const ATTEMPTS_SANE: u32 = 10;

/// Whether a file is the story's, spelled alike.
fn is_named(key: &FileKey, id: &StoryId) -> bool {
    id_of(key).as_ref() == Some(id)
}

/// A story that is not moving says why.
fn visible(pipeline: &Pipeline, id: &StoryId, track: &Track) -> Checked {
    if !pipeline.is_awake() || !track.is_free() || pipeline.is_stopping() {
        return Ok(());
    }
    let Placement::One(key) = pipeline.board().placement(id) else { return Ok(()) };
    if !is_named(key, id) || !matches!(key.stage, Stage::Current | Stage::Qa | Stage::Merge) {
        return Ok(());
    }
    rule(!pipeline.conditions(id).is_empty(), "a story that stands still says why", || {
        format!("{id} in {}: {:?} {track:?}", key.stage, pipeline.state_of(id))
    })
}

/// Checks what an event was answered with, against the state after it.
pub fn check_effects(pipeline: &Pipeline, effects: &[Effect]) -> Checked {
    for effect in effects {
        match effect {
            Effect::Prepare(op, order) => run_starts(pipeline, *op, &order.story)?,
            Effect::Run(_, order) => nothing_keeps(pipeline, &order.story, "a run")?,
            Effect::Gates(_, order) => gates_start(pipeline, &order.story, &order.place)?,
            Effect::Squash(_, order) => landing_goes_on(pipeline, &order.story)?,
            Effect::Advance(_, order) => landing_goes_on(pipeline, &order.story)?,
            Effect::Move(op, order) => moves(pipeline, *op, order)?,
            Effect::Edit(_, order) => {
                rule(!order.edits.is_empty(), "an edit changes something", || order.story.to_string())?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn nothing_keeps(pipeline: &Pipeline, id: &StoryId, what: &str) -> Checked {
    let keeps = pipeline.keeps_from_starting(id);
    rule(keeps.is_empty(), "nothing starts for a story that is kept", || {
        let details: Vec<_> = keeps.iter().map(|condition| condition.detail.as_str()).collect();
        format!("{what} of {id}: {}", details.join("; "))
    })
}

fn run_starts(pipeline: &Pipeline, op: OpId, id: &StoryId) -> Checked {
    let config = pipeline.config();
    let Some(track) = pipeline.track(id) else {
        return Err(Violation::new("a run belongs to a story", id.to_string()));
    };
    // Something that another event of the same turn brought ends it at once.
    if track.work.op() != Some(op) || track.abandoned {
        return Ok(());
    }
    nothing_keeps(pipeline, id, "a run")?;
    let Some(run) = track.work.run() else { return Ok(()) };
    let runs: Vec<_> = pipeline.tracks().filter_map(|(_, track)| track.work.run()).collect();
    let limit = usize::try_from(config.limits.agents).unwrap_or(usize::MAX);
    rule(runs.len() <= limit, "limits.agents holds", || format!("{} run", runs.len()))?;
    let Some(agent) = config.agent(&run.agent) else {
        return Err(Violation::new("a run's agent is configured", run.agent.to_string()));
    };
    let busy = runs.iter().filter(|other| other.agent == run.agent).count();
    let instances = usize::try_from(agent.instances).unwrap_or(usize::MAX);
    rule(busy <= instances, "an agent's instances hold", || format!("{} has {busy}", run.agent))?;
    rule(!pipeline.is_drained(&run.agent), "a drained agent rests", || run.agent.to_string())?;
    let stage = pipeline.board().stage(id);
    let fits = match agent.role {
        Role::Coder => stage == Some(Stage::Current) && track.memory.step != Step::Gate,
        Role::Qa => stage == Some(Stage::Qa),
        Role::Mergemaster => stage == Some(Stage::Merge) && track.memory.step == Step::Mend,
        Role::Other => false,
    };
    rule(fits, "an agent works in its own stage", || format!("{id} {stage:?} {:?}", agent.role))?;
    let ready = agent.role != Role::Coder
        || matches!(track.work, Work::Running(..))
        || pipeline.open_dependencies(id).is_empty();
    rule(ready, "a coder starts when the dependencies are closed", || id.to_string())
}

fn gates_start(pipeline: &Pipeline, id: &StoryId, place: &GatesPlace) -> Checked {
    nothing_keeps(pipeline, id, "gates")?;
    let rounds = pipeline.tracks().filter(|(_, track)| track.work.is_gating()).count();
    let limit = usize::try_from(pipeline.config().limits.gates).unwrap_or(usize::MAX);
    rule(rounds <= limit, "limits.gates holds", || rounds.to_string())?;
    let stage = if *place == GatesPlace::Story { Stage::Current } else { Stage::Merge };
    rule(pipeline.board().stage(id) == Some(stage), "gates run in their stage", || id.to_string())
}

fn landing_goes_on(pipeline: &Pipeline, id: &StoryId) -> Checked {
    nothing_keeps(pipeline, id, "a landing")?;
    let there = pipeline.board().stage(id) == Some(Stage::Merge);
    rule(there, "only a story in merge lands", || id.to_string())
}

/// storkit's own moves are those of the table, from where the story is.
fn moves(pipeline: &Pipeline, op: OpId, order: &MoveOrder) -> Checked {
    let own = pipeline.track(&order.story).is_some_and(|track| track.work.op() == Some(op));
    if !own {
        return Ok(());
    }
    let here = pipeline.board().stage(&order.story) == Some(order.from);
    let detail = || format!("{}: {} → {}", order.story, order.from, order.to);
    rule(here, "a move names where the story is", detail)?;
    let epic = pipeline.board().story(&order.story).is_some_and(|story| story.kind == Kind::Epic);
    let known = match (order.from, order.to) {
        (Stage::Backlog, Stage::Current)
        | (Stage::Current, Stage::Qa | Stage::Merge)
        | (Stage::Qa, Stage::Merge | Stage::Current)
        | (Stage::Merge, Stage::Current | Stage::Qa | Stage::Done)
        | (Stage::Done, Stage::Archived) => true,
        (from, Stage::Done) => epic && !from.is_closed(),
        _ => false,
    };
    rule(known, "storkit's own moves are few", detail)
}
