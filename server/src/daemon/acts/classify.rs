//! `[classifier]`: a command of the user's that chooses a story's model, supervised and bounded as gates are.
//!
//! Its failure is logged and nothing else: a story is never kept from starting by it, nor for longer than its timeout.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use storkit_core::effect::PrepareOrder;
use storkit_core::ids::AgentName;
use storkit_core::stage::Stage;

use crate::agents;
use crate::agents::env::{self, EnvOrder};
use crate::daemon::world::World;
use crate::gates::{self, ShellContext, ShellOrder};
use crate::sys::cancel::Cancel;

/// How much of its output is read, in bytes: the first line is in it.
const OUTPUT_LEN_MAX: u64 = 4 << 10;

/// The model that it chooses; none where it chooses none, or failed.
pub(super) fn model(
    world: &World,
    order: &PrepareOrder,
    (agent, worktree): (&AgentName, &Path),
    cancel: &Cancel,
) -> Option<String> {
    let classifier = order.config.classifier.as_ref()?;
    let log = world.layout.logs_of(&order.story).join(format!("{}.classifier.log", order.run));
    let story_file = world.layout.story(Stage::Current, &order.story);
    let env = env::build(
        &world.env,
        &EnvOrder {
            pass: order.config.gate_env_pass.clone(),
            own: vec![
                ("STORKIT_STORY", order.story.to_string()),
                ("STORKIT_STORY_FILE", story_file.display().to_string()),
                ("STORKIT_AGENT", agent.to_string()),
                ("STORKIT_BASE", world.base_branch.clone()),
            ],
            ceiling: super::agents::ceiling(&worktree.display().to_string()),
            ..EnvOrder::default()
        },
    );
    let command = ShellOrder {
        command: &classifier.command,
        folder: worktree,
        is_worktree: false,
        log: &log,
        timeout_ms: classifier.timeout_ms,
    };
    let ran = gates::run_shell(
        &command,
        &ShellContext {
            run: order.run,
            story: &order.story,
            repo: &agents::repo_marker(&world.layout.run()),
            env: &env,
            run_dir: &world.layout.run_of(order.run),
            disk_reserve_bytes: order.config.limits.disk_reserve_bytes,
            exe: &world.exe,
            cancel,
        },
    );
    if let Err(error) = ran {
        tracing::warn!(story = %order.story, "the classifier chose no model: {error}");
        return None;
    }
    let mut output = String::new();
    let read = File::open(&log).and_then(|file| file.take(OUTPUT_LEN_MAX).read_to_string(&mut output));
    if let Err(error) = read {
        tracing::warn!(story = %order.story, "the classifier's output cannot be read: {error}");
    }
    chosen(&output)
}

/// What its first line says: a name, or JSON, a text or an object with `model`.
fn chosen(output: &str) -> Option<String> {
    let line = output.lines().next()?.trim();
    let name = match serde_json::from_str::<Value>(line) {
        Ok(Value::String(name)) => name,
        Ok(Value::Object(object)) => object.get("model")?.as_str()?.to_owned(),
        Ok(Value::Null) => return None,
        _ => line.to_owned(),
    };
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_a_name_or_json() {
        for output in ["big\n", "  big  \r\nmore\n", "\"big\"\n", "{\"model\":\"big\",\"why\":1}"] {
            assert_eq!(chosen(output).as_deref(), Some("big"), "{output:?}");
        }
        for output in ["", "\n", "\nbig\n", "null", "{}", "{\"model\":7}", "\"\""] {
            assert_eq!(chosen(output), None, "{output:?}");
        }
    }
}
