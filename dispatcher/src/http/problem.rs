//! Errors as `application/problem+json` (RFC 9457). A problem names the field and the limit, never what somebody said.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;

/// How long a client waits before it asks an unavailable service again.
const RETRY_AFTER_SECONDS: &str = "2";

/// The kinds of problems. The kind's name is the end of the problem's `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// A value is missing, malformed or outside its limit.
    Invalid,
    /// No API key, or a wrong one.
    Unauthorised,
    /// A link was forged, cut, or made for another room or page.
    LinkInvalid,
    /// A link is past its time.
    LinkExpired,
    /// The caller may not do this.
    Forbidden,
    /// There is no such thing, or no such route.
    NotFound,
    /// The route exists, the method does not.
    MethodNotAllowed,
    /// The state of the thing does not allow it.
    Conflict,
    /// The body is larger than the route takes.
    TooLarge,
    /// The body is of another kind than the route takes.
    UnsupportedMedia,
    /// The answer took too long.
    TimedOut,
    /// Too much is under way.
    Overloaded,
    /// The database or LiveKit is away.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl ProblemKind {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Invalid => (StatusCode::BAD_REQUEST, "invalid", "The request is not valid"),
            Self::Unauthorised => (StatusCode::UNAUTHORIZED, "unauthorised", "An API key is needed"),
            Self::LinkInvalid => (StatusCode::UNAUTHORIZED, "link-invalid", "This link is not valid"),
            Self::LinkExpired => (StatusCode::UNAUTHORIZED, "link-expired", "This link has expired"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "Not allowed"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "This method is not supported here",
            ),
            Self::Conflict => (StatusCode::CONFLICT, "conflict", "The state does not allow this"),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                "The request is too large",
            ),
            Self::UnsupportedMedia => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media",
                "The content is of another kind",
            ),
            Self::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "timed-out", "This took too long"),
            Self::Overloaded => (
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "Too much is under way",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "A service is away",
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Something went wrong",
            ),
        }
    }
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The field, with dots into nested ones.
    pub field: String,
    /// What is wrong, and what is allowed.
    pub message: String,
}

/// An error as the client gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:rapporteur:problem:` and the kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// The fields that are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl Problem {
    /// A problem of a kind.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        let (status, name, title) = kind.parts();
        Self {
            kind: format!("urn:rapporteur:problem:{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    /// One field is wrong; `limit` ends the sentence "must be ...".
    pub fn field(field: &str, limit: impl std::fmt::Display) -> Self {
        let message = format!("must be {limit}");
        Self {
            errors: vec![FieldError {
                field: field.to_owned(),
                message: message.clone(),
            }],
            ..Self::new(ProblemKind::Invalid, format!("{field} {message}"))
        }
    }

    /// Adds a field to what is wrong.
    #[must_use]
    pub fn with_field(mut self, field: &str, message: impl Into<String>) -> Self {
        self.errors.push(FieldError {
            field: field.to_owned(),
            message: message.into(),
        });
        self
    }

    /// The status as a type.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = (status, axum::Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound { what } => Self::new(ProblemKind::NotFound, format!("{what} not found")),
            StoreError::Conflict { what } => Self::new(ProblemKind::Conflict, *what),
            StoreError::Invalid { field, limit } => Self::field(field, limit),
            StoreError::Unavailable(cause) => {
                tracing::warn!(error = %cause, "the database is unavailable");
                Self::new(ProblemKind::Unavailable, "the database is unavailable; try again")
            }
            _ => {
                tracing::error!(error = ?error, "a store error that no request should cause");
                Self::new(
                    ProblemKind::Internal,
                    "the fault is logged under this request's id",
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_the_store_names_field_and_limit() {
        let problem = Problem::from(StoreError::Invalid {
            field: "capacity",
            limit: "2 to 500 participants".into(),
        });
        assert_eq!(problem.status, 400);
        assert_eq!(problem.detail, "capacity must be 2 to 500 participants");
        assert_eq!(problem.errors[0].field, "capacity");
    }

    #[test]
    fn an_unavailable_service_says_when_to_ask_again() {
        let response = Problem::new(ProblemKind::Unavailable, "away").into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
}
