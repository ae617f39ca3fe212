//! The grammar of the command line, and what its help says.

use clap::CommandFactory;

use super::*;

#[test]
fn the_grammar_is_sound() {
    Cli::command().debug_assert();
}

fn parsed(line: &str) -> Result<Cli, clap::error::ErrorKind> {
    Cli::try_parse_from(line.split(' ')).map_err(|error| error.kind())
}

#[test]
fn help_lists_every_command_and_no_inner_one() {
    let help = Cli::command().term_width(80).render_help().to_string();
    insta::assert_snapshot!(help, @r"
    Stories in a folder become merged commits

    Usage: storkit [OPTIONS] [COMMAND]

    Commands:
      init         Set up a project: .storkit/ with its configuration, prompts and
                   stage folders
      up           Start the daemon: in this terminal, or behind it
      down         End the daemon and everything it runs
      demo         Show three stories becoming commits in a throw-away repository;
                   needs no key
      status       Show the board: what every story is doing, and what is wrong
      show         Show one story: its facts, runs and branch
      why          Say everything that keeps a story from moving, and what would end
                   it
      log          Show what happened on the board
      agents       Show the agents and what they work on
      new          Write a new story, and print its id
      move         Move a story to another stage, as moving its file does
      edit         Open a story's file in $VISUAL or $EDITOR
      hold         Let nothing be started for a story
      unhold       Take a hold away
      unblock      Take `blocked` away, so that the story starts afresh
      rm           Delete a story's file; branch and worktree stay until `storkit
                   prune`
      start        Start a story: to current if in backlog, no longer blocked
      stop         End what runs for a story and hold it
      retry        Forget a story's failures and start it at once
      approve      Pass a story's review: from qa on to merge
      reject       Send a story back to its coder, with what is wrong
      pause        Start nothing new until `storkit resume`
      resume       End a pause, or make an agent available again
      logs         Show what a story's agents and gates printed
      diff         Show a story's work against base
      undo         Take the last change of the board back, or of one story
      restore      Bring a story back as it was
      prune        Remove worktrees and branches of stories that are over; never
                   work that has not landed
      doctor       Check git, agents, gates, configuration and this machine; exits 1
                   when something is wrong
      lint         Check stories; exits 1 when something is found
      config       The configuration: its schema, or what is in force
      completions  Print a completion script for a shell
      man          Print the manual page
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Global options:
      -C <DIR>            Look for the project from DIR instead of the current
                          folder
          --json          Print data, and errors, as JSON
      -q, --quiet         Say nothing that is not an error or data
      -v, --verbose...    Say more
          --color <WHEN>  Colours in the output (NO_COLOR is honoured) [default:
                          auto] [possible values: auto, always, never]

    Begin with `storkit demo`, or in a git repository with `storkit init`.
    ");
}

#[test]
fn every_command_says_what_it_is_for() {
    for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        assert!(command.get_about().is_some(), "{}", command.get_name());
    }
}

#[test]
fn options_stand_before_and_behind_commands() {
    let cli = parsed("storkit status --json -C /tmp --color never").expect("parsed");
    assert!(cli.global.json);
    let cli = parsed("storkit --json -C /tmp status").expect("parsed");
    assert_eq!(cli.global.directory.as_deref(), Some(std::path::Path::new("/tmp")));
    assert!(parsed("storkit").expect("parsed").command.is_none());
}

#[test]
fn stages_are_named_by_word_or_folder_and_others_are_usage_errors() {
    for stage in ["current", "2_current"] {
        let cli = parsed(&format!("storkit move 42 {stage}")).expect("parsed");
        assert!(matches!(
            cli.command,
            Some(Command::Move { stage: storkit_core::stage::Stage::Current, .. })
        ));
    }
    assert!(parsed("storkit move 42 nowhere").is_err());
    assert!(parsed("storkit reject 42").is_err());
    assert!(parsed("storkit prune --pins").is_err());
    assert!(parsed("storkit board").is_err());
}

#[test]
fn an_agents_command_may_hold_options() {
    let cli = parsed("storkit init --agent command -- ./agent --fast -v").expect("parsed");
    let Some(Command::Init(args)) = cli.command else { panic!("not init") };
    assert_eq!(args.command, ["./agent", "--fast", "-v"]);
}

#[test]
fn a_gate_of_logs_may_be_unnamed() {
    let gate = |line| match parsed(line).expect("parsed").command {
        Some(Command::Logs(args)) => args.gate,
        _ => panic!("not logs"),
    };
    assert_eq!(gate("storkit logs 42"), None);
    assert_eq!(gate("storkit logs 42 --gate"), Some(String::new()));
    assert_eq!(gate("storkit logs 42 --gate tests"), Some("tests".to_owned()));
}
