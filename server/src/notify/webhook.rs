//! Telling by a webhook: one POST of JSON, over TLS or to this machine, to where no redirect leads elsewhere.

use std::time::Duration;

use serde_json::Value;
use storkit_core::notify::may_be_sent_to;

use super::{NotTold, Place};
use crate::sys::https::{Patience, client, words};

/// Longest time for a connection, and for the whole.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Posts a message to an address, or to the one in the variable that it names.
pub(super) fn post(place: &Place, address: &str, body: &Value) -> Result<(), NotTold> {
    let url = match address.strip_prefix('$') {
        None => address,
        Some(name) => place.env.get(name).ok_or_else(|| {
            NotTold::for_good(format!("the variable {name} is not set where the daemon runs"))
        })?,
    };
    if !may_be_sent_to(url) {
        return Err(NotTold::for_good("the address is neither https nor of this machine"));
    }
    let patience = Patience { connect: CONNECT_WITHIN, answer: ANSWER_WITHIN };
    let builder = client(url, patience).ok_or_else(|| NotTold::for_good("it is no http or https address"))?;
    // What is not encrypted goes to this machine, with no proxy between.
    let builder = if url.starts_with("http:") { builder.no_proxy() } else { builder };
    let client = builder.build().map_err(|error| NotTold::for_good(words(error)))?;
    // The same event has the same key, should an answer be lost and the message be sent again.
    let key = format!(
        "storkit-{}-{}",
        place.project.replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
        body["id"]
    );
    let response = client.post(url).header("idempotency-key", key).json(body).send();
    let status = response.map_err(|error| NotTold::for_now(words(error)))?.status();
    match status.as_u16() {
        200..300 => Ok(()),
        408 | 425 | 429 | 500.. => Err(NotTold::for_now(format!("it answered {status}"))),
        _ => Err(NotTold::for_good(format!("it answered {status}"))),
    }
}
