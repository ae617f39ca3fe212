//! The API's description, OpenAPI 3.1, made from the handlers and the types themselves.
//!
//! What holds for many operations (the guard's answers, those of a body, of an address) is added here, so that it is
//! said once and nowhere forgotten. A test holds the document against the table of routes.

use std::sync::LazyLock;

use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::events::EventLine;
use super::problem::Problem;
use super::{acts, looks, routes, stories, streams};

/// The name of the way to be let in.
const BEARER: &str = "bearer";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "storkit",
        description = "Stories in a folder become merged commits: the board, its stories and runs.",
    ),
    servers((url = "/")),
    modifiers(&Common),
    components(schemas(Problem, EventLine)),
    paths(
        document,
        looks::health, looks::metrics, looks::status, looks::why, looks::runs, looks::diff, looks::agents,
        looks::usage, looks::problems, looks::run, looks::output,
        stories::list, stories::make, stories::one, stories::write,
        acts::start, acts::stop, acts::retry, acts::approve, acts::reject, acts::answer, acts::go_on, acts::send,
        acts::shift, acts::check, acts::hold, acts::unhold, acts::unblock, acts::pause, acts::resume,
        streams::terminal, streams::events, streams::mcp, streams::mcp_stream,
        routes::requests, routes::down, routes::code, routes::session,
    ),
)]
struct Api;

/// The document, as it is served.
pub(super) static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| Api::openapi().to_pretty_json().expect("the document is plain data"));

/// Shows this description of the API.
#[utoipa::path(get, path = "/api/openapi.json", tag = "daemon", responses((status = 200, body = serde_json::Value)))]
pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}

/// What holds for many operations.
struct Common;

impl Modify for Common {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let components = api.components.get_or_insert_default();
        let description = "The token of .storkit/run/token. On the Unix socket none is needed.";
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build();
        components.add_security_scheme(BEARER, SecurityScheme::Http(scheme));
        api.security = Some(vec![SecurityRequirement::new(BEARER, [""; 0])]);
        for item in api.paths.paths.values_mut() {
            for operation in operations(item) {
                complete(operation);
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post].into_iter().filter_map(Option::as_mut)
}

fn complete(operation: &mut Operation) {
    let mut statuses = vec![
        (StatusCode::FORBIDDEN, "A page of another origin asks, or the token is a run's"),
        (StatusCode::MISDIRECTED_REQUEST, "`Host` names neither this machine nor what is bound to"),
        (StatusCode::GATEWAY_TIMEOUT, "The daemon took too long"),
        (StatusCode::INTERNAL_SERVER_ERROR, "The daemon came to harm"),
    ];
    if operation.security.is_none() {
        statuses.push((StatusCode::UNAUTHORIZED, "There is no token, or none that is known"));
        statuses.push((StatusCode::CONFLICT, "The board does not allow it, or the name means several"));
    }
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    let is_in = |place: &ParameterIn| {
        parameters.iter().any(|one| matches!(one, RefOr::T(one) if one.parameter_in == *place))
    };
    if is_in(&ParameterIn::Path) || is_in(&ParameterIn::Query) || is_in(&ParameterIn::Header) {
        statuses.push((StatusCode::BAD_REQUEST, "What is asked for behind `?` or in a header does not fit"));
    }
    if is_in(&ParameterIn::Path) || operation.request_body.is_some() {
        statuses.push((StatusCode::NOT_FOUND, "There is no such story, run or agent"));
        statuses.push((StatusCode::UNPROCESSABLE_ENTITY, "The body does not fit"));
    }
    if operation.request_body.is_some() {
        statuses.extend([
            (StatusCode::BAD_REQUEST, "The request cannot be read"),
            (StatusCode::REQUEST_TIMEOUT, "The body did not come in time"),
            (StatusCode::PAYLOAD_TOO_LARGE, "The body is over 1 MiB"),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is no JSON"),
        ]);
    }
    for (status, words) in statuses {
        let known = operation.responses.responses.entry(status.as_u16().to_string());
        known.or_insert_with(|| RefOr::T(problem(words)));
    }
}

fn problem(words: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(words).content("application/problem+json", content).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn document() -> Value {
        serde_json::from_str(&DOCUMENT).expect("JSON")
    }

    /// Calls `see` with every value below this one.
    fn visit(value: &Value, see: &mut dyn FnMut(&Value)) {
        see(value);
        match value {
            Value::Array(all) => all.iter().for_each(|one| visit(one, see)),
            Value::Object(all) => all.values().for_each(|one| visit(one, see)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_to_something() {
        let document = document();
        let mut seen = 0;
        visit(&document, &mut |value| {
            if let Some(target) = value.get("$ref").and_then(Value::as_str) {
                let pointer = target.strip_prefix('#').expect("a reference within the document");
                assert!(document.pointer(pointer).is_some(), "{target}");
                seen += 1;
            }
        });
        assert!(seen > 30);
    }

    #[test]
    fn every_operation_says_who_may_ask_and_what_errors_look_like() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("operations") {
                let responses = operation["responses"].as_object().expect("responses");
                assert!(responses.keys().any(|status| status.starts_with(['1', '2'])), "{method} {path}");
                assert!(operation["summary"].is_string(), "{method} {path}");
                for (status, response) in responses {
                    let (status, is_problem) =
                        (status.as_str(), response["content"]["application/problem+json"].is_object());
                    assert!(is_problem != status.starts_with(['1', '2']), "{method} {path} {status}");
                }
                let open = operation["security"].is_array();
                assert_eq!(open, matches!(path.as_str(), "/healthz" | "/api/v1/session"), "{path}");
                assert!(responses.contains_key("401") || path == "/healthz", "{method} {path}");
            }
        }
    }
}
