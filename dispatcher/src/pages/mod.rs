//! The pages: rendered here, no build step, one small style sheet, plain scripts of ours. A strict Content-Security-Policy
//! forbids everything else.

pub mod assets;
pub mod captions;
pub mod consent;
pub mod corrections;
mod events;
pub mod join;
pub mod landing;
pub mod transcript;
pub mod voices;
pub mod whose;

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::http::{Problem, ProblemKind};

/// Where a page's scripts may connect to, beside this server.
struct Connects<'a>(&'a [String]);

fn policy(connects: &Connects<'_>) -> String {
    let connect = connects.0.join(" ");
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         media-src 'self' blob:; connect-src 'self' {connect}; manifest-src 'self'; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'"
    )
}

/// A page with its headers.
fn page(status: StatusCode, template: &impl Template, connects: &Connects<'_>) -> Response {
    let html = match template.render() {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            return Problem::new(ProblemKind::Internal, "the page could not be rendered").into_response();
        }
    };
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy(connects)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    // The address carries a key: neither shared caches nor the history of forms may keep the page.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        "permissions-policy",
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(self)"),
    );
    response
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    problem: &'a Problem,
}

/// A problem, as a page for browsers and as JSON for everybody else.
fn problem(headers: &HeaderMap, problem: Problem) -> Response {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if accept.contains("text/html") {
        page(
            problem.status(),
            &ProblemPage { problem: &problem },
            &Connects(&[]),
        )
    } else {
        problem.into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_allows_this_server_and_what_is_named() {
        let policy = policy(&Connects(&["wss://livekit.example".to_owned()]));
        assert!(policy.contains("default-src 'none'"));
        assert!(policy.contains("connect-src 'self' wss://livekit.example;"));
        assert!(!policy.contains("unsafe"));
    }
}
