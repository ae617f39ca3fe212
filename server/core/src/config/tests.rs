//! project.toml as people write it, well and badly.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::hints::render;
use crate::story::Problem;

fn good(text: &str) -> Config {
    let parsed = parse(text).unwrap_or_else(|problems| panic!("{text}\n{}", shown(&problems, text)));
    assert_eq!(parsed.warnings, [], "{text}");
    parsed.config
}

fn shown(problems: &[Problem], text: &str) -> String {
    problems.iter().map(|problem| render(problem, text)).collect::<Vec<_>>().join("\n")
}

fn errors(text: &str) -> String {
    shown(&parse(text).expect_err("errors"), text)
}

fn warned(text: &str) -> (Config, String) {
    let parsed = parse(text).unwrap_or_else(|problems| panic!("{}", shown(&problems, text)));
    (parsed.config, shown(&parsed.warnings, text))
}

#[test]
fn an_empty_file_is_the_defaults() {
    for text in ["", "\u{feff}", "# nothing\n", "\r\n", "[limits]\n[defaults]\n"] {
        assert_eq!(good(text), default_config());
    }
    assert_snapshot!(show(&default_config()), @r#"
    # base_branch: what HEAD of the main checkout is when the daemon starts
    qa = "server"
    max_retries = 3
    max_rejections = 3
    answer_settle = "10s"
    gate_env_pass = []

    [limits]
    agents = 4
    gates = 2
    budget_usd = 0.0
    story_budget_usd = 10.0
    disk_reserve = "1GB"

    [board]
    archive_after = "4h"
    auto_promote = true
    wip = { current = 0, qa = 0 }

    [worktrees]
    dir = ".storkit/worktrees"
    warm = 0
    copy = []
    setup = []
    setup_relocatable = false
    setup_when = []
    teardown = []

    [merge]
    strategy = "squash"
    protect = [".storkit/"]
    push = ""

    [sandbox]
    mode = "auto"
    write = ["~/.cargo/registry", "~/.cargo/git", "~/.npm/_cacache"]
    network = "open"
    gates_network = "open"

    [server]
    port = 0
    bind = "127.0.0.1"
    "#);
}

#[test]
fn the_template_says_the_defaults_and_every_key() {
    let template = init_text(None, None, &[]);
    assert_eq!(good(&template), default_config());
    // With every `#` before a key taken away it still says the defaults.
    let uncommented: Vec<&str> = template
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest)
                if rest.starts_with('[')
                    || rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) =>
            {
                rest
            }
            _ => line,
        })
        .collect();
    let text = uncommented.join("\n");
    let mut config = good(&text);
    assert_eq!(config.base_branch.take().as_deref(), Some("main"));
    let (gate, agent) = (config.gates.remove(0), config.agents.remove(0));
    assert_eq!(config.components.remove(0).path, "web");
    let (rule, price, chooses) = (config.routes.remove(0), config.prices.remove(0), config.classifier.take());
    assert_eq!((rule.attempt, price.output, chooses.is_some()), (Some(2), 10.0, true));
    assert_eq!(std::mem::take(&mut config.notify).len(), 3);
    assert_eq!(config, default_config());
    let bare = good("[[gate]]\nrun = \"script/test\"\n[[agent]]\nname = \"coder-1\"\n");
    assert_eq!(Gate { name: "script/test".to_owned(), ..gate }, bare.gates[0]);
    assert_eq!(Agent { prompt: None, ..agent }, bare.agents[0]);
    for (place, keys) in keys::TABLES {
        for key in
            keys.iter().filter(|key| key.era == keys::Era::Now && key.name != "inactivity_timeout_secs")
        {
            let name = key.name;
            let is_there = text.contains(&format!("{name} = ")) || text.contains(&format!("[{name}]"));
            assert!(is_there, "{name} {place}");
        }
    }
}

#[test]
fn init_fills_in_what_was_found() {
    let agent = InitAgent {
        name: "coder-1".to_owned(),
        runtime: "command".to_owned(),
        command: "my \"agent\"".to_owned(),
        args: vec!["--file".to_owned(), "{{prompt}}".to_owned()],
        note: "any program can\nbe an agent".to_owned(),
    };
    let config = good(&init_text(Some("trunk"), Some("make test"), &[agent]));
    assert_eq!(config.base_branch.as_deref(), Some("trunk"));
    assert_eq!(config.gates[0].run, "make test");
    assert_eq!(config.agents[0].command, "my \"agent\"");
    assert_eq!(config.agents[0].args, ["--file", "{{prompt}}"]);
    assert_eq!(config.agents[0].runtime, Runtime::Command);
}

const FULL: &str = r#"
base_branch = "trunk"
qa = "human"
max_retries = 5
answer_settle = "1s"
gate_env_pass = ["CI"]
[defaults]
model = "sonnet"
timeout = "30m"
[limits]
agents = 2
story_budget_usd = 2.5
disk_reserve = "512MiB"
[board]
auto_promote = false
wip = { current = 3 }
[worktrees]
copy = [".env"]
setup = ["npm ci"]
[[component]]
path = "web"
[[gate]]
run = "npm run lint"
stages = ["current"]
[[gate]]
run = "npm test"
expect = "[1-9][0-9]* passed"
[merge]
strategy = "rebase"
[sandbox]
mode = "none"
network = "none"
[server]
port = 4_242
bind = "::1"
[[agent]]
name = "coder-1"
model = "opus"
env = { A = "1" }
inactivity_timeout_secs = 90
[[agent]]
name = "qa"
runtime = "command"
command = "check"
timeout = "2h30m"
[[agent]]
name = "helper"
stage = "mergemaster"
"#;

#[test]
fn what_is_written_is_read() {
    let config = good(FULL);
    assert_eq!((config.qa, config.max_retries, config.answer_settle_ms), (crate::story::Qa::Human, 5, 1_000));
    assert_eq!(
        (config.limits.agents, config.limits.gates, config.limits.disk_reserve_bytes),
        (2, 2, 512 << 20)
    );
    assert_eq!((config.board.auto_promote, config.board.wip_current, config.board.wip_qa), (false, 3, 0));
    let gates: Vec<_> = config.gates.iter().map(|gate| (&*gate.name, gate.stages.len())).collect();
    assert_eq!(gates, [("npm", 1), ("npm-2", 2)], "names are told apart");
    assert_eq!((config.server.port, &*config.server.bind), (4_242, "::1"));
    let agents: Vec<_> =
        config.agents.iter().map(|a| (a.role, &*a.model, a.timeout_ms, a.inactivity_timeout_ms)).collect();
    assert_eq!(
        agents,
        [
            (Role::Coder, "opus", 1_800_000, 90_000),
            (Role::Qa, "sonnet", 9_000_000, 900_000),
            (Role::Mergemaster, "sonnet", 1_800_000, 900_000),
        ]
    );
    assert_eq!(config.gates_at(GateStage::Merge).count(), 1);
}

#[test]
fn what_is_shown_reads_back() {
    for text in ["", FULL] {
        let config = good(text);
        assert_eq!(good(&show(&config)), config);
    }
}

#[test]
fn all_mistakes_are_shown_at_once() {
    assert_snapshot!(errors(
        "qa = \"robot\"\nmax_retrys = 3\nmax_retries = 0\narchive_after = \"1h\"\n[limit]\nagents = 2\n[limits]\n\
         agents = \"four\"\nbudget_usd = -1\ndisk_reserve = 5\n[board]\narchive_after = 4\nwip = { current = -1, done = 2 }\n"
    ), @r#"
    `qa` is `robot`, which is none of `server`, `agent`, `human`.
     --> .storkit/project.toml:1:6
      |
    1 | qa = "robot"
      |      ^
      = hint: one of `server`, `agent`, `human`

    `max_retrys` is no key that storkit knows.
     --> .storkit/project.toml:2:1
      |
    2 | max_retrys = 3
      | ^
      = hint: did you mean `max_retries`?

    `max_retries` must be 1 or more, and is 0.
     --> .storkit/project.toml:3:15
      |
    3 | max_retries = 0
      |               ^
      = hint: e.g. `max_retries = 1`

    `archive_after` is no key that storkit knows.
     --> .storkit/project.toml:4:1
      |
    4 | archive_after = "1h"
      | ^
      = hint: `archive_after` belongs in `[board]`

    `limit` is no key that storkit knows.
     --> .storkit/project.toml:5:2
      |
    5 | [limit]
      |  ^
      = hint: did you mean `limits`?

    `agents` must be a whole number, and is text.
     --> .storkit/project.toml:8:10
      |
    8 | agents = "four"
      |          ^
      = hint: e.g. `agents = 3`

    `budget_usd` must be a number of US dollars from 0.
     --> .storkit/project.toml:9:14
      |
    9 | budget_usd = -1
      |              ^
      = hint: 0 is no limit

    `disk_reserve` must be text, and is a whole number.
      --> .storkit/project.toml:10:16
       |
    10 | disk_reserve = 5
       |                ^
       = hint: write it as text with a unit, e.g. "1GB" or "512MiB"

    `archive_after` must be text, and is a whole number.
      --> .storkit/project.toml:12:17
       |
    12 | archive_after = 4
       |                 ^
       = hint: write it as text with units, e.g. "90s", "20m", "2h30m"

    `current` must be 0 or more, and is -1.
      --> .storkit/project.toml:13:19
       |
    13 | wip = { current = -1, done = 2 }
       |                   ^
       = hint: e.g. `current = 1`

    `done` is no key that storkit knows.
      --> .storkit/project.toml:13:23
       |
    13 | wip = { current = -1, done = 2 }
       |                       ^
       = hint: the keys here are `current`, `qa`
    "#);
}

#[test]
fn gates_are_checked() {
    assert_snapshot!(errors(
        "[[gate]]\nname = \"a\"\n[[gate]]\nrun = \"x\"\nstages = [\"merg\", 3]\nexpect = \"(\"\ntimeout = \"0s\"\n\
         [[gate]]\nrun = \"y\"\nname = \"t\"\n[[gate]]\nrun = \"z\"\nname = \"t\"\n[gates]\n"
    ), @r#"
    `[[gate]]` has no `run`.
     --> .storkit/project.toml:1:1
      |
    1 | [[gate]]
      | ^
      = hint: e.g. `run = "script/test"`

    `stages` is `merg`, which is none of `current`, `merge`.
     --> .storkit/project.toml:5:11
      |
    5 | stages = ["merg", 3]
      |           ^
      = hint: did you mean `merge`?

    `stages` holds a whole number, and takes texts.
     --> .storkit/project.toml:5:19
      |
    5 | stages = ["merg", 3]
      |                   ^
      = hint: put it in quotes

    `expect` is no regular expression: found open group without closing ')'.
     --> .storkit/project.toml:6:10
      |
    6 | expect = "("
      |          ^
      = hint: put a `\` before `. ( [ { * + ?` that stand for themselves

    `timeout` is nothing at all.
     --> .storkit/project.toml:7:11
      |
    7 | timeout = "0s"
      |           ^
      = hint: e.g. `timeout = "2h"`

    `name` (`t`) is the name of another gate.
      --> .storkit/project.toml:13:8
       |
    13 | name = "t"
       |        ^
       = hint: give each gate a name of its own

    `gates` is no key that storkit knows.
      --> .storkit/project.toml:14:2
       |
    14 | [gates]
       |  ^
       = hint: did you mean `gate`?
    "#);
}

#[test]
fn agents_are_checked() {
    assert_snapshot!(errors(
        "[[agent]]\nruntime = \"command\"\n[[agent]]\nname = \"a b\"\n[[agent]]\nname = \"c\"\nstage = \"codr\"\n\
         runtime = \"claude\"\ninstances = 0\nmax_budget_usd = nan\nenv_pass = [\"KEY=1\"]\nenv = { \"A B\" = \"x\", C = 1 }\n\
         [[agent]]\nname = \"c\"\n"
    ), @r#"
    `[[agent]]` has no `name`.
     --> .storkit/project.toml:1:1
      |
    1 | [[agent]]
      | ^
      = hint: e.g. `name = "coder-1"`

    `name` (`a b`) may only hold letters, digits, `.`, `_` and `-`.
     --> .storkit/project.toml:4:8
      |
    4 | name = "a b"
      |        ^
      = hint: e.g. `name = "coder-1"`

    `stage` is `codr`, which is none of `coder`, `qa`, `mergemaster`, `other`.
     --> .storkit/project.toml:7:9
      |
    7 | stage = "codr"
      |         ^
      = hint: did you mean `coder`?

    `runtime` is `claude`, which is none of `claude-code`, `codex`, `gemini`, `acp`, `openai`, `gemini-api`, `command`.
     --> .storkit/project.toml:8:11
      |
    8 | runtime = "claude"
      |           ^
      = hint: did you mean `claude-code`?

    `instances` must be from 1 to 1000, and is 0.
     --> .storkit/project.toml:9:13
      |
    9 | instances = 0
      |             ^
      = hint: e.g. `instances = 1`

    `max_budget_usd` must be a number of US dollars from 0.
      --> .storkit/project.toml:10:18
       |
    10 | max_budget_usd = nan
       |                  ^
       = hint: 0 is no limit

    `env_pass` takes names of variables, and `KEY=1` is none.
      --> .storkit/project.toml:11:13
       |
    11 | env_pass = ["KEY=1"]
       |             ^
       = hint: e.g. `["ANTHROPIC_API_KEY"]`; the value stays in the environment

    `env` has `A B`, which is no name of a variable.
      --> .storkit/project.toml:12:7
       |
    12 | env = { "A B" = "x", C = 1 }
       |       ^
       = hint: letters, digits and `_`

    `C` in `env` is a whole number, and takes text.
      --> .storkit/project.toml:12:26
       |
    12 | env = { "A B" = "x", C = 1 }
       |                          ^
       = hint: put it in quotes

    `name` (`c`) is the name of another agent.
      --> .storkit/project.toml:14:8
       |
    14 | name = "c"
       |        ^
       = hint: for more at a time of the same, set `instances`
    "#);
}

#[test]
fn tables_and_paths_are_checked() {
    assert_snapshot!(errors(
        "base_branch = \"-x\"\nagent = 3\n[[limits]]\n[worktrees]\ndir = \"\"\ncopy = [\"../secret\", \"/etc/passwd\"]\n\
         [[component]]\nname = \"x\"\n[[component]]\npath = \"a/../..\"\n[server]\nbind = \"here\"\nport = 70_000\n[gate]\nrun = \"x\"\n"
    ), @r#"
    `base_branch` (`-x`) cannot be a branch.
     --> .storkit/project.toml:1:15
      |
    1 | base_branch = "-x"
      |               ^
      = hint: e.g. `base_branch = "main"`

    `agent` is a list of tables, not a whole number.
     --> .storkit/project.toml:2:9
      |
    2 | agent = 3
      |         ^
      = hint: write `[[agent]]` for each one, and its keys below

    `limits` is there once, as `[limits]`.
     --> .storkit/project.toml:3:1
      |
    3 | [[limits]]
      | ^
      = hint: write `[limits]`

    `dir` is empty.
     --> .storkit/project.toml:5:7
      |
    5 | dir = ""
      |       ^
      = hint: e.g. `dir = ".storkit/worktrees"`

    `copy` has `../secret`, which does not lie in the project.
     --> .storkit/project.toml:6:9
      |
    6 | copy = ["../secret", "/etc/passwd"]
      |         ^
      = hint: write a path relative to the project's root, without `..`

    `copy` has `/etc/passwd`, which does not lie in the project.
     --> .storkit/project.toml:6:22
      |
    6 | copy = ["../secret", "/etc/passwd"]
      |                      ^
      = hint: write a path relative to the project's root, without `..`

    `[[component]]` has no `path`.
     --> .storkit/project.toml:7:1
      |
    7 | [[component]]
      | ^
      = hint: e.g. `path = "web"`

    `path` (`a/../..`) does not lie in the worktree.
      --> .storkit/project.toml:10:8
       |
    10 | path = "a/../.."
       |        ^
       = hint: e.g. `path = "web"`

    `bind` (`here`) is no address.
      --> .storkit/project.toml:12:8
       |
    12 | bind = "here"
       |        ^
       = hint: e.g. `bind = "127.0.0.1"`; the port is `port`

    `port` must be from 0 to 65535, and is 70000.
      --> .storkit/project.toml:13:8
       |
    13 | port = 70_000
       |        ^
       = hint: e.g. `port = 1`

    `gate` is a list of tables, not a table.
      --> .storkit/project.toml:14:1
       |
    14 | [gate]
       | ^
       = hint: write `[[gate]]` for each one, and its keys below
    "#);
}

#[test]
fn syntax_errors_have_a_place() {
    assert_snapshot!(errors("qa = human\n"), @"
    String values must be quoted, expected literal string.
     --> .storkit/project.toml:1:6
      |
    1 | qa = human
      |      ^
      = hint: strings need quotes, lists `[ ]`; see https://toml.io
    ");
    assert_snapshot!(errors("qa = \"human\nmax_retries = 3\n"), @r#"
    Invalid basic string, expected `"`.
     --> .storkit/project.toml:1:12
      |
    1 | qa = "human
      |            ^
      = hint: strings need quotes, lists `[ ]`; see https://toml.io
    "#);
    assert_snapshot!(errors("qa = \"human\"\nqa = \"agent\"\n"), @r#"
    Duplicate key.
     --> .storkit/project.toml:2:1
      |
    2 | qa = "agent"
      | ^
      = hint: keep one of them
    "#);
    assert_snapshot!(errors("\u{feff}[limits\nagents = 3\n"), @"
    Unclosed table, expected `]`.
     --> .storkit/project.toml:1:8
      |
    1 | [limits
      |        ^
      = hint: strings need quotes, lists `[ ]`; see https://toml.io
    ");
}

#[test]
fn keys_of_later_versions_are_accepted() {
    let text = "context = 1\n[[recipe]]\n[after_landing]\n[merge]\nbatch = 3\n[worktrees]\npre_commit = 1\n";
    let (config, warnings) = warned(text);
    assert_eq!(config, default_config());
    assert_eq!(warnings.matches("comes with a later version").count(), 5);
}

#[test]
fn keys_of_earlier_versions_are_read_into_their_new_place() {
    let (config, warnings) = warned(
        "default_qa = \"agent\"\ndefault_coder_model = \"sonnet\"\nmax_coders = 3\n[watcher]\nsweep_interval_secs = 60\n\
         done_retention_secs = 3600\n[agent]\nname = \"coder-1\"\nrole = \"Full-stack engineer\"\n\
         prompt = \"You are {{ story_id }}\"\nsystem_prompt = \"Be good\"\nallowed_tools = [\"Read\", \"Edit\"]\n",
    );
    assert_eq!((config.qa, config.limits.agents), (crate::story::Qa::Agent, 3));
    assert_eq!(config.board.archive_after_ms, 3_600_000);
    let agent = &config.agents[0];
    assert_eq!((agent.role, &*agent.model, agent.prompt.as_deref()), (Role::Coder, "sonnet", None));
    assert_eq!(agent.args, ["--append-system-prompt", "Be good", "--allowedTools", "Read,Edit"]);
    assert_snapshot!(warnings, @r#"
    `default_qa` is a key of an earlier version.
     --> .storkit/project.toml:1:14
      |
    1 | default_qa = "agent"
      |              ^
      = hint: write `qa = "…"` instead

    `default_coder_model` is a key of an earlier version.
     --> .storkit/project.toml:2:23
      |
    2 | default_coder_model = "sonnet"
      |                       ^
      = hint: write `model` in the coders' `[[agent]]`, or in `[defaults]`

    `max_coders` is a key of an earlier version.
     --> .storkit/project.toml:3:14
      |
    3 | max_coders = 3
      |              ^
      = hint: write `agents = …` in `[limits]` instead; it counts all agents, not coders alone

    `[watcher]` is a key of an earlier version.
     --> .storkit/project.toml:4:1
      |
    4 | [watcher]
      | ^
      = hint: write `archive_after = "4h"` in `[board]` instead

    `[agent]` is a key of an earlier version.
     --> .storkit/project.toml:7:1
      |
    7 | [agent]
      | ^
      = hint: write `[[agent]]`: there may be several

    `role` is a key of an earlier version.
     --> .storkit/project.toml:9:8
      |
    9 | role = "Full-stack engineer"
      |        ^
      = hint: the work is `stage`, words for the agent go into its prompt's file

    `prompt` holds a prompt; now it is the path of a file, and the stage's own file is used.
      --> .storkit/project.toml:10:10
       |
    10 | prompt = "You are {{ story_id }}"
       |          ^
       = hint: move the text to `.storkit/prompts/<stage>.md`

    `system_prompt` is a key of an earlier version.
      --> .storkit/project.toml:11:17
       |
    11 | system_prompt = "Be good"
       |                 ^
       = hint: put the text into the prompt's file, or into `args`

    `allowed_tools` is a key of an earlier version.
      --> .storkit/project.toml:12:17
       |
    12 | allowed_tools = ["Read", "Edit"]
       |                 ^
       = hint: write `args = ["--allowedTools", "…"]`
    "#);
    let (newer, _) =
        warned("default_qa = \"agent\"\nqa = \"human\"\n[[agent]]\nname = \"x\"\nrole = \"qa\"\n");
    assert_eq!((newer.qa, newer.agents[0].role), (crate::story::Qa::Human, Role::Qa));
}

/// A value that a key takes.
fn sample(takes: keys::Takes) -> String {
    use keys::Takes as T;
    match takes {
        T::Text => "\"x\"".to_owned(),
        T::Word(words) => format!("\"{}\"", words[0]),
        T::Flag => "true".to_owned(),
        T::Count(min, _) => min.max(1).to_string(),
        T::Money => "1.5".to_owned(),
        T::Span => "\"5m\"".to_owned(),
        T::Size => "\"5MB\"".to_owned(),
        T::Texts => "[\"x\"]".to_owned(),
        T::Words(words) => format!("[\"{}\"]", words[0]),
        T::Map => "{ A = \"x\" }".to_owned(),
        T::Table(keys) => format!("{{ {} }}", samples(keys).join(", ")),
        T::Tables(keys) => format!("[{{ {} }}]", samples(keys).join(", ")),
        T::Any => "1".to_owned(),
    }
}

fn samples(keys: &[keys::Key]) -> Vec<String> {
    let out = ["inactivity_timeout_secs", "webhook", "desktop"];
    let now = keys.iter().filter(|key| key.era == keys::Era::Now && !out.contains(&key.name));
    let say = |key: &keys::Key| match key.name {
        "quiet" => "quiet = \"22:00-07:00\"".to_owned(),
        "bind" => "bind = \"127.0.0.1\"".to_owned(),
        name => format!("{name} = {}", sample(key.takes)),
    };
    now.map(say).collect()
}

#[test]
fn the_list_of_keys_is_what_the_parser_reads() {
    let text = samples(keys::TOP).join("\n");
    let config = good(&text);
    // Every key was read: what is in force differs from the defaults wherever the sample does.
    let shown = show(&config);
    for part in [
        "base_branch = \"x\"",
        "max_retries = 1\n",
        "answer_settle = \"5m\"",
        "gates = 1\n",
        "disk_reserve = \"5MB\"",
        "wip = { current = 1, qa = 1 }",
        "setup_relocatable = true",
        "protect = [\"x\"]",
        "warm = 1",
        "port = 1\n",
        "expect = \"x\"",
        "stages = [\"current\"]",
        "instances = 1\n",
        "env = { A = \"x\" }",
        "inactivity_timeout = \"5m\"",
        "prompt = \"x\"",
        "story_budget_usd = 1.5",
        "setup_when = [\"x\"]",
        "archive_after = \"5m\"",
        "command = \"x\"",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    for (place, keys) in keys::TABLES {
        for key in keys.iter().filter(|key| !matches!(key.takes, keys::Takes::Any)) {
            let table = place.trim_start_matches("in ").trim_matches('`');
            let head = if table.starts_with('[') { table } else { "" };
            let wrong = format!("{head}\n{} = 1979-05-27\n", key.name);
            let problems = parse(&wrong).expect_err(&wrong);
            assert!(
                problems.iter().any(|problem| problem.message.contains(&format!("`{}`", key.name))),
                "{wrong}"
            );
        }
    }
}

#[test]
fn the_schema_has_every_key() {
    let schema = schema();
    for (name, pointer) in [
        ("qa", ""),
        ("agents", "/limits"),
        ("run", "/gate/items"),
        ("prompt", "/agent/items"),
        ("wip", "/board"),
    ] {
        let base = pointer.replacen("/items", "", 1);
        let base = if pointer.is_empty() { String::new() } else { format!("/properties{base}") };
        let items = if pointer.ends_with("/items") { "/items" } else { "" };
        assert!(schema.pointer(&format!("{base}{items}/properties/{name}")).is_some(), "{name} {pointer}");
    }
    let properties = schema["properties"].as_object().expect("properties");
    assert_eq!(properties.len(), keys::TOP.len());
    assert_eq!(schema["properties"]["gate"]["items"]["required"], serde_json::json!(["run"]));
    assert_eq!(schema["properties"]["max_coders"]["deprecated"], serde_json::json!(true));
}

#[test]
#[expect(clippy::disallowed_types, reason = "a test measures time; what it measures does not")]
fn hostile_files_are_refused_at_once() {
    let start_limit = std::time::Duration::from_secs(5);
    let fill = |unit: &str| unit.repeat(FILE_BYTES_MAX / 2 / unit.len());
    for text in [
        fill("["),
        fill("a."),
        fill("x = [["),
        fill("[[gate]]\n"),
        fill("{"),
        fill("\""),
        fill("a\n"),
        fill("= "),
        "x".repeat(FILE_BYTES_MAX + 1),
    ] {
        let start = std::time::Instant::now();
        assert!(parse(&text).is_err());

        assert!(start.elapsed() < start_limit, "{:?}", &text[..9]);
    }
}

proptest! {
    #[test]
    fn any_text_is_answered(text: String, key in "[a-z_]{1,9}", value in "[^\n]{0,20}") {
        let _ = parse(&text);
        let _ = parse(&format!("{key} = {value}\n[limits]\n{key} = {value}\n[[agent]]\n{key} = {value}\n"));
    }
}

#[test]
fn rules_name_coders_and_choose_something() {
    let agents = "[[agent]]\nname = \"coder-1\"\nruntime = \"command\"\n[[agent]]\nname = \"qa-1\"\nruntime = \"command\"\n";
    let good =
        format!("{agents}[[route]]\nlabel = \"ui\"\nattempt = 2\nagent = \"coder-1\"\nmodel = \"larger\"\n");
    let (config, warnings) = warned(&good);
    assert_eq!((config.routes.len(), warnings.as_str()), (1, ""));
    assert_eq!((config.routes[0].attempt, config.routes[0].model.as_deref()), (Some(2), Some("larger")));
    assert!(
        show(&config)
            .contains("[[route]]\nlabel = \"ui\"\nagent = \"coder-1\"\nmodel = \"larger\"\nattempt = 2\n")
    );
    for (rule, what) in [
        ("kind = \"bug\"", "chooses nothing"),
        ("agent = \"coder-2\"", "did you mean `coder-1`?"),
        ("agent = \"qa-1\"", "is no coder"),
        ("kind = \"epic\"\nmodel = \"m\"", "kind"),
        ("modle = \"m\"", "model"),
    ] {
        let said = errors(&format!("{agents}[[route]]\n{rule}\n"));
        assert!(said.contains(what), "{rule}: {said}");
    }
}
