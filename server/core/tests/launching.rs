//! What starts each runtime: the arguments, the environment, and how the prompt gets there.

use std::collections::BTreeMap;

use storkit_core::config::{Agent, Permissions, Role, Runtime};
use storkit_core::ids::{AgentName, RunId};
use storkit_core::leave::Leave;
use storkit_core::runtime::{self, Launch, LaunchOrder, PROMPT_ARG_LEN_MAX, PromptBy, Resume};

fn agent(runtime: Runtime) -> Agent {
    Agent {
        name: AgentName::new("coder-1").expect("a name"),
        role: Role::Coder,
        runtime,
        instances: 1,
        model: String::new(),
        prompt: None,
        command: String::new(),
        args: Vec::new(),
        env: BTreeMap::new(),
        env_pass: Vec::new(),
        permissions: Permissions::Allow,
        max_turns: 0,
        max_budget_usd: 0.0,
        timeout_ms: 0,
        inactivity_timeout_ms: 0,
    }
}

static NOTHING_SAID: Leave = Leave { allowed: Vec::new(), refused: Vec::new(), asked: None };

fn order(agent: &Agent) -> LaunchOrder<'_> {
    let run = RunId(uuid::Uuid::from_u128(0x1234));
    LaunchOrder {
        agent,
        run,
        resume: None,
        leave: &NOTHING_SAID,
        prompt: "Do it.",
        mcp_url: None,
        is_root: false,
        tmp: None,
        exe: "/bin/storkit",
        sessions: "/p/sessions",
    }
}

fn launch(order: &LaunchOrder<'_>) -> Launch {
    (runtime::adapter(order.agent.runtime).expect("an adapter").launch)(order)
}

/// The command line, the environment, and what could not be said.
fn shown(launch: &Launch) -> String {
    let env = launch.env.iter().map(|(name, value)| format!("{name}={value}"));
    let words = env.chain([launch.command.clone()]).chain(launch.args.iter().cloned());
    let line = words.collect::<Vec<_>>().join(" ");
    if launch.unheeded.is_empty() { line } else { format!("{line}\nunheeded: {}", launch.unheeded.join(" ")) }
}

/// With everything that an agent's configuration can say.
fn full(runtime: Runtime) -> Launch {
    let agent = Agent {
        model: "m-1".to_owned(),
        command: "/opt/own".to_owned(),
        args: vec!["--extra".to_owned(), "x".to_owned()],
        max_turns: 7,
        max_budget_usd: 1.5,
        ..agent(runtime)
    };
    let resume = Resume { session: "s-1".to_owned(), total: None };
    let mcp_url = Some("http://127.0.0.1:1/mcp");
    launch(&LaunchOrder { resume: Some(&resume), mcp_url, is_root: true, tmp: Some("/t"), ..order(&agent) })
}

#[test]
fn claude_code_is_started_so() {
    insta::assert_snapshot!(shown(&launch(&order(&agent(Runtime::ClaudeCode)))), @"DISABLE_AUTOUPDATER=1 claude -p {{prompt}} --output-format stream-json --verbose --dangerously-skip-permissions --session-id 00000000-0000-0000-0000-000000001234");
    insta::assert_snapshot!(shown(&full(Runtime::ClaudeCode)), @r#"DISABLE_AUTOUPDATER=1 IS_SANDBOX=1 /opt/own -p {{prompt}} --output-format stream-json --verbose --dangerously-skip-permissions --resume s-1 --model m-1 --max-turns 7 --max-budget-usd 1.5 --mcp-config {"mcpServers":{"storkit":{"alwaysLoad":true,"headers":{"Authorization":"Bearer ${STORKIT_TOKEN}"},"type":"http","url":"http://127.0.0.1:1/mcp"}}} --extra x"#);
}

#[test]
fn codex_is_started_so() {
    insta::assert_snapshot!(shown(&launch(&order(&agent(Runtime::Codex)))), @"codex exec --json --dangerously-bypass-approvals-and-sandbox {{prompt}}");
    insta::assert_snapshot!(shown(&full(Runtime::Codex)), @r#"
    /opt/own exec --json --dangerously-bypass-approvals-and-sandbox -m m-1 -c mcp_servers.storkit.url="http://127.0.0.1:1/mcp" -c mcp_servers.storkit.bearer_token_env_var="STORKIT_TOKEN" --extra x resume s-1 {{prompt}}
    unheeded: max_turns max_budget_usd
    "#);
}

#[test]
fn gemini_is_started_so() {
    insta::assert_snapshot!(shown(&launch(&order(&agent(Runtime::Gemini)))), @"GEMINI_CLI_NO_RELAUNCH=true gemini -p {{prompt}} --output-format stream-json --skip-trust --yolo --session-id 00000000-0000-0000-0000-000000001234");
    insta::assert_snapshot!(shown(&full(Runtime::Gemini)), @r"
    GEMINI_CLI_NO_RELAUNCH=true TMPDIR=/t /opt/own -p {{prompt}} --output-format stream-json --skip-trust --yolo --resume s-1 -m m-1 --extra x
    unheeded: max_turns max_budget_usd mcp
    ");
}

#[test]
fn a_model_behind_an_api_is_an_inner_mode_of_storkits_own_program() {
    insta::assert_snapshot!(shown(&launch(&order(&agent(Runtime::OpenAi)))), @"STORKIT_SESSIONS=/p/sessions /bin/storkit __api-agent openai --role coder --session 00000000-0000-0000-0000-000000001234");
    insta::assert_snapshot!(shown(&full(Runtime::GeminiApi)), @r"
    STORKIT_SESSIONS=/p/sessions /bin/storkit __api-agent gemini --role coder --resume s-1 --model m-1 --max-turns 7 --mcp http://127.0.0.1:1/mcp --extra x
    unheeded: command max_budget_usd
    ");
}

#[test]
fn an_agent_behind_the_client_protocol_is_started_by_storkits_own_program() {
    assert_eq!(launch(&order(&agent(Runtime::Acp))), Launch::default(), "there is none without a command");
    insta::assert_snapshot!(shown(&full(Runtime::Acp)), @r"
    GEMINI_CLI_NO_RELAUNCH=true IS_SANDBOX=1 TMPDIR=/t /bin/storkit __acp-agent --session s-1 --model m-1 --mcp http://127.0.0.1:1/mcp -- /opt/own --extra x
    unheeded: max_turns max_budget_usd
    ");
    let env = [("STORKIT_ACP_MODE", "plan")];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let agent =
        Agent { command: "own".to_owned(), env, permissions: Permissions::Deny, ..agent(Runtime::Acp) };
    insta::assert_snapshot!(shown(&launch(&order(&agent))), @"GEMINI_CLI_NO_RELAUNCH=true /bin/storkit __acp-agent --mode plan --permissions deny -- own");
}

#[test]
fn who_may_not_do_everything_is_started_so() {
    let leave = Leave {
        allowed: vec!["Bash".to_owned(), "shell".to_owned()],
        refused: vec!["web".to_owned()],
        asked: None,
    };
    let shown_as = |runtime, permissions| {
        let agent = Agent { command: "own".to_owned(), permissions, ..agent(runtime) };
        shown(&launch(&LaunchOrder { leave: &leave, ..order(&agent) }))
    };
    let (ask, deny) = (Permissions::Ask, Permissions::Deny);
    insta::assert_snapshot!(shown_as(Runtime::ClaudeCode, ask), @"DISABLE_AUTOUPDATER=1 own -p {{prompt}} --output-format stream-json --verbose --permission-mode acceptEdits --allowedTools=Bash,shell --session-id 00000000-0000-0000-0000-000000001234");
    insta::assert_snapshot!(shown_as(Runtime::Codex, deny), @"own exec --json --sandbox workspace-write {{prompt}}");
    insta::assert_snapshot!(shown_as(Runtime::Gemini, deny), @"GEMINI_CLI_NO_RELAUNCH=true own -p {{prompt}} --output-format stream-json --skip-trust --approval-mode auto_edit --session-id 00000000-0000-0000-0000-000000001234");
    insta::assert_snapshot!(shown_as(Runtime::Acp, ask), @"GEMINI_CLI_NO_RELAUNCH=true /bin/storkit __acp-agent --permissions ask --allow-tool Bash --allow-tool shell --refuse-tool web -- own");
    insta::assert_snapshot!(shown_as(Runtime::OpenAi, deny), @r"
    STORKIT_SESSIONS=/p/sessions /bin/storkit __api-agent openai --role coder --session 00000000-0000-0000-0000-000000001234 --permissions deny --allow-tool Bash --allow-tool shell --refuse-tool web
    unheeded: command
    ");
}

#[test]
fn any_program_is_started_as_it_is_configured() {
    insta::assert_snapshot!(shown(&full(Runtime::Command)), @"/opt/own --extra x");
    assert_eq!(launch(&order(&agent(Runtime::Command))).command, "");
}

#[test]
fn a_prompt_that_no_argument_takes_is_the_standard_input() {
    let long = "x".repeat(PROMPT_ARG_LEN_MAX + 1);
    for (runtime, last) in
        [(Runtime::ClaudeCode, "-p"), (Runtime::Codex, "-"), (Runtime::Gemini, "Do what is written above.")]
    {
        let agent = agent(runtime);
        for prompt in ["- first\n- second", &long] {
            let launch = launch(&LaunchOrder { prompt, ..order(&agent) });
            assert_eq!(launch.prompt, PromptBy::Stdin, "{runtime:?}");
            assert!(launch.args.iter().any(|arg| arg == last), "{:?}", launch.args);
            assert!(!launch.args.iter().any(|arg| arg.contains("{{prompt}}")), "{:?}", launch.args);
        }
        let launch = launch(&LaunchOrder { prompt: &long[1..], ..order(&agent) });
        assert_eq!(launch.prompt, PromptBy::Argument, "{runtime:?}");
    }
}

#[test]
fn an_agents_own_words_on_permissions_take_the_place_of_storkits() {
    for (runtime, args, ours) in [
        (Runtime::ClaudeCode, ["--permission-mode=acceptEdits", "x"], "--dangerously-skip-permissions"),
        (Runtime::ClaudeCode, ["--allowedTools", "Write"], "--dangerously-skip-permissions"),
        (Runtime::Codex, ["--sandbox", "workspace-write"], "--dangerously-bypass-approvals-and-sandbox"),
        (Runtime::Gemini, ["--approval-mode", "auto_edit"], "--yolo"),
    ] {
        let agent = Agent { args: args.map(str::to_owned).to_vec(), ..agent(runtime) };
        let launch = launch(&order(&agent));
        assert!(!launch.args.iter().any(|arg| arg == ours), "{:?}", launch.args);
    }
}

#[test]
fn every_runtime_names_its_state() {
    for runtime in [Runtime::ClaudeCode, Runtime::Codex, Runtime::Gemini, Runtime::Acp] {
        let launch = full(runtime);
        assert!(launch.state.iter().all(|path| path.usual.starts_with("~/.")), "{:?}", launch.state);
        assert!(!launch.state.is_empty());
    }
}

#[test]
fn every_runtime_has_an_adapter() {
    for (runtime, name) in Runtime::NAMES {
        assert!(runtime::adapter(runtime).is_some(), "{name}");
        let text = serde_json::to_string(&runtime).expect("a name");
        assert_eq!(text, format!("\"{name}\""));
        assert_eq!(serde_json::from_str::<Runtime>(&text).expect("a runtime"), runtime);
    }
}
