//! The command line's grammar: what may be typed, and what `--help` says of it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use storkit_core::stage::Stage;
use storkit_core::story::Kind;
use storkit_core::usage::GroupBy;

use super::agent::AgentCommand;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "storkit",
    version,
    about = "Stories in a folder become merged commits",
    long_about = "storkit runs coding agents on stories. A story is a Markdown file; moving it to 2_current/ starts an agent in its own \
                  git worktree, your gates judge its work, and what is green lands on the base branch as one commit.\n\n\
                  Without a command, storkit shows the status.",
    after_help = "Begin with `storkit demo`, or in a git repository with `storkit init`.",
    max_term_width = 100,
    disable_help_subcommand = false
)]
pub(super) struct Cli {
    /// Options of all commands.
    #[command(flatten)]
    pub global: Global,
    /// The command; none is `status`.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options of all commands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// Look for the project from DIR instead of the current folder
    #[arg(short = 'C', global = true, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Print data, and errors, as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing that is not an error or data
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Colours in the output (NO_COLOR is honoured)
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Color {
    /// In a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A story, as a person names it.
#[derive(Debug, Args)]
pub(super) struct StoryArg {
    /// The story's id, or the number at its beginning
    #[arg(value_name = "STORY")]
    pub story: String,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Set up a project: .storkit/ with its configuration, prompts and stage folders
    #[command(
        after_help = "Nothing is overwritten and nothing is committed; run again, it adds what is missing.",
        after_long_help = "Nothing is overwritten and nothing is committed; run again, it adds what is missing.\n\n\
                           Examples:\n  storkit init\n  storkit init --agent codex\n  storkit init --agent command -- ./my-agent --fast"
    )]
    Init(InitArgs),
    /// Start the daemon: in this terminal, or behind it
    #[command(after_help = "Examples:\n  storkit up\n  storkit up --detach\n  storkit up --once --trust")]
    Up(UpArgs),
    /// End the daemon and everything it runs
    Down {
        /// Do not give agents five seconds to end
        #[arg(long)]
        now: bool,
    },
    /// Show three stories becoming commits in a throw-away repository; needs no key
    #[command(after_help = "Examples:\n  storkit demo\n  storkit demo --keep /tmp/storkit-demo")]
    Demo {
        /// Keep the repository in DIR, which must be new or empty
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
    },
    /// Show the board: what every story is doing, and what is wrong
    Status {
        /// Archived stories too
        #[arg(long)]
        all: bool,
    },
    /// Show the live board in this terminal; ? there lists all keys
    Board,
    /// Show one story: its facts, runs and branch
    #[command(after_help = "Examples:\n  storkit show 42\n  storkit show 42 --prompt")]
    Show {
        /// The story's id or number
        story: String,
        /// Print what an agent would get now, and nothing else
        #[arg(long)]
        prompt: bool,
    },
    /// Say everything that keeps a story from moving, and what would end it
    Why(StoryArg),
    /// Show what happened on the board
    Log {
        /// Only this story
        story: Option<String>,
    },
    /// Show the agents and what they work on
    Agents,
    /// Find out whether an agent can work
    Agent {
        /// What to do
        #[command(subcommand)]
        what: AgentCommand,
    },
    /// Open the board in the browser, and print its address
    #[command(
        after_help = "The address lets one page in, once, within a minute.\n\nExamples:\n  storkit open\n  storkit open --print"
    )]
    Open {
        /// Print the address and open nothing
        #[arg(long)]
        print: bool,
    },
    /// Show what runs used: tokens, money and time
    #[command(
        after_help = "Examples:\n  storkit usage\n  storkit usage --by model\n  storkit usage --by day --json"
    )]
    Usage {
        /// What to sum up by: story, agent, model, day or label
        #[arg(long, value_name = "WHAT", value_parser = group_by, default_value = "story")]
        by: GroupBy,
    },
    /// Write a new story, and print its id
    #[command(
        after_help = "Examples:\n  storkit new \"Log in with a passkey\"\n  storkit new \"Crash on empty input\" --kind bug --stage current\n  \
                      storkit new \"Faster start\" --body notes.md --edit"
    )]
    New(NewArgs),
    /// Move a story to another stage, as moving its file does
    #[command(
        after_help = "Stages: backlog current qa merge done archived (or 1_backlog …).\n\nExample:\n  storkit move 42 current"
    )]
    Move {
        /// The story's id or number
        story: String,
        /// The stage to move it to
        #[arg(value_parser = stage)]
        stage: Stage,
    },
    /// Open a story's file in $VISUAL or $EDITOR
    Edit(StoryArg),
    /// Let nothing be started for a story
    Hold {
        /// The story's id or number
        story: String,
        /// Why
        why: Option<String>,
    },
    /// Take a hold away
    Unhold(StoryArg),
    /// Take `blocked` away, so that the story starts afresh
    Unblock(StoryArg),
    /// Delete a story's file; branch and worktree stay until `storkit prune`
    Rm(StoryArg),
    /// Start a story: to current if in backlog, no longer blocked
    Start {
        /// The story's id or number
        story: String,
        /// The one agent to use
        #[arg(long, value_name = "AGENT")]
        agent: Option<String>,
    },
    /// End what runs for a story and hold it
    Stop(StoryArg),
    /// Forget a story's failures and start it at once
    Retry(StoryArg),
    /// Pass a story's review: from qa on to merge
    Approve(StoryArg),
    /// Send a story back to its coder, with what is wrong
    #[command(after_help = "Example:\n  storkit reject 42 -m \"The button does nothing on a phone.\"")]
    Reject {
        /// The story's id or number
        story: String,
        /// What is wrong
        #[arg(short = 'm', long = "message", value_name = "TEXT")]
        message: String,
    },
    /// Answer the question of a story's agent, which goes on with it at once
    #[command(
        after_help = "Examples:\n  storkit answer 42 -m \"With the browser.\"\n  git log -5 | storkit answer 42 -m -"
    )]
    Answer {
        /// The story's id or number
        story: String,
        /// The answer; - reads standard input
        #[arg(short = 'm', long = "message", value_name = "TEXT")]
        message: String,
    },
    /// Tell a story's agent something: it goes into its next prompt
    #[command(after_help = "Example:\n  storkit send 42 -m \"The API has moved to src/http.\"")]
    Send {
        /// The story's id or number
        story: String,
        /// The story whose agent says it; without it: a person
        #[arg(long, value_name = "STORY")]
        from: Option<String>,
        /// The message; - reads standard input
        #[arg(short = 'm', long = "message", value_name = "TEXT")]
        message: String,
    },
    /// Send one more prompt into a story's last session, and start it
    #[command(after_help = "Example:\n  storkit continue 42 -m \"Also handle the empty list.\"")]
    Continue {
        /// The story's id or number
        story: String,
        /// The prompt; - reads standard input
        #[arg(short = 'm', long = "message", value_name = "TEXT")]
        message: String,
    },
    /// Show or change what all prompts of the project hold: .storkit/context.md
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Examples:\n  storkit context\n  storkit context 42\n  storkit context set database \"Postgres 17, from January on\"\n  storkit context unset database"
    )]
    Context {
        /// Also the messages that wait for this story's next run
        story: Option<String>,
        /// What to change
        #[command(subcommand)]
        what: Option<super::talk::ContextCommand>,
    },
    /// Start nothing new until `storkit resume`
    Pause {
        /// Why
        why: Option<String>,
    },
    /// End a pause, or make an agent available again
    Resume {
        /// The agent; without one the pause ends
        agent: Option<String>,
    },
    /// Show what a story's agents and gates printed
    #[command(after_help = "Examples:\n  storkit logs 42 -f\n  storkit logs 42 --gate tests")]
    Logs(LogsArgs),
    /// Share the terminal of a story's agent: watch, and type into it
    #[command(
        after_help = "Ctrl-] detaches; the agent goes on. Any number may watch; one at a time may type.\n\nExample:\n  storkit attach 42 --read-only"
    )]
    Attach(AttachArgs),
    /// Show a run's terminal again, as it was recorded
    #[command(
        after_help = "Examples:\n  storkit replay 42 --speed 4\n  asciinema play \"$(storkit replay 42 --path)\""
    )]
    Replay(ReplayArgs),
    /// Show a story's work against base
    Diff {
        /// The story's id or number
        story: String,
        /// Only which files, and how much
        #[arg(long)]
        stat: bool,
    },
    /// Take the last change of the board back, or of one story
    Undo {
        /// Only this story
        story: Option<String>,
    },
    /// Bring a story back as it was
    #[command(after_help = "Examples:\n  storkit restore 42\n  storkit restore 42 --at 2026-11-21T10:00:00Z")]
    Restore {
        /// The story's id or number
        story: String,
        /// At that moment (RFC 3339); without it: as it was before it was deleted
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// Remove worktrees and branches of stories that are over; never work that has not landed
    Prune(PruneArgs),
    /// Make the daemon a service of yours: systemd, on macOS launchd
    #[command(after_help = "Examples:\n  storkit service install\n  storkit service status")]
    Service {
        /// What to do
        #[command(subcommand)]
        what: super::service::ServiceCommand,
    },
    /// Check git, agents, gates, configuration and this machine; exits 1 when something is wrong
    Doctor,
    /// Check stories; exits 1 when something is found
    Lint {
        /// Story files; without any: all of the board
        files: Vec<PathBuf>,
    },
    /// The configuration: its schema, or what is in force
    Config {
        /// What to print
        #[command(subcommand)]
        what: ConfigCommand,
    },
    /// Speak MCP on standard input and output
    #[command(
        after_help = "In an agent's run (STORKIT_TOKEN is set) it acts as that run, on its own story.\n\nExample:\n  claude mcp add storkit -- storkit mcp"
    )]
    Mcp,
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  storkit completions bash > ~/.local/share/bash-completion/completions/storkit"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(after_help = "Example:\n  storkit man | man -l -")]
    Man,
    /// The demo's agent.
    #[command(name = super::demo_agent::NAME, hide = true)]
    DemoAgent,
}

/// `storkit init`.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The agent; without it: the first of claude, codex, gemini on PATH
    #[arg(long, value_enum, value_name = "AGENT")]
    pub agent: Option<InitAgent>,
    /// With `--agent command`: the command and its arguments
    #[arg(last = true, value_name = "CMD ARG…")]
    pub command: Vec<String>,
}

/// The agents that `init` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum InitAgent {
    /// Claude Code.
    ClaudeCode,
    /// Codex.
    Codex,
    /// Gemini.
    Gemini,
    /// Any program.
    Command,
}

/// `storkit up`.
#[derive(Debug, Args)]
pub(super) struct UpArgs {
    /// Behind this terminal; returns when the daemon answers
    #[arg(long)]
    pub detach: bool,
    /// Listen on this TCP port (default: `server.port` of project.toml)
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// End when nothing is left to do
    #[arg(long)]
    pub once: bool,
    /// Run this project's agents, setup and gates without asking
    #[arg(long)]
    pub trust: bool,
    /// In a session of its own, without a live view: what `--detach` starts.
    #[arg(long, hide = true)]
    pub session: bool,
    /// End when the process that started it does.
    #[arg(long, hide = true)]
    pub with_parent: bool,
}

/// `storkit new`.
#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// The title
    pub title: String,
    /// story, bug, spike, refactor, chore or epic
    #[arg(long, value_parser = kind, default_value = "story")]
    pub kind: Kind,
    /// The stage that it begins in
    #[arg(long, value_parser = stage, default_value = "backlog")]
    pub stage: Stage,
    /// A file with its text; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// Open it in an editor afterwards
    #[arg(long)]
    pub edit: bool,
}

/// `storkit logs`.
#[derive(Debug, Args)]
pub(super) struct LogsArgs {
    /// The story's id or number
    pub story: String,
    /// Follow a run until it ends
    #[arg(short, long)]
    pub follow: bool,
    /// This run: its number of the story's runs, or the beginning of its id
    #[arg(long, value_name = "R")]
    pub run: Option<String>,
    /// What a gate printed: the last one, or the one of that name
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    pub gate: Option<String>,
    /// Pass on control sequences as the agent printed them
    #[arg(long)]
    pub raw: bool,
}

/// `storkit attach`.
#[derive(Debug, Args)]
pub(super) struct AttachArgs {
    /// The story's id or number
    pub story: String,
    /// Only watch
    #[arg(short, long)]
    pub read_only: bool,
}

/// `storkit replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The story's id or number
    pub story: String,
    /// This run: its number of the story's runs, or the beginning of its id
    #[arg(long, value_name = "R")]
    pub run: Option<String>,
    /// So many times as fast
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub speed: f64,
    /// Longest pause that is kept, in seconds
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    pub idle_max: f64,
    /// Only print where the recording (asciicast v2) lies
    #[arg(long)]
    pub path: bool,
}

/// `storkit prune`.
#[derive(Debug, Args)]
pub(super) struct PruneArgs {
    /// Only say what would go
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Also what only a pin holds
    #[arg(long)]
    pub all: bool,
    /// Drop pins that are old
    #[arg(long, requires = "older_than")]
    pub pins: bool,
    /// How old, such as 30d
    #[arg(long, value_name = "AGE", requires = "pins")]
    pub older_than: Option<String>,
}

/// `storkit config`.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print the JSON schema of project.toml
    Schema,
    /// Print what is in force, defaults filled in
    Show,
}

fn stage(text: &str) -> Result<Stage, UnknownWord> {
    Stage::parse(text).ok_or(UnknownWord("the stages are backlog, current, qa, merge, done and archived"))
}

fn group_by(text: &str) -> Result<GroupBy, UnknownWord> {
    GroupBy::from_name(text).ok_or(UnknownWord("usage is by story, agent, model, day or label"))
}

fn kind(text: &str) -> Result<Kind, UnknownWord> {
    Kind::from_name(text).ok_or(UnknownWord("the kinds are story, bug, spike, refactor, chore and epic"))
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UnknownWord(&'static str);
