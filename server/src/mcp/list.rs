//! The list of tools: names, descriptions and schemas, and which of them an agent's run has.

use serde_json::{Map, Value, json};
use storkit_core::config::Role;

use super::Caller;

/// One tool.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    /// Name, JSON type, meaning; a name that ends in `?` may be left out.
    arguments: &'static [(&'static str, &'static str, &'static str)],
    /// Whether it only looks.
    pub(super) looks: bool,
    who: Who,
}

/// Who has a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Owners alone.
    Owner,
    /// Owners, and runs for their own story.
    All,
    /// Owners, and runs of this sort.
    OwnerAnd(Role),
    /// Runs.
    Run,
    /// Runs of this sort.
    Only(Role),
}

const STORY: (&str, &str, &str) = ("story", "string", "The story's id, or the number at its beginning.");
const OWN: (&str, &str, &str) = (
    "story?",
    "string",
    "The story's id or number. In an agent's run: its own story, which is meant without it.",
);
const RUN: (&str, &str, &str) = ("run?", "string", "The run's id. In an agent's run: without it, this run.");

/// All tools.
pub(super) const TOOLS: [Tool; 22] = [
    Tool {
        name: "list_stories",
        description: "The stories of the board: id, title, stage, state and why each stands still.",
        arguments: &[
            ("stage?", "string", "Only of this stage: backlog, current, qa, merge, done or archived."),
            ("state?", "string", "Only in this state, such as running, question or blocked."),
            ("label?", "string", "Only with this label."),
            ("limit?", "integer", "Most stories, 1 to 200; 100 without it."),
            ("after?", "string", "Go on after the story of this id."),
        ],
        looks: true,
        who: Who::All,
    },
    Tool {
        name: "get_story",
        description: "One story: what it is doing, its text, its acceptance criteria by number, and `seen`, by which \
                      update_story knows which text was read.",
        arguments: &[OWN],
        looks: true,
        who: Who::All,
    },
    Tool {
        name: "create_story",
        description: "Write a new story into the backlog. Its number is given by storkit.",
        arguments: &[
            ("title", "string", "What is wanted, in one line."),
            ("kind?", "string", "story, bug, spike, refactor, chore or epic; story without it."),
            ("body?", "string", "Markdown, best with a section `## Acceptance criteria` of checkboxes."),
            (
                "stage?",
                "string",
                "Where it begins; backlog without it. An agent's run may only write into the backlog.",
            ),
        ],
        looks: false,
        who: Who::All,
    },
    Tool {
        name: "update_story",
        description: "Replace a story's text behind its front matter, where nobody has changed it since it was read.",
        arguments: &[
            OWN,
            ("body", "string", "The new text, Markdown, all of it."),
            ("seen?", "string", "`seen` of get_story: another text than that one is not replaced."),
        ],
        looks: false,
        who: Who::All,
    },
    Tool {
        name: "move_story",
        description: "Move a story to another stage. Into current: an agent begins to work on it.",
        arguments: &[STORY, ("stage", "string", "backlog, current, qa, merge, done or archived.")],
        looks: false,
        who: Who::Owner,
    },
    Tool {
        name: "check_criterion",
        description: "Tick an acceptance criterion of a story, or take its tick away.",
        arguments: &[
            OWN,
            ("criterion", "integer or string", "Its number, from 1, or its text."),
            ("done?", "boolean", "Whether it is met; true without it."),
        ],
        looks: false,
        who: Who::All,
    },
    Tool {
        name: "list_agents",
        description: "The agents: what each does, and why one is not available.",
        arguments: &[],
        looks: true,
        who: Who::Owner,
    },
    Tool {
        name: "start_agent",
        description: "Start a story: to current if in backlog, no longer blocked. Queued where all agents are busy.",
        arguments: &[STORY, ("agent?", "string", "The one agent to use.")],
        looks: false,
        who: Who::Owner,
    },
    Tool {
        name: "stop_agent",
        description: "End what runs for a story and hold it. Its worktree stays.",
        arguments: &[STORY],
        looks: false,
        who: Who::Owner,
    },
    Tool {
        name: "get_run",
        description: "One run of an agent: when it began and ended, how, and what it did in its own words.",
        arguments: &[RUN],
        looks: true,
        who: Who::All,
    },
    Tool {
        name: "get_run_output",
        description: "What a run printed: its end, or from a place on. `next` is where the following piece begins.",
        arguments: &[
            RUN,
            ("from?", "integer", "Where to begin in the log, in bytes: `next` of an earlier piece."),
        ],
        looks: true,
        who: Who::All,
    },
    Tool {
        name: "wait_for_run",
        description: "Wait until a run is over, 50 seconds at most; `over` says whether it is. Call again to go on waiting.",
        arguments: &[
            ("run?", "string", "The run's id."),
            ("story?", "string", "Instead of it: the story whose last run is meant."),
            ("timeout_s?", "integer", "Seconds to wait, 1 to 50; 30 without it."),
        ],
        looks: true,
        who: Who::Owner,
    },
    Tool {
        name: "ask_human",
        description: "Ask a person for a decision that you cannot make. After it end your turn at once, with nothing more \
                      to do: the answer comes with your next prompt, in the same session.",
        arguments: &[(
            "question",
            "string",
            "The question, with what is needed to answer it and the choices.",
        )],
        looks: false,
        who: Who::Run,
    },
    Tool {
        name: "approve_story",
        description: "Pass a story's review: from qa on to merge.",
        arguments: &[STORY],
        looks: false,
        who: Who::Owner,
    },
    Tool {
        name: "reject_story",
        description: "Send a story back to its coder. In a review by an agent it counts when the run ends: end your turn after it.",
        arguments: &[OWN, ("text", "string", "What is wrong, such that the coder can mend it.")],
        looks: false,
        who: Who::OwnerAnd(Role::Qa),
    },
    Tool {
        name: "report_merge_failure",
        description: "Give a merge up. It counts when the run ends: end your turn after it.",
        arguments: &[("text", "string", "Why it cannot be done.")],
        looks: false,
        who: Who::Only(Role::Mergemaster),
    },
    Tool {
        name: "get_merge_status",
        description: "Where a story stands on its way to base, and everything that keeps it.",
        arguments: &[STORY],
        looks: true,
        who: Who::Owner,
    },
    Tool {
        name: "get_usage",
        description: "What runs used: tokens, money and time.",
        arguments: &[("by?", "string", "Summed up by story, agent, model, day or label; story without it.")],
        looks: true,
        who: Who::Owner,
    },
    Tool {
        name: "send_message",
        description: "Tell a story's agent something: it goes into its next prompt.",
        arguments: &[OWN, ("text", "string", "The message.")],
        looks: false,
        who: Who::All,
    },
    Tool {
        name: "read_messages",
        description: "The messages that wait for a story's next prompt.",
        arguments: &[OWN],
        looks: true,
        who: Who::All,
    },
    Tool {
        name: "get_context",
        description: "What the prompts of all stories share.",
        arguments: &[],
        looks: true,
        who: Who::All,
    },
    Tool {
        name: "set_context",
        description: "Set an entry of what the prompts of all stories share, or take it out.",
        arguments: &[
            ("key", "string", "The entry's name, one line."),
            ("text?", "string", "What it says; without it the entry is taken out."),
        ],
        looks: false,
        who: Who::All,
    },
];

impl Tool {
    /// Whether this caller has it.
    pub(super) fn is_for(&self, caller: &Caller) -> bool {
        match (self.who, caller) {
            (Who::All, _) | (Who::Owner | Who::OwnerAnd(_), Caller::Owner) | (Who::Run, Caller::Run(_)) => {
                true
            }
            (Who::OwnerAnd(role) | Who::Only(role), Caller::Run(grant)) => grant.role == role,
            (Who::Owner, Caller::Run(_)) | (Who::Run | Who::Only(_), Caller::Owner) => false,
        }
    }

    /// The JSON schema of its arguments.
    pub(super) fn schema(&self) -> Map<String, Value> {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for (name, kind, description) in self.arguments {
            let bare = name.trim_end_matches('?');
            if bare == *name {
                required.push(bare);
            }
            let kind: Value = match kind.split_once(" or ") {
                Some((one, other)) => json!([one, other]),
                None => json!(kind),
            };
            properties.insert(bare.to_owned(), json!({ "type": kind, "description": description }));
        }
        let schema = json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        });
        serde_json::from_value(schema).expect("an object")
    }
}
