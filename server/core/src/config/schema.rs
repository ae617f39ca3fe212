//! The JSON Schema of project.toml, for editors: made of the list in `keys`.

use serde_json::{Map, Value, json};

use super::keys::{Era, Key, TOP, Takes};

/// The schema, draft 2020-12.
pub fn schema() -> Value {
    let mut root = table(TOP);
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("storkit's project.toml");
    root
}

fn table(keys: &[Key]) -> Value {
    let properties: Map<String, Value> =
        keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> =
        keys.iter().filter(|key| key.about.ends_with("Required.")).map(|key| key.name).collect();
    let mut table = json!({"type": "object", "additionalProperties": false, "properties": properties});
    if !required.is_empty() {
        table["required"] = json!(required);
    }
    table
}

fn property(key: &Key) -> Value {
    let mut property = match key.takes {
        Takes::Text => json!({"type": "string"}),
        Takes::Word(words) => json!({"enum": words}),
        Takes::Flag => json!({"type": "boolean"}),
        Takes::Count(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
        Takes::Money => json!({"type": "number", "minimum": 0}),
        Takes::Span => json!({"type": "string", "pattern": "^ *([0-9]+ *(d|h|m|s|ms) *)+$"}),
        Takes::Size => json!({"type": "string", "pattern": "^ *(0|[0-9]+ *([KMGTkmgt][Ii]?)?[Bb]) *$"}),
        Takes::Texts => json!({"type": "array", "items": {"type": "string"}}),
        Takes::Words(words) => json!({"type": "array", "items": {"enum": words}}),
        Takes::Map => json!({"type": "object", "additionalProperties": {"type": "string"}}),
        Takes::Table(keys) => table(keys),
        Takes::Tables(keys) => json!({"type": "array", "items": table(keys)}),
        Takes::Any => json!({}),
    };
    property["description"] = json!(key.about);
    if key.era == Era::Earlier {
        property["deprecated"] = json!(true);
    }
    property
}
