//! The licences of all that is linked, held against `deny.toml`, where `cargo deny` is not at hand.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use spdx::{Expression, ParseMode};

use crate::Finding;
use crate::source::root;

/// Packages of the lock file, for the platforms of `deny.toml`, whose licence it does not allow.
pub fn others() -> Vec<Finding> {
    let text = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    let rules: toml::Table = text.parse().expect("deny.toml is TOML");
    let texts = |section: &str, key: &str| -> BTreeSet<String> {
        let list = rules[section][key].as_array().expect("a list").iter();
        list.map(|one| one.as_str().expect("a text").to_owned()).collect()
    };
    let (platforms, allowed) = (texts("graph", "targets"), texts("licenses", "allow"));
    let metadata = metadata(&platforms);
    let linked: BTreeSet<&str> =
        list(&metadata["resolve"]["nodes"]).filter_map(|node| node["id"].as_str()).collect();
    list(&metadata["packages"])
        .filter(|package| !package["source"].is_null())
        .filter(|package| package["id"].as_str().is_some_and(|id| linked.contains(id)))
        .filter(|package| !is_allowed(package["license"].as_str().unwrap_or_default(), &allowed))
        .map(|package| {
            let what = format!("{} is under {}", package["name"], package["license"]);
            Finding::new("deny.toml", 0, what)
        })
        .collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[expect(
    clippy::disallowed_methods,
    reason = "cargo with its own environment; nothing of storkit's is started"
)]
fn metadata(platforms: &BTreeSet<String>) -> Value {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version=1", "--all-features", "--locked"]).current_dir(root());
    for platform in platforms {
        command.args(["--filter-platform", platform]);
    }
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo's metadata is JSON")
}

/// Whether a licence in SPDX's notation can be kept with those that are allowed.
fn is_allowed(licence: &str, allowed: &BTreeSet<String>) -> bool {
    let read = Expression::parse_mode(licence, ParseMode::LAX);
    read.is_ok_and(|licence| licence.evaluate(|one| allowed.contains(&one.license.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_is_enough_and_all_of_those_that_come_together_are_needed() {
        let allowed = BTreeSet::from(["MIT".to_owned()]);
        for (licence, is) in [
            ("MIT", true),
            ("GPL-3.0 OR MIT", true),
            ("Apache-2.0/MIT", true),
            ("MIT AND Unicode-DFS-2016", false),
            ("(MIT OR Apache-2.0) AND GPL-3.0", false),
            ("", false),
        ] {
            assert_eq!(is_allowed(licence, &allowed), is, "{licence:?}");
        }
    }
}
