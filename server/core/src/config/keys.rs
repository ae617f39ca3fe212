//! Every key of project.toml with its type: the one list that the parser checks names against, that hints are taken
//! from, and that the JSON Schema is made of.

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub enum Takes {
    /// Text.
    Text,
    /// One of some words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// A whole number from the first to the second.
    Count(u32, u32),
    /// US dollars, from 0.
    Money,
    /// A span of time as text, `2h30m`.
    Span,
    /// A size as text, `1GB`.
    Size,
    /// A list of texts.
    Texts,
    /// A list of some words.
    Words(&'static [&'static str]),
    /// A table of texts.
    Map,
    /// A table with keys of its own.
    Table(&'static [Key]),
    /// A list of tables with keys of their own.
    Tables(&'static [Key]),
    /// Anything: a key of an earlier or a later version.
    Any,
}

/// Since when a key has an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// It has one.
    Now,
    /// Not any more, or under another name: understood with a warning.
    Earlier,
    /// Not yet: accepted with a warning.
    Later,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// What it is for, in a sentence.
    pub about: &'static str,
    /// Since when it has an effect.
    pub era: Era,
}

const fn key(name: &'static str, takes: Takes, about: &'static str) -> Key {
    Key { name, takes, about, era: Era::Now }
}

const fn later(name: &'static str) -> Key {
    Key { name, takes: Takes::Any, about: "Comes with a later version.", era: Era::Later }
}

const fn earlier(name: &'static str, about: &'static str) -> Key {
    Key { name, takes: Takes::Any, about, era: Era::Earlier }
}

/// The names of `qa`.
pub const QA: &[&str] = &["server", "agent", "human"];
/// The names of `[[agent]]` `stage`.
pub const ROLES: &[&str] = &["coder", "qa", "mergemaster", "other"];
/// The names of `[[agent]]` `runtime`.
pub const RUNTIMES: &[&str] = &["claude-code", "codex", "gemini", "acp", "openai", "gemini-api", "command"];
/// The names of `[[agent]]` `permissions`.
pub const PERMISSIONS: &[&str] = &["allow", "ask", "deny"];
/// The names of `[merge]` `strategy`.
pub const STRATEGIES: &[&str] = &["squash", "merge", "rebase"];
/// The names of `[sandbox]` `mode`.
pub const MODES: &[&str] = &["auto", "required", "none"];
/// The names of `[sandbox]` `network`.
pub const NETWORKS: &[&str] = &["open", "none"];
/// The names of `[[gate]]` `stages`.
pub const GATE_STAGES: &[&str] = &["current", "merge"];

/// Most of anything that is counted.
pub const COUNT_MAX: u32 = 1_000_000;

/// The keys above the first table.
pub const TOP: &[Key] = &[
    key("base_branch", Takes::Text, "The branch that stories land on; absent: HEAD when the daemon starts."),
    key("qa", Takes::Word(QA), "Who looks at a story before it lands, where the story does not say."),
    key("max_retries", Takes::Count(1, COUNT_MAX), "Attempts per story and stage before it is blocked."),
    key("max_rejections", Takes::Count(1, COUNT_MAX), "Rejections before a story is blocked."),
    key("answer_settle", Takes::Span, "How long a file must be unchanged before its answer is taken."),
    key("gate_env_pass", Takes::Texts, "Names of variables passed to gates besides the common ones."),
    key("defaults", Takes::Table(DEFAULTS), "What holds for every agent that does not say otherwise."),
    key("limits", Takes::Table(LIMITS), "What runs at a time, and what may be spent."),
    key("board", Takes::Table(BOARD), "How stories move by themselves."),
    key("worktrees", Takes::Table(WORKTREES), "Where agents work, and how it is made ready."),
    key("component", Takes::Tables(COMPONENT), "Setup and teardown of a sub-folder."),
    key(
        "gate",
        Takes::Tables(GATE),
        "A command that must exit 0; in order, the first failure ends the round.",
    ),
    key("merge", Takes::Table(MERGE), "How a story's work becomes base's."),
    key("sandbox", Takes::Table(SANDBOX), "How much agents are confined."),
    key("server", Takes::Table(SERVER), "Where the daemon listens."),
    key("agent", Takes::Tables(AGENT), "A program that works on stories."),
    key(
        "route",
        Takes::Tables(ROUTE),
        "Which coder takes a story, and with which model; the first rule that fits decides.",
    ),
    key(
        "price",
        Takes::Tables(PRICE),
        "What a model's tokens cost, for runtimes that report no money; the first that fits counts.",
    ),
    key(
        "classifier",
        Takes::Table(CLASSIFIER),
        "A command that chooses the model of a story that names none.",
    ),
    later("recipe"),
    later("after_landing"),
    key(
        "notify",
        Takes::Tables(NOTIFY),
        "Somebody who is told of what happens: by a command, a webhook, the desktop.",
    ),
    later("context"),
    earlier("default_qa", "Now `qa`."),
    earlier("default_coder_model", "Now `model` of an agent or of `[defaults]`."),
    earlier("max_coders", "Now `agents` in `[limits]`."),
    earlier("watcher", "Now `archive_after` in `[board]`."),
];

/// The names of `[[route]]` `kind`.
pub const KINDS: &[&str] = &["story", "bug", "spike", "refactor", "chore"];

/// The names of `[[route]]` `size`.
pub const SIZES: &[&str] = &["S", "M", "L", "XL"];

/// `[classifier]`.
pub const CLASSIFIER: &[Key] = &[
    key(
        "command",
        Takes::Text,
        "The command, by `sh -c` in the worktree; the first line of its output is the model.",
    ),
    key("timeout", Takes::Span, "Longest time, at most 10 minutes."),
];

/// `[[route]]`.
pub const ROUTE: &[Key] = &[
    key("label", Takes::Text, "A label that the story has."),
    key("kind", Takes::Word(KINDS), "The story's kind."),
    key("priority", Takes::Count(1, 5), "The story's priority, or a more urgent one."),
    key("size", Takes::Word(SIZES), "The story's size, or a larger one."),
    key("attempt", Takes::Count(1, COUNT_MAX), "From this attempt on."),
    key("agent", Takes::Text, "The coder that takes it."),
    key("model", Takes::Text, "The model that it is coded with."),
];

/// `[[price]]`, in US dollars for a million tokens.
pub const PRICE: &[Key] = &[
    key("model", Takes::Text, "The model's name; `*` stands for any text. Required."),
    key("input", Takes::Money, "Input, for a million tokens. Required."),
    key("output", Takes::Money, "Output, for a million tokens. Required."),
    key("cache_read", Takes::Money, "Input read from a cache; absent: as `input`."),
    key("cache_write", Takes::Money, "Input written to a cache; absent: as `input`."),
];

/// `[defaults]`.
pub const DEFAULTS: &[Key] = &[
    key("model", Takes::Text, "The model's name; empty is the program's own."),
    key("max_turns", Takes::Count(0, COUNT_MAX), "Most turns of a run; 0 is no limit."),
    key("max_budget_usd", Takes::Money, "Most money of a run, in US dollars; 0 is no limit."),
    key("timeout", Takes::Span, "Longest run."),
];

/// `[limits]`.
pub const LIMITS: &[Key] = &[
    key("agents", Takes::Count(1, COUNT_MAX), "Runs at a time, over all agents."),
    key("gates", Takes::Count(1, COUNT_MAX), "Gate rounds at a time; they take no agent's slot."),
    key("budget_usd", Takes::Money, "US dollars per calendar day; 0 is no limit."),
    key("story_budget_usd", Takes::Money, "US dollars per story; 0 is no limit."),
    key("disk_reserve", Takes::Size, "With less free, nothing starts and logs stop."),
];

/// `[board]`.
pub const BOARD: &[Key] = &[
    key("archive_after", Takes::Span, "How long a story stays in done before it is put away."),
    key(
        "auto_promote",
        Takes::Flag,
        "Whether a backlog story moves on when the last of its dependencies is done.",
    ),
    key("wip", Takes::Table(WIP), "Most stories auto-promoted into a stage; 0 is no limit."),
];

/// `[board]` `wip`.
pub const WIP: &[Key] = &[
    key("current", Takes::Count(0, COUNT_MAX), "Most in `2_current`."),
    key("qa", Takes::Count(0, COUNT_MAX), "Most in `3_qa`."),
];

/// `[worktrees]`.
pub const WORKTREES: &[Key] = &[
    key("dir", Takes::Text, "The folder; may lie outside the repository."),
    key("warm", Takes::Count(0, 100), "Worktrees kept ready in advance."),
    key("copy", Takes::Texts, "Files that git ignores and a worktree needs."),
    key("setup", Takes::Texts, "Commands that make a worktree ready; a failure fails the run."),
    key("setup_relocatable", Takes::Flag, "Whether setup may run before a warm worktree has its final path."),
    key("setup_when", Takes::Texts, "Files whose change runs setup again in the merge worktree."),
    key("teardown", Takes::Texts, "Commands run before a worktree is removed."),
    later("pre_commit"),
];

/// `[[component]]`.
pub const COMPONENT: &[Key] = &[
    key("name", Takes::Text, "Its name, for people."),
    key("path", Takes::Text, "The folder, relative to the worktree."),
    key("setup", Takes::Texts, "Commands that make it ready."),
    key("teardown", Takes::Texts, "Commands run before the worktree is removed."),
];

/// `[[gate]]`.
pub const GATE: &[Key] = &[
    key("run", Takes::Text, "The command, by `sh -c` in the worktree, with standard input closed. Required."),
    key("name", Takes::Text, "Its name; absent: the first word of `run`."),
    key("stages", Takes::Words(GATE_STAGES), "After which stage's work it runs."),
    key("timeout", Takes::Span, "Longest time."),
    key("expect", Takes::Text, "A regular expression that its output must match."),
];

/// `[merge]`.
pub const MERGE: &[Key] = &[
    key("strategy", Takes::Word(STRATEGIES), "How a story's work becomes base's."),
    key("protect", Takes::Texts, "Paths that only a person lets through."),
    key("push", Takes::Text, "The remote that base is pushed to after a landing; empty is none."),
    later("batch"),
];

/// `[sandbox]`.
pub const SANDBOX: &[Key] = &[
    key(
        "mode",
        Takes::Word(MODES),
        "`auto`: the best that this machine has; `required`: bwrap or nothing runs.",
    ),
    key("write", Takes::Texts, "Folders that may be written besides the worktree."),
    key("network", Takes::Word(NETWORKS), "Whether agents reach the network."),
    key("gates_network", Takes::Word(NETWORKS), "Whether gates reach the network."),
];

/// `[server]`.
pub const SERVER: &[Key] = &[
    key("port", Takes::Count(0, 65_535), "The TCP port; 0 is any free one."),
    key("bind", Takes::Text, "The address to listen on."),
];

/// `[[agent]]`.
pub const AGENT: &[Key] = &[
    key("name", Takes::Text, "Its name. Required."),
    key("stage", Takes::Word(ROLES), "Its work; absent: from the name (`coder*`, `qa*`, `mergemaster*`)."),
    key("runtime", Takes::Word(RUNTIMES), "The program that it is."),
    key("instances", Takes::Count(1, 1_000), "How many stories at a time."),
    key("model", Takes::Text, "The model's name; empty is the program's own."),
    key("prompt", Takes::Text, "The prompt's file, relative to `.storkit/`; absent: `prompts/<stage>.md`."),
    key("command", Takes::Text, "The command; empty is the runtime's usual one."),
    key("args", Takes::Texts, "Its arguments; `{{prompt}}` becomes the prompt."),
    key("env", Takes::Map, "Variables set for it."),
    key("env_pass", Takes::Texts, "Names of variables passed on to it."),
    key(
        "permissions",
        Takes::Word(PERMISSIONS),
        "What it may do that it would ask leave for; `ask` asks a person.",
    ),
    key("max_turns", Takes::Count(0, COUNT_MAX), "Most turns of a run; 0 is no limit."),
    key("max_budget_usd", Takes::Money, "Most money of a run, in US dollars; 0 is no limit."),
    key("timeout", Takes::Span, "Longest run."),
    key("inactivity_timeout", Takes::Span, "Longest time without output and CPU time."),
    key("inactivity_timeout_secs", Takes::Count(1, COUNT_MAX), "The same, in seconds."),
    later("context"),
    earlier("role", "Now `stage`, and the prompt's file for the words."),
    earlier("system_prompt", "Now `args`, or the prompt's file."),
    earlier("allowed_tools", "Now `args`."),
];

/// The names of `[[notify]]` `on`.
pub const OCCASIONS: &[&str] = &["question", "review", "blocked", "landed", "budget", "drained"];

/// `[[notify]]`.
pub const NOTIFY: &[Key] = &[
    key("on", Takes::Words(OCCASIONS), "What is told; absent: all of it."),
    key("command", Takes::Text, "A command of the shell; the message is JSON on its input."),
    key(
        "webhook",
        Takes::Text,
        "An address that takes JSON: https, or of this machine; `$NAME` of a variable.",
    ),
    key("desktop", Takes::Flag, "By the desktop's own notifications."),
    key("quiet", Takes::Text, "When not, in local time: `22:00-07:00`; told at its end."),
];

/// All tables with the names that people know them by.
pub const TABLES: [(&str, &[Key]); 15] = [
    ("at the top", TOP),
    ("in `[defaults]`", DEFAULTS),
    ("in `[limits]`", LIMITS),
    ("in `[board]`", BOARD),
    ("in `[board.wip]`", WIP),
    ("in `[worktrees]`", WORKTREES),
    ("in `[[component]]`", COMPONENT),
    ("in `[[gate]]`", GATE),
    ("in `[merge]`", MERGE),
    ("in `[sandbox]`", SANDBOX),
    ("in `[server]`", SERVER),
    ("in `[[agent]]`", AGENT),
    ("in `[[price]]`", PRICE),
    ("in `[classifier]`", CLASSIFIER),
    ("in `[[notify]]`", NOTIFY),
];
