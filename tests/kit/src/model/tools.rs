//! The caller's tools: what a request offers, and how a scripted call is put in the caller's words.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::call::Api;
use super::script::Tool;

/// Names that agents give to the tool that runs a command.
const SHELLS: [&str; 9] = [
    "Bash",
    "exec_command",
    "shell_command",
    "shell",
    "local_shell",
    "run_shell_command",
    "bash",
    "execute",
    "run_command",
];
/// Names that agents give to the tool that writes a file.
const WRITERS: [&str; 3] = ["Write", "write_file", "write"];
/// Names that agents give to that tool's path.
const PATHS: [&str; 4] = ["file_path", "filePath", "path", "absolute_path"];

/// One tool that a caller offers.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Offered {
    /// Whether its input is free text and no JSON (the Responses API's `custom`).
    pub custom: bool,
    /// The namespace that it was offered in.
    pub namespace: Option<String>,
    /// Its parameters and their schemas.
    pub parameters: Map<String, Value>,
}

/// A call as it goes out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Called {
    /// The tool's name.
    pub name: String,
    /// Its arguments: an object, or a text for a custom tool.
    pub input: Value,
    /// The tool's namespace.
    pub namespace: Option<String>,
}

impl Called {
    /// Whether it goes out as free text.
    pub(super) fn is_custom(&self) -> bool {
        self.input.is_string()
    }
}

/// The tools that a request offers, by name.
pub(super) fn offered(api: Api, body: &Value) -> BTreeMap<String, Offered> {
    let mut found = BTreeMap::new();
    for tool in body["tools"].as_array().into_iter().flatten() {
        match api {
            Api::Gemini => {
                for function in tool["functionDeclarations"].as_array().into_iter().flatten() {
                    let schema = [&function["parametersJsonSchema"], &function["parameters"]];
                    let schema = schema.into_iter().find(|schema| schema.is_object());
                    add(&mut found, &function["name"], schema.unwrap_or(&Value::Null), None);
                }
            }
            Api::Anthropic => add(&mut found, &tool["name"], &tool["input_schema"], None),
            Api::Responses | Api::Chat => add_open_ai(&mut found, tool, None),
        }
    }
    found
}

fn add(found: &mut BTreeMap<String, Offered>, name: &Value, schema: &Value, namespace: Option<&str>) {
    let Some(name) = name.as_str() else { return };
    let parameters = schema["properties"].as_object().cloned().unwrap_or_default();
    let namespace = namespace.map(str::to_owned);
    found.insert(name.to_owned(), Offered { custom: false, namespace, parameters });
}

fn add_open_ai(found: &mut BTreeMap<String, Offered>, tool: &Value, namespace: Option<&str>) {
    if tool["type"] == "namespace" {
        for inner in tool["tools"].as_array().into_iter().flatten() {
            add_open_ai(found, inner, tool["name"].as_str());
        }
        return;
    }
    let function = if tool["function"].is_object() { &tool["function"] } else { tool };
    // Tools of the vendor's own have a type and no name.
    let name = if function["name"].is_string() { &function["name"] } else { &tool["type"] };
    add(found, name, &function["parameters"], namespace);
    if let Some(known) = name.as_str().and_then(|name| found.get_mut(name)) {
        known.custom = tool["type"] == "custom";
    }
}

/// A scripted call in the caller's words.
pub(super) fn called(tool: &Tool, offered: &BTreeMap<String, Offered>) -> Called {
    let (name, input) = match tool {
        Tool::Call { name, args } => (name.clone(), args.clone()),
        Tool::Mcp { name, args } if offered.contains_key("tool_search") => {
            // Codex puts the tools of MCP servers off until they are searched for, and takes calls of them all the same.
            let namespace = Some("mcp__storkit".to_owned());
            return Called { name: name.clone(), input: args.clone(), namespace };
        }
        Tool::Mcp { name, args } => mcp(name, args, offered),
        Tool::Shell(cmd) => shell(cmd, offered),
        Tool::Write { path, content } => write(path, content, offered),
    };
    let namespace = offered.get(&name).and_then(|tool| tool.namespace.clone());
    Called { name, input, namespace }
}

/// Callers put the server's name before the tool's: `mcp__storkit__get_story`, `mcp_storkit_get_story`.
fn mcp(name: &str, args: &Value, offered: &BTreeMap<String, Offered>) -> (String, Value) {
    let is_it = |theirs: &&String| *theirs == name || theirs.ends_with(&format!("_{name}"));
    if let Some(theirs) = offered.keys().find(is_it) {
        return (theirs.clone(), args.clone());
    }
    if offered.get("exec").is_some_and(|tool| tool.custom) {
        // Codex's code mode, where the tools are functions.
        let text = format!("const r = await tools.mcp__storkit__{name}({args});\ntext(JSON.stringify(r));\n");
        return ("exec".to_owned(), Value::from(text));
    }
    (name.to_owned(), args.clone())
}

fn shell(cmd: &str, offered: &BTreeMap<String, Offered>) -> (String, Value) {
    let Some((name, tool)) = SHELLS.iter().find_map(|name| offered.get_key_value(*name)) else {
        if offered.get("exec").is_some_and(|tool| tool.custom) {
            // Codex's code mode: the tool takes JavaScript, which calls the other tools.
            let cmd = Value::from(cmd);
            let text = format!("const r = await tools.exec_command({{cmd: {cmd}}});\ntext(r.output ?? r);\n");
            return ("exec".to_owned(), Value::from(text));
        }
        return ("Bash".to_owned(), json!({ "command": cmd }));
    };
    let parameter = if tool.parameters.contains_key("cmd") { "cmd" } else { "command" };
    let words = tool.parameters.get(parameter).is_some_and(|schema| schema["type"] == "array");
    let cmd = if words { json!(["bash", "-lc", cmd]) } else { Value::from(cmd) };
    let mut input = Map::from_iter([(parameter.to_owned(), cmd)]);
    if tool.parameters.contains_key("description") {
        input.insert("description".to_owned(), Value::from("Run a scripted command"));
    }
    if tool.parameters.contains_key("is_background") {
        input.insert("is_background".to_owned(), Value::from(false));
    }
    (name.clone(), Value::Object(input))
}

fn write(path: &str, content: &str, offered: &BTreeMap<String, Offered>) -> (String, Value) {
    if let Some((name, tool)) = WRITERS.iter().find_map(|name| offered.get_key_value(*name)) {
        let parameter = PATHS.iter().find(|path| tool.parameters.contains_key(**path)).unwrap_or(&PATHS[0]);
        return (name.clone(), json!({ *parameter: path, "content": content }));
    }
    if let Some(tool) = offered.get("apply_patch") {
        let lines: String = content.lines().flat_map(|line| ["+", line, "\n"]).collect();
        let patch = format!("*** Begin Patch\n*** Add File: {path}\n{lines}*** End Patch\n");
        let input = if tool.custom { Value::from(patch) } else { json!({ "input": patch }) };
        return ("apply_patch".to_owned(), input);
    }
    let text = format!(
        "mkdir -p \"$(dirname '{path}')\"; cat > '{path}' <<'END_OF_SCRIPTED_FILE'\n{content}\nEND_OF_SCRIPTED_FILE"
    );
    shell(&text, offered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell_for(api: Api, body: &Value) -> Called {
        called(&Tool::Shell("git log".to_owned()), &offered(api, body))
    }

    fn write_for(api: Api, body: &Value) -> Called {
        let tool = Tool::Write { path: "/w/a".to_owned(), content: "x\ny\n".to_owned() };
        called(&tool, &offered(api, body))
    }

    #[test]
    fn claude_is_asked_by_its_own_names() {
        let body = json!({"tools":[
            {"name":"Bash","input_schema":{"properties":{"command":{},"description":{}}}},
            {"name":"Write","input_schema":{"properties":{"file_path":{},"content":{}}}}]});
        let call = shell_for(Api::Anthropic, &body);
        assert_eq!((call.name.as_str(), &call.input["command"]), ("Bash", &json!("git log")));
        assert!(call.input["description"].is_string());
        assert_eq!(write_for(Api::Anthropic, &body).input, json!({"file_path":"/w/a","content":"x\ny\n"}));
    }

    #[test]
    fn codex_is_asked_by_its_own_names_whatever_shape_its_tools_have() {
        let command = |parameters: Value| {
            json!({"tools":[{"type":"function","name":"exec_command","parameters":{"properties":parameters}},
                            {"type":"custom","name":"apply_patch"}]})
        };
        assert_eq!(shell_for(Api::Responses, &command(json!({"cmd":{}}))).input, json!({"cmd":"git log"}));
        let words = shell_for(Api::Responses, &command(json!({"command":{"type":"array"}})));
        assert_eq!(words.input, json!({"command":["bash","-lc","git log"]}));
        let patch = write_for(Api::Responses, &command(json!({})));
        let text = "*** Begin Patch\n*** Add File: /w/a\n+x\n+y\n*** End Patch\n";
        assert!(patch.is_custom() && patch.input == text, "{patch:?}");
        let inner = json!({"tools":[{"type":"namespace","name":"unix","tools":[
            {"type":"function","name":"shell","parameters":{"properties":{"command":{"type":"string"}}}}]}]});
        let call = shell_for(Api::Responses, &inner);
        assert_eq!((call.namespace.as_deref(), call.input), (Some("unix"), json!({"command":"git log"})));
        let code = shell_for(Api::Responses, &json!({"tools":[{"type":"custom","name":"exec"}]}));
        assert!(code.is_custom() && code.input.as_str().is_some_and(|text| text.contains("\"git log\"")));
    }

    #[test]
    fn gemini_and_chat_are_asked_by_their_own_names() {
        let gemini = json!({"tools":[{"functionDeclarations":[
            {"name":"run_shell_command","parametersJsonSchema":{"properties":{"command":{},"is_background":{}}}},
            {"name":"write_file","parameters":{"properties":{"file_path":{},"content":{}}}}]}]});
        let call = shell_for(Api::Gemini, &gemini);
        assert_eq!(call.input, json!({"command":"git log","is_background":false}));
        assert_eq!(write_for(Api::Gemini, &gemini).name, "write_file");
        let chat = json!({"tools":[{"type":"function","function":{"name":"shell",
            "parameters":{"properties":{"command":{"type":"string"}}}}}]});
        assert_eq!(shell_for(Api::Chat, &chat).input, json!({"command":"git log"}));
        let by_shell = write_for(Api::Chat, &chat);
        assert!(by_shell.input["command"].as_str().is_some_and(|cmd| cmd.contains("cat > '/w/a'")));
    }
}
