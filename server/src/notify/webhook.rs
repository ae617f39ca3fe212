//! Telling by a webhook: one POST of JSON, over TLS or to this machine, to where no redirect leads elsewhere.

use std::time::Duration;

use reqwest::blocking::Client;
use reqwest::redirect::Policy;
use serde_json::Value;
use storkit_core::notify::may_be_sent_to;

use super::{NotTold, Place};

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
    // Only the first call in a process does something.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_WITHIN)
        .timeout(ANSWER_WITHIN)
        .user_agent(concat!("storkit/", env!("CARGO_PKG_VERSION")));
    if url.starts_with("http:") {
        // Nothing is verified here, so a machine without certificates will do; and no proxy is between.
        builder = builder.tls_certs_only([]).no_proxy();
    }
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

/// An error and what is behind it, without the address: its path may hold a secret.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
