//! Reading one configuration file, apart from all others. Nothing in it takes effect.

use std::path::Path;

/// Its keys, in lower case, and their values; none where it cannot be read as configuration.
pub fn settings(path: &Path) -> Option<Vec<(String, String)>> {
    let config = git2::Config::open(path).ok()?;
    let mut entries = config.entries(None).ok()?;
    let mut found = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry.ok()?;
        let value = String::from_utf8_lossy(entry.value_bytes()).into_owned();
        found.push((entry.name().ok()?.to_ascii_lowercase(), value));
    }
    Some(found)
}
