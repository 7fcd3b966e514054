//! `GET /`

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::{Connects, page as respond};

#[derive(Template)]
#[template(path = "landing.html")]
struct Landing {
    version: &'static str,
}

/// What this server is.
#[utoipa::path(get, path = "/", tag = "pages", security(()), responses((status = 200, description = "A page", content_type = "text/html", body = String)))]
pub async fn page() -> Response {
    respond(
        StatusCode::OK,
        &Landing {
            version: env!("CARGO_PKG_VERSION"),
        },
        &Connects(&[]),
    )
}
