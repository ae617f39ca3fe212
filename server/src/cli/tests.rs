//! The grammar of the command line, and what its help says.

use std::fs;
use std::path::Path;

use clap::CommandFactory;

use super::*;

#[test]
fn the_grammar_is_sound() {
    Cli::command().debug_assert();
}

fn parsed(line: &str) -> Result<Cli, clap::error::ErrorKind> {
    Cli::try_parse_from(line.split(' ')).map_err(|error| error.kind())
}

fn help() -> String {
    Cli::command().term_width(80).render_help().to_string()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one text, as it is shown")]
fn help_lists_every_command_and_no_inner_one() {
    insta::assert_snapshot!(help(), @r#"
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
      board        Show the live board in this terminal; ? there lists all keys
      show         Show one story: its facts, runs and branch
      why          Say everything that keeps a story from moving, and what would end
                   it
      log          Show what happened on the board
      agents       Show the agents and what they work on
      agent        Find out whether an agent can work
      open         Open the board in the browser, and print its address
      usage        Show what runs used: tokens, money and time
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
      answer       Answer the question of a story's agent, which goes on with it at
                   once
      send         Tell a story's agent something: it goes into its next prompt
      continue     Send one more prompt into a story's last session, and start it
      context      Show or change what all prompts of the project hold:
                   .storkit/context.md
      pause        Start nothing new until `storkit resume`
      resume       End a pause, or make an agent available again
      logs         Show what a story's agents and gates printed
      attach       Share the terminal of a story's agent: watch, and type into it
      replay       Show a run's terminal again, as it was recorded
      diff         Show a story's work against base
      undo         Take the last change of the board back, or of one story
      restore      Bring a story back as it was
      prune        Remove worktrees and branches of stories that are over; never
                   work that has not landed
      service      Make the daemon a service of yours: systemd, on macOS launchd
      doctor       Check git, agents, gates, configuration and this machine; exits 1
                   when something is wrong
      lint         Check stories; exits 1 when something is found
      config       The configuration: its schema, or what is in force
      mcp          Speak MCP on standard input and output
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
    "#);
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
    assert_eq!(cli.global.directory.as_deref(), Some(Path::new("/tmp")));
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

/// A repository with a project that `init` made.
struct Place {
    temp: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { temp: tempfile::tempdir().expect("a folder") };
        git2::Repository::init(place.temp.path()).expect("a repository");
        place.run("init --agent command -- ./agent.sh").expect("made");
        place
    }

    fn run(&self, line: &str) -> Outcome {
        let words = ["storkit", "-q", "-C", self.temp.path().to_str().expect("UTF-8")];
        let cli = Cli::try_parse_from(words.into_iter().chain(line.split(' '))).expect("parsed");
        let out = Out::new(false, true, args::Color::Never);
        let start = cli.global.directory.expect("given");
        run(&Context { out, start, project: OnceCell::new() }, cli.command.expect("given"))
    }

    /// The exit status of a command line.
    fn code(&self, line: &str) -> u8 {
        match self.run(line) {
            Ok(exit) => exit as u8,
            Err(failure) => failure.code,
        }
    }

    /// The text of a story's file, where it is in that folder.
    fn read(&self, folder: &str, id: &str) -> Option<String> {
        fs::read_to_string(self.temp.path().join(".storkit/work").join(folder).join(format!("{id}.md"))).ok()
    }
}

#[test]
fn init_writes_what_is_missing_and_overwrites_nothing() {
    let place = Place::new();
    let config = place.temp.path().join(".storkit/project.toml");
    let text = fs::read_to_string(&config).expect("written");
    assert!(text.contains("command = \"./agent.sh\""), "{text}");
    storkit_core::config::parse(&text).expect("what init writes is good");
    fs::write(&config, "qa = \"human\"\n").expect("written");
    fs::remove_file(place.temp.path().join(".storkit/prompts/qa.md")).expect("removed");
    assert_eq!(place.code("init"), 0);
    assert_eq!(fs::read_to_string(&config).expect("there"), "qa = \"human\"\n");
    assert!(place.temp.path().join(".storkit/prompts/qa.md").is_file());
    assert_eq!(place.code("init -- ./x"), 2);
    let nowhere = Place { temp: tempfile::tempdir().expect("a folder") };
    assert_eq!(nowhere.code("init"), 1);
    assert_eq!(nowhere.code("status"), 1);
}

#[test]
fn without_a_daemon_a_story_is_moved_and_held_by_its_file() {
    let place = Place::new();
    assert_eq!(place.code("new Login"), 0);
    let id = "1_story_login";
    assert!(place.read("1_backlog", id).is_some());
    assert_eq!(place.code("hold 1 later"), 0);
    assert!(place.read("1_backlog", id).expect("there").contains("hold: later"));
    assert_eq!(place.code("start 1"), 1, "a person's hold");
    assert_eq!(place.code("unhold 1"), 0);
    assert_eq!(place.code("start 1"), 0);
    assert!(place.read("2_current", id).is_some());
    assert_eq!(place.code("move 1 current"), 0, "the same stage");
    assert_eq!(place.code("approve 1"), 1, "not in qa");
    assert_eq!(place.code("move 1 qa"), 0);
    assert_eq!(place.code("reject 1 -m unclear"), 0);
    assert!(place.read("2_current", id).expect("there").contains("unclear"));
    assert_eq!(place.code("stop 1"), 0);
    assert!(place.read("2_current", id).expect("there").contains("hold: stopped by hand"));
    for needs_daemon in ["retry 1", "pause", "resume"] {
        assert_eq!(place.code(needs_daemon), 4, "{needs_daemon}");
    }
    assert_eq!(place.code("down"), 0);
    for unknown in ["why 9", "show 9", "move 9 qa", "logs 9", "rm 9", "edit 9", "diff 9"] {
        assert_eq!(place.code(unknown), 3, "{unknown}");
    }
}

#[test]
fn a_story_that_was_deleted_or_moved_comes_back() {
    let place = Place::new();
    assert_eq!(place.code("new Login --stage qa"), 0);
    let text = place.read("3_qa", "1_story_login").expect("there");
    assert_eq!(place.code("rm 1"), 0);
    assert_eq!(place.read("3_qa", "1_story_login"), None);
    assert_eq!(place.code("restore 1_story_login"), 0);
    assert_eq!(place.read("3_qa", "1_story_login"), Some(text));
    assert_eq!(place.code("move 1 merge"), 0);
    assert_eq!(place.code("undo 1"), 0);
    assert!(place.read("3_qa", "1_story_login").is_some());
    assert_eq!(place.code("restore never_there"), 3);
    assert_eq!(place.code("restore 1 --at yesterday"), 2);
    assert_eq!(place.code("new Other"), 0);
    assert!(place.read("1_backlog", "2_story_other").is_some(), "numbers are not given twice");
}

#[test]
fn lint_finds_what_is_wrong_with_stories() {
    let place = Place::new();
    assert_eq!(place.code("new Login"), 0);
    assert_eq!(place.code("lint"), 0);
    let broken = place.temp.path().join(".storkit/work/1_backlog/2_story_x.md");
    fs::write(&broken, "---\npriority: high\n---\n").expect("written");
    assert_eq!(place.code("lint"), 1);
    assert_eq!(place.code(&format!("lint {}", broken.display())), 1);
    assert_eq!(place.code("lint /nowhere/1_story_x.md"), 1);
    assert_eq!(place.code("status"), 0, "a bad story is shown, and no failure");
    fs::remove_file(&broken).expect("there");
    let twice = place.temp.path().join(".storkit/work/2_current/1_story_login.md");
    fs::write(&twice, "text\n").expect("written");
    let problems = || lint::count_board(place.temp.path()).expect("a board");
    assert_eq!(problems(), 1, "one id in two places");
    fs::write(place.temp.path().join(".storkit/work/1_backlog/1_story_login.md"), "---\nqa: [\n---\n")
        .expect("written");
    assert_eq!(problems(), 2, "and the file's own");
}

#[test]
fn a_clone_that_is_not_trusted_shows_its_commands_and_starts_nothing() {
    let place = Place::new();
    fs::remove_file(place.temp.path().join(".git/storkit.trusted")).expect("init counts as trust");
    let failure = place.run("up").expect_err("no terminal to ask in");
    assert_eq!(failure.code, 1);
    assert!(failure.error.contains("agent coder-1: ./agent.sh"), "{}", failure.error);
    assert!(failure.hint.is_some_and(|hint| hint.contains("--trust")));
    fs::write(place.temp.path().join(".storkit/project.toml"), "bad = ").expect("written");
    let failure = place.run("up --trust").expect_err("no good configuration");
    assert!(failure.error.contains("1 | bad ="), "the place is shown: {}", failure.error);
}

#[test]
fn the_pages_made_from_the_grammar_can_be_made() {
    let place = Place::new();
    for line in [
        "man",
        "completions bash",
        "completions zsh",
        "completions fish",
        "config schema",
        "config show",
        "doctor",
    ] {
        place.run(line).unwrap_or_else(|failure| panic!("{line}: {failure}"));
    }
}
