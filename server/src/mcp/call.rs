//! Carrying a tool's call out: the arguments are read, the caller's reach is checked, the daemon is asked.
//!
//! A run's reach is its own story, whatever the arguments name: it is decided here, by scope and not by words.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use storkit_core::context;
use storkit_core::facts::Part;
use storkit_core::ids::StoryId;
use storkit_core::message::MESSAGE_BYTES_MAX;
use storkit_core::request::{Refusal, Reply, Request};
use storkit_core::snapshot::{Status, StoryView};
use storkit_core::stage::Stage;
use storkit_core::story::Kind;
use storkit_core::story_file::doc::Doc;
use storkit_core::usage::{GroupBy, report};

use super::list::TOOLS;
use super::{Caller, Desk, Grant, Said, Wanted};
use crate::board::NewStory;
use crate::ledger::RunRow;

/// Most stories that one call lists, and how many it does by itself.
const STORIES_MAX: usize = 200;
const STORIES_USUAL: usize = 100;
/// Longest wait for a run, in seconds, and the usual one.
const WAIT_MAX_S: u64 = 50;
const WAIT_USUAL_S: u64 = 30;
/// Longest question or reason, in bytes.
const SAID_LEN_MAX: usize = storkit_core::front_matter::SAID_BYTES_MAX;

type Answer = Result<Value, Refusal>;

/// One call.
pub(super) struct Call<'a, D> {
    pub(super) desk: &'a D,
    pub(super) caller: &'a Caller,
    pub(super) arguments: Map<String, Value>,
}

pub(super) fn refused(error: impl Into<String>, hint: &str) -> Refusal {
    let hint = (!hint.is_empty()).then(|| hint.to_owned());
    Refusal { error: error.into(), hint, code: 1 }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfStory {
    story: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfRun {
    run: Option<String>,
    from: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    stage: Option<String>,
    state: Option<String>,
    label: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    title: String,
    kind: Option<String>,
    body: Option<String>,
    stage: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    story: Option<String>,
    body: String,
    seen: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    story: Option<String>,
    criterion: Value,
    done: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    story: Option<String>,
    #[serde(alias = "question")]
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Moving {
    story: String,
    stage: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Starting {
    story: String,
    agent: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiting {
    run: Option<String>,
    story: Option<String>,
    timeout_s: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct By {
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: String,
    text: Option<String>,
}

impl<D: Desk> Call<'_, D> {
    /// Carries the tool of that name out; none where this caller has no such tool.
    pub(super) async fn carry_out(self, name: &str) -> Option<Answer> {
        let tool = TOOLS.iter().find(|tool| tool.name == name)?;
        if !tool.is_for(self.caller) {
            let error = format!("{name} is not among the tools of this caller");
            return Some(Err(refused(error, "tools/list names those that are")));
        }
        Some(if tool.looks { self.look(name).await } else { self.act(name).await })
    }

    async fn look(&self, name: &str) -> Answer {
        match name {
            "list_stories" => self.list_stories().await,
            "get_story" => self.get_story().await,
            "list_agents" => {
                self.none()?;
                Ok(json!({ "agents": self.board(false).await?.agents }))
            }
            "get_run" => Ok(json!(self.run_meant(&self.args::<OfRun>()?).await?)),
            "get_run_output" => self.get_run_output().await,
            "wait_for_run" => self.wait_for_run().await,
            "get_merge_status" => self.get_merge_status().await,
            "get_usage" => self.get_usage().await,
            "read_messages" => self.read_messages().await,
            _ => {
                self.none()?;
                let text = self.desk.context().await?;
                let entries = context::entries(&text).into_iter();
                let entries: Vec<Value> =
                    entries.map(|(key, text)| json!({ "key": key, "text": text })).collect();
                Ok(json!({ "entries": entries }))
            }
        }
    }

    async fn act(&self, name: &str) -> Answer {
        match name {
            "create_story" => self.create_story().await,
            "update_story" => self.update_story().await,
            "check_criterion" => self.check_criterion().await,
            "move_story" => {
                let Moving { story, stage } = self.args()?;
                self.ask(Request::Move { story, to: stage_of(&stage)? }).await
            }
            "start_agent" => {
                let Starting { story, agent } = self.args()?;
                self.ask(Request::Start { story, agent }).await
            }
            "stop_agent" | "approve_story" => {
                let story = self.args::<OfStory>()?.story.ok_or_else(|| missing("story"))?;
                let stop = name == "stop_agent";
                self.ask(if stop { Request::Stop { story } } else { Request::Approve { story } }).await
            }
            "ask_human" => {
                let text = self.said(SAID_LEN_MAX)?.1;
                self.tell(Said::Question(text))?;
                Ok(told("your question is noted. End your turn now: the answer comes with your next prompt"))
            }
            "reject_story" => self.reject_story().await,
            "report_merge_failure" => {
                let text = self.said(SAID_LEN_MAX)?.1;
                self.tell(Said::MergeFailed(text))?;
                Ok(told("noted. End your turn now"))
            }
            "send_message" => {
                let (story, text) = self.said(MESSAGE_BYTES_MAX)?;
                let story = self.story_meant(story.as_deref()).await?.id;
                let from = self.grant().map(|grant| grant.story.to_string());
                self.ask(Request::Send { story, from, text }).await
            }
            _ => {
                let Entry { key, text } = self.args()?;
                self.desk.set_context(key, text).await?;
                Ok(told("the shared context is changed"))
            }
        }
    }

    fn args<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        T::deserialize(Value::Object(self.arguments.clone()))
            .map_err(|error| Refusal { code: 2, ..refused(format!("the arguments do not fit: {error}"), "") })
    }

    fn none(&self) -> Result<(), Refusal> {
        if self.arguments.is_empty() { Ok(()) } else { Err(refused("this tool takes no arguments", "")) }
    }

    /// What is said, and of which story.
    fn said(&self, len_max: usize) -> Result<(Option<String>, String), Refusal> {
        let Words { story, text } = self.args()?;
        if text.chars().all(|c| c.is_control() || c.is_whitespace()) {
            return Err(refused("the text is empty", ""));
        }
        if text.len() > len_max {
            return Err(refused(format!("the text is larger than {} KiB", len_max / 1024), "say it shorter"));
        }
        Ok((story, text))
    }

    fn grant(&self) -> Option<&Grant> {
        match self.caller {
            Caller::Owner => None,
            Caller::Run(grant) => Some(grant),
        }
    }

    fn tell(&self, said: Said) -> Result<(), Refusal> {
        let grant = self.grant().ok_or_else(|| refused("only an agent's run has this tool", ""))?;
        self.desk.tell(grant.run, said)
    }

    async fn ask(&self, request: Request) -> Answer {
        match self.desk.ask(request).await? {
            Reply::Done { id, message } => Ok(json!({ "id": id, "done": message })),
            reply => Ok(json!(reply)),
        }
    }

    async fn board(&self, all: bool) -> Result<Status, Refusal> {
        match self.desk.ask(Request::Status { all }).await? {
            Reply::Status(status) => Ok(*status),
            _ => Err(refused("the daemon answered another question", "")),
        }
    }

    /// The story that is meant: for a run its own, and no other.
    async fn story_meant(&self, name: Option<&str>) -> Result<StoryView, Refusal> {
        let status = self.board(true).await?;
        let Some(grant) = self.grant() else {
            return Ok(status.find(name.ok_or_else(|| missing("story"))?)?.clone());
        };
        let own = status.find(grant.story.as_str())?;
        let meant = name.is_none_or(|name| status.find(name).is_ok_and(|story| story.id == own.id));
        if meant { Ok(own.clone()) } else { Err(out_of_reach(&grant.story)) }
    }

    /// The run that is meant: for a run one of its own story's.
    async fn run_meant(&self, of: &OfRun) -> Result<RunRow, Refusal> {
        let own = self.grant().map(|grant| grant.run.to_string());
        let run = of.run.clone().or(own).ok_or_else(|| missing("run"))?;
        let row = self.desk.run(run).await.filter(|row| {
            // Another story's is as if it were not there.
            self.grant().is_none_or(|grant| grant.story.as_str() == row.story)
        });
        row.ok_or_else(|| Refusal {
            code: 3,
            ..refused("there is no such run", "get_story names a story's last run")
        })
    }

    async fn list_stories(&self) -> Answer {
        let Listing { stage, state, label, limit, after } = self.args()?;
        let stage = stage.as_deref().map(stage_of).transpose()?;
        let stories = self.board(true).await?.stories;
        let fits = |story: &StoryView| {
            stage.map_or(story.stage != Stage::Archived.name(), |stage| story.stage == stage.name())
                && state.as_deref().is_none_or(|state| story.state.name() == state)
                && label.as_ref().is_none_or(|label| story.labels.contains(label))
        };
        let fitting: Vec<&StoryView> = stories.iter().filter(|story| fits(story)).collect();
        let from = after.map_or(0, |after| {
            fitting.iter().position(|story| story.id == after).map_or(fitting.len(), |at| at + 1)
        });
        let limit = limit.unwrap_or(STORIES_USUAL).clamp(1, STORIES_MAX);
        let page: Vec<Value> = fitting.iter().skip(from).take(limit).map(|story| brief(story)).collect();
        let more = from + page.len() < fitting.len();
        Ok(json!({ "stories": page, "total": fitting.len(), "more": more }))
    }

    async fn get_story(&self) -> Answer {
        let story = self.story_meant(self.args::<OfStory>()?.story.as_deref()).await?;
        let file = self.desk.file(&story).await;
        let text = file.as_ref().map_or("", |file| &file.text);
        let boxes = Doc::new(text).criteria().into_iter().enumerate();
        let criteria: Vec<Value> =
            boxes.map(|(at, one)| json!({ "number": at + 1, "text": one.text, "done": one.done })).collect();
        Ok(json!({
            "story": story, "body": Doc::new(text).body(), "criteria": criteria,
            "seen": file.as_ref().map(|file| format!("{:016x}", file.seen)),
        }))
    }

    async fn create_story(&self) -> Answer {
        let New { title, kind, body, stage } = self.args()?;
        let kind = kind.as_deref().map_or(Ok(Kind::Story), |kind| {
            let hint = "story, bug, spike, refactor, chore or epic";
            Kind::from_name(kind).ok_or_else(|| refused(format!("there is no kind `{kind}`"), hint))
        })?;
        let stage = stage.as_deref().map_or(Ok(Stage::Backlog), stage_of)?;
        if self.grant().is_some() && stage != Stage::Backlog {
            return Err(refused("an agent's run may only write into the backlog", "leave `stage` out"));
        }
        // A text that begins with a fence is a whole file, and its keys are a person's to set.
        if self.grant().is_some()
            && body.as_deref().is_some_and(|body| body.trim_start_matches('\u{feff}').starts_with("---"))
        {
            return Err(refused("an agent's run may not write front matter", "begin `body` with text"));
        }
        let id = self.desk.create(NewStory { title, kind, stage, body }).await?;
        Ok(json!({ "id": id, "done": format!("{id}: new in {stage}") }))
    }

    async fn update_story(&self) -> Answer {
        let Update { story, body, seen } = self.args()?;
        let story = self.story_meant(story.as_deref()).await?.id;
        let seen = seen.map(|seen| {
            u64::from_str_radix(&seen, 16)
                .map_err(|_| refused("`seen` is none of get_story's", "read it again"))
        });
        self.ask(Request::Write { story, part: Part::Body, text: body, seen: seen.transpose()? }).await
    }

    async fn check_criterion(&self) -> Answer {
        let Check { story, criterion, done } = self.args()?;
        let story = self.story_meant(story.as_deref()).await?;
        let text = self.desk.file(&story).await.map(|file| file.text).unwrap_or_default();
        let criteria = Doc::new(&text).criteria();
        let number = match &criterion {
            Value::String(words) => {
                let words = words.trim();
                let at = criteria.iter().position(|one| one.text == words);
                at.map(|at| at as u64 + 1).or_else(|| words.parse().ok())
            }
            number => number.as_u64(),
        };
        let number = number.filter(|number| (1..=criteria.len() as u64).contains(number));
        let number = number.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| {
            let hint = "get_story lists them by number";
            refused(format!("{} has no acceptance criterion {criterion}", story.id), hint)
        })?;
        self.ask(Request::Check { story: story.id, criterion: number, done: done.unwrap_or(true) }).await
    }

    async fn reject_story(&self) -> Answer {
        let (story, text) = self.said(SAID_LEN_MAX)?;
        let story = self.story_meant(story.as_deref()).await?.id;
        if self.grant().is_none() {
            return self.ask(Request::Reject { story, text }).await;
        }
        self.tell(Said::Reject(text))?;
        Ok(told("your rejection is noted. End your turn now"))
    }

    async fn get_run_output(&self) -> Answer {
        let of: OfRun = self.args()?;
        let run = self.run_meant(&of).await?.run;
        let output = self.desk.output(Wanted { run, from: of.from, ..Wanted::default() }).await;
        Ok(json!(output.ok_or_else(|| refused("this run has no output that can be read", ""))?))
    }

    async fn wait_for_run(&self) -> Answer {
        let Waiting { run, story, timeout_s } = self.args()?;
        let run = match (run, story) {
            (Some(run), _) => run,
            (None, Some(story)) => {
                let story = self.story_meant(Some(&story)).await?;
                story.run.ok_or_else(|| {
                    refused(format!("{} has not run yet", story.id), "start_agent starts it")
                })?
            }
            (None, None) => return Err(missing("run")),
        };
        let wait = timeout_s.unwrap_or(WAIT_USUAL_S).clamp(1, WAIT_MAX_S);
        let row = self.desk.run_over(run, Duration::from_secs(wait)).await;
        let row = row.ok_or_else(|| Refusal { code: 3, ..refused("there is no such run", "") })?;
        Ok(json!({ "over": row.ended.is_some(), "run": row }))
    }

    async fn get_merge_status(&self) -> Answer {
        let story = self.story_meant(self.args::<OfStory>()?.story.as_deref()).await?;
        let why = match self.desk.ask(Request::Why { story: story.id.clone() }).await? {
            Reply::Why(why) => why.conditions,
            _ => Vec::new(),
        };
        Ok(json!({ "story": brief(&story), "conditions": why }))
    }

    async fn get_usage(&self) -> Answer {
        let by = self.args::<By>()?.by;
        let by = by.as_deref().map_or(Ok(GroupBy::Story), |by| {
            GroupBy::from_name(by)
                .ok_or_else(|| refused("no such sum", "by story, agent, model, day or label"))
        })?;
        let (mut rows, complete) = self.desk.used().await;
        if by == GroupBy::Label {
            let stories = self.board(true).await?.stories;
            for row in &mut rows {
                let story = stories.iter().find(|story| story.id == row.story);
                row.labels = story.map(|story| story.labels.clone()).unwrap_or_default();
            }
        }
        Ok(json!(report(&rows, by, complete)))
    }

    async fn read_messages(&self) -> Answer {
        let story = self.story_meant(self.args::<OfStory>()?.story.as_deref()).await?;
        let id = StoryId::new(&story.id).map_err(|_| refused("its id is none", ""))?;
        let messages = self.desk.messages(id).await.into_iter();
        let messages: Vec<Value> = messages
            .map(|message| json!({ "from": message.from, "at": message.at.rfc3339(), "text": message.text }))
            .collect();
        Ok(json!({ "messages": messages }))
    }
}

fn told(words: &str) -> Value {
    json!({ "done": words })
}

fn missing(argument: &str) -> Refusal {
    Refusal { code: 2, ..refused(format!("`{argument}` is missing"), "") }
}

fn out_of_reach(own: &StoryId) -> Refusal {
    refused(format!("this run reaches its own story alone: {own}"), "leave `story` out")
}

fn stage_of(name: &str) -> Result<Stage, Refusal> {
    Stage::parse(name).ok_or_else(|| {
        refused(format!("there is no stage `{name}`"), "backlog, current, qa, merge, done or archived")
    })
}

fn brief(story: &StoryView) -> Value {
    json!({
        "id": story.id, "name": story.name, "kind": story.kind, "stage": story.stage, "state": story.state,
        "reason": story.reason, "priority": story.priority, "labels": story.labels, "depends_on": story.depends_on,
        "agent": story.agent, "run": story.run,
    })
}
