//! The command line: parses what was typed, asks the daemon or the files, and shows what comes back.
//!
//! A face: it decides nothing about stories. Only this module prints.

mod agent;
mod agents;
mod args;
mod ask;
mod attach;
mod board;
mod config;
mod demo;
mod demo_agent;
mod diff;
mod doctor;
mod down;
mod editor;
mod exit;
mod figures;
mod find;
mod history;
mod init;
mod lint;
mod live;
mod logs;
mod manual;
mod mcp;
mod offline;
mod open;
mod out;
mod path;
mod project;
mod prune;
mod replay;
mod screen;
mod service;
mod service_unit;
mod show;
mod status;
mod stories;
mod style;
mod talk;
mod trust;
mod up;
mod usage;
mod why;

use std::cell::OnceCell;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use storkit_core::request::Request;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use agent::AgentCommand;
use args::{Cli, Command};
use exit::{Failure, Outcome};
use out::Out;
use project::Project;

use exit::Exit;

use crate::sys::{text, trace};

/// What every command has at hand.
struct Context {
    out: Out,
    start: PathBuf,
    project: OnceCell<Project>,
}

impl Context {
    /// The project of the folder that the command was started in, looked for once.
    fn project(&self) -> Result<&Project, Failure> {
        if let Some(project) = self.project.get() {
            return Ok(project);
        }
        let project = Project::find(&self.start)?;
        Ok(self.project.get_or_init(|| project))
    }
}

/// The whole program, but for its inner modes.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error).into(),
    };
    let global = &cli.global;
    let out = Out::new(global.json, global.quiet, global.color);
    // What the program says of itself has no place on the board.
    let _export = (!matches!(cli.command, Some(Command::Board)))
        .then(|| log_to_stderr(out, global.verbose, matches!(cli.command, Some(Command::Up(_)))));
    let start = global.directory.clone().unwrap_or_else(|| PathBuf::from("."));
    let context = Context { out, start, project: OnceCell::new() };
    match run(&context, cli.command.unwrap_or(Command::Status { all: false })) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            out.fail(&failure);
            Exit::of_code(failure.code).into()
        }
    }
}

/// Says what is wrong with the command line; with `--json` in it, as JSON. Help and version are no errors.
fn not_understood(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        // A reader who has gone away has read enough.
        let _ = error.print();
        return Exit::Done;
    }
    if std::env::args_os().any(|arg| arg == "--json") {
        let rendered = error.to_string();
        Out::new(true, false, args::Color::Never)
            .fail(&Failure::usage(in_one_line(&rendered)).hint("storkit --help"));
    } else {
        let _ = error.print();
    }
    Exit::Usage
}

/// What is wrong, without the usage that follows it.
fn in_one_line(rendered: &str) -> String {
    let said =
        rendered.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let words: Vec<&str> = said.flat_map(str::split_whitespace).collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}

/// Sends what the program says of itself to standard error; `STORKIT_LOG` chooses, as `RUST_LOG` does elsewhere. A
/// daemon's spans go to a collector, where one is named.
fn log_to_stderr(out: Out, verbose: u8, is_daemon: bool) -> trace::Export {
    let default = ["warn", "info", "debug", "trace"][usize::from(verbose.min(3))];
    let filter = EnvFilter::try_from_env("STORKIT_LOG")
        .unwrap_or_else(|_| EnvFilter::new(format!("storkit={default},opentelemetry=error")));
    let no_spans = format!("{}=off", trace::TARGET).parse().expect("a directive");
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(out.has_color());
    let log = log.with_target(false);
    // The journal has times of its own.
    let log = if out.is_journal() { log.without_time().boxed() } else { log.boxed() };
    let (spans, export) = if is_daemon { trace::export() } else { (None, trace::Export::default()) };
    let subscriber =
        tracing_subscriber::registry().with(spans).with(log.with_filter(filter.add_directive(no_spans)));
    // Fails only where a subscriber is set already, as in a test.
    let _ = subscriber.try_init();
    if let Some(why) = &export.failure {
        tracing::warn!("no traces are sent: {why}");
    }
    export
}

fn run(context: &Context, command: Command) -> Outcome {
    match command {
        Command::Init(args) => init::run(context, &args),
        Command::Up(args) => up::run(context, &args),
        Command::Down { now } => down::run(context, now),
        Command::Demo { keep } => demo::run(context, keep.as_deref()),
        Command::DemoAgent => demo_agent::run(),
        Command::Status { all } => status::run(context, all),
        Command::Show { story, prompt: true } => show::prompt(context, &story),
        Command::Show { story, prompt: false } => show::run(context, &story),
        Command::Why(args) => why::run(context, &args.story),
        Command::Log { story } => history::log(context, story.as_deref()),
        Command::Agents => agents::run(context),
        Command::Agent { what: AgentCommand::Check(args) } => agent::check(context, &args),
        Command::Open { print } => open::run(context, print),
        Command::Usage { by } => usage::run(context, by),
        Command::New(args) => stories::new(context, &args),
        Command::Edit(args) => stories::edit(context, &args.story),
        Command::Rm(args) => stories::rm(context, &args.story),
        Command::Logs(args) => logs::run(context, &args),
        Command::Board => board::run(context),
        Command::Attach(args) => attach::run(context, &args),
        Command::Replay(args) => replay::run(context, &args),
        Command::Diff { story, stat } => diff::run(context, &story, stat),
        Command::Undo { story } => history::undo(context, story.as_deref()),
        Command::Restore { story, at } => history::restore(context, &story, at.as_deref()),
        Command::Prune(args) => prune::run(context, &args),
        Command::Service { what } => service::run(context, what),
        Command::Doctor => doctor::run(context),
        Command::Lint { files } => lint::run(context, &files),
        Command::Config { what } => config::run(context, what),
        Command::Mcp => mcp::run(context),
        Command::Completions { shell } => manual::completions(context, shell),
        Command::Man => manual::man(context),
        Command::Start { story, agent } => stories::start(context, Request::Start { story, agent }),
        Command::Retry(args) => {
            stories::needs_daemon(context, "retry", &Request::Retry { story: args.story })
        }
        Command::Answer { story, message } => talk::answer(context, story, &message),
        Command::Send { story, from, message } => talk::send(context, story, from, &message),
        Command::Continue { story, message } => talk::go_on(context, story, &message),
        Command::Context { story, what } => talk::context(context, story.as_deref(), what),
        Command::Pause { why } => stories::needs_daemon(context, "pause", &Request::Pause { why }),
        Command::Resume { agent } => stories::needs_daemon(context, "resume", &Request::Resume { agent }),
        Command::Move { story, stage } => stories::change(context, Request::Move { story, to: stage }),
        Command::Hold { story, why } => stories::change(context, Request::Hold { story, why }),
        Command::Unhold(args) => stories::change(context, Request::Unhold { story: args.story }),
        Command::Unblock(args) => stories::change(context, Request::Unblock { story: args.story }),
        Command::Stop(args) => stories::change(context, Request::Stop { story: args.story }),
        Command::Approve(args) => stories::change(context, Request::Approve { story: args.story }),
        Command::Reject { story, message } => {
            stories::change(context, Request::Reject { story, text: message })
        }
    }
}

#[cfg(test)]
mod tests;
