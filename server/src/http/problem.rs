//! Errors as RFC 9457 problem details: one shape for every refusal of the API.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use storkit_core::request::Refusal;
use utoipa::ToSchema;

/// The body of an answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    /// What is wrong, in a sentence.
    pub(super) detail: String,
    /// The way out.
    pub(super) hint: Option<String>,
    /// The exit status of the command that asked.
    pub(super) code: u8,
}

impl Problem {
    /// A problem of the request itself rather than of the board.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            hint: None,
            code: if status == StatusCode::NOT_FOUND { 3 } else { 1 },
        }
    }

    /// The same with a way out.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.code {
            2 => StatusCode::UNPROCESSABLE_ENTITY,
            3 => StatusCode::NOT_FOUND,
            _ => StatusCode::CONFLICT,
        };
        Self { hint: refusal.hint, code: refusal.code, ..Self::new(status, refusal.error) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}
