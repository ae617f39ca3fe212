//! Which mode and which model an agent is set to, of those that its session offers.
//!
//! Two ways are known: `modes` and `models` of their own, and options of a category.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::config::Permissions;
use crate::runtime::ndjson::{list, said, text};

/// The freest modes, by the names that agents have for them: claude-agent-acp 0.23.1, codex-acp 0.16.0, Gemini
/// CLI 0.61.0. In a lesser one codex-acp refuses `git commit` in a linked worktree.
const FREEST: [&str; 3] = ["bypassPermissions", "full-access", "yolo"];
/// The modes in which files may be changed and the rest is asked about, of the same.
const ASKING: [&str; 3] = ["acceptEdits", "auto", "autoEdit"];

/// Something of a session that is to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// The request.
    pub(super) method: &'static str,
    /// Its parameters but for the session's id.
    pub(super) params: Value,
    /// What it sets, for people.
    pub(super) what: String,
    /// Whether the configuration asks for it: then a refusal is an error.
    pub(super) is_wanted: bool,
}

/// One thing that can be chosen.
struct Choice<'a> {
    /// Its name for people.
    name: &'static str,
    /// What is chosen now.
    current: Option<String>,
    /// What can be chosen.
    offered: Vec<&'a str>,
    /// The option's id, where it is one.
    option: Option<&'a str>,
}

impl<'a> Choice<'a> {
    /// What a session says of it; none where it says nothing.
    fn of(session: &'a Value, name: &'static str) -> Option<Self> {
        let (own, current, all, id) = match name {
            "mode" => ("modes", "currentModeId", "availableModes", "id"),
            _ => ("models", "currentModelId", "availableModels", "modelId"),
        };
        if let Some(own) = session.get(own).filter(|own| own.is_object()) {
            let offered = list(own, all).iter().map(|one| text(one, id)).collect();
            return Some(Self { name, current: said(own, current), offered, option: None });
        }
        let options = list(session, "configOptions");
        let option = options.iter().find(|option| text(option, "category") == name)?;
        let groups = list(option, "options");
        let values = groups.iter().flat_map(|one| std::iter::once(one).chain(list(one, "options")));
        let offered = values.map(|one| text(one, "value")).filter(|value| !value.is_empty()).collect();
        Some(Self { name, current: said(option, "currentValue"), offered, option: Some(text(option, "id")) })
    }

    /// What sets it to that; none where it is already.
    fn set(&self, value: &str, is_wanted: bool) -> Option<Setting> {
        if self.current.as_deref() == Some(value) {
            return None;
        }
        let (method, params) = match (self.option, self.name) {
            (Some(id), _) => ("session/set_config_option", json!({ "configId": id, "value": value })),
            (None, "mode") => ("session/set_mode", json!({ "modeId": value })),
            (None, _) => ("session/set_model", json!({ "modelId": value })),
        };
        Some(Setting { method, params, what: format!("{} {value}", self.name), is_wanted })
    }
}

/// The model that a session runs on, where it says so.
pub(super) fn model_of(session: &Value) -> Option<String> {
    Choice::of(session, "model")?.current
}

/// What is to be set in a new session: the mode and model that are wanted, or of the modes that it has the freest that
/// it may have.
pub(super) fn settings(
    session: &Value,
    mode: Option<&str>,
    model: Option<&str>,
    permissions: Permissions,
) -> VecDeque<Setting> {
    // Where it offers no choice, it is asked all the same: its refusal says why.
    let none = |name| Choice { name, current: None, offered: Vec::new(), option: None };
    let modes = Choice::of(session, "mode").unwrap_or(none("mode"));
    let known = if permissions == Permissions::Allow { FREEST } else { ASKING };
    let freest = || known.iter().find(|free| modes.offered.contains(free));
    let mode = match mode {
        Some(mode) => modes.set(mode, true),
        None => freest().and_then(|free| modes.set(free, false)),
    };
    let models = Choice::of(session, "model").unwrap_or(none("model"));
    let model = model.and_then(|model| models.set(model, true));
    model.into_iter().chain(mode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn methods(session: &Value, mode: Option<&str>, model: Option<&str>) -> Vec<(&'static str, Value, bool)> {
        let settings = settings(session, mode, model, Permissions::Allow).into_iter();
        settings.map(|setting| (setting.method, setting.params, setting.is_wanted)).collect()
    }

    #[test]
    fn the_freest_mode_is_chosen_unless_another_one_is_wanted() {
        let modes = |current: &str| json!({"modes": {"currentModeId": current, "availableModes": [{"id": "plan"}, {"id": "yolo"}]}});
        let yolo = ("session/set_mode", json!({"modeId": "yolo"}), false);
        assert_eq!(methods(&modes("plan"), None, None), [yolo]);
        assert_eq!(methods(&modes("yolo"), None, None), []);
        let plan = ("session/set_mode", json!({"modeId": "plan"}), true);
        assert_eq!(methods(&modes("yolo"), Some("plan"), None), [plan]);
        assert_eq!(methods(&json!({"modes": 7, "configOptions": "x"}), None, None), []);
    }

    #[test]
    fn an_agent_that_is_to_ask_is_set_to_a_mode_in_which_it_does() {
        let modes = json!([{"id": "default"}, {"id": "acceptEdits"}, {"id": "bypassPermissions"}]);
        let session = json!({"modes": {"currentModeId": "default", "availableModes": modes}});
        for permissions in [Permissions::Ask, Permissions::Deny] {
            let settings = settings(&session, None, None, permissions);
            assert_eq!(settings[0].params, json!({"modeId": "acceptEdits"}));
        }
    }

    #[test]
    fn options_of_a_category_do_as_well_also_in_groups() {
        let group = json!([{"group": "g", "options": [{"value": "big"}]}, {"value": "full-access"}]);
        let of = |category: &str| json!({"id": format!("the-{category}"), "category": category, "currentValue": "x", "options": group});
        let session = json!({"configOptions": [{"category": "other"}, of("mode"), of("model")]});
        let set = |id: &str, value: &str, wanted| {
            ("session/set_config_option", json!({"configId": id, "value": value}), wanted)
        };
        let all = [set("the-model", "big", true), set("the-mode", "full-access", false)];
        assert_eq!(methods(&session, None, Some("big")), all);
        assert_eq!(model_of(&session).as_deref(), Some("x"));
        assert_eq!(methods(&session, None, Some("x")).len(), 1, "it has that model already");
    }
}
